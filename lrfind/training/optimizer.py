"""The optimizer: its learning rate and its momentum; several as one."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.optim import Optimizer

from lrfind.errors import OptimizerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn


class Optimizers(Optimizer):
    """Several optimizers that a caller's step uses, as one: for whatever sets rates and puts things back.

    Args:
        optimizers: At least one.

    Attributes:
        optimizers: The same.
        param_groups: The groups of all, one optimizer after the other: the same dicts.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:  # and no more: it makes no step itself
        self.optimizers = tuple(optimizers)
        self.param_groups = [group for each in self.optimizers for group in each.param_groups]
        self.state = defaultdict(dict)
        self.defaults: dict[str, Any] = {}

    @property
    def names(self) -> list[str]:
        """What each group is called where it has no name."""
        names: list[str] = []
        for i, each in enumerate(self.optimizers):
            several = len(each.param_groups) > 1
            names += [
                f"optimizer {i}, group {j}" if several else f"optimizer {i}"
                for j in range(len(each.param_groups))
            ]
        return names


def as_one(optimizer: Optimizer | Sequence[Optimizer]) -> Optimizer:
    """An optimizer, or several as one.

    Raises:
        OptimizerError: It is neither.
    """
    if isinstance(optimizer, (list, tuple)):
        if not optimizer or not all(isinstance(each, Optimizer) for each in optimizer):
            raise OptimizerError("optimizer must be an optimizer of torch, or a list of them.")
        return Optimizers(optimizer)
    return optimizer  # type: ignore[return-value]


def is_optimizer(given: object) -> bool:
    """Whether it is an optimizer of torch, or has what one has, as a wrapper of one does."""
    return isinstance(given, Optimizer) or hasattr(given, "param_groups")


def moved_by(optimizer: Optimizer) -> list[Tensor]:
    """The parameters of all groups, in their order."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def trained_by(optimizer: Optimizer) -> dict[int, Tensor]:
    """Those of them that are not frozen, by identity."""
    return {id(parameter): parameter for parameter in moved_by(optimizer) if parameter.requires_grad}


def count_trained(model: nn.Module, optimizer: Optimizer) -> tuple[int, int]:
    """How many numbers of a model's parameters the optimizer moves, and how many there are."""
    trained = trained_by(optimizer)
    counts = [(each.numel(), id(each) in trained) for each in model.parameters()]
    return sum(count for count, moves in counts if moves), sum(count for count, _ in counts)


def name_of_optimizer(optimizer: Optimizer) -> str:
    """Its class, or those of several; of one that Accelerate has wrapped the class within."""
    each = optimizer.optimizers if isinstance(optimizer, Optimizers) else (optimizer,)
    return " + ".join(type(_within(one)).__name__ for one in each)


def _within(optimizer: Optimizer) -> Any:
    """The optimizer that Accelerate has wrapped; any other itself."""
    wrapped = type(optimizer).__name__ == "AcceleratedOptimizer"
    return getattr(optimizer, "optimizer", optimizer) if wrapped else optimizer


def _class_names(optimizer: Optimizer) -> list[str]:
    """Names of its class and of those that it comes from: several libraries have one of a name."""
    return [kind.__name__ for kind in type(_within(optimizer)).__mro__]


class LearningRate:
    """Sets the rates of an optimizer, keeping the ratio between its groups.

    The group with the largest rate gets the rate itself, the others their share of it. A rate that is a
    tensor is filled in place, so that a compiled step is not compiled again.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        if any("lr" not in group for group in optimizer.param_groups):
            raise OptimizerError(
                f"optimizer: {type(optimizer).__name__} keeps no learning rate: its parameter groups need an "
                "entry 'lr' for the range test to move."
            )
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        if not any(rates):  # as a scheduler that begins at 0 has left them; the ratio is that of its peaks
            rates = [float(group.get("initial_lr", 0.0)) for group in optimizer.param_groups]
        largest = max(rates)
        self.groups = [
            (group, rate / largest if largest > 0 else 1.0)
            for group, rate in zip(optimizer.param_groups, rates, strict=True)
        ]

    def __call__(self, lr: float) -> None:
        """Sets the rate of the fastest group to `lr` and the others in proportion."""
        for group, share in self.groups:
            if type(group["lr"]) is float:
                group["lr"] = lr * share
            else:
                set_rate(group, lr * share)


def set_rate(group: dict[str, Any], lr: float, key: str = "lr") -> None:
    """Sets the rate of one group; a tensor is filled in place."""
    if isinstance(group[key], Tensor):
        group[key].fill_(lr)
    else:
        group[key] = lr


def set_initial_rates(optimizer: Optimizer) -> bool:
    """Has a scheduler that is made from now on begin at the rates that the groups have.

    Torch's schedulers begin at the `initial_lr` that the first of them has left in a group.

    Returns:
        Whether there is one that was made before: it goes on from the rates that it knows.
    """
    scheduled = [group for group in optimizer.param_groups if "initial_lr" in group]
    for group in scheduled:
        set_rate(group, float(group["lr"]), "initial_lr")
    return bool(scheduled)


_ZERO_GRAD = Optimizer.zero_grad


def clear_gradients(optimizer: Optimizer) -> None:
    """Does what `optimizer.zero_grad()` does.

    Torch's own notes itself for the profiler, which takes as long as a small layer: it is called only where
    it has been replaced.
    """
    if getattr(type(optimizer), "zero_grad", None) is not _ZERO_GRAD or "zero_grad" in vars(optimizer):
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def momentum_of(optimizer: Optimizer) -> float:
    """The weight of the past in the optimizer's average of gradients, in [0, 1); of several groups the most.

    It is `momentum` of SGD and RMSprop, the first of Adam's `betas`, less for NAdam, more for Lion, and 0 for
    an optimizer that has neither, and for one that is Schedule-Free: its first beta weighs averages of
    weights, and every gradient moves them at once.
    """
    names = _class_names(optimizer)
    if any("ScheduleFree" in name for name in names):
        return 0.0
    groups = [group for group in optimizer.param_groups if any(p.requires_grad for p in group["params"])]
    found = max((_of_group(group, is_lion="Lion" in names) for group in groups), default=0.0)
    return found if 0 <= found < 1 else 0.0


def _of_group(group: Mapping[str, Any], *, is_lion: bool) -> float:
    betas = group.get("betas")
    weights = [_number(each) for each in betas] if isinstance(betas, (tuple, list)) else []
    first = weights[0] if weights else 0.0
    if is_lion and len(weights) > 1 and 0 < first < 1 and 0 < weights[1] < 1:
        first = _of_lion(first, weights[1])
    if "momentum_decay" in group and 0 < first < 1:
        first = _of_nadam(first)
    return max(_number(group.get("momentum")), first)


def _of_lion(first: float, second: float) -> float:
    """The momentum whose updates are as old, on average, as those of Lion.

    Its update is `first` times the average of the gradients before, which is 1 / (1 - second) steps old, and
    the rest the new gradient.

    Source: Chen et al. 2023, algorithm 2.
    """
    age = first / (1 - second)
    return age / (1 + age)


def _of_nadam(beta: float) -> float:
    """The momentum whose updates are as old, on average, as those of NAdam in its first hundreds of steps.

    Its update is about mu times the average of gradients, which is beta / (1 - beta) steps old, and 1 - mu
    times the new gradient, and mu begins at half of beta. An average with momentum m is m / (1 - m) steps
    old.

    Source: Dozat 2016, with the schedule of mu that torch.optim.NAdam has.
    """
    age = beta / 2 * beta / (1 - beta)
    return age / (1 + age)


def rectified_by(optimizer: Optimizer) -> float | None:
    """The weight of the past in RAdam's average of squares, by which its first updates are held back.

    None for other optimizers. It is known by the name of its class, since several libraries have one.
    """
    if "RAdam" not in _class_names(optimizer):
        return None
    betas = optimizer.param_groups[0].get("betas")
    second = _number(betas[1]) if isinstance(betas, (tuple, list)) and len(betas) == 2 else 0.0
    return second if 0 < second < 1 else None


def _number(value: Any) -> float:
    """A number, or a tensor that holds one; 0 for anything else."""
    if isinstance(value, Tensor):
        return float(value) if value.numel() == 1 else 0.0
    return float(value) if isinstance(value, (int, float)) else 0.0


def set_momentum(optimizer: Optimizer, momentum: float) -> None:
    """Sets `momentum`, or else the first of the `betas`, of every parameter group that has one."""
    for group in optimizer.param_groups:
        if "momentum" in group:
            group["momentum"] = momentum
        elif "betas" in group:
            group["betas"] = (momentum, *group["betas"][1:])
