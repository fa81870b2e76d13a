"""`lrfind refine refine.restart=true` on a launcher: the same sweep, and one that goes on."""

from tests.toy_launcher import Engine
from tests.toy_tasks import BOWL, ON_BOWL

WORDS = (
    "refine", *ON_BOWL, "refine.restart=true", "refine.rounds=2", "refine.seeds=3",
    "refine.strategy=sequential",
    "refine.segments=[{start: 0.1, stop: 1.5, step: 0.2, iterations: 4}]",
)  # fmt: skip


def table(ran):
    return ran.code, (ran.folder / "refine.csv").read_bytes(), ran.record["suggestion"]


def test_seeds_that_had_ended_are_kept_when_the_launcher_gives_up(lrfind, own, on_engine):
    own("bowl", BOWL)
    here = lrfind(*WORDS, folder="here")
    assert here.code == 0, here.err
    engines = on_engine(Engine)
    assert table(lrfind(*WORDS, folder="there")) == table(here)
    # The first seed alone, for the form that suits it, then the others; round after round.
    assert engines[0].launched == [[0], [0, 1], [0], [0, 1]]
    on_engine(lambda directory: Engine(directory, _1=2))
    lost = lrfind(*WORDS, folder="lost")
    assert lost.code == 2
    assert f"refine.resume={lost.folder} goes on with what was saved." in " ".join(lost.err.split())
    engines = on_engine(Engine)
    resumed = lrfind(*WORDS, f"refine.resume={lost.folder}", folder="resumed")
    assert table(resumed) == table(here)
    assert engines[0].launched == [[0], [0], [0, 1]]


def test_an_interrupt_keeps_the_seeds_that_had_ended(lrfind, own, on_engine):
    class Stopped(Engine):
        def launch(self, function, numbers):
            super().launch(function, numbers)
            if len(self.launched) == 3:
                raise KeyboardInterrupt

    own("bowl", BOWL)
    here = lrfind(*WORDS, folder="here")
    on_engine(Stopped)
    stopped = lrfind(*WORDS, folder="stopped")
    assert stopped.code == 130
    assert stopped.record["verdict"].endswith(f"refine.resume={stopped.folder} goes on with what was saved.")
    engines = on_engine(Engine)
    assert table(lrfind(*WORDS, f"refine.resume={stopped.folder}", folder="resumed")) == table(here)
    assert len(engines[0].launched) == 2
