"""Learning curves over learning rates for Python: on a model, optimizers and loaders of one's own."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import torch

from lrfind.api.arguments import (
    for_python,
    in_arguments,
    of_arguments,
    plain_arguments,
    refuse_problems,
)
from lrfind.api.caller import Caller
from lrfind.api.result import Result, content_of
from lrfind.compare.budget import Budget
from lrfind.compare.config import AUTO, CompareSettings
from lrfind.compare.report import compare_csv, compare_record
from lrfind.compare.results import Judge
from lrfind.compare.run import Study
from lrfind.compare.setup import Setting
from lrfind.compare.verdict import conclude
from lrfind.config.schema import Precision
from lrfind.errors import UserError
from lrfind.range_test.config import RangeSettings
from lrfind.suggestion import Status
from lrfind.tasks.own import OwnTraining
from lrfind.tasks.own_checks import batches_given, one_of
from lrfind.tasks.own_runs import SeededTask
from lrfind.training.batch import num_samples
from lrfind.training.rng import same_streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import nn
    from torch.optim import Optimizer

    from lrfind.compare.results import Comparison
    from lrfind.compare.run import CompareStep
    from lrfind.compare.verdict import CompareVerdict
    from lrfind.plotting.page import Page
    from lrfind.plotting.panel import Panel
    from lrfind.suggestion import Suggestion
    from lrfind.training.objective import Criterion, Forward
    from lrfind.training.task import OpenTask, Task


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class CompareResult(Result):
    """Learning curves over learning rates, batch sizes and optimizers.

    Attributes:
        comparison: What was measured, cell by cell.
        advice: What is read from it.
        title: What was trained, for the picture.
        accumulation_steps: Batches a step.
        content: The JSON record, as plain dicts and lists.
    """

    comparison: Comparison
    advice: CompareVerdict
    title: str
    accumulation_steps: int
    content: dict[str, Any]

    def __repr__(self) -> str:
        """Short: the suggestion, or that there is none, and the verdict."""
        found = "no suggestion" if self.suggestion is None else f"lr={self.suggestion.lr:g}"
        return f"CompareResult({found}, verdict={self.verdict!r})"

    @property
    def suggestion(self) -> Suggestion | None:
        """The best rate; None where every rate diverged, or none learnt anything."""
        return self.advice.suggestion

    @property
    def verdict(self) -> str:
        """Which rate is best, how sure that is and how it moves with the batch size."""
        return self.advice.verdict

    def _page(self) -> Page:
        from lrfind.compare.plot import curves_page

        return curves_page(self.comparison, self.title)

    def _panel(self) -> Panel:
        return self._page().panels[0]

    def _csv(self) -> str:
        several = len(self.comparison.optimizers) > 1
        return compare_csv(self.comparison, optimizers=several, accumulation_steps=self.accumulation_steps)


@for_python
def compare(
    model: nn.Module,
    optimizer: Optimizer | Mapping[str, Optimizer],
    criterion: Criterion | None,
    loader: Iterable[Any] | Mapping[int, Iterable[Any]],
    held_out: Iterable[Any],
    *,
    samples: int,
    lrs: Sequence[float] | None = None,
    num_lrs: int = 5,
    factor: float = 2.0,
    readings: int = 10,
    judge: Judge | str | None = None,
    seeds: int = 3,
    stacked: bool | None = None,
    initialise: Callable[[nn.Module], None] | None = None,
    accumulation_steps: int = 1,
    clip_grad_norm: float | None = None,
    precision: Precision | str = Precision.FP32,
    scaler: torch.amp.GradScaler | None = None,
    forward: Forward | None = None,
    on_step: Callable[[CompareStep], None] | None = None,
    progress: bool | None = None,
) -> CompareResult:
    """Trains at several learning rates, batch sizes and with several optimizers, and compares them.

    Within a seed all rates share initial weights, batches and random numbers. Everything is put back, as
    `range_test` says. The runs go one after another in this process.

    Args:
        model: On the device it is to be trained on; batches are moved there.
        optimizer: Over its parameters, or several by their names. Groups keep the ratio of their rates.
        criterion: `criterion(model(inputs), target)`; None where the model, or `forward`, returns the loss.
        loader: Any iterable of batches, `(inputs, target, ...)` or a dict; or several by their batch sizes.
            It is started again for each rate, and its order begins again with it, so it may be no iterator.
        held_out: Fixed batches that are not trained on; loss and accuracy are read on them.
        samples: Samples that each run trains on, whatever the batch size.
        lrs: The rates; None: a grid around what a range test suggests, for each optimizer and batch size;
            those of an optimizer's batch sizes are parts of one grid.
        num_lrs: Rates of a grid.
        factor: From one rate of a grid to the next.
        readings: How often the held-out batches are read.
        judge: `loss` or `accuracy`: by what the best rate is chosen; None: accuracy where it is measured.
        seeds: Repeat everything so many times, for the noise. Random streams and the loaders' generators
            are seeded with 0, 1, ... and `initialise` is called; for 1, without `initialise`, nothing is.
        stacked: Train the rates side by side as one model; None: where a trial of a few steps says it pays.
        initialise: Draws initial weights; None: every seed begins with the weights that are given.
        accumulation_steps: Batches a step.
        clip_grad_norm: Largest norm of the gradient; None: no limit.
        precision: `fp32`, `bf16` or `fp16`, by autocast.
        scaler: Your gradient scaler; None makes one where the precision is fp16.
        forward: `forward(model, batch)` in place of `model(inputs)`.
        on_step: Told how far it is, and of the steps of range tests that come first; an exception that it
            raises is passed on.
        progress: Whether to show how far it is, below a notebook's cell or on stderr. None: in a notebook.

    Returns:
        The curves, the best rate (None where there is none) and ways to write them down.

    Raises:
        UserError: An argument, the model, an optimizer or a batch cannot be used. It is a ValueError.
        KeyboardInterrupt: It was interrupted.
    """
    given = dict(locals())
    arguments = plain_arguments(given)
    optimizers = dict(optimizer) if isinstance(optimizer, Mapping) else {type(optimizer).__name__: optimizer}
    loaders = dict(loader) if isinstance(loader, Mapping) else {_batch_size(loader): loader}
    for size, each in loaders.items():
        own_size = getattr(each, "batch_size", None)
        if own_size is not None and own_size != size:
            raise UserError(
                f"loader names a loader by the batch size {size!r}, and that loader has "
                f"batch_size={own_size}: name each by its own."
            )
    settings = of_arguments(
        CompareSettings,
        given,
        lrs=AUTO if lrs is None else list(lrs),
        batch_sizes=list(loaders),
        optimizers=list(optimizers) if isinstance(optimizer, Mapping) else None,
        epochs=None,
        held_out=0.1,
        judge=None if judge is None else one_of(Judge, judge),
        stacked="auto" if stacked is None else "true" if stacked else "false",
        processes=1,
        threads=torch.get_num_threads(),
        resume=None,
    )
    refuse_problems(settings)
    fixed = batches_given(held_out, "held_out")
    began = time.perf_counter()
    with ExitStack() as put_back:
        tasks: dict[tuple[str, int], OpenTask] = {}
        for (name, each), (size, source) in product(optimizers.items(), loaders.items()):
            own = of_arguments(OwnTraining, given, optimizer=each, loader=source)
            task = own.task(accuracy=criterion is not None, validation=fixed, validation_name="held_out")
            start = put_back.enter_context(own.preserved(task))
            tasks[name, size] = SeededTask(task, source, start, seeds=seeds, initialise=initialise)
        setting = Setting(
            _OwnRuns(tasks),
            settings,
            RangeSettings(),
            device=task.device,
            optimizers=list(optimizers),
            sizes=sorted(loaders),
            held_out=sum(map(num_samples, fixed)),
            budget=Budget.of(epochs=None, samples=samples, readings=readings, pool=None),
            accumulation_steps=accumulation_steps,
            accuracy=criterion is not None,
        )
        study = Study(setting, Caller(on_step, progress=progress))
        study.run()
        comparison = study.comparison
        if comparison.interrupted:
            raise KeyboardInterrupt
        starts_finite = not comparison.diverged or study.starts_finite()
        advice = conclude(comparison, next(iter(loaders)), starts_finite=starts_finite)
    advice = dataclasses.replace(advice, verdict=in_arguments(advice.verdict))
    content = content_of(
        command="compare",
        status=Status.DIVERGED if comparison.diverged else Status.COMPLETED,
        suggestion=advice.suggestion,
        rules=advice.rules,
        verdict=advice.verdict,
        steps=sum(int(runs.steps_taken.sum()) for runs in study.runs.values()),
        began=began,
        device=task.device,
        arguments={"compare": arguments},
        task=setting.title,
        own={"comparison": compare_record(comparison, advice)},
        notes=setting.notes,
        skipped=study.skipped,
    )
    return CompareResult(comparison, advice, setting.title, accumulation_steps, content)


class _OwnRuns:
    """Opens a caller's task with one of the optimizers, at one of the batch sizes, an `OpenRun`."""

    def __init__(self, tasks: Mapping[tuple[str, int], OpenTask]) -> None:
        self._tasks = tasks

    @contextmanager
    def __call__(self, optimizer: str, batch_size: int, seed: int, *, accuracy: bool) -> Iterator[Task]:
        with self._tasks[optimizer, batch_size](seed) as task:
            yield task if accuracy else task.without_accuracy()


def _batch_size(loader: Iterable[Any]) -> int:
    """Samples a batch: what the loader says, or else those of its first batch."""
    size = getattr(loader, "batch_size", None)
    if isinstance(size, int) and size > 0:
        return size
    with same_streams(loader):
        first = next(iter(loader), None)
    if first is None:
        raise UserError("loader gave no batch at all: check that it is not empty or used up already.")
    return num_samples(first)
