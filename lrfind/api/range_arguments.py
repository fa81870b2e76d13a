"""The arguments of `range_test` as its settings, checked one by one and together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lrfind.api.arguments import in_arguments, of_arguments
from lrfind.errors import UserError
from lrfind.execution.distributed import num_ranks
from lrfind.range_test.config import Groups, Metric, RangeSettings, ValidationSettings
from lrfind.range_test.horizon import is_horizon
from lrfind.range_test.ladder import Spacing, ladder
from lrfind.range_test.reading import Rule
from lrfind.range_test.slower_sweep import AUTO
from lrfind.tasks.own_checks import one_of
from lrfind.training.optimizer import as_one

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch.optim import Optimizer

    from lrfind.training.step import OwnStep

CHOICES = {"spacing": Spacing, "metric": Metric, "rule": Rule, "groups": Groups}
"""Arguments that are one of a few words."""


_OTHERS = {
    "criterion": None,
    "forward": None,
    "accumulation_steps": 1,
    "clip_grad_norm": None,
    "precision": "fp32",
    "validation": None,
}
"""Arguments that say how a step is made, and what they are where they say nothing."""


def settings_of(given: Mapping[str, Any], loader: Iterable[Any]) -> RangeSettings:
    """What the arguments of a call ask for."""
    choices = {name: one_of(kind, given[name]) for name, kind in CHOICES.items()}
    try:
        ladder(choices["spacing"], given["start_lr"], given["end_lr"], given["num_steps"])
    except ValueError as error:
        raise UserError(f"start_lr, end_lr, num_steps: {error}.") from error
    repeats, horizon = given["repeats"], given["horizon"]
    if repeats != AUTO and (not isinstance(repeats, int) or repeats < 1):
        raise UserError(f"repeats must be auto or a whole number of at least 1, got {repeats!r}.")
    if horizon is not None and not (isinstance(horizon, (int, str)) and is_horizon(horizon)):
        raise UserError(
            "horizon must be the steps of the training, 2000, or its epochs, '5 epochs', or None, got "
            f"{horizon!r}."
        )
    if repeats == AUTO and isinstance(loader, Iterator):
        repeats = 1  # it cannot begin again
    validation = ValidationSettings(every=given["validation_every"])
    settings = of_arguments(RangeSettings, given, **choices, validation=validation, repeats=repeats)
    if problems := settings.horizon_problems():
        raise UserError(*map(in_arguments, problems))
    if given["step"] is not None:
        _check_beside_step(given, settings, loader)
    elif settings.groups is Groups.EACH:
        _refuse_for_each(settings, loader)
    return settings


def one_optimizer(optimizer: Optimizer | Sequence[Optimizer], step: OwnStep | None) -> Optimizer:
    """The optimizer, or the several of a step of the caller's as one."""
    found = as_one(optimizer)
    if found is not optimizer and step is None:
        raise UserError(
            "optimizer is a list: what to do with several optimizers is for a step of yours to say, "
            "step=function."
        )
    return found


def _check_beside_step(given: Mapping[str, Any], settings: RangeSettings, loader: Iterable[Any]) -> None:
    """Refuses what does not go with a step of the caller's."""
    problems = [
        f"{name} does not go with step, which makes the whole step itself: leave it out."
        for name, nothing in _OTHERS.items()
        if given[name] != nothing
    ]
    if settings.metric is Metric.ACCURACY:
        problems.append("metric='accuracy' does not go with step, which returns a loss alone.")
    if settings.groups is Groups.EACH:
        problems.append("groups='each' does not go with step.")
    if settings.paired and settings.single_batch:
        problems.append("single_batch=True goes with step only where paired=False.")
    if settings.paired and isinstance(loader, Iterator):
        problems.append(
            "the loader is an iterator, which cannot begin again, and the control of a paired test meets the "
            "same batches before the sweep does: give what makes iterators, or paired=False."
        )
    if num_ranks() > 1:
        problems.append("step works in one process only so far.")
    if problems:
        raise UserError(*problems)


def _refuse_for_each(settings: RangeSettings, loader: Iterable[Any]) -> None:
    """Refuses what cannot be swept group by group."""
    problems = settings.problems()
    if isinstance(loader, Iterator):
        problems.append(
            "range.groups=each trains on the same batches again and again, and the loader is an iterator, "
            "which cannot begin again."
        )
    if problems:
        raise UserError("\n".join(in_arguments(problem) for problem in problems))
