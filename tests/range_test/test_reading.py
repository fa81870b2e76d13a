"""The rules on curves whose answers are known, and the suggestion that is made of them."""

import math
import re

import numpy as np
import pytest

from lrfind.range_test.centre import less_for_epochs, valley_sides
from lrfind.range_test.curve import Curve
from lrfind.range_test.ladder import Spacing, geometric, ladder
from lrfind.range_test.reading import LOOKS_AT, RULES, Rule, read
from lrfind.range_test.shape import Shape
from lrfind.suggestion import Status, rate_text, rounded
from lrfind.training.smoothing import exponential_average

STEPS = 100
LRS = geometric(1e-5, 10.0, STEPS)
LOG = np.log10(LRS)
PER_STEP = 6 / (STEPS - 1)  # decades


def curve(effects, *, status=Status.COMPLETED, planned=None, spacing=Spacing.GEOMETRIC, **others):
    """The curve on which `effects[i]` is the loss that the rate of step i leads to."""
    losses = np.concatenate([[effects[0]], np.asarray(effects, dtype=np.float64)])[: len(effects)]
    planned = planned or len(losses)
    lrs = ladder(spacing, 1e-5, 10.0, planned)[: len(losses)]
    return Curve(lrs, losses, exponential_average(losses, 0.98), status, planned, **others)


def fall_and_cliff(log_lr, *, centre=-2.0, width=0.35, cliff=0.0):
    """A logistic fall from 2.3 to 0.3, steepest at `centre`, and an exponential cliff from `cliff` on."""
    fall = 2.3 - 2.0 / (1 + np.exp(-(log_lr - centre) / width))
    return fall + np.exp(12 * np.maximum(log_lr - cliff, 0)) - 1


def decades(a, b):
    return abs(math.log10(a) - math.log10(b))


# --- what must not fool a rule


@pytest.mark.parametrize("rule", [Rule.STEEPEST, Rule.GUGGER, Rule.MINIMUM, Rule.VALLEY, Rule.SLIDE])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_never_reaches_a_rule(rule, bad):
    effects = fall_and_cliff(LOG[:85])
    effects[-1] = bad
    reading = read(curve(effects, status=Status.NONFINITE, planned=STEPS), rule=rule)
    assert all(lr is None or math.isfinite(lr) for lr in reading.rules.values())
    assert reading.suggestion is not None
    assert math.isfinite(reading.suggestion.lr)


@pytest.mark.parametrize("height", [10.0, 1e3, 1e9, 1e30])
def test_the_cliff_after_the_divergence_moves_no_rule_that_reads_the_line(height):
    effects = fall_and_cliff(LOG, cliff=9)[:90]
    calm = read(curve(effects, planned=STEPS), rule=Rule.STEEPEST)
    effects[-3:] = [height / 100, height / 10, height]
    wild = read(curve(effects, planned=STEPS, status=Status.DIVERGED), rule=Rule.STEEPEST)
    assert decades(wild.suggestion.lr, calm.suggestion.lr) <= PER_STEP
    for rule in ("steepest", "gugger"):
        assert decades(wild.rules[rule], calm.rules[rule]) <= 2 * PER_STEP
    assert wild.suggestion.high <= LRS[89]


def test_early_spikes_within_the_skipped_steps_change_nothing_that_reads_the_line():
    effects = fall_and_cliff(LOG)[:90]
    spiked = effects.copy()
    spiked[:8] += [0, 30, 1, 50, 0, 9, 0, 20]
    options = {"planned": STEPS, "status": Status.DIVERGED, "skip_start": 10, "skip_end": 5}
    calm = read(curve(effects, **options), rule=Rule.STEEPEST)
    wild = read(curve(spiked, **options), rule=Rule.STEEPEST)
    assert wild.suggestion == calm.suggestion
    assert [wild.rules[r] for r in ("steepest", "minimum", "gugger")] == [
        calm.rules[r] for r in ("steepest", "minimum", "gugger")
    ]


def test_early_spikes_that_are_not_skipped_do_not_move_the_suggestion_out_of_the_bracket():
    effects = fall_and_cliff(LOG)[:90]
    spiked = effects.copy()
    spiked[3] += 5
    spiked[9] += 3
    reading = read(curve(spiked, planned=STEPS, status=Status.DIVERGED), rule=Rule.STEEPEST)
    assert decades(reading.suggestion.lr, 1e-2) < 1.0
    assert 1e-3 < reading.suggestion.low <= reading.suggestion.lr <= reading.suggestion.high < 1.0


@pytest.mark.parametrize("skip_start", [0, 5, 10, 25])
@pytest.mark.parametrize("skip_end", [0, 2, 5])
def test_skipped_steps_do_not_shift_the_answers(skip_start, skip_end):
    effects = fall_and_cliff(LOG)[:90]
    full = read(curve(effects, planned=STEPS, status=Status.DIVERGED), rule=Rule.STEEPEST)
    cut = read(
        curve(effects, planned=STEPS, status=Status.DIVERGED, skip_start=skip_start, skip_end=skip_end),
        rule=Rule.STEEPEST,
    )
    for rule in ("steepest", "minimum", "gugger"):
        assert decades(cut.rules[rule], full.rules[rule]) <= 1.01 * PER_STEP


def test_the_whole_reading_finds_the_middle_of_the_fall_on_a_linear_ladder_too():
    lrs = ladder(Spacing.LINEAR, 1e-5, 10.0, 400)
    effects = fall_and_cliff(np.log10(lrs), centre=0.3, width=0.1, cliff=0.8)
    reading = read(curve(effects, spacing=Spacing.LINEAR), rule=Rule.STEEPEST)
    assert decades(reading.suggestion.lr, 10**0.3) < 0.08


@pytest.mark.parametrize("seed", range(10))
def test_noise_moves_the_steepest_of_a_clear_fall_by_less_than_half_a_decade(seed):
    noise = np.random.default_rng(seed).normal(0, 0.05, 90)
    reading = read(
        curve(fall_and_cliff(LOG)[:90] + noise, planned=STEPS, status=Status.DIVERGED), rule=Rule.STEEPEST
    )
    assert decades(reading.suggestion.lr, 1e-2) < 0.5


def test_losses_below_zero_are_read_as_those_above():
    effects = fall_and_cliff(LOG)[:88]
    above = read(curve(effects + 10, planned=STEPS, status=Status.DIVERGED), rule=Rule.STEEPEST)
    below = read(curve(effects - 10, planned=STEPS, status=Status.DIVERGED), rule=Rule.STEEPEST)
    assert decades(below.suggestion.lr, above.suggestion.lr) <= 1.1 * PER_STEP  # a tie, but for rounding
    assert (below.suggestion.low, below.suggestion.high) == (above.suggestion.low, above.suggestion.high)


@pytest.mark.parametrize("rule", list(Rule))
@pytest.mark.parametrize("seed", range(8))
def test_a_suggestion_is_the_answer_of_its_rule_to_three_digits_and_says_where_it_is_outside_its_bracket(
    rule, seed
):
    rng = np.random.default_rng(seed)
    effects = fall_and_cliff(LOG, centre=rng.uniform(-3, -1), width=rng.uniform(0.1, 0.6), cliff=0.3)
    effects = effects[: rng.integers(86, 100)] + rng.normal(0, 0.02)
    reading = read(curve(effects, planned=STEPS, status=Status.DIVERGED), rule=rule)
    suggestion = reading.suggestion
    if suggestion is None:
        assert reading.rules[rule.value] is None
        return
    inside = suggestion.low <= suggestion.lr <= suggestion.high
    assert inside != any(words in suggestion.reason for words in ("before the fall", "after the turn"))
    assert rule is Rule.CENTRE or f" is {LOOKS_AT[rule]}" in suggestion.reason
    for number in (suggestion.lr, suggestion.low, suggestion.high):
        assert number == float(f"{number:.2e}")
    assert suggestion.rule == rule.value
    answer = reading.rules[rule.value]
    assert suggestion.lr == answer
    assert inside or rule is not Rule.CENTRE  # which stands in the middle of its bracket
    assert f"{suggestion.lr:g}" in suggestion.reason
    assert "constant rate" in suggestion.reason


def test_every_rule_has_a_function_and_every_reading_an_answer_or_none_for_each():
    assert set(RULES) == set(Rule)
    reading = read(curve(np.full(STEPS, 2.0)), rule=Rule.STEEPEST)
    assert reading.suggestion is None
    assert reading.rules == {rule.value: None for rule in Rule}


@pytest.mark.parametrize(
    ("lr", "expected"),
    [
        (0.0123456, 0.0123),
        (9.996, 10.0),
        (1e-7, 1e-7),
        (123456.0, 123000.0),
        (0.1, 0.1),
        (1.2355e-5, 1.24e-5),
    ],
)
def test_a_rate_is_rounded_to_three_digits(lr, expected):
    assert rounded(lr) == expected


@pytest.mark.parametrize("rule", list(Rule))
@pytest.mark.parametrize("num_steps", [2, 3, 4, 5, 6, 7, 8])
def test_a_short_ladder_is_read_without_a_crash(rule, num_steps):
    reading = read(curve(np.linspace(2, 1, num_steps)), rule=rule)
    assert reading.verdict
    if num_steps < 6:
        assert reading.suggestion is None


@pytest.mark.parametrize("rule", list(Rule))
def test_a_curve_that_is_empty_is_read_without_a_crash(rule):
    empty = np.empty(0)
    reading = read(Curve(empty, empty, empty, Status.INTERRUPTED, 100), rule=rule)
    assert reading.suggestion is None
    assert "Interrupted after 0 of 100" in reading.verdict


# --- nothing outside the rates that were tried


def cut_ladder(first, last, steps, momentum, generator):
    """A fall and a cliff on a ladder that begins and ends anywhere about them."""
    lrs = geometric(first, last, steps)
    fall = fall_and_cliff(
        np.log10(lrs), width=generator.uniform(0.1, 0.6), cliff=generator.uniform(-1.5, 0.5)
    )
    effects = fall + generator.normal(0, generator.choice([0, 0.02, 0.2]), steps)
    losses = np.concatenate([effects[:1], effects])[:steps]
    return Curve(
        lrs, losses, exponential_average(losses, 0.98), Status.COMPLETED, steps, momentum=momentum,
        epoch_steps=generator.choice([None, steps / 3]),
    )  # fmt: skip


@pytest.mark.parametrize("rule", list(Rule))
def test_suggestion_and_bracket_lie_within_the_ladder_wherever_that_begins(rule):
    generator = np.random.default_rng(0)
    answered = below = 0
    for _ in range(300):
        first = 10 ** generator.uniform(-5, -0.5)
        last = first * 10 ** generator.uniform(0.5, 5)
        found = cut_ladder(
            first, last, int(generator.integers(8, 120)), generator.choice([0.0, 0.9]), generator
        )
        reading = read(found, rule=rule)
        below += reading.shape is Shape.BELOW_LADDER
        if reading.suggestion is None:
            continue
        answered += 1
        given = reading.suggestion
        assert first <= given.low <= given.high <= last, given
        assert first <= given.lr <= last, given
    assert answered > 30
    assert below > 0 or rule not in (Rule.CENTRE, Rule.MINIMUM)


def test_an_answer_below_the_first_rate_is_none_and_says_to_begin_lower():
    lrs = geometric(5e-3, 10.0, 60)
    losses = np.concatenate([[2.3], fall_and_cliff(np.log10(lrs), centre=-2.5, cliff=-1)])[:60]
    made = Curve(lrs, losses, exponential_average(losses, 0.98), Status.COMPLETED, 60, momentum=0.999)
    reading = read(made, rule=Rule.CENTRE)
    assert reading.rules["centre"] < 5e-3
    assert reading.suggestion is None
    assert reading.shape is Shape.BELOW_LADDER
    assert "Lower range.start_lr, by a factor of 10 or more." in reading.verdict


@pytest.mark.parametrize(
    ("epoch", "low", "says", "unsure"),
    [
        (0.4, 1.8, "as batches come again every step", False),
        (1, 0.1, "as batches come again every step", True),
        (28, 0.1, "as batches come again every 28 steps", False),
    ],
)
def test_what_short_epochs_do_to_the_answer_is_told_and_where_it_is_uncertain(epoch, low, says, unsure):
    effects = np.interp(LOG, [-5, -3, -1, 1], [2.0, 2.0, low, 4.0])
    found = read(curve(effects, epoch_steps=epoch, start_losses=np.full(STEPS, 2.0)), rule=Rule.CENTRE)
    assert says in found.suggestion.reason
    factor = less_for_epochs(found.smoothed)
    assert (
        f"is uncertain; without it the rate would be {found.suggestion.lr / factor:.3g}."
        in found.suggestion.reason
    ) == unsure


def test_the_reason_says_what_was_averaged_and_where_its_middle_is():
    found = read(curve(fall_and_cliff(LOG)), rule=Rule.CENTRE)
    left, right = valley_sides(found.smoothed)
    assert found.suggestion.reason == (
        f"Averaged over neighbouring rates, the loss has its valley from {rate_text(left)} to "
        f"{rate_text(right)}; {rate_text(found.suggestion.lr)} is its middle. It is meant for training at a "
        "constant rate."
    )


def test_an_answer_below_the_valley_is_said_to_lie_there():
    effects = np.interp(LOG, [-5, -3, -1, 1], [2.0, 2.0, 0.1, 4.0])
    found = read(curve(effects, epoch_steps=2, start_losses=np.full(STEPS, 2.0)), rule=Rule.CENTRE)
    left, right = map(rate_text, map(rounded, valley_sides(found.smoothed)))
    lr = rate_text(found.suggestion.lr)
    assert found.suggestion.lr < float(left)
    assert f"from {left} to {right}; {lr} is lower, since its middle (" in found.suggestion.reason
    assert ") is multiplied by 0.15 as batches come again every 2 steps. " in found.suggestion.reason


def test_a_reason_with_every_factor_is_short_and_they_make_the_answer():
    measured = curve(fall_and_cliff(LOG), momentum=0.9, rectified_by=0.999, epoch_steps=28)
    found = read(measured, rule=Rule.CENTRE)
    said = found.suggestion.reason
    middle, *factors = re.search(
        r"its middle \((\S+)\) is multiplied by (\S+) for momentum, (\S+) for RAdam's held-back start and "
        r"(\S+) as",
        said,
    ).groups()
    assert float(middle) * math.prod(map(float, factors)) == pytest.approx(found.suggestion.lr, rel=0.05)
    assert len(said.split()) <= 50
