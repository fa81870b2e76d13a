"""The PyTorch code that gives the rates of a schedule, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.schedule.policies import Policy

if TYPE_CHECKING:
    from lrfind.schedule.schedule import Schedule

_HOME = "torch.optim.lr_scheduler"
_LINE = 108
"""Characters of a line, less `scheduler = `."""


def torch_code(schedule: Schedule) -> str:
    """Code that makes `scheduler` from an `optimizer`, to be stepped after every update.

    The optimizer is to be made with the schedule's peak rate, but for `one_cycle` and `cyclic`, which set the
    rates themselves. The rates are those of `schedule.rate`, up to rounding, from update 0 to the last; where
    torch has the policy, the scheduler is torch's own.
    """
    made = _call(schedule)
    if schedule.policy in (Policy.ONE_CYCLE, Policy.CYCLIC):
        return f"scheduler = {made}"
    return f"# the optimizer is made with lr={schedule.lr!r}\nscheduler = {made}"


def _call(schedule: Schedule) -> str:
    p, n = schedule.parameters, schedule.num_steps
    match schedule.policy:
        case Policy.FIXED:
            return _made("ConstantLR", factor=1.0)
        case Policy.STEP:
            return _made("StepLR", step_size=p["step_size"], gamma=p["gamma"])
        case Policy.MULTISTEP:
            return _made("MultiStepLR", milestones=list(p["milestones"]), gamma=p["gamma"])
        case Policy.EXP:
            return _made("ExponentialLR", gamma=p["gamma"])
        case Policy.INV:
            return _lambda(f"(1 + {p['gamma']!r} * step) ** -{p['power']!r}")
        case Policy.POLY:
            return _made("PolynomialLR", total_iters=n, power=p["power"])
        case Policy.LINEAR:
            return _made("LinearLR", start_factor=1.0, end_factor=p["end_factor"], total_iters=n)
        case Policy.COSINE:
            return _cosine(p["warmup_steps"], n, p["start_factor"], p["eta_min"])
        case Policy.ONE_CYCLE:
            return _made("OneCycleLR", max_lr=schedule.lr, total_steps=n, **p)
        case Policy.CYCLIC:
            # By itself torch's cyclic scheduler moves the momentum as well.
            return _made("CyclicLR", **p, cycle_momentum=False)
        case Policy.WSD:
            return _wsd(p["warmup_steps"], p["decay_steps"], n, p["start_factor"], p["end_factor"])


def _cosine(warmup: int, num_steps: int, start_factor: float, eta_min: float) -> str:
    fall = _made("CosineAnnealingLR", T_max=num_steps - warmup, eta_min=eta_min)
    if not warmup:
        return fall
    rise = _made("LinearLR", start_factor=start_factor, total_iters=warmup)
    schedulers = f"schedulers=[\n        {rise},\n        {fall},\n    ]"
    return _spelled("SequentialLR", [schedulers, f"milestones=[{warmup}]"])


def _wsd(warmup: int, decay: int, num_steps: int, start_factor: float, end_factor: float) -> str:
    parts = ["1.0"]
    if warmup:
        parts.append(f"{start_factor!r} + {1 - start_factor!r} * step / {warmup}")
    if decay:
        fall = f"max({num_steps} - step, 0) / {decay}"
        parts.append(f"{end_factor!r} + {1 - end_factor!r} * {fall}" if end_factor else fall)
    return _lambda(f"min({', '.join(parts)})" if len(parts) > 1 else parts[0])


def _lambda(factor: str) -> str:
    return _spelled("LambdaLR", [f"lambda step: {factor}"])


def _made(name: str, **arguments: object) -> str:
    return _spelled(name, [f"{key}={value!r}" for key, value in arguments.items()])


def _spelled(name: str, arguments: list[str]) -> str:
    """A call on one line, or, where that is long, an argument a line."""
    arguments = ["optimizer", *arguments]
    line = f"{_HOME}.{name}({', '.join(arguments)})"
    if len(line) <= _LINE and "\n" not in line:
        return line
    return f"{_HOME}.{name}(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")"
