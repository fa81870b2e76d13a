"""What a learning-rate policy is: its name, and the class that each of them derives from."""

from __future__ import annotations

import inspect
import math
import typing
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from lrfind.config.bounds import Bound, bounds_of, value_problems

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_STEPS = 10_000_000
"""More make a table that nobody reads."""

_HOME = "torch.optim.lr_scheduler"
_LINE = 108
"""Characters of a line, less `scheduler = `."""


class Policy(str, Enum):
    """The policies by name."""

    FIXED = "fixed"
    STEP = "step"
    MULTISTEP = "multistep"
    EXP = "exp"
    INV = "inv"
    POLY = "poly"
    LINEAR = "linear"
    COSINE = "cosine"
    ONE_CYCLE = "one_cycle"
    CYCLIC = "cyclic"
    WSD = "wsd"


@dataclass(frozen=True, kw_only=True, slots=True)
class LearningRatePolicy(ABC):
    """A policy with a peak rate, a number of steps and all of its parameters; a subclass for each.

    The fields of a subclass are its parameters, in the order in which they are told; their annotations hold
    the type and the bound of each.

    Attributes:
        formula: The rate of an update, from what it takes of the fields.
        momentum_formula: The same of the momentum; None: the policy leaves it alone.
        sets_peak: Whether torch's scheduler of it sets the optimizer's rate itself.
    """

    policy: ClassVar[Policy]
    formula: ClassVar[Any]
    momentum_formula: ClassVar[Any] = None
    sets_peak: ClassVar[bool] = False
    lr: float
    num_steps: int

    @classmethod
    def defaults(cls, lr: float, num_steps: int, given: Mapping[str, Any]) -> dict[str, Any]:
        """What the parameters are where they are not given; some defaults hang on those that are."""
        return {}

    def rate(self, i: int) -> float:
        """The rate of update `i`, counted from 0; at `num_steps`, where the policy has arrived."""
        return self._worked(type(self).formula, i)

    @abstractmethod
    def torch_call(self) -> str:
        """The call that makes a scheduler of torch with these rates, as text."""

    def torch_call_without_momentum(self) -> str:
        """The same, with the optimizer's momentum left alone."""
        return self.torch_call()

    @property
    def peak(self) -> float:
        """The highest rate; of a policy that only falls, the first one."""
        return self.lr

    def momentum(self, i: int) -> float | None:
        """The momentum of update `i`, or None where the policy leaves it alone."""
        formula = type(self).momentum_formula
        return None if formula is None else self._worked(formula, i)

    def _worked(self, formula: Callable[..., float], i: int) -> float:
        return float(formula(i, **{name: getattr(self, name) for name in _taken(formula)}))

    def relations(self, prefix: str) -> list[str]:
        """What is wrong with values that are each right by themselves; `prefix` stands before other names."""
        del prefix
        return []

    @classmethod
    def parameters(cls) -> tuple[str, ...]:
        """The names of what it takes beside a peak rate and a number of steps."""
        return tuple(field.name for field in fields(cls) if field.name not in ("lr", "num_steps"))

    @property
    def values(self) -> dict[str, Any]:
        """Its parameters by name."""
        return {name: getattr(self, name) for name in self.parameters()}

    @classmethod
    def completed(cls, lr: float, num_steps: int, given: Mapping[str, Any]) -> LearningRatePolicy:
        """The policy with the parameters that are given and not None, the others from `defaults`."""
        known = {name: value for name, value in given.items() if value is not None}
        values = cls.defaults(lr, num_steps, known) | known
        hints = typing.get_type_hints(cls)
        for name, value in values.items():
            if hints[name] is float:
                values[name] = float(value)  # torch takes no whole number for a pct_start
            elif isinstance(value, list):
                values[name] = tuple(value)
        return cls(lr=lr, num_steps=num_steps, **values)

    @classmethod
    def problems_of(cls, lr: float, num_steps: int, given: Mapping[str, Any], prefix: str = "") -> list[str]:
        """All that is wrong with what a schedule is to be made of, a sentence each.

        Of the parameters that are given None is as good as left out, and what the policy does not take is
        passed over; `prefix` stands before the name of each: `schedule.`.
        """
        problems = value_problems("lr", lr, (_LR,)) + value_problems("num_steps", num_steps, (_NUM_STEPS,))
        known = {name: given[name] for name in cls.parameters() if given.get(name) is not None}
        bounds = bounds_of(cls)
        for name, value in known.items():
            problems += value_problems(name, value, bounds[name])
        if not problems:
            problems = cls.completed(lr, num_steps, known).relations(prefix)
        return [prefix + problem for problem in problems]


@cache
def _taken(formula: Callable[..., float]) -> tuple[str, ...]:
    """What a formula takes beside the step."""
    return tuple(inspect.signature(formula).parameters)[1:]


def number(words: str, holds: Callable[[float], bool]) -> Bound:
    """The bound of a finite number: it must be `words`."""
    return Bound(
        f"must be {words}, got {{}}.",
        lambda value: is_number(value) and math.isfinite(value) and holds(value),
    )


def whole(least: int) -> Bound:
    """The bound of a number of steps."""
    return Bound(
        f"must be a whole number of at least {least}, got {{}}.",
        lambda value: is_whole(value) and value >= least,
    )


def is_whole(value: Any) -> bool:
    """Whether a caller's value is a whole number; a truth value is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a caller's value is a number; a truth value is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


POSITIVE = number("greater than 0", lambda x: x > 0)
END_FACTOR = number("from 0 to 1", lambda x: 0 <= x <= 1)
_LR = Bound(
    "must be greater than 0 and finite, got {}.", lambda value: is_number(value) and 0 < value < math.inf
)
_NUM_STEPS = Bound(
    f"must be a whole number from 1 to {MOST_STEPS:,}, got {{}}.",
    lambda value: is_whole(value) and 1 <= value <= MOST_STEPS,
)


def call(name: str, **arguments: object) -> str:
    """The call of a scheduler of torch, as text."""
    return spelled(name, [f"{key}={value!r}" for key, value in arguments.items()])


def spelled(name: str, arguments: list[str]) -> str:
    """A call on one line, or, where that is long, an argument a line."""
    arguments = ["optimizer", *arguments]
    line = f"{_HOME}.{name}({', '.join(arguments)})"
    if len(line) <= _LINE and "\n" not in line:
        return line
    return f"{_HOME}.{name}(\n" + "".join(f"    {argument},\n" for argument in arguments) + ")"


def lambda_call(factor: str) -> str:
    """The call of torch's LambdaLR, where torch has no scheduler of its own: `factor` in terms of `step`."""
    return spelled("LambdaLR", [f"lambda step: {factor}"])
