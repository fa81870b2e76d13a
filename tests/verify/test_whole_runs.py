"""`lrfind verify` on a launcher: whole runs, and the same search, table and record as run by run."""

import importlib
import json
import math

import numpy as np
import pytest

from lrfind.execution.launcher import CELLS
from lrfind.training.run_set import RunSet
from lrfind.verify.whole_runs import as_left_at
from tests.toy_launcher import Engine
from tests.toy_tasks import BOWL, ON_BOWL

Search = importlib.import_module("lrfind.verify.search").Search

NET = """
import torch
def net(num_outputs=None):
    return torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 16), torch.nn.BatchNorm1d(16), torch.nn.ReLU(),
        torch.nn.Dropout(0.3), torch.nn.Linear(16, 10),
    )
"""
"""What a run that waits must take up: running means, and where the random streams were."""

ON_DIGITS = ("model=custom", "model._target_=net.net", "trust=[net]", "optimizer=momentum", "verify.steps=24")
ON_SEARCH = (*ON_BOWL, "verify.steps=10", "verify.seeds=3", "verify.budget=400")


def told(ran):
    """All of a run but for what hangs on the clock and on the folder."""
    record = {key: value for key, value in ran.record.items() if key not in ("seconds", "files", "created")}
    return ran.code, (ran.folder / "verify.csv").read_bytes(), json.dumps(record, sort_keys=True)


@pytest.mark.parametrize(
    "words",
    [
        ("0.3",),
        ("0.001", "verify.budget=4000"),
        ("40", "--lr", "0.02"),
        ("0.3", "verify.schedule=one_cycle", "verify.budget=100"),
        ("0.3", "verify.budget=25"),
    ],
    ids=" ".join,
)
def test_a_search_on_the_bowl_is_the_same_run_by_run_and_on_whole_runs(words, lrfind, own, on_engine):
    own("bowl", BOWL)
    here = lrfind("verify", *ON_SEARCH, *words, folder="here")
    engines = on_engine(Engine)
    there = lrfind("verify", *ON_SEARCH, *words, folder="there")
    assert told(there) == told(here), there.err
    assert engines[0].launched
    assert not (there.folder / CELLS).exists()
    assert not list(there.folder.glob("*.state*"))


def test_it_is_bitwise_the_same_with_dropout_running_means_and_momentum(lrfind, own, on_engine):
    own("net", NET)
    words = ("verify", *ON_DIGITS, "verify.seeds=2", "verify.budget=600")
    here = lrfind(*words, folder="here")
    engines = on_engine(Engine)
    there = lrfind(*words, folder="there")
    assert told(there) == told(here), there.err
    (engine,) = engines
    assert max(map(len, engine.launched)) == 3  # the first rate with its neighbours, or all that contend
    asked = {(run["seed"], run["lr"]) for run in here.record["search"]}
    assert len(engine.launched) < len(asked)
    assert f"{sum(map(len, engine.launched))} runs were trained to their end" in there.err


def test_a_run_that_is_killed_once_is_trained_again_and_twice_is_told(lrfind, own, on_engine):
    own("bowl", BOWL)
    words = ("verify", *ON_SEARCH, "0.3")
    here = lrfind(*words, folder="here")
    on_engine(lambda directory: Engine(directory, _1=1))
    assert told(lrfind(*words, folder="once")) == told(here)
    on_engine(lambda directory: Engine(directory, _1=2))
    lost = lrfind(*words, folder="twice")
    assert (lost.code, lost.out) == (2, "")
    said = " ".join(lost.err.split())
    assert "though begun 2 times" in said
    assert "What is finished is kept: verify.resume=" in said
    assert not (lost.folder / CELLS).exists()
    # What was finished is not trained again.
    engines = on_engine(Engine)
    resumed = lrfind(*words, f"verify.resume={lost.folder}", folder="resumed")
    assert told(resumed)[:2] == told(here)[:2]
    assert len(engines[0].launched[0]) == 2  # and not the first of the three


def test_an_interrupt_leaves_what_was_measured_and_what_to_go_on_with(lrfind, own, on_engine):
    class Stopped(Engine):
        def launch(self, function, numbers):
            super().launch(function, numbers if not self.launched else numbers[:1])
            if len(self.launched) == 2:
                raise KeyboardInterrupt

    own("bowl", BOWL)
    words = ("verify", *ON_SEARCH, "0.1")
    here = lrfind(*words, folder="here")
    on_engine(Stopped)
    stopped = lrfind(*words, folder="stopped")
    assert stopped.code == 130
    assert stopped.record["status"] == "interrupted"
    rows = (here.folder / "verify.csv").read_text().splitlines()
    assert 1 < len((stopped.folder / "verify.csv").read_text().splitlines()) < len(rows)
    assert "verify.resume=" in stopped.err
    assert not (stopped.folder / CELLS).exists()
    on_engine(Engine)
    resumed = lrfind(*words, f"verify.resume={stopped.folder}", folder="resumed")
    assert told(resumed)[:2] == told(here)[:2]
    # Also where there is no launcher any more, and then it is one run after another.
    on_engine(lambda directory: None)
    assert told(lrfind(*words, f"verify.resume={stopped.folder}", folder="alone"))[:2] == told(here)[:2]
    other = lrfind(*words, f"verify.resume={stopped.folder}", "batch_size=2", folder="other")
    assert other.code == 2
    assert "is another experiment: batch_size was 4 there and is 2 here" in " ".join(other.err.split())


def test_what_cannot_be_taken_up_is_refused(lrfind, own, tmp_path):
    own("bowl", BOWL)
    (tmp_path / "empty").mkdir()
    ran = lrfind("verify", *ON_SEARCH, "0.1", "verify.resume=empty")
    assert ran.code == 2
    assert "verify.resume=empty cannot go on: it holds no saved state" in " ".join(ran.err.split())
    (tmp_path / "empty" / "verify.state.npz").write_bytes(b"no archive")
    ran = lrfind("verify", *ON_SEARCH, "0.1", "verify.resume=empty")
    assert ran.code == 2
    assert "verify.state.npz cannot be read" in " ".join(ran.err.split())


def a_run(losses, readings, *, diverged=False):
    found = RunSet.untrained([0.1], read_at=(0, 2, 4), num_steps=4, seed=3)
    found.losses[0, : len(losses)] = losses
    found.readings[0, : len(readings)] = readings
    found.steps_taken[0], found.finished[0], found.diverged[0] = len(losses), True, diverged
    return found


def test_a_run_as_it_was_left():
    whole = a_run([4.0, 3.0, 2.0, 1.0], [5.0, 2.5, 0.5])
    assert as_left_at(whole, 4) is whole
    left = as_left_at(whole, 2)
    np.testing.assert_array_equal(left.losses, [[4.0, 3.0, np.nan, np.nan]])
    np.testing.assert_array_equal(left.readings, [[5.0, 2.5, np.nan]])
    assert (left.steps_taken[0], left.finished[0], left.diverged[0], left.seed) == (2, False, False, 3)


def test_a_run_that_diverges_later_had_not_when_it_was_left():
    early = a_run([4.0, math.inf], [5.0], diverged=True)
    assert as_left_at(early, 2) is early
    late = a_run([4.0, 3.0, math.inf], [5.0, 2.5], diverged=True)
    left = as_left_at(late, 2)
    assert (left.steps_taken[0], left.finished[0], left.diverged[0]) == (2, False, False)
    # Its held-out loss was infinite there already, and a run that is read on its way ends with that.
    read = as_left_at(a_run([4.0, 3.0, 2.0, 1.0], [5.0, math.inf, 0.5]), 2)
    assert (read.steps_taken[0], read.finished[0], read.diverged[0]) == (2, True, True)


def test_what_is_trained_ahead_are_the_neighbours_and_those_that_contend_within_the_budget():
    search = Search(0.03, num_steps=300, seeds=3, budget=10_000)
    first = next(search.moves())
    assert search.ahead(first) == [(0, 0.06), (0, 0.015)]
    assert Search(0.03, num_steps=300, seeds=3, budget=700).ahead(first) == [(0, 0.06)]
    assert Search(0.03, num_steps=300, seeds=3, budget=300).ahead(first) == []
    # A pinned rate comes first, and what is searched is about the other.
    beside = Search(0.03, num_steps=300, seeds=3, budget=10_000, pinned=0.5)
    assert beside.ahead(next(beside.moves())) == [(0, 0.03), (0, 0.06), (0, 0.015)]
    for move in search.moves():
        away = math.log10(move.lr / 0.03)
        search.spend(move.to - search.tried.at(move.seed, move.lr))
        ahead = search.ahead(move)
        if move.seed == 1:
            break
        search.tried.note(move, 2.0, 2 - (1.8 - away**2) * (1 - math.exp(-3 * move.to / 300)))
    rates = search.contenders()
    assert len(rates) == 3
    assert ahead == [(seed, lr) for seed in (1, 2) for lr in rates][1:]
