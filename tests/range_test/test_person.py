"""What a person who looks at the picture would never dispute, on generated and on recorded sweeps.

The person sees the dots, follows them with the eye (medians of five), stops where they are clearly above the
level where they began, and sees between which rates they are down by at least half of the fall. The middle of
the valley, which is the answer before it is taken lower for momentum and for batches that come again, is not
more than a factor 5 away from there. None of the code of the rule is used for that.
"""

import numpy as np
import pytest

from benchmarks.truth.sweeps import recorded
from lrfind.plotting.panel import Line
from lrfind.range_test.curve import Curve
from lrfind.range_test.ladder import geometric
from lrfind.range_test.plot import range_panel
from lrfind.range_test.reading import Rule, read
from lrfind.range_test.repeats import median_curve
from lrfind.range_test.slower_sweep import why_weak
from lrfind.suggestion import Status
from lrfind.training.smoothing import exponential_average

LRS = geometric(1e-5, 10.0, 60)
DISPUTED = 5.0
SWEEPS = recorded()
NO_ANSWER = ("wine_raw_rmsprop",)
"""Recorded tasks of which no sweep has an answer."""


def dots(curve):
    """Rates and what stands over them, with the batch taken out where it can be."""
    finite = np.isfinite(curve.losses) & (
        True if curve.start_losses is None else np.isfinite(curve.start_losses)
    )
    steps = len(curve) if finite.all() else int(np.argmin(finite))
    losses = curve.losses[:steps]
    if curve.start_losses is not None:
        losses = losses - curve.start_losses[:steps] + curve.start_losses[:steps].mean()
    return curve.lrs[: steps - 1], losses[1:]


def followed(values):
    """Medians of five, of fewer at the ends."""
    return np.array([np.median(values[max(0, i - 2) : i + 3]) for i in range(len(values))])


def seen_by_a_person(curve, *, careful):
    """Between which rates the dots are down by half of the fall, before they are clearly above the start.

    That is by half of the start; to someone careful, by a hundredth of it and by half of what they had come
    down until then. Where the dots scatter by as much, either may be right.
    """
    lrs, values = dots(curve)
    line = followed(values)
    known = curve.start_losses[np.isfinite(curve.start_losses)]
    start = known.mean()
    come_down = start - np.minimum.accumulate(line)
    clearly = np.maximum(0.01 * abs(start), 0.5 * come_down) if careful else 0.5 * abs(start)
    above = np.flatnonzero(line > start + clearly)
    line = line[: above[0]] if len(above) else line
    down = np.flatnonzero(line <= start - (start - line.min()) / 2)
    return lrs[down[0]], lrs[down[-1]]


def seen_to_end(curve):
    """Whether the fall ends on the ladder: the sweep broke off, the dots rise again, or they have been down.

    They rise by a fifth of the fall, or above the level where they began; or they have come down by a tenth
    of that level at least, and half of it over a factor 3 of the rates.
    """
    lrs, values = dots(curve)
    line = followed(values)
    start = curve.start_losses[np.isfinite(curve.start_losses)].mean()
    lowest = int(np.argmin(line))
    fall = start - line[lowest]
    down = lrs[line <= start - fall / 2]
    risen = line[lowest:].max() - line[lowest] >= 0.2 * fall or line.max() > start + 0.01 * abs(start)
    at_floor = fall > 0.1 * abs(start) and down[-1] > 3 * down[0]
    return curve.status is not Status.COMPLETED or risen or at_floor


def undisputed(curve):
    """Checks the reading of a curve, and says whether it has an answer."""
    reading = read(curve, rule=Rule.CENTRE)
    smoothed, found = reading.smoothed, reading.suggestion
    known = curve.losses[np.isfinite(curve.losses)]
    if len(smoothed) and known.min() >= 0:
        assert smoothed.values.min() >= 0
    if found is None:
        return False
    assert seen_to_end(curve)
    # Nothing outside what was tried.
    assert curve.lrs[0] * 0.999 <= found.low <= found.lr <= found.high <= curve.lrs[-1] * 1.001
    lost = min(1, (smoothed.plateau - smoothed.values[smoothed.lowest]) / abs(smoothed.plateau))
    epoch = max(1 / 6, min(1, (curve.epoch_steps or 60) / curve.planned_steps))
    lower = (1 - curve.momentum) ** (0.5 * min(1, lost / 0.2)) * epoch ** (2 * lost)
    middle = found.lr / lower
    # Nothing where no line is drawn.
    layers = range_panel(curve, reading).layers
    (drawn,) = (layer for layer in layers if isinstance(layer, Line) and layer.name.startswith("smoothed"))
    assert np.isfinite(drawn.y).all()
    if found.lr > curve.lrs[0] * 1.001:
        assert drawn.x[0] * 0.99 <= middle <= drawn.x[-1] * 1.01
    views = [seen_by_a_person(curve, careful=careful) for careful in (True, False)]
    accepted = [low / DISPUTED <= middle <= high * DISPUTED for low, high in views]
    assert any(accepted) or found.lr <= curve.lrs[0] * 1.001
    # What the verdict says of the levels can be.
    assert smoothed.plateau > smoothed.values[smoothed.lowest]
    return True


def curve_of(losses, start, momentum=0.0, lrs=LRS):
    """A paired sweep; it ends where a loss is no longer finite."""
    bad = np.flatnonzero(~np.isfinite(losses))
    steps = int(bad[0]) + 1 if len(bad) else len(losses)
    status = Status.NONFINITE if len(bad) else Status.COMPLETED
    losses = losses[:steps]
    average = exponential_average(losses, 0.98)
    return Curve(lrs[:steps], losses, average, status, 60, start_losses=start[:steps], momentum=momentum)


def generated(seed):
    """A fall, a cliff, and now and then a few low batches far beyond it; noise that grows with the rate."""
    rng = np.random.default_rng(seed)
    level = 10 ** rng.uniform(-1, 2)
    batches = level * (1 + rng.uniform(0, 0.2) * rng.normal(size=60))
    turn, depth = rng.uniform(-3, -0.5), rng.uniform(0.1, 0.95)
    x = np.log10(LRS)
    share = 1 - depth / (1 + np.exp(-4 * (x - turn + rng.uniform(0.3, 1))))
    share = share + 10 ** np.clip(rng.uniform(2, 6) * (x - turn - 0.3), -9, 3) * rng.choice([0.05, 1])
    share = share + rng.uniform(0, 0.1) * depth * rng.normal(size=60) * np.clip(10 ** (x - turn), 0, 3)
    if seed % 2:
        beyond = np.flatnonzero(share > 1.6)
        if len(beyond) > 6:
            at = int(rng.choice(beyond[2:-3]))
            share[at : at + rng.integers(1, 4)] = rng.uniform(0, 0.3)
    if seed % 5 == 0:
        share[share > 20] = np.nan
    shifted = np.concatenate([[1.0], share[:-1]])  # a rate shows its effect a step later
    return curve_of(np.abs(batches * shifted), np.abs(batches), momentum=rng.choice([0.0, 0.9]))


@pytest.mark.parametrize("block", range(10))
def test_generated_sweeps_have_answers_that_no_person_disputes(block):
    answers = [undisputed(generated(seed)) for seed in range(30 * block, 30 * block + 30)]
    assert sum(answers) >= 20


def cut_short(seed, turn, end):
    """A loss that falls up to the rate `turn` in one of four ways, on 60 rates that end at `end`."""
    rng = np.random.default_rng(seed)
    lrs = geometric(1e-5, end, 60)
    level, depth = 10 ** rng.uniform(-1, 2), rng.uniform(0.3, 0.95)
    far = lrs / turn
    trained = [np.minimum(far, 1), np.minimum(far, 1) ** 0.5, far**2 / (1 + far**2), 1 - np.exp(-3 * far)]
    share = 1 - depth * trained[seed % 4] + np.maximum(far - 2, 0) ** 2
    # Smooth, or with noise in proportion to what was learnt, as of paired losses.
    share = share + rng.choice([0, 0.03]) * depth * rng.normal(size=60) * trained[seed % 4]
    batches = level * (1 + 0.1 * rng.normal(size=60))
    return curve_of(batches * np.concatenate([[1.0], share[:-1]]), batches, lrs=lrs)


@pytest.mark.parametrize("end", [3e-5, 1e-4, 3e-4, 1e-3, 1e-2, 0.1, 1.0])
def test_a_ladder_that_ends_before_the_turn_has_no_answer(end):
    for seed in range(60):
        curve = cut_short(seed, turn=end * 10 ** (0.5 + seed % 7), end=end)
        reading = read(curve, rule=Rule.CENTRE)
        assert reading.suggestion is None
        assert "Healthy" not in reading.verdict
        assert "rose again" not in reading.verdict


@pytest.mark.parametrize("end", [0.01, 0.1, 1.0, 10.0])
def test_a_ladder_that_ends_well_beyond_the_turn_has_one_that_no_person_disputes(end):
    answers = [undisputed(cut_short(seed, turn=end / 10 ** (1 + seed % 2), end=end)) for seed in range(60)]
    assert sum(answers) >= 59


def cut_off(curve, steps):
    """What a ladder of so many steps would have measured, had it ended there."""
    columns = (curve.lrs, curve.losses, curve.smoothed)
    return Curve(
        *(column[:steps] for column in columns),
        Status.COMPLETED,
        steps,
        start_losses=curve.start_losses[:steps],
        momentum=curve.momentum,
        epoch_steps=curve.epoch_steps,
    )


@pytest.mark.parametrize("task", SWEEPS)
def test_recorded_sweeps_cut_off_anywhere_have_answers_that_no_person_disputes(task):
    curves, answers = SWEEPS[task][:3], []
    for steps in range(8, min(map(len, curves)), 4):
        cut = [cut_off(curve, steps) for curve in curves]
        for curve in cut:
            if why_weak(curve, read(curve, rule=Rule.CENTRE)) is None:
                answers.append(undisputed(curve))
        answers.append(undisputed(median_curve(cut, beta=0.98)))
    assert any(answers) or task in (*NO_ANSWER, "digits_deep_momentum")


@pytest.mark.parametrize("task", SWEEPS)
def test_recorded_sweeps_have_answers_that_no_person_disputes(task):
    curves = SWEEPS[task]
    alone = [undisputed(curve) for curve in curves]
    together = [undisputed(median_curve(curves[i : i + 3], beta=0.98)) for i in range(0, len(curves), 3)]
    assert (any(alone), any(together)) == ((task not in NO_ANSWER,) * 2)


def test_low_batches_beyond_the_cliff_are_no_valley():
    # A clean valley at 0.01, a loss far above its start from 0.1 on, and three low batches at 6 to 8.
    x = np.log10(LRS)
    share = np.interp(x, [-5, -4, -2, -1, 1], [1, 1, 0.3, 1.2, 9.0])
    share[56:59] = 0.05
    start = np.full(60, 2.0)
    found = read(curve_of(2.0 * share, start), rule=Rule.CENTRE).suggestion
    assert 0.003 < found.lr < 0.03
    assert found.high < 0.05


def test_the_median_of_sweeps_that_start_at_different_levels_is_not_negative():
    # The median of the falls, 17 of 20, is more than the median of the starts, 15: it was read as -2.
    x = np.log10(LRS)
    curves = []
    for start, depth in ((15.0, 0.9), (3.0, 0.9), (20.0, 0.85), (19.0, 0.95), (4.0, 0.9)):
        share = np.interp(x, [-5, -4, -2, -1, 1], [1, 1, 1 - depth, 1 - depth, 9.0])
        curves.append(curve_of(start * share, np.full(60, start)))
    reading = read(median_curve(curves, beta=0.98), rule=Rule.CENTRE)
    assert reading.smoothed.plateau == pytest.approx(15)
    assert reading.smoothed.values.min() == pytest.approx(1.5, abs=0.3)
