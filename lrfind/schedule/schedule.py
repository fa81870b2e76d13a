"""A schedule: a policy with its peak rate, its number of steps and all of its parameters."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.schedule import policies
from lrfind.schedule.policies import Policy
from lrfind.schedule.policy_parameters import PARAMETERS, completed, problems_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

_FORMULAS: Mapping[Policy, Callable[..., float]] = {each: getattr(policies, each.value) for each in Policy}
_TAKES_NUM_STEPS = {Policy.POLY, Policy.LINEAR, Policy.COSINE, Policy.ONE_CYCLE, Policy.WSD}
_MOMENTUM_ONLY = ("base_momentum", "max_momentum")


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

    def rate(self, i: int) -> float:
        """The rate of update `i`, counted from 0; at `num_steps`, where the policy has arrived."""
        given = {name: value for name, value in self.parameters.items() if name not in _MOMENTUM_ONLY}
        if self.policy is not Policy.CYCLIC:
            given["lr"] = self.lr
        if self.policy in _TAKES_NUM_STEPS:
            given["num_steps"] = self.num_steps
        return _FORMULAS[self.policy](i, **given)

    def momentum(self, i: int) -> float | None:
        """The momentum of update `i`, or None where the policy leaves it alone."""
        if not self.moves_momentum:
            return None
        names = ("pct_start", "anneal_strategy", *_MOMENTUM_ONLY)
        given = {name: self.parameters[name] for name in names}
        return policies.one_cycle_momentum(i, num_steps=self.num_steps, **given)

    @property
    def moves_momentum(self) -> bool:
        """Whether the policy has a say in the momentum."""
        return self.policy is Policy.ONE_CYCLE


@dataclass(frozen=True, slots=True, eq=False)
class ScheduleTable:
    """A schedule, worked out step by step.

    Attributes:
        schedule: The schedule.
        rates: Shape (num_steps + 1,), float64: that of every update, and where the policy has arrived after
            the last.
        momenta: The same of the momentum, or None where the policy leaves it alone.
    """

    schedule: Schedule
    rates: NDArray[np.float64]
    momenta: NDArray[np.float64] | None

    @classmethod
    def of(cls, schedule: Schedule) -> ScheduleTable:
        """Works a schedule out."""
        steps = range(schedule.num_steps + 1)
        momenta = np.array([schedule.momentum(i) for i in steps]) if schedule.moves_momentum else None
        return cls(schedule, np.array([schedule.rate(i) for i in steps]), momenta)


def policy_of(name: str | Policy) -> Policy:
    """The policy of a name.

    Raises:
        ValueError: There is none of that name; the message names the nearest.
    """
    names = [each.value for each in Policy]
    if name in names:
        return Policy(name)
    close = difflib.get_close_matches(str(name), names, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise ValueError(f"{name} is no policy.{meant} The policies: {', '.join(names)}.")


def schedule(policy: str | Policy, *, lr: float, num_steps: int, **parameters: Any) -> Schedule:
    """Plans a schedule.

    Args:
        policy: Which policy: `"step"`.
        lr: The peak rate, greater than 0.
        num_steps: Updates of the training, at least 1.
        **parameters: What the policy takes (`PARAMETERS`); what is left out or None is worked out from `lr`
            and `num_steps` (`lrfind.schedule.policy_parameters.defaults`).

    Raises:
        ValueError: There is no such policy, it takes no such parameter, or a value is out of its bounds; all
            that is wrong is said.
    """
    chosen = policy_of(policy)
    takes = PARAMETERS[chosen]
    unknown = [name for name in parameters if name not in takes]
    if unknown:
        raise ValueError(f"{chosen.value} takes {', '.join(takes) or 'no parameters'}, got {unknown[0]}.")
    problems = problems_of(chosen, lr=lr, num_steps=num_steps, given=parameters)
    if problems:
        raise ValueError("\n".join(problems))
    values = completed(chosen, lr, num_steps, parameters)
    return Schedule(chosen, float(values.get("max_lr", lr)), num_steps, values)
