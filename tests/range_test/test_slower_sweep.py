"""When one sweep is enough, what is said where it is not, and along which rates the slower one goes."""

import dataclasses

import numpy as np
import pytest

from lrfind.range_test.config import RangeSettings
from lrfind.range_test.curve import Curve
from lrfind.range_test.ladder import Spacing, geometric
from lrfind.range_test.reading import Rule, read
from lrfind.range_test.shape import Shape
from lrfind.range_test.slower_sweep import (
    BELOW,
    FAINT,
    NOISY,
    SLOWER,
    slower,
    slower_shows_more,
    still_nothing,
    why_noisy,
    why_weak,
)
from lrfind.range_test.trials import Trials
from lrfind.suggestion import Status
from lrfind.training.smoothing import exponential_average

LRS = geometric(1e-5, 10.0, 60)


def fall_to(level, lrs=LRS):
    """A loss of 2 that falls from 1e-3 on to a level at 0.1, and then rises."""
    return np.interp(np.log10(lrs), [-5, -3, -1, 1], [2.0, 2.0, level, 3.0])


def curve(losses, *, status=Status.COMPLETED, paired=True, lrs=LRS):
    losses = np.asarray(losses, dtype=np.float64)
    start = np.full(len(losses), losses[0]) if paired else None
    steps = len(lrs)
    lrs = lrs[: len(losses)]
    return Curve(lrs, losses, exponential_average(losses, 0.9), status, steps, start_losses=start)


def reason_of(measured):
    return why_weak(measured, read(measured, rule=Rule.CENTRE))


@pytest.mark.parametrize(
    ("lost", "goes_on"),
    [(30, True), (3, False)],  # far above the start after half of the steps, or after the first ones
)
def test_where_a_model_was_trained_before_a_loss_that_only_rises_asks_for_more(lost, goes_on):
    losses = 2 + 1e-6 * np.arange(40.0) ** 2
    losses[lost:] = 20.0
    measured = curve(losses, status=Status.DIVERGED)
    found = dataclasses.replace(read(measured, rule=Rule.CENTRE), shape=Shape.DIVERGES_AT_ONCE)
    assert found.suggestion is None
    assert why_weak(measured, found) is None
    reason = why_weak(measured, found, trained=True)
    assert (reason == "in 40 steps the loss only rose") == goes_on


@pytest.mark.parametrize("paired", [True, False])
def test_a_valley_is_enough_where_the_loss_fell_by_more_than_a_faint_share(paired):
    assert reason_of(curve(fall_to(2 * (1 - 1.5 * FAINT)), paired=paired)) is None
    reason = reason_of(curve(fall_to(2 * (1 - 0.5 * FAINT)), paired=paired))
    assert reason.startswith("in 60 steps the loss fell by ")


def test_how_little_a_loss_fell_is_told_as_the_drawn_line_shows_it():
    measured = curve(fall_to(2 * (1 - 0.5 * FAINT)))
    smoothed = read(measured, rule=Rule.CENTRE).smoothed
    drawn = 1 - smoothed.drawn[smoothed.lowest_drawn] / 2
    assert reason_of(measured) == f"in 60 steps the loss fell by only {drawn:.1%} before it turned"


def test_a_narrow_fall_is_told_with_the_average_that_makes_little_of_it():
    measured = curve(np.where(LRS < 0.1, 2 - 3 * LRS, 2.6))
    smoothed = read(measured, rule=Rule.CENTRE).smoothed
    drawn = 1 - smoothed.drawn[smoothed.lowest_drawn] / 2
    assert drawn > FAINT > smoothed.share_lost
    assert reason_of(measured) == (
        f"in 60 steps the loss fell by only {smoothed.share_lost:.1%} on average over neighbouring rates "
        f"({drawn:.1%} at single rates) before it turned"
    )


def test_a_slower_ladder_is_asked_for_the_same_fall():
    lrs = geometric(1e-5, 10.0, 178)
    assert reason_of(curve(fall_to(2 * (1 - 1.5 * FAINT), lrs), lrs=lrs)) is None
    assert reason_of(curve(fall_to(2 * (1 - 0.5 * FAINT), lrs), lrs=lrs)) is not None


def test_wandering_is_followed_and_says_that_there_is_no_answer():
    reasons = []
    for seed in range(20):
        wandering = 5 + np.random.default_rng(seed).normal(0, 1, 60) * np.concatenate([[0], LRS[:-1]])
        reasons.append(reason_of(curve(wandering)))
    assert sum(reason is not None and "rose without a clear fall" in reason for reason in reasons) >= 15


def test_a_loss_that_rises_from_the_start_is_followed_only_where_it_never_exploded():
    risen = np.interp(np.log10(LRS), [-5, -4.5, 1], [2.0, 2.5, 3.0])
    assert reason_of(curve(risen)) == "in 60 steps the loss only rose"
    assert reason_of(curve(2.0 * 1.5 ** np.arange(12), status=Status.DIVERGED)) is None


def test_a_loss_that_explodes_at_the_first_rates_is_not_followed_but_one_that_does_later_is():
    for steps, followed in ((2, False), (10, True)):
        losses = np.concatenate([2 + 0.02 * (np.arange(steps) % 2), np.full(4, 90.0), np.full(60, 2.6)])[:60]
        measured = curve(losses)
        assert read(measured, rule=Rule.CENTRE).shape is Shape.DIVERGES_AT_ONCE
        assert (reason_of(measured) is not None) == followed


def in_turns(share, lrs=LRS):
    """A loss that falls with the rate, on every other batch by so much of it more, on the rest by less."""
    falls = lrs * (1 + share * (-1.0) ** np.arange(len(lrs)))
    return np.append(2.0, np.where(lrs < 1.2, 2 - falls, 4.0))[:-1]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_how_far_batches_disagree_is_the_deviation_of_what_they_gain_over_its_mean(share):
    smoothed = read(curve(in_turns(share)), rule=Rule.CENTRE).smoothed
    # From one to the next it changes by twice the share, and the root of half of that squared counts.
    assert smoothed.disagreement == pytest.approx(np.sqrt(2) * share, rel=0.02)


def test_a_gain_that_grows_steadily_is_no_disagreement():
    losses = np.append(2.0, np.where(LRS < 1.2, 2 - LRS * np.arange(60) / 50, 4.0))[:-1]
    assert read(curve(losses), rule=Rule.CENTRE).smoothed.disagreement < 0.05


def test_of_batches_that_gain_nothing_on_average_the_disagreement_is_infinite():
    smoothed = read(curve(in_turns(0.3)), rule=Rule.CENTRE).smoothed
    assert dataclasses.replace(smoothed, start=0.0).disagreement == np.inf


def test_where_losses_are_not_paired_or_fall_from_the_start_no_disagreement_is_known():
    assert read(curve(in_turns(0.6), paired=False), rule=Rule.CENTRE).smoothed.disagreement == 0
    smoothed = read(curve(in_turns(0.6)), rule=Rule.CENTRE).smoothed
    assert dataclasses.replace(smoothed, noise_grows=False).disagreement == 0
    early = slice(smoothed.falls.start - 4, None)
    parts = {name: getattr(smoothed, name)[early] for name in ("lrs", "raw", "values", "drawn", "averaged")}
    assert dataclasses.replace(smoothed, **parts).disagreement == 0


def test_batches_that_disagree_are_told_of_and_on_a_slower_ladder_they_may_disagree_more():
    noisy = curve(in_turns(0.6))
    smoothed = read(noisy, rule=Rule.CENTRE).smoothed
    said = "what 60 steps do to the loss differs from batch to batch by 85% of its mean"
    assert why_noisy(noisy, smoothed) == said
    assert why_noisy(noisy, dataclasses.replace(smoothed, haste=1 / 3)) is None
    assert "by more than 5 times its mean" in why_noisy(noisy, dataclasses.replace(smoothed, start=0.0))
    verdict = read(noisy, rule=Rule.CENTRE).verdict
    assert verdict.startswith("Healthy: ")
    assert f"But {said}: a training may need a rate several times lower." in verdict
    calm = curve(in_turns(0.9 * NOISY / np.sqrt(2)))
    assert why_noisy(calm, read(calm, rule=Rule.CENTRE).smoothed) is None
    assert "batch to batch" not in read(calm, rule=Rule.CENTRE).verdict


@pytest.mark.parametrize(
    "measured",
    [
        curve(np.full(60, 2.0)),
        curve(np.full(3, 2.0)),
        curve([2.0, np.nan], status=Status.NONFINITE),
        curve([np.nan], status=Status.NONFINITE),
        curve(fall_to(1.0)[:30], status=Status.INTERRUPTED),
        curve(2 - LRS, lrs=LRS / 10),
    ],
    ids=["never moved", "too short", "not finite", "never finite", "interrupted", "falls to a low end"],
)
def test_what_a_slower_sweep_would_not_change_is_not_followed(measured):
    assert reason_of(measured) is None


def test_a_loss_that_falls_to_a_high_end_is_followed_but_not_by_a_slower_sweep_to_the_same_end():
    falling = curve(2 - LRS / 10)
    assert reason_of(falling) == "in 60 steps the loss fell to the end of the ladder"
    assert not slower_shows_more(read(falling, rule=Rule.CENTRE))
    assert slower_shows_more(read(curve(fall_to(1.95)), rule=Rule.CENTRE))


def test_the_slower_ladder_begins_a_decade_below_the_fall_and_is_three_times_as_dense():
    settings = RangeSettings()
    reading = read(curve(fall_to(1.95)), rule=Rule.CENTRE)
    found = slower(settings, reading)
    begins = reading.smoothed.lrs[reading.smoothed.falls.start]
    assert 1e-3 < begins < 1e-2
    assert found.start_lr == pytest.approx(begins / BELOW)
    assert found.end_lr == settings.end_lr
    rates = geometric(found.start_lr, found.end_lr, found.num_steps)
    factor = LRS[1] / LRS[0]
    assert rates[1] / rates[0] == pytest.approx(factor ** (1 / SLOWER), rel=0.01)
    # All of it where the loss falls from the first rates on, and no lower.
    whole = slower(
        settings, read(curve(np.interp(np.log10(LRS), [-5, -1, 1], [2, 1.95, 3])), rule=Rule.CENTRE)
    )
    assert (whole.start_lr, whole.num_steps) == (settings.start_lr, SLOWER * 59 + 1)


def test_a_linear_ladder_keeps_its_spacing():
    settings = RangeSettings(start_lr=0.0, end_lr=1.0, num_steps=41, spacing=Spacing.LINEAR)
    lrs = np.linspace(0, 1, 41)
    reading = read(curve(np.interp(lrs, [0, 0.2, 0.6, 1], [2.0, 2.0, 1.95, 3.0]), lrs=lrs), rule=Rule.CENTRE)
    found = slower(settings, reading)
    assert 0.02 <= found.start_lr < 0.03
    assert found == dataclasses.replace(settings, start_lr=found.start_lr, num_steps=found.num_steps)
    assert (1 - found.start_lr) / (found.num_steps - 1) == pytest.approx(0.025 / SLOWER, rel=0.02)


def test_where_no_sweep_has_an_answer_it_is_said_how_long_was_looked_for_one():
    curves = [curve(np.full(60, 2.0)), curve(np.full(40, 2.0))]
    assert still_nothing(curves) == "A slower sweep of 40 steps shows no more."
    runs = Trials(200, 2.0, {0.1: 2.0, 0.3: 2.0}, 700, Trials(100, 2.0, {0.1: 2.0, 0.3: 2.0, 1.0: 2.0}, 300))
    assert still_nothing(curves, runs) == (
        "A slower sweep of 40 steps shows no more, nor do 3 runs of 100 steps and 2 runs of 200 steps at "
        "constant rates."
    )
    assert still_nothing(curves[:1], runs) == (
        "3 runs of 100 steps and 2 runs of 200 steps at constant rates show no more."
    )
