"""`from lrfind import policies`: the learning rate over training, in numbers and as a torch scheduler.

    policies.step(100, lr=0.1, gamma=0.9, step_size=50)                        # the rate of one update
    plan = policies.schedule("cosine", lr=0.1, num_steps=300)                  # a whole training
    plan.rate(100), policies.torch_code(plan)
    scheduler = policies.scheduler(optimizer, "cosine", num_steps=300)         # step() after every update

Only `scheduler` and its class import torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lrfind.schedules.formulas import (
    cosine,
    cyclic,
    exp,
    fixed,
    inv,
    linear,
    linear_rule,
    multistep,
    one_cycle,
    one_cycle_momentum,
    poly,
    sqrt_rule,
    step,
    wsd,
)
from lrfind.schedules.policy import Policy
from lrfind.schedules.schedule import PARAMETERS, Schedule, schedule, torch_code

if TYPE_CHECKING:
    from lrfind.schedule.scheduler import PolicyLR, scheduler

__all__ = [
    "PARAMETERS",
    "Policy",
    "PolicyLR",
    "Schedule",
    "cosine",
    "cyclic",
    "exp",
    "fixed",
    "inv",
    "linear",
    "linear_rule",
    "multistep",
    "one_cycle",
    "one_cycle_momentum",
    "poly",
    "schedule",
    "scheduler",
    "sqrt_rule",
    "step",
    "torch_code",
    "wsd",
]


def __getattr__(name: str) -> Any:
    if name in ("PolicyLR", "scheduler"):
        return getattr(import_module("lrfind.schedule.scheduler"), name)
    raise AttributeError(f"module 'lrfind.policies' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
