"""The policies that only fall: parameters and their bounds, defaults, rate and PyTorch code, a class each.

The formulas and their sources stand in `lrfind.schedules.formulas`.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from lrfind.config.bounds import Bound
from lrfind.schedules import formulas
from lrfind.schedules.policy import (
    END_FACTOR,
    POSITIVE,
    LearningRatePolicy,
    Policy,
    call,
    is_whole,
    lambda_call,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


def _rise(value: Any) -> bool:
    whole_numbers = isinstance(value, (list, tuple)) and len(value) > 0 and all(map(is_whole, value))
    return whole_numbers and all(before < after for before, after in pairwise([0, *value]))


_MILESTONES = Bound("must be whole numbers that rise from 1 on, such as [50,150], got {}.", _rise)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fixed(LearningRatePolicy):
    """The same rate throughout."""

    policy: ClassVar = Policy.FIXED
    formula: ClassVar = formulas.fixed

    def torch_call(self) -> str:
        """Torch's ConstantLR."""
        return call("ConstantLR", factor=1.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Step(LearningRatePolicy):
    """A drop every `step_size` steps."""

    policy: ClassVar = Policy.STEP
    formula: ClassVar = formulas.step
    step_size: Annotated[int, whole(1)]
    gamma: Annotated[float, POSITIVE]

    @classmethod
    def defaults(cls, lr: float, num_steps: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Six stairs."""
        return {"step_size": max(1, num_steps // 6), "gamma": 0.9}

    def relations(self, prefix: str) -> list[str]:
        """It falls."""
        return _growth(self.gamma)

    def torch_call(self) -> str:
        """Torch's StepLR."""
        return call("StepLR", **self.values)


@dataclass(frozen=True, kw_only=True, slots=True)
class Multistep(LearningRatePolicy):
    """A drop at each of the milestones."""

    policy: ClassVar = Policy.MULTISTEP
    formula: ClassVar = formulas.multistep
    milestones: Annotated[tuple[int, ...], _MILESTONES]
    gamma: Annotated[float, POSITIVE]

    @classmethod
    def defaults(cls, lr: float, num_steps: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Drops to a tenth at a half and at three quarters."""
        return {"milestones": sorted({num_steps // 2, 3 * num_steps // 4} - {0}), "gamma": 0.1}

    def relations(self, prefix: str) -> list[str]:
        """It falls, and before the end."""
        problems = _growth(self.gamma)
        last = max(self.milestones, default=0)
        if last > self.num_steps:
            problems.append(f"milestones must not lie beyond {prefix}num_steps={self.num_steps}, got {last}.")
        return problems

    def torch_call(self) -> str:
        """Torch's MultiStepLR."""
        return call("MultiStepLR", milestones=list(self.milestones), gamma=self.gamma)


@dataclass(frozen=True, kw_only=True, slots=True)
class Exp(LearningRatePolicy):
    """A drop at every step."""

    policy: ClassVar = Policy.EXP
    formula: ClassVar = formulas.exp
    gamma: Annotated[float, POSITIVE]

    @classmethod
    def defaults(cls, lr: float, num_steps: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Down to a hundredth at the end."""
        return {"gamma": 0.01 ** (1 / num_steps)}

    def relations(self, prefix: str) -> list[str]:
        """It falls."""
        return _growth(self.gamma)

    def torch_call(self) -> str:
        """Torch's ExponentialLR."""
        return call("ExponentialLR", gamma=self.gamma)


@dataclass(frozen=True, kw_only=True, slots=True)
class Inv(LearningRatePolicy):
    """A power of the inverse of the step."""

    policy: ClassVar = Policy.INV
    formula: ClassVar = formulas.inv
    gamma: Annotated[float, POSITIVE]
    power: Annotated[float, POSITIVE]

    @classmethod
    def defaults(cls, lr: float, num_steps: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Down to a tenth at the end, whatever the power."""
        power = given.get("power", 0.5)
        return {"gamma": (10 ** min(1 / power, 300.0) - 1) / num_steps, "power": power}

    def torch_call(self) -> str:
        """Torch has none of its own."""
        return lambda_call(f"(1 + {self.gamma!r} * step) ** -{self.power!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Poly(LearningRatePolicy):
    """A power of what is left to do."""

    policy: ClassVar = Policy.POLY
    formula: ClassVar = formulas.poly
    power: Annotated[float, POSITIVE]

    @classmethod
    def defaults(cls, lr: float, num_steps: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Nearly a straight line."""
        return {"power": 0.9}

    def torch_call(self) -> str:
        """Torch's PolynomialLR."""
        return call("PolynomialLR", total_iters=self.num_steps, power=self.power)


@dataclass(frozen=True, kw_only=True, slots=True)
class Linear(LearningRatePolicy):
    """A straight line to a share of the first rate."""

    policy: ClassVar = Policy.LINEAR
    formula: ClassVar = formulas.linear
    end_factor: Annotated[float, END_FACTOR]

    @classmethod
    def defaults(cls, lr: float, num_steps: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Down to 0."""
        return {"end_factor": 0.0}

    def torch_call(self) -> str:
        """Torch's LinearLR."""
        return call("LinearLR", start_factor=1.0, end_factor=self.end_factor, total_iters=self.num_steps)


def _growth(gamma: float) -> list[str]:
    return [f"gamma must be at most 1, or the rate would rise, got {gamma:g}."] if gamma > 1 else []
