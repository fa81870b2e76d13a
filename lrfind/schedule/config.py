"""The config of `lrfind schedule`, and what its values must satisfy."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any

from lrfind.config.bounds import at_least, offers, samples_or_null
from lrfind.range_test.config import RangeConfig
from lrfind.schedules.policy import Policy
from lrfind.schedules.schedule import PARAMETERS, POLICIES, policy_of

if TYPE_CHECKING:
    from collections.abc import Mapping

ALL = "all"
"""What asks for every policy."""

BASELINE = Policy.FIXED
"""What a single policy is tried against."""

TRY_SEEDS, TRY_READINGS = 3, 20
"""Seeds of a trial, and how often it is read, where nothing else is asked for."""

_TRY_ONLY = ("seeds", "held_out", "readings")


@dataclass(kw_only=True, slots=True)
class ScheduleSettings:
    """The policies and what they are made of; None: as the class of the policy says.

    A field that ends in an underscore is a key without it: `from` and `try` are words of Python.
    """

    policy: Annotated[Any, offers(*(policy.value for policy in Policy), "all")]
    """The name of a policy, a list of names, or `all`."""
    lr: float | None
    """The peak rate; None with `from_`, or where a range test is to find it for `try_`."""
    from_: str | None
    """An earlier run, or its record, that the peak rate is taken from."""
    num_steps: int
    """Updates of the training."""
    gamma: float | None
    """Factor of a drop."""
    step_size: int | None
    """Steps from one drop to the next."""
    milestones: list[Any] | None
    """The steps of the drops."""
    power: float | None
    """Exponent of `inv` and `poly`."""
    warmup_steps: int | None
    """Steps of the rise."""
    start_factor: float | None
    """Share of the peak at which the rise begins."""
    eta_min: float | None
    """The last rate of `cosine`."""
    decay_steps: int | None
    """Steps of the fall of `wsd`."""
    end_factor: float | None
    """Share of the peak at which the fall ends."""
    pct_start: float | None
    """Share of the steps of `one_cycle` that rise."""
    anneal_strategy: Annotated[str | None, offers("cos", "linear")]
    """How `one_cycle` goes up and down."""
    div_factor: float | None
    """Peak over first rate."""
    final_div_factor: float | None
    """First over last rate."""
    base_momentum: float | None
    """Momentum at the peak."""
    max_momentum: float | None
    """Momentum at both ends."""
    base_lr: float | None
    """Lowest rate of `cyclic`."""
    max_lr: float | None
    """Highest rate of `cyclic`."""
    step_size_up: int | None
    """Steps from `base_lr` to `max_lr`."""
    try_: bool
    """Whether to train the task under each of the policies and compare them."""
    seeds: Annotated[int | None, at_least(1)]
    """With `try_`: number of seeds, counted on from `seed`; None: 3."""
    held_out: Annotated[float | None, samples_or_null()]
    """With `try_`: samples set apart, or a share below 1; None: a fifth, at most 2,000."""
    readings: Annotated[int | None, at_least(1)]
    """With `try_`: how often the held-out data are read; None: 20 times, or after each of fewer steps."""

    def problems(self) -> list[str]:
        """What is wrong between the settings; `rate_problems` says it of an earlier run's rate."""
        try:
            policies = tried_policies(self)
        except ValueError as error:
            return [f"schedule.policy={_spelled(self.policy)}: {error}"]
        problems = _unused(self, policies) + _trial_problems(self)
        if self.lr is not None and self.from_ is not None:
            problems.append(
                f"schedule.lr={self.lr:g} and schedule.from={self.from_} both say the peak rate: give one of "
                "them."
            )
        elif self.lr is None and self.from_ is None and not self.try_:
            problems.append(
                "schedule.lr is required: give the peak rate, schedule.lr=0.1, or the run directory of an "
                "earlier range test that suggests one, schedule.from=outputs/DATE/TIME."
            )
        elif self.lr is not None and policies == [Policy.CYCLIC] and self.max_lr not in (None, self.lr):
            problems.append(
                f"schedule.lr={self.lr:g} and schedule.max_lr={self.max_lr:g} both say the highest rate of "
                "cyclic: leave out schedule.max_lr."
            )
        elif self.lr is not None:
            problems += rate_problems(self, dict.fromkeys(policies, self.lr))
        return problems


@dataclass(kw_only=True, slots=True)
class ScheduleConfig(RangeConfig):
    """The config of `lrfind schedule`, and of the range test that can find a peak for a trial."""

    schedule: ScheduleSettings
    """The policies."""

    def problems(self) -> list[str]:
        """What is wrong between the settings and the task."""
        return self.seed_problems("schedule.seeds", self.schedule.seeds)


def policies_of(settings: ScheduleSettings) -> list[Policy]:
    """The policies that are asked for, in their order.

    Raises:
        ValueError: There is none, one of them does not exist, or comes twice.
    """
    if settings.policy == ALL:
        return list(Policy)
    names = settings.policy if isinstance(settings.policy, list) else [settings.policy]
    if not names or settings.policy is None:
        raise ValueError(f"name a policy, a list of them, or {ALL}.")
    policies = [policy_of(name) for name in names]
    twice = [policy.value for i, policy in enumerate(policies) if policy in policies[:i]]
    if twice:
        raise ValueError(f"{twice[0]} is named twice.")
    return policies


def tried_policies(settings: ScheduleSettings) -> list[Policy]:
    """The policies that are worked out: those asked for, and for a trial of a single one the baseline.

    Raises:
        ValueError: As `policies_of`; or only the baseline is to be tried.
    """
    policies = policies_of(settings)
    if not settings.try_ or len(policies) > 1:
        return policies
    if policies == [BASELINE]:
        raise ValueError(
            f"a trial compares policies, and {BASELINE.value} is the baseline itself: name another, such as "
            f"schedule.policy=cosine, or several, schedule.policy=[{BASELINE.value},cosine,one_cycle]."
        )
    return [BASELINE, *policies]


def parameters_of(settings: ScheduleSettings) -> dict[str, Any]:
    """The parameters of policies as they are given, None where not."""
    known = {name for names in PARAMETERS.values() for name in names}
    return {field.name: getattr(settings, field.name) for field in fields(settings) if field.name in known}


def rate_problems(settings: ScheduleSettings, lrs: Mapping[Policy, float]) -> list[str]:
    """What is wrong with the numbers, once the peaks are known; each problem once."""
    found = [
        problem
        for policy, lr in lrs.items()
        for problem in POLICIES[policy].problems_of(
            lr, settings.num_steps, parameters_of(settings), prefix="schedule."
        )
    ]
    return list(dict.fromkeys(found))


def _trial_problems(settings: ScheduleSettings) -> list[str]:
    """What is wrong with the numbers of a trial."""
    if not settings.try_:
        return [
            f"schedule.{name} belongs to a trial: add --try (schedule.try=true), or leave it out."
            for name in _TRY_ONLY
            if getattr(settings, name) is not None
        ]
    if settings.readings is not None and settings.readings > settings.num_steps >= 1:
        return [
            f"schedule.readings must be at most schedule.num_steps={settings.num_steps}, got "
            f"{settings.readings}."
        ]
    return []


def _unused(settings: ScheduleSettings, policies: list[Policy]) -> list[str]:
    """Parameters that are given and that no policy asked for takes."""
    problems = []
    taken = {name for policy in policies for name in PARAMETERS[policy]}
    for name, value in parameters_of(settings).items():
        if value is not None and name not in taken:
            takers = [policy.value for policy, names in PARAMETERS.items() if name in names]
            problems.append(
                f"schedule.{name} belongs to {', '.join(takers)}, and schedule.policy is "
                f"{_spelled(settings.policy)}: leave it out, or choose another policy."
            )
    return problems


def _spelled(policy: Any) -> str:
    if isinstance(policy, list):
        return f"[{','.join(map(str, policy))}]"
    return str(policy)
