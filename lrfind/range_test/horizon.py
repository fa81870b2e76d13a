"""A suggestion for a training of another length: how the best rate falls with the number of steps."""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lrfind.errors import DataError
from lrfind.report.formatting import counted
from lrfind.suggestion import Suggestion, rate_text, rounded

if TYPE_CHECKING:
    from lrfind.range_test.reading import Reading

STEPS = 300
"""Length of the trainings that a suggestion of the range test is meant and measured for."""

EXPONENT = 0.24
"""The best rate falls with this power of the steps, on average over the tasks of benchmarks/truth."""

PASSES = 40
"""Once every sample has been met so often it falls in inverse proportion to the steps."""

SPREAD = 0.24
"""Standard deviation, between the tasks, of the power that is left."""

TASKS, LAST = 16, 1500
"""How many tasks that was measured on, and up to how many steps. A test holds these figures to the runs."""

_EPOCHS = re.compile(r"(\d+(?:\.\d*)?|\.\d+) +epochs?")


@dataclass(frozen=True, slots=True)
class Horizon:
    """The length of the training that a suggestion is for, and what that makes of it.

    Attributes:
        steps: Updates of the training.
        epoch_steps: Updates in which every sample is met once; None where that is not known, and samples are
            taken not to come again.
        read: What the curve itself shows, for `STEPS` updates; None where it shows no rate.
    """

    steps: int
    epoch_steps: float | None
    read: Suggestion | None = None

    @property
    def factor(self) -> float:
        """What the rate is multiplied by; 1 up to `STEPS`, as shorter trainings want no higher rate."""
        steps = max(self.steps, STEPS)
        turn = math.inf if self.epoch_steps is None else max(PASSES * self.epoch_steps, STEPS)
        few = min(steps, turn)
        return math.pow(few / STEPS, -EXPONENT) * few / steps

    @property
    def spread(self) -> float:
        """One standard deviation of the factor between tasks: itself a factor, of at least 1."""
        return math.pow(max(self.steps, STEPS) / STEPS, SPREAD)

    @property
    def extrapolated(self) -> bool:
        """Whether the rate is another than the curve shows."""
        return self.steps > STEPS

    @property
    def suggestion(self) -> Suggestion | None:
        """The suggestion for so many steps; its bracket is wider by the spread."""
        if self.read is None:
            return None
        if not self.extrapolated:
            return dataclasses.replace(self.read, reason=self.reason)
        lr, apart = self.read.lr * self.factor, math.log(self.spread)
        below, above = (math.log(self.read.lr / self.read.low), math.log(self.read.high / self.read.lr))
        low, high = lr * math.exp(-math.hypot(below, apart)), lr * math.exp(math.hypot(above, apart))
        return Suggestion(rounded(lr), rounded(low), rounded(high), self.read.rule, self.reason)

    @property
    def reason(self) -> str:
        """How the rate for so many steps comes from that of the curve, and how sure that is."""
        assert self.read is not None
        if not self.extrapolated:
            return (
                f"A training of {counted(self.steps, 'step')} is no longer than the {STEPS} that suggestions "
                "are measured for, and shorter ones want no higher rate, so it stays as the curve shows it. "
                f"{self.read.reason}"
            )
        said = (
            f"For {self.steps:,} steps {self.factor:.2g} times the {rate_text(self.read.lr)} for {STEPS}: "
            f"extrapolated as the best rate fell on {TASKS} tasks, give or take a factor "
            f"of {self.spread:.2g} from one to another"
        )
        if self.epoch_steps is None:
            said += ", taking samples never to come again, as the length of an epoch is not known"
        said += "." if self.steps <= LAST else f". Beyond {LAST:,} steps that was not measured."
        return f"{said} {self.read.reason}"


def horizon_steps(given: int | str, epoch_steps: float | None) -> int:
    """How many updates a horizon is.

    Args:
        given: That number, or `5 epochs`.
        epoch_steps: Updates of an epoch; None where that is not known.

    Raises:
        DataError: It is given in epochs, and how long one is is not known.
    """
    if isinstance(given, int):
        return given
    if epoch_steps is None:
        raise DataError(
            f"range.horizon={given}: how many steps an epoch of this data has is not known (a stream, an "
            "iterator, or one batch for ever). Give the number of steps: range.horizon=2000."
        )
    epochs = _EPOCHS.fullmatch(given)
    assert epochs is not None
    return max(1, round(float(epochs[1]) * epoch_steps))


def is_horizon(given: int | str) -> bool:
    """Whether it is a number of steps, or of epochs."""
    if isinstance(given, int):
        return given >= 1
    epochs = _EPOCHS.fullmatch(given)
    return epochs is not None and float(epochs[1]) > 0


def at_horizon(reading: Reading, steps: int, epoch_steps: float | None) -> Reading:
    """What was read from a curve, with the suggestion for a training of so many steps."""
    horizon = Horizon(steps, epoch_steps, reading.suggestion)
    return dataclasses.replace(reading, suggestion=horizon.suggestion, horizon=horizon)


def purpose_of(reading: Reading) -> str:
    """What a suggestion is for, where not as usual: ` for 2,000 steps, extrapolated from 0.1`."""
    horizon = reading.horizon
    if horizon is None or reading.suggestion is None:
        return ""
    said = f" for {counted(horizon.steps, 'step')}"
    if horizon.extrapolated and horizon.read is not None:
        said += f", extrapolated from {rate_text(horizon.read.lr)}"
    return said


def horizon_record(horizon: Horizon) -> dict[str, Any]:
    """The record's `horizon`."""
    read = horizon.read
    return {
        "steps": horizon.steps,
        "epochs": None if horizon.epoch_steps is None else horizon.steps / horizon.epoch_steps,
        "extrapolated": horizon.extrapolated,
        "factor": horizon.factor,
        "spread": horizon.spread,
        "read": None if read is None else {"lr": read.lr, "low": read.low, "high": read.high, "steps": STEPS},
        "measured": {
            "tasks": TASKS,
            "steps": LAST,
            "exponent": EXPONENT,
            "passes": PASSES,
            "deviation": SPREAD,
        },
    }
