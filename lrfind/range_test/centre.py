"""The project's own rule: the middle of the valley, less for momentum and where the data is met again.

The valley is where the loss has lost at least three quarters of all that it will lose. An optimizer with
momentum answers a rate late: the ramp has gone on by the time its effect shows, the further the longer it
remembers, which is 1 / (1 - momentum) steps.

Source: ours; docs/method.md says how it was found and how it was measured. It was measured, not derived.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrfind.range_test.horizon import STEPS
from lrfind.range_test.rectification import rectification

if TYPE_CHECKING:
    from lrfind.range_test.smoothed_curve import SmoothedCurve
    from lrfind.statistics import Floats

LEAST_SHARE = 1 / 6
"""Share of `EPOCH_STEPS` that an epoch counts for at least; of still smaller ones nothing was measured."""

DEEP = 0.75
"""Share of the fall from which on the valley is."""

SHALLOW = 0.2
"""Share of the loss that a fall must be for momentum to count in full, on a ladder of ten steps a decade, and
in proportion less on slower ones."""

AGAIN = 2.0
"""Power of the epoch's share for a loss that is lost altogether."""

LEAST = 0.15
"""What short epochs multiply the answer by at least: easy data in large batches wants no less, and its sweep
looks like that of a noisy table, which does."""


def centre(smoothed: SmoothedCurve) -> float | None:
    """The middle of the valley on a log axis, times `less`."""
    middle = valley_middle(smoothed)
    return None if middle is None else middle * less(smoothed)


def middle_half(smoothed: SmoothedCurve) -> tuple[float, float] | None:
    """The bracket of the rule: the middle half of the valley on a log axis, times `less`."""
    sides = valley_sides(smoothed)
    if sides is None:
        return None
    quarter = (sides[1] / sides[0]) ** 0.25
    middle = math.sqrt(sides[0] * sides[1]) * less(smoothed)
    return middle / quarter, middle * quarter


def less(smoothed: SmoothedCurve) -> float:
    """What the middle of the valley is multiplied by, at most 1."""
    return less_for_momentum(smoothed) * less_for_epochs(smoothed) * less_for_rectification(smoothed)


def less_for_momentum(smoothed: SmoothedCurve) -> float:
    """The root of 1 - momentum, and less of it on slow ladders, and where the fall is less than `SHALLOW`.

    A slower ladder has gone on by less when an update shows: the power goes with the root of `haste`, which
    was measured. A loss that falls by little moves only at the last rates before it diverges, and those are
    the ones to train at.
    """
    lost = smoothed.share_lost / (SHALLOW * smoothed.haste)
    return float((1 - smoothed.momentum) ** (0.5 * math.sqrt(smoothed.haste) * min(1.0, lost)))


def less_for_epochs(smoothed: SmoothedCurve) -> float:
    """The epoch's share of 60 steps, to the power of `AGAIN` times the share of the loss that is lost.

    Where an epoch is shorter than 60 steps the batches come again, and in a training run many more times:
    the rate that is best on the first few passes is the one that learns them by heart on later ones, as far
    as there is anything that it learns, which the loss says, also where accuracies are read. No loss of the
    sweep itself shows that, not even one on held-out samples. It is counted for no less than `LEAST`.
    """
    return max(LEAST, float(max(smoothed.epoch_share, LEAST_SHARE) ** (AGAIN * smoothed.learnt)))


def less_for_rectification(smoothed: SmoothedCurve) -> float:
    """The part of the rate that RAdam used in the middle of the valley, against what it uses in training.

    Its updates are held back for thousands of steps, and most in the first: a rate that the sweep stands is
    in a training of `STEPS` steps, whose last ones use more of it, too high. 1 for other optimizers.
    """
    if smoothed.rectified_by is None:
        return 1.0
    middle = valley_middle(smoothed)
    if middle is None:
        return 1.0
    point = int(np.argmin(np.abs(smoothed.log10_lrs - math.log10(middle))))
    used = rectification(smoothed.rectified_by, smoothed.first_step + point)
    return min(1.0, used / rectification(smoothed.rectified_by, STEPS))


def valley_middle(smoothed: SmoothedCurve) -> float | None:
    """The middle of the valley on a log axis; None where nothing falls."""
    sides = valley_sides(smoothed)
    return None if sides is None else math.sqrt(sides[0] * sides[1])


def valley_sides(smoothed: SmoothedCurve) -> tuple[float, float] | None:
    """The rates between which the valley lies; None where nothing falls.

    The fall is from the plateau to the lowest point. On the left of that the valley begins where the line
    comes down through the level of three quarters of the fall for the last time, on the right it ends where
    it comes up through it for the first time, or where the line ends. Between its points the line is straight
    over log10 lr.
    """
    lowest = smoothed.lowest
    fall = smoothed.plateau - float(smoothed.values[lowest])
    if lowest < 1 or fall <= 0:
        return None
    x, y = smoothed.log10_lrs, smoothed.values
    level = smoothed.plateau - DEEP * fall
    above = np.flatnonzero(y[:lowest] > level)
    left = float(x[0]) if len(above) == 0 else _crossing(x, y, int(above[-1]), level)
    risen = np.flatnonzero(y[lowest:] >= level)
    right = float(x[-1]) if len(risen) == 0 else _crossing(x, y, lowest + int(risen[0]) - 1, level)
    return float(10**left), float(10**right)


def _crossing(x: Floats, y: Floats, i: int, level: float) -> float:
    """Where the straight line from point i to the next has that value."""
    return float(x[i] + (level - y[i]) / (y[i + 1] - y[i]) * (x[i + 1] - x[i]))
