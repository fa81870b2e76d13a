"""The policies that rise before they fall: parameters and their bounds, defaults, rate and PyTorch code.

The formulas and their sources stand in `lrfind.schedules.formulas`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from lrfind.config.bounds import Bound
from lrfind.schedules import formulas
from lrfind.schedules.policy import (
    END_FACTOR,
    POSITIVE,
    LearningRatePolicy,
    Policy,
    call,
    lambda_call,
    number,
    spelled,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_NEGATIVE = number("at least 0", lambda x: x >= 0)
_AT_LEAST_1 = number("at least 1", lambda x: x >= 1)
_START_FACTOR = number("greater than 0 and at most 1", lambda x: 0 < x <= 1)
_SHARE = number("between 0 and 1", lambda x: 0 < x < 1)
_MOMENTUM = number("at least 0 and below 1", lambda x: 0 <= x < 1)
_STRATEGY = Bound("must be cos or linear, got {!r}.", lambda value: value in ("cos", "linear"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Cosine(LearningRatePolicy):
    """Half a cosine after a warm-up."""

    policy: ClassVar = Policy.COSINE
    formula: ClassVar = formulas.cosine
    warmup_steps: Annotated[int, whole(0)]
    start_factor: Annotated[float, _START_FACTOR]
    eta_min: Annotated[float, _NOT_NEGATIVE]

    @classmethod
    def defaults(cls, lr: float, num_steps: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """A tenth of the steps warm up."""
        return {"warmup_steps": num_steps // 10, "start_factor": 0.01, "eta_min": 0.0}

    def relations(self, prefix: str) -> list[str]:
        """The warm-up ends before the end, and the cosine falls."""
        problems = _long_warmup(self.warmup_steps, self.num_steps, prefix)
        if self.eta_min >= self.lr:
            problems.append(f"eta_min must be below the peak, {prefix}lr={self.lr:g}, got {self.eta_min:g}.")
        return problems

    def torch_call(self) -> str:
        """Torch's CosineAnnealingLR, after its LinearLR where there is a warm-up."""
        warmup = self.warmup_steps
        fall = call("CosineAnnealingLR", T_max=self.num_steps - warmup, eta_min=self.eta_min)
        if not warmup:
            return fall
        rise = call("LinearLR", start_factor=self.start_factor, total_iters=warmup)
        schedulers = f"schedulers=[\n        {rise},\n        {fall},\n    ]"
        return spelled("SequentialLR", [schedulers, f"milestones=[{warmup}]"])


@dataclass(frozen=True, kw_only=True, slots=True)
class OneCycle(LearningRatePolicy):
    """One rise to the peak and one fall far below the start, the momentum against it."""

    policy: ClassVar = Policy.ONE_CYCLE
    formula: ClassVar = formulas.one_cycle
    momentum_formula: ClassVar = formulas.one_cycle_momentum
    sets_peak: ClassVar = True
    pct_start: Annotated[float, _SHARE]
    anneal_strategy: Annotated[str, _STRATEGY]
    div_factor: Annotated[float, _AT_LEAST_1]
    final_div_factor: Annotated[float, _AT_LEAST_1]
    base_momentum: Annotated[float, _MOMENTUM]
    max_momentum: Annotated[float, _MOMENTUM]

    @classmethod
    def defaults(cls, lr: float, num_steps: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """Those of torch."""
        cycle = {"pct_start": 0.3, "anneal_strategy": "cos", "div_factor": 25.0, "final_div_factor": 1e4}
        return cycle | {"base_momentum": 0.85, "max_momentum": 0.95}

    def relations(self, prefix: str) -> list[str]:
        """It rises, and the momentum falls meanwhile."""
        problems = []
        if not self.pct_start * self.num_steps > 1:
            problems.append(
                f"pct_start must give the rise more than a step of {prefix}num_steps={self.num_steps}, got "
                f"{self.pct_start:g}: one_cycle needs a larger one, or more steps."
            )
        if self.base_momentum > self.max_momentum:
            problems.append(
                f"base_momentum must be at most {prefix}max_momentum={self.max_momentum:g}, got "
                f"{self.base_momentum:g}."
            )
        return problems

    def torch_call(self) -> str:
        """Torch's OneCycleLR."""
        return self._call(**self.values)

    def torch_call_without_momentum(self) -> str:
        """The same for an optimizer whose momentum is not to be moved."""
        values = {name: value for name, value in self.values.items() if "momentum" not in name}
        return self._call(**values, cycle_momentum=False)

    def _call(self, **arguments: object) -> str:
        return call("OneCycleLR", max_lr=self.lr, total_steps=self.num_steps, **arguments)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cyclic(LearningRatePolicy):
    """Triangles between two rates."""

    policy: ClassVar = Policy.CYCLIC
    formula: ClassVar = formulas.cyclic
    sets_peak: ClassVar = True
    base_lr: Annotated[float, _NOT_NEGATIVE]
    max_lr: Annotated[float, POSITIVE]
    step_size_up: Annotated[int, whole(1)]

    @classmethod
    def defaults(cls, lr: float, num_steps: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """From a quarter of the highest rate: Smith, arXiv 1506.01186, section 3.3, a third or a quarter."""
        highest = given.get("max_lr", lr)
        return {"base_lr": highest / 4, "max_lr": highest, "step_size_up": max(1, num_steps // 6)}

    def relations(self, prefix: str) -> list[str]:
        """It rises."""
        if self.base_lr < self.max_lr:
            return []
        return [f"base_lr must be below {prefix}max_lr={self.max_lr:g}, got {self.base_lr:g}."]

    @property
    def peak(self) -> float:
        """`max_lr`."""
        return self.max_lr

    def torch_call(self) -> str:
        """Torch's CyclicLR, which by itself moves the momentum as well."""
        return call("CyclicLR", **self.values, cycle_momentum=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class WSD(LearningRatePolicy):
    """Warm-up, stable, decay."""

    policy: ClassVar = Policy.WSD
    formula: ClassVar = formulas.wsd
    warmup_steps: Annotated[int, whole(0)]
    decay_steps: Annotated[int, whole(0)]
    start_factor: Annotated[float, _START_FACTOR]
    end_factor: Annotated[float, END_FACTOR]

    @classmethod
    def defaults(cls, lr: float, num_steps: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """A tenth of the steps warm up, a fifth decay."""
        lengths = {"warmup_steps": num_steps // 10, "decay_steps": max(1, num_steps // 5)}
        return lengths | {"start_factor": 0.01, "end_factor": 0.0}

    def relations(self, prefix: str) -> list[str]:
        """Rise and fall have room."""
        if self.decay_steps and self.warmup_steps + self.decay_steps > self.num_steps:
            return [
                f"warmup_steps and {prefix}decay_steps together must not exceed {prefix}num_steps="
                f"{self.num_steps}, got {self.warmup_steps} and {self.decay_steps}."
            ]
        return _long_warmup(self.warmup_steps, self.num_steps, prefix)

    def torch_call(self) -> str:
        """Torch has none of its own."""
        parts = ["1.0"]
        if self.warmup_steps:
            start = self.start_factor
            parts.append(f"{start!r} + {1 - start!r} * step / {self.warmup_steps}")
        if self.decay_steps:
            end, fall = self.end_factor, f"max({self.num_steps} - step, 0) / {self.decay_steps}"
            parts.append(f"{end!r} + {1 - end!r} * {fall}" if end else fall)
        return lambda_call(f"min({', '.join(parts)})" if len(parts) > 1 else parts[0])


def _long_warmup(warmup: int, num_steps: int, prefix: str) -> list[str]:
    if not warmup or warmup < num_steps:
        return []
    return [f"warmup_steps must be less than {prefix}num_steps={num_steps}, got {warmup}."]
