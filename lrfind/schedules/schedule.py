"""The policies by name, and a schedule: one with its peak rate, number of steps and all of its parameters."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.errors import UserError
from lrfind.schedules.falling import Exp, Fixed, Inv, Linear, Multistep, Poly, Step
from lrfind.schedules.policy import LearningRatePolicy, Policy
from lrfind.schedules.rising import WSD, Cosine, Cyclic, OneCycle
from lrfind.suggestion import rate_text, rounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lrfind.statistics import Floats
    from lrfind.suggestion import Suggestion

POLICIES: Mapping[Policy, type[LearningRatePolicy]] = {
    each.policy: each
    for each in (Fixed, Step, Multistep, Exp, Inv, Poly, Linear, Cosine, OneCycle, Cyclic, WSD)
}
"""The classes, by name."""

PARAMETERS: Mapping[Policy, tuple[str, ...]] = {
    policy: made.parameters() for policy, made in POLICIES.items()
}
"""The names of what each policy takes beside a peak rate and a number of steps."""


def policy_of(name: str | Policy) -> Policy:
    """The policy of a name; a UserError names the nearest where there is none."""
    names = [each.value for each in Policy]
    if name in names:
        return Policy(name)
    close = difflib.get_close_matches(str(name), names, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise UserError(
        f"{name if name != '' else repr(name)} is no policy.{meant} The policies: {', '.join(names)}."
    )


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning rate over a whole training; `schedule` makes one.

    Attributes:
        policy: Its shape.
        lr: The peak rate; of a policy that only falls, the first one.
        num_steps: Updates of the training.
        parameters: All that the policy takes, by name.
    """

    policy: Policy
    lr: float
    num_steps: int
    parameters: Mapping[str, Any]
    _made: LearningRatePolicy = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Makes the policy of its parameters."""
        made = POLICIES[self.policy](lr=self.lr, num_steps=self.num_steps, **self.parameters)
        object.__setattr__(self, "_made", made)

    def rate(self, i: int) -> float:
        """The rate of update `i`, counted from 0; at `num_steps`, where the policy has arrived."""
        return self._made.rate(i)

    def momentum(self, i: int) -> float | None:
        """The momentum of update `i`, or None where the policy leaves it alone."""
        return self._made.momentum(i)

    @property
    def moves_momentum(self) -> bool:
        """Whether the policy has a say in the momentum."""
        return self._made.momentum(0) is not None

    def torch_call(self, *, momentum: bool = True) -> str:
        """The call that makes a scheduler of torch with these rates, and this momentum or none, as text."""
        return self._made.torch_call() if momentum else self._made.torch_call_without_momentum()


@dataclass(frozen=True, slots=True, eq=False)
class ScheduleTable:
    """A schedule, worked out step by step.

    Attributes:
        rates: Shape (num_steps + 1,), float64: that of every update, and where the policy has arrived after
            the last.
        momenta: The same of the momentum, or None where the policy leaves it alone.
    """

    schedule: Schedule
    rates: Floats
    momenta: Floats | None

    @classmethod
    def of(cls, schedule: Schedule) -> ScheduleTable:
        """Works a schedule out."""
        steps = range(schedule.num_steps + 1)
        momenta = np.array([schedule.momentum(i) for i in steps]) if schedule.moves_momentum else None
        return cls(schedule, np.array([schedule.rate(i) for i in steps]), momenta)

    def without_momentum(self) -> ScheduleTable:
        """The same for an optimizer that has no momentum to move."""
        return dataclasses.replace(self, momenta=None)

    @property
    def torch_code(self) -> str:
        """As `torch_code`; where the momentum is left alone, torch is told so."""
        return torch_code(self.schedule, momentum=self.momenta is not None)


def schedule(policy: str | Policy, *, lr: float, num_steps: int, **parameters: Any) -> Schedule:
    """Plans a schedule.

    Args:
        policy: Which policy: `"step"`.
        lr: The peak rate, greater than 0.
        num_steps: Updates of the training, at least 1.
        **parameters: What the policy takes (`PARAMETERS`); what is left out or None is worked out from `lr`
            and `num_steps` (`LearningRatePolicy.defaults`).

    Raises:
        UserError: There is no such policy, it takes no such parameter, or a value is out of its bounds; all
            that is wrong is said.
    """
    chosen = POLICIES[policy_of(policy)]
    takes = chosen.parameters()
    unknown = [name for name in parameters if name not in takes]
    if unknown:
        raise UserError(
            f"{chosen.policy.value} takes {', '.join(takes) or 'no parameters'}, got {unknown[0]}."
        )
    problems = chosen.problems_of(lr, num_steps, parameters)
    if problems:
        raise UserError(*problems)
    made = chosen.completed(lr, num_steps, parameters)
    return Schedule(chosen.policy, float(made.peak), num_steps, made.values)


def torch_code(schedule: Schedule, *, momentum: bool = True) -> str:
    """Code that makes `scheduler` from an `optimizer`, to be stepped after every update.

    The optimizer is to be made with the schedule's peak rate, but for `one_cycle` and `cyclic`, which set the
    rates themselves. The rates are those of `schedule.rate`, up to rounding, from update 0 to the last; where
    torch has the policy, the scheduler is torch's own.

    Args:
        schedule: The schedule.
        momentum: Whether the momentum moves where the policy moves it.
    """
    line = f"scheduler = {schedule.torch_call(momentum=momentum)}"
    if momentum and schedule.moves_momentum:
        line = f"# sets the momentum, too; for an optimizer without one add cycle_momentum=False\n{line}"
    if POLICIES[schedule.policy].sets_peak:
        return line
    return f"# the optimizer is made with lr={schedule.lr!r}\n{line}"


def as_peak(suggestion: Suggestion, policy: str, named: Mapping[str, float]) -> Suggestion:
    """The suggestion that a policy begins with: the peak that is named for it, its bracket moved along.

    `named` are the peaks that the run names, by policy; for another policy the suggestion stays what it is.
    """
    lr = named.get(policy)
    if lr is None or lr == suggestion.lr:
        return suggestion
    factor = lr / suggestion.lr
    return dataclasses.replace(
        suggestion,
        lr=lr,
        low=rounded(suggestion.low * factor),
        high=rounded(suggestion.high * factor),
        reason=f"{factor:.3g} times the suggestion of {rate_text(suggestion.lr)} for a constant rate, as was "
        f"measured to be better for the peak of {policy}. {suggestion.reason}",
    )
