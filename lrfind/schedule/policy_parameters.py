"""What each policy takes beside a peak rate and a number of steps: the names, the defaults, the bounds."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from lrfind.schedule.policies import Policy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_STEPS = 10_000_000
"""More make a table that nobody reads."""

PARAMETERS: Mapping[Policy, tuple[str, ...]] = {
    Policy.FIXED: (),
    Policy.STEP: ("step_size", "gamma"),
    Policy.MULTISTEP: ("milestones", "gamma"),
    Policy.EXP: ("gamma",),
    Policy.INV: ("gamma", "power"),
    Policy.POLY: ("power",),
    Policy.LINEAR: ("end_factor",),
    Policy.COSINE: ("warmup_steps", "start_factor", "eta_min"),
    Policy.ONE_CYCLE: (
        *("pct_start", "anneal_strategy", "div_factor", "final_div_factor"),
        *("base_momentum", "max_momentum"),
    ),
    Policy.CYCLIC: ("base_lr", "max_lr", "step_size_up"),
    Policy.WSD: ("warmup_steps", "decay_steps", "start_factor", "end_factor"),
}
"""The names, by policy."""

_WHOLE = {"step_size": 1, "step_size_up": 1, "warmup_steps": 0, "decay_steps": 0}
"""Parameters that are whole numbers, and the least of each."""

_BOUNDS: Mapping[str, tuple[Callable[[float], bool], str]] = {
    "gamma": (lambda x: x > 0, "greater than 0"),
    "power": (lambda x: x > 0, "greater than 0"),
    "start_factor": (lambda x: 0 < x <= 1, "greater than 0 and at most 1"),
    "end_factor": (lambda x: 0 <= x <= 1, "from 0 to 1"),
    "eta_min": (lambda x: x >= 0, "at least 0"),
    "pct_start": (lambda x: 0 < x < 1, "between 0 and 1"),
    "div_factor": (lambda x: x >= 1, "at least 1"),
    "final_div_factor": (lambda x: x >= 1, "at least 1"),
    "base_momentum": (lambda x: 0 <= x < 1, "at least 0 and below 1"),
    "max_momentum": (lambda x: 0 <= x < 1, "at least 0 and below 1"),
    "base_lr": (lambda x: x >= 0, "at least 0"),
    "max_lr": (lambda x: x > 0, "greater than 0"),
}
"""Parameters that are finite numbers, and what else they must be."""


def defaults(policy: Policy, lr: float, num_steps: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """What the parameters of a policy are where they are not given.

    Args:
        policy: The policy.
        lr: The peak rate.
        num_steps: Updates of the training.
        given: The parameters that are given; some defaults hang on them.
    """
    n = num_steps
    match policy:
        case Policy.STEP:
            return {"step_size": max(1, n // 6), "gamma": 0.9}
        case Policy.MULTISTEP:
            return {"milestones": sorted({n // 2, 3 * n // 4} - {0}), "gamma": 0.1}
        case Policy.EXP:
            return {"gamma": 0.01 ** (1 / n)}
        case Policy.INV:
            # Down to a tenth at the end, whatever the power.
            power = given.get("power", 0.5)
            return {"gamma": (10 ** min(1 / power, 300.0) - 1) / n, "power": power}
        case Policy.POLY:
            return {"power": 0.9}
        case Policy.LINEAR:
            return {"end_factor": 0.0}
        case Policy.COSINE:
            return {"warmup_steps": n // 10, "start_factor": 0.01, "eta_min": 0.0}
        case Policy.ONE_CYCLE:
            cycle = {"pct_start": 0.3, "anneal_strategy": "cos", "div_factor": 25.0, "final_div_factor": 1e4}
            return cycle | {"base_momentum": 0.85, "max_momentum": 0.95}
        case Policy.CYCLIC:
            # Smith, arXiv 1506.01186, section 3.3: a third or a quarter of the highest rate.
            highest = given.get("max_lr", lr)
            return {"base_lr": highest / 4, "max_lr": highest, "step_size_up": max(1, n // 6)}
        case Policy.WSD:
            lengths = {"warmup_steps": n // 10, "decay_steps": max(1, n // 5)}
            return lengths | {"start_factor": 0.01, "end_factor": 0.0}
        case _:
            return {}


def completed(policy: Policy, lr: float, num_steps: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of a policy: those given and not None, the others from `defaults`."""
    known = {name: value for name, value in given.items() if value is not None}
    values = defaults(policy, lr, num_steps, known) | known
    for name, value in values.items():
        if name == "milestones":
            values[name] = tuple(value)
        elif name in _BOUNDS:
            values[name] = float(value)  # torch takes no whole number for a pct_start
    return {name: values[name] for name in PARAMETERS[policy]}


def problems_of(
    policy: Policy, *, lr: float, num_steps: int, given: Mapping[str, Any], prefix: str = ""
) -> list[str]:
    """All that is wrong with what a schedule is to be made of, a sentence each.

    Args:
        policy: The policy.
        lr: The peak rate.
        num_steps: Updates of the training.
        given: The parameters that are given; None is as good as left out, and what the policy does not take
            is passed over.
        prefix: Stands before the name of each: `schedule.`.
    """
    problems = []
    if not (_is_number(lr) and 0 < lr < math.inf):
        problems.append(f"lr must be greater than 0 and finite, got {lr}.")
    if not _is_whole(num_steps) or not 1 <= num_steps <= MOST_STEPS:
        problems.append(f"num_steps must be a whole number from 1 to {MOST_STEPS:,}, got {num_steps}.")
    known = {name: given[name] for name in PARAMETERS[policy] if given.get(name) is not None}
    for name, value in known.items():
        problems += _value(name, value)
    if not problems:
        problems = _relations(completed(policy, lr, num_steps, known), lr, num_steps, prefix)
    return [prefix + problem for problem in problems]


def _value(name: str, value: Any) -> list[str]:
    """What is wrong with a value by itself."""
    if name == "milestones":
        whole = isinstance(value, (list, tuple)) and all(map(_is_whole, value)) and len(value) > 0
        if not whole or any(before >= after for before, after in pairwise([0, *value])):
            return [f"milestones must be whole numbers that rise from 1 on, such as [50,150], got {value}."]
    elif name == "anneal_strategy":
        if value not in ("cos", "linear"):
            return [f"anneal_strategy must be cos or linear, got {value!r}."]
    elif name in _WHOLE:
        if not _is_whole(value) or value < _WHOLE[name]:
            return [f"{name} must be a whole number of at least {_WHOLE[name]}, got {value}."]
    elif not (_is_number(value) and math.isfinite(value) and _BOUNDS[name][0](value)):
        return [f"{name} must be {_BOUNDS[name][1]}, got {value}."]
    return []


def _relations(values: Mapping[str, Any], lr: float, num_steps: int, prefix: str) -> list[str]:
    """What is wrong with values that are each right by themselves."""
    problems = []
    length = f"{prefix}num_steps={num_steps}"
    if "power" not in values and values.get("gamma", 1.0) > 1:
        problems.append(f"gamma must be at most 1, or the rate would rise, got {values['gamma']:g}.")
    last = max(values.get("milestones", ()), default=0)
    if last > num_steps:
        problems.append(f"milestones must not lie beyond {length}, got {last}.")
    warmup, decay = values.get("warmup_steps", 0), values.get("decay_steps", 0)
    if decay and warmup + decay > num_steps:
        problems.append(
            f"warmup_steps and {prefix}decay_steps together must not exceed {length}, got {warmup} and "
            f"{decay}."
        )
    elif warmup and warmup >= num_steps:
        problems.append(f"warmup_steps must be less than {length}, got {warmup}.")
    if values.get("eta_min", 0.0) >= lr:
        problems.append(f"eta_min must be below the peak, {prefix}lr={lr:g}, got {values['eta_min']:g}.")
    if "pct_start" in values and not values["pct_start"] * num_steps > 1:
        problems.append(
            f"pct_start must give the rise more than a step of {length}, got {values['pct_start']:g}: "
            f"one_cycle needs a larger one, or more steps."
        )
    if "base_lr" in values and values["base_lr"] >= values["max_lr"]:
        problems.append(
            f"base_lr must be below {prefix}max_lr={values['max_lr']:g}, got {values['base_lr']:g}."
        )
    if "base_momentum" in values and values["base_momentum"] > values["max_momentum"]:
        problems.append(
            f"base_momentum must be at most {prefix}max_momentum={values['max_momentum']:g}, got "
            f"{values['base_momentum']:g}."
        )
    return problems


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
