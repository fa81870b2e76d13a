"""When one sweep is enough, and what is said where it is not."""

import numpy as np
import pytest

from lrfind.range_test.curve import Curve
from lrfind.range_test.ladder import geometric
from lrfind.range_test.reading import Rule, read
from lrfind.range_test.repeat_reason import AUTO, AUTO_SWEEPS, reason_to_repeat, sweeps_in_all
from lrfind.suggestion import Status
from lrfind.training.smoothing import exponential_average

LRS = geometric(1e-5, 10.0, 60)
FALL = np.interp(np.log10(LRS), [-5, -3, -1, 1], [2.0, 2.0, 1.0, 3.0])


def curve(losses, *, status=Status.COMPLETED, paired=True):
    losses = np.asarray(losses, dtype=np.float64)
    start = np.full(len(losses), losses[0]) if paired else None
    lrs = LRS[: len(losses)]
    return Curve(lrs, losses, exponential_average(losses, 0.9), status, 60, start_losses=start)


def test_a_smooth_valley_is_enough():
    assert sweeps_in_all(curve(FALL), AUTO, rule=Rule.CENTRE) == (1, None)


def test_a_number_is_kept_to_whatever_was_measured():
    assert sweeps_in_all(curve(np.full(60, 2.0)), 1, rule=Rule.CENTRE) == (1, None)
    assert sweeps_in_all(curve(FALL), 5, rule=Rule.CENTRE) == (5, None)


def test_a_fall_that_half_of_the_points_contradict_is_weak():
    # Below the start by turns on the way down: a sum of n signs of which three quarters agree.
    wavering = np.where(np.arange(60) % 4 == 3, 4 - FALL, FALL)
    wavering[0] = 2.0
    planned, reason = sweeps_in_all(curve(wavering), AUTO, rule=Rule.CENTRE)
    assert planned == AUTO_SWEEPS
    assert "weak" in reason or "no answer" in reason


def test_wandering_is_repeated_and_says_that_there_is_no_answer():
    reasons = []
    for seed in range(20):
        wandering = 5 + np.random.default_rng(seed).normal(0, 1, 60) * np.concatenate([[0], LRS[:-1]])
        reasons.append(reason_to_repeat(read(curve(wandering), rule=Rule.CENTRE)))
    assert all(reasons)
    assert sum("the first sweep alone has no answer" in reason for reason in reasons) >= 15


@pytest.mark.parametrize(
    "measured",
    [
        curve(np.full(60, 2.0)),
        curve(np.full(3, 2.0)),
        curve([2.0, np.nan], status=Status.NONFINITE),
        curve(FALL[:30], status=Status.INTERRUPTED),
        curve(2 - LRS / 10),
    ],
    ids=["never moved", "too short", "never finite", "interrupted", "falls to the end"],
)
def test_what_another_sweep_would_not_change_is_not_repeated(measured):
    assert sweeps_in_all(measured, AUTO, rule=Rule.CENTRE) == (1, None)


def test_noise_of_unpaired_losses_is_measured_in_deviations():
    noisy = FALL + np.random.default_rng(0).normal(0, 0.3, 60)
    reason = reason_to_repeat(read(curve(noisy, paired=False), rule=Rule.CENTRE))
    assert reason is None or "deviations" in reason or "no answer" in reason
    assert reason_to_repeat(read(curve(FALL, paired=False), rule=Rule.CENTRE)) is None
