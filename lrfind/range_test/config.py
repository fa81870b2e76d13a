"""The config of `lrfind range`, and what its values must satisfy."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated

from lrfind.config.bounds import Bound, at_least, offers
from lrfind.config.schema import TaskConfig
from lrfind.range_test.horizon import is_horizon
from lrfind.range_test.ladder import DEFAULT_END, DEFAULT_START, MOST_STEPS, Spacing
from lrfind.range_test.reading import DEFAULT_RULE, Rule
from lrfind.range_test.slower_sweep import AUTO
from lrfind.suggestion import rate_text

_FINITE = Bound("must be finite, got {}.", math.isfinite)
_STEPS = Bound(f"must be at most {MOST_STEPS:,}, got {{}}.", lambda steps: steps <= MOST_STEPS)
_BETA = Bound("must be at least 0 and below 1, got {:g}.", lambda beta: 0 <= beta < 1)
_STOP_FACTOR = Bound("must be greater than 1, or null for never, got {:g}.", lambda factor: factor > 1)

_REPEATS = Bound(
    "must be auto or a whole number of at least 1, got {}.",
    lambda repeats: repeats == AUTO if isinstance(repeats, str) else repeats >= 1,
)

SHARED_LADDERS = 3
"""Times its first ladder that `repeats=auto` may take where a budget is shared with others."""

_HORIZON = Bound(
    "must be the steps of the training, 2000, or its epochs, '5 epochs', or null; got {!r}.", is_horizon
)


class Metric(str, Enum):
    """What a suggestion is read from."""

    LOSS = "loss"
    ACCURACY = "accuracy"


class Groups(str, Enum):
    """Which rates the sweeps move where the optimizer has several groups of parameters."""

    RATIO = "ratio"
    EACH = "each"


@dataclass(kw_only=True, slots=True)
class ValidationSettings:
    """A fixed subset whose loss is measured during the sweep."""

    samples: Annotated[int, at_least(0)] = 0
    """Size of the subset; 0: none."""
    every: Annotated[int, at_least(1)] = 10
    """Steps from one measurement to the next."""


@dataclass(kw_only=True, slots=True)
class RangeSettings:
    """The range test; its defaults are those of the command, which the YAML writes out, and of Python."""

    start_lr: Annotated[float, _FINITE] = DEFAULT_START
    """First rate of the ladder."""
    end_lr: Annotated[float, _FINITE] = DEFAULT_END
    """Last rate."""
    num_steps: Annotated[int, at_least(2), _STEPS] = 60
    """Steps from the first to the last rate, both included."""
    spacing: Spacing = Spacing.GEOMETRIC
    """How the rates of the ladder follow one another: by a factor or by a sum."""
    beta: Annotated[float, _BETA] = 0.98
    """Weight of the past in the smoothed loss, in [0, 1)."""
    stop_factor: Annotated[float | None, _STOP_FACTOR] = 4.0
    """Stop when the smoothed loss passes this many times its lowest; None: never."""
    paired: bool = True
    """Whether the model as it was at the start is measured on the same batches, and its loss subtracted."""
    skip_start: Annotated[int | None, at_least(0)] = None
    """Steps at the start that are not read; None: none where paired, else a tenth, at most 10."""
    skip_end: Annotated[int | None, at_least(0)] = None
    """The same at the end, after an early stop; None: none where paired, else a twentieth, at most 5."""
    metric: Metric = Metric.LOSS
    """What the suggestion is read from."""
    single_batch: bool = False
    """The same batch at every step."""
    validation: ValidationSettings = field(default_factory=ValidationSettings)
    """A held-out loss beside the training loss."""
    repeats: Annotated[int | str, _REPEATS, offers(AUTO)] = AUTO
    """Sweeps, with the seeds from the top-level one on; their median curve is read. auto: one, and where its
    answer is weak a slower one; where that is weak too, runs of 100 or 200 steps at constant rates; where it
    is firm and a training meets few samples again and again, or the model was trained before, 125 to 200
    steps with samples held out."""
    rule: Rule = DEFAULT_RULE
    """The rule that makes the suggestion."""
    horizon: Annotated[int | str | None, _HORIZON] = None
    """Length of the training that the suggestion is for, in steps or as `5 epochs`, to which the rate is
    extrapolated; null: about 300 steps, as measured."""
    groups: Groups = Groups.RATIO
    """ratio: groups of parameters keep the ratio of their rates; each: every one is swept alone, too."""

    @property
    def least_steps(self) -> int:
        """The training steps of the sweeps that it makes whatever they show, where none ends early."""
        return self.num_steps * (1 if isinstance(self.repeats, str) else self.repeats)

    @property
    def most_steps(self) -> int:
        """The most training steps that it may take where a budget is shared with others."""
        return self.num_steps * (SHARED_LADDERS if isinstance(self.repeats, str) else self.repeats)

    def problems(self) -> list[str]:
        """What is wrong with values that are each right by themselves."""
        problems = []
        if not (self.start_lr > 0 or (self.start_lr == 0 and self.spacing is Spacing.LINEAR)):
            bound = "greater than 0" if self.spacing is Spacing.GEOMETRIC else "0 or greater"
            problems.append(
                f"range.start_lr must be {bound} on a {self.spacing.value} ladder, got "
                f"{rate_text(self.start_lr)}."
            )
        if self.start_lr >= self.end_lr:
            problems.append(
                "range.end_lr must be greater than range.start_lr, got start "
                f"{rate_text(self.start_lr)} and end "
                f"{rate_text(self.end_lr)}."
            )
        for key, skipped in (("skip_start", self.skip_start), ("skip_end", self.skip_end)):
            if skipped is not None and skipped >= self.num_steps:
                problems.append(
                    f"range.{key} must be less than range.num_steps={self.num_steps}, or nothing is left to "
                    f"read; got {skipped}."
                )
        if self.groups is Groups.EACH:
            if not self.paired:
                problems.append(
                    "range.paired=false does not go with range.groups=each: what the rate of one group does "
                    "is told from what the others do by a control."
                )
            if self.single_batch:
                problems.append("range.single_batch=true does not go with range.groups=each.")
        return problems + self.horizon_problems()

    def horizon_problems(self) -> list[str]:
        """What is wrong between the horizon and what it does not go with."""
        if self.horizon is not None and self.groups is Groups.EACH:
            return [
                f"range.horizon={self.horizon} does not go with range.groups=each: how the best rate falls "
                "with the steps is known of one rate for all groups."
            ]
        if self.horizon is None or self.rule is DEFAULT_RULE:
            return []
        return [
            f"range.horizon={self.horizon} goes with range.rule={DEFAULT_RULE.value} alone: that rule is "
            f"measured to look for the best rate of a training, {self.rule.value} is not."
        ]


@dataclass(kw_only=True, slots=True)
class RangeConfig(TaskConfig):
    """The config of `lrfind range`."""

    range: RangeSettings
    """The range test."""
