"""`lrfind schedule --try` on a launcher: the same trial, and how far it is by seeds."""

from tests.toy_launcher import Engine
from tests.toy_tasks import BOWL, ON_BOWL

WORDS = (
    "schedule", "--try", *ON_BOWL, "schedule.policy=[step,linear]", "schedule.lr=0.3", "schedule.num_steps=6",
    "schedule.seeds=3",
)  # fmt: skip


def test_a_trial_is_the_same_and_counts_seeds(lrfind, own, on_engine):
    own("bowl", BOWL)
    here = lrfind(*WORDS, folder="here")
    engines = on_engine(Engine)
    there = lrfind(*WORDS, folder="there")
    assert there.code == here.code == 0, there.err
    for name in ("schedule.csv", "schedule_try.csv"):
        assert (there.folder / name).read_bytes() == (here.folder / name).read_bytes()
    assert engines[0].launched == [[0, 1, 2]]
    assert "3 of 3 seeds done, step 36 of 36" in there.err
    assert "seed 3 of 3, linear, step 36 of 36" in here.err


def test_a_trial_that_is_interrupted_before_a_seed_has_ended(lrfind, own, on_engine):
    class Stopped(Engine):
        def launch(self, function, numbers):
            self.launched.append(numbers)
            raise KeyboardInterrupt

    own("bowl", BOWL)
    on_engine(Stopped)
    stopped = lrfind(*WORDS)
    assert stopped.code == 130
    assert stopped.record["status"] == "interrupted"


def test_a_launcher_that_gives_up_says_what_is_lost(lrfind, own, on_engine):
    own("bowl", BOWL)
    on_engine(lambda folder: Engine(folder, _2=2))
    lost = lrfind(*WORDS)
    assert lost.code == 2
    assert "2 seeds had ended and are lost with it: this command keeps nothing to go on with" in lost.err
