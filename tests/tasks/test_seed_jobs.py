"""What a seed came to, as the process of a launcher writes it."""

import numpy as np

from lrfind.range_test.curve import Curve
from lrfind.suggestion import Status
from lrfind.tasks.seed_jobs import RUN_SET_CODEC, JobResult, codec_of
from lrfind.training.run_set import RunSet


def test_runs_come_back_bitwise():
    runs = RunSet.untrained([0.1, 0.3], read_at=(0, 3), num_steps=3, seed=7, stacked=True, reason="faster")
    rng = np.random.default_rng(0)
    runs.losses[:] = rng.random((2, 3))
    runs.losses[1, 2] = np.inf
    runs.readings[0] = rng.random(2)
    runs.steps_taken[:], runs.diverged[1], runs.finished[:] = [3, 2], True, True
    found = RUN_SET_CODEC.unpack(RUN_SET_CODEC.pack(JobResult(runs, ["a.png"], ["a note"])))
    assert (found.skipped, found.notes) == (["a.png"], ["a note"])
    for name in ("seed", "read_at", "stacked", "reason"):
        assert getattr(found.found, name) == getattr(runs, name)
    for name in ("lrs", "losses", "readings", "accuracies", "steps_taken", "diverged", "finished"):
        np.testing.assert_array_equal(getattr(found.found, name), getattr(runs, name))
        assert getattr(found.found, name).dtype == getattr(runs, name).dtype


def test_a_curve_comes_back_bitwise_with_what_was_not_measured():
    lrs = np.geomspace(1e-3, 1, 4)
    curve = Curve(
        lrs=lrs, losses=np.array([1 / 3, 0.2, 0.1, np.nan]), smoothed=lrs * 2, status=Status.NONFINITE,
        planned_steps=9, start_losses=lrs / 3, momentum=0.9, epoch_steps=28.078125, skip_end=2,
    )  # fmt: skip
    codec = codec_of(Curve, status=Status)
    found = codec.unpack(codec.pack(JobResult(curve, [], []))).found
    for name in ("lrs", "losses", "smoothed", "start_losses"):
        np.testing.assert_array_equal(getattr(found, name), getattr(curve, name))
    for name in (
        "status",
        "planned_steps",
        "accuracies",
        "momentum",
        "epoch_steps",
        "skip_start",
        "skip_end",
    ):
        assert getattr(found, name) == getattr(curve, name)
