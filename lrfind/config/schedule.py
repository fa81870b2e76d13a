"""The config of `lrfind schedule`, and what its values must satisfy."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from lrfind.config.schema import TaskConfig
from lrfind.core.policies import Policy
from lrfind.core.policy_parameters import PARAMETERS, problems_of
from lrfind.core.schedules import policy_of

ALL = "all"
"""What asks for every policy."""


@dataclass(kw_only=True, slots=True)
class ScheduleSettings:
    """The policies and what they are made of; None: as `lrfind.core.policy_parameters.defaults` says."""

    policy: Any
    """The name of a policy, a list of names, or `all`."""
    lr: float | None
    """The peak rate; None with `from_`."""
    from_: str | None
    """`schedule.from`: an earlier run, or its record, that the peak rate is taken from."""
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
    anneal_strategy: str | None
    """cos or linear."""
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


@dataclass(kw_only=True, slots=True)
class ScheduleConfig(TaskConfig):
    """The config of `lrfind schedule`."""

    schedule: ScheduleSettings
    """The policies."""


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


def parameters_of(settings: ScheduleSettings) -> dict[str, Any]:
    """The parameters of policies as they are given, None where not."""
    known = {name for names in PARAMETERS.values() for name in names}
    return {field.name: getattr(settings, field.name) for field in fields(settings) if field.name in known}


def schedule_problems(settings: ScheduleSettings) -> list[str]:
    """What is wrong with the settings; what hangs on an earlier run's rate is left to `rate_problems`."""
    try:
        policies = policies_of(settings)
    except ValueError as error:
        return [f"schedule.policy={_spelled(settings.policy)}: {error}"]
    problems = _unused(settings, policies)
    if settings.lr is not None and settings.from_ is not None:
        problems.append(
            f"schedule.lr={settings.lr:g} and schedule.from={settings.from_} both say the peak rate: give "
            "one of them."
        )
    elif settings.lr is None and settings.from_ is None:
        problems.append(
            "schedule.lr is required: give the peak rate, schedule.lr=0.1, or the run directory of an "
            "earlier range test that suggests one, schedule.from=outputs/DATE/TIME."
        )
    elif settings.lr is not None:
        problems += rate_problems(settings, policies)
    return problems


def rate_problems(settings: ScheduleSettings, policies: list[Policy]) -> list[str]:
    """What is wrong with the numbers, once `lr` is known; each problem once."""
    assert settings.lr is not None
    found = [
        problem
        for policy in policies
        for problem in problems_of(
            policy,
            lr=settings.lr,
            num_steps=settings.num_steps,
            given=parameters_of(settings),
            prefix="schedule.",
        )
    ]
    return list(dict.fromkeys(found))


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
