"""The range test for Python: on a model, an optimizer and a loader of one's own."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lrfind.api.arguments import for_python, in_arguments, of_arguments, plain_arguments
from lrfind.api.caller import Caller
from lrfind.api.range_arguments import CHOICES, one_optimizer, settings_of
from lrfind.api.result import Result, content_of
from lrfind.config.schema import Precision
from lrfind.errors import DataError
from lrfind.execution.distributed import all_ranks
from lrfind.range_test.config import Groups, Metric
from lrfind.range_test.controlled_sweep import StepSweep
from lrfind.range_test.group_sweeps import run_each_group
from lrfind.range_test.ladder import Spacing
from lrfind.range_test.reading import DEFAULT_RULE, Rule
from lrfind.range_test.report import each_csv, each_record, range_csv, range_record
from lrfind.range_test.run import run_range_test
from lrfind.range_test.slower_sweep import AUTO, AUTO_SWEEPS, cannot_follow, why_weak
from lrfind.suggestion import Status
from lrfind.tasks.own import OwnTraining
from lrfind.tasks.own_checks import in_batches
from lrfind.tasks.own_runs import RepeatedTask, SeededTask

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import torch
    from torch import nn
    from torch.optim import Optimizer

    from lrfind.plotting.page import Page
    from lrfind.plotting.panel import Panel
    from lrfind.range_test.curve import Curve
    from lrfind.range_test.group_sweeps import EachGroup
    from lrfind.range_test.reading import Reading
    from lrfind.range_test.repeats import Repeats
    from lrfind.range_test.sweep import OnStep, Step
    from lrfind.statistics import Floats
    from lrfind.suggestion import Suggestion
    from lrfind.training.objective import Criterion, Forward
    from lrfind.training.step import OwnStep


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RangeTestResult(Result):
    """What a range test found.

    Attributes:
        curve: Learning rates and raw losses, step by step; of several sweeps the median.
        reading: What was read from it.
        repeats: The several sweeps, and what each alone answers; None for one.
        title: What was trained on what, for the picture.
        content: The JSON record, as plain dicts and lists.
        each: With `groups="each"` the sweep of every group alone; the curve is then that of all together.
    """

    curve: Curve
    reading: Reading
    repeats: Repeats | None
    title: str
    content: dict[str, Any]
    each: EachGroup | None = None

    def __repr__(self) -> str:
        """Short: the suggestion, or that there is none, and the verdict."""
        found = "no suggestion" if self.suggestion is None else f"lr={self.suggestion.lr:g}"
        return f"RangeTestResult({found}, steps={self.content['steps']}, verdict={self.verdict!r})"

    @property
    def lrs(self) -> Floats:
        """Learning rates of the steps taken, shape (steps,)."""
        return self.curve.lrs

    @property
    def losses(self) -> Floats:
        """Raw training losses, each of its batch before the update with its rate, shape (steps,)."""
        return self.curve.losses

    @property
    def suggestion(self) -> Suggestion | None:
        """The suggested rate with its bracket and reason; None where the curve shows none."""
        return self.reading.suggestion if self.each is None else self.each.suggestion

    @property
    def rules(self) -> dict[str, float | None]:
        """Every rule's own answer."""
        return self.reading.rules if self.each is None else self.each.rules

    @property
    def verdict(self) -> str:
        """What the curve shows, and what to do about it, in a sentence or two."""
        return self.reading.verdict if self.each is None else in_arguments(self.each.verdict)

    def _rate_of_each(self) -> list[float] | None:
        if self.each is None:
            return None
        return [group.lr for group in self.groups if group.lr is not None]

    def _page(self) -> Page:
        if self.each is not None:
            from lrfind.range_test.group_plot import each_page

            return each_page(self.each)
        from lrfind.range_test.plot import range_page

        return range_page(self.curve, self.reading, self.title, self.repeats)

    def _panel(self) -> Panel:
        from lrfind.range_test.plot import range_panel

        return range_panel(self.curve, self.reading, self.repeats)

    def _csv(self) -> str:
        return range_csv(self.curve, self.repeats) if self.each is None else each_csv(self.each)


@for_python
def range_test(
    model: nn.Module,
    optimizer: Optimizer | Sequence[Optimizer],
    criterion: Criterion | None,
    loader: Iterable[Any],
    *,
    start_lr: float = 1e-5,
    end_lr: float = 10.0,
    num_steps: int = 60,
    spacing: Spacing | str = Spacing.GEOMETRIC,
    beta: float = 0.98,
    stop_factor: float | None = 4.0,
    paired: bool = True,
    skip_start: int | None = None,
    skip_end: int | None = None,
    repeats: int | str = AUTO,
    metric: Metric | str = Metric.LOSS,
    rule: Rule | str = DEFAULT_RULE,
    horizon: int | str | None = None,
    groups: Groups | str = Groups.RATIO,
    single_batch: bool = False,
    validation: Iterable[Any] | None = None,
    validation_every: int = 10,
    batch_size: int | None = None,
    accumulation_steps: int = 1,
    clip_grad_norm: float | None = None,
    precision: Precision | str = Precision.FP32,
    scaler: torch.amp.GradScaler | None = None,
    forward: Forward | None = None,
    step: OwnStep | None = None,
    on_step: OnStep | None = None,
    progress: bool | None = None,
) -> RangeTestResult:
    """Runs the learning-rate range test on objects of your own and puts everything back.

    Model, buffers, gradients, optimizer state, scaler, random streams, train/eval modes and requires_grad are
    afterwards bitwise what they were, also after an exception or an interrupt.

    Where a process group of torch.distributed is initialised, every rank calls it, on its own data: all get
    the curve of the mean over the ranks, and the same suggestion.

    Args:
        model: On the device it is to be trained on; batches are moved there. Of several,
            `nn.ModuleList([a, b])`.
        optimizer: Over its parameters. Groups keep the ratio of their rates; the rates of the test are those
            of the group with the largest. With `step` it may be a list of optimizers, whose groups are moved
            together.
        criterion: `criterion(model(inputs), target)`; None where the model, or `forward`, returns the loss.
        loader: Any iterable of batches: `(inputs, target, ...)` or a dict. It is started again when it ends.
        start_lr: First rate.
        end_lr: Last rate.
        num_steps: Steps from the first to the last rate.
        spacing: `geometric` or `linear`.
        beta: Weight of the past in the smoothed loss, in [0, 1).
        stop_factor: Stop when the smoothed loss passes this many times its lowest; None: never.
        paired: Measure the model as it was at the start on the same batches too, and subtract its loss:
            most of the noise is the batch. It costs a forward pass a step, and memory for a copy of what is
            trained.
        skip_start: Steps at the start that are not read; None: none where paired, else a tenth, at most 10.
        skip_end: The same at the end, after an early stop; None: none where paired, else a twentieth, at
            most 5.
        repeats: Sweeps, each from the same start; what the loader and the model draw at random differs from
            one to the next. Their median curve is read, and `result.repeats` has what each alone answers.
            `auto`: one, and where its answer is weak a slower one along the rates that moved something, whose
            answer counts; `result.repeats.reason` says why. Where that is weak too, short trainings at
            constant rates (not with `step`), in `result.reading.trials`. Where a training of 300 steps meets
            every sample 15 times or more, or the model was trained before, one of 125 to 200 steps at the
            answer with samples held out, in `result.reading.held_out`: those of `validation`, or a fifth of
            those behind a plain `DataLoader` (else, and on several ranks, none). Where the loader is an
            iterator that cannot begin again, it is left at one sweep, and the verdict says so where more
            would follow.
        metric: `loss` or `accuracy`: what the suggestion is read from.
        rule: The rule that makes the suggestion.
        horizon: Length of the training that the suggestion is for, in steps or as `5 epochs`; the rate is
            then extrapolated, and `result.reading.horizon` says how. None: about 300 steps, as measured.
        groups: Of an optimizer with several groups of parameters: `ratio` moves all of them, in the ratio of
            their rates; `each` also sweeps one after another alone, while the others keep the rates that the
            first sweep suggests, and `result.groups` has the answer of each. It takes about five times the
            steps for two groups, seven for three. The loader may then be no iterator.
        single_batch: Train on the first batch at every step.
        validation: Fixed batches whose loss is measured every `validation_every` steps.
        validation_every: Steps from one such measurement to the next.
        batch_size: Samples a batch in place of the loader's own, which must then be a `DataLoader` of torch's
            own class, without a sampler of batches; None: as the loader has them.
        accumulation_steps: Batches a step.
        clip_grad_norm: Largest norm of the gradient; None: no limit.
        precision: `fp32`, `bf16` or `fp16`, by autocast.
        scaler: Your gradient scaler; None makes one where the precision is fp16.
        forward: `forward(model, batch)` in place of `model(inputs)`.
        step: `step(batch)` makes one whole training step of yours on a batch (on the model's device): all
            forward and backward passes and the updates of all optimizers. It returns the loss that the rate
            is to be judged by, a tensor with one number, as it was before the updates. All that it trains
            must be in `model`, and every optimizer it uses in `optimizer`: their rates are moved, and they
            are put back. The control of a paired test is then a run of its own at a rate of 0 on the same
            batches, so that there are twice the steps. What says how a step is made (`criterion`, `forward`,
            `precision`, `accumulation_steps`, `clip_grad_norm`) does not go with it; a `scaler` that it
            uses is put back.
        on_step: Told of every step once its loss is known.
        progress: Whether to show how far it is, below a notebook's cell or on stderr. None: in a notebook.

    Returns:
        The curve, the suggestion (None where there is none) and ways to write them down.

    Raises:
        UserError: An argument, the model, the optimizer or a batch cannot be used. It is a ValueError.
        KeyboardInterrupt: The test was interrupted.

    Source: Smith, arXiv 1506.01186, section 3.3.
    """
    given = dict(locals())
    optimizer = one_optimizer(optimizer, step)
    loader = in_batches(loader, batch_size)
    settings = settings_of(given, loader)
    arguments = plain_arguments(given)
    own = of_arguments(OwnTraining, given, optimizer=optimizer, loader=loader)
    with all_ranks(arguments | {"repeats": settings.repeats}) as ranks:
        task = own.task(accuracy=settings.metric is Metric.ACCURACY, validation=validation, peers=ranks)
        began = time.perf_counter()
        each: EachGroup | None = None
        measure = StepSweep() if step is not None and paired else None
        with own.preserved(task) as start:
            times = settings.repeats if isinstance(settings.repeats, int) else AUTO_SWEEPS
            tasks = RepeatedTask(task, loader, start, times=times, single_batch=single_batch)
            again = SeededTask(task, loader, start, seeds=times)
            observer = Caller(_index_a_sweep(on_step), progress=progress)
            try:
                if settings.groups is Groups.EACH:
                    each = run_each_group(tasks, again, settings, observer)
                    found = each.together
                elif measure is not None:
                    found = run_range_test(again, settings, observer, measure=measure, steps_a_rate=2)
                else:
                    found = run_range_test(tasks, settings, observer)
            except DataError as error:
                raise DataError(*map(in_arguments, error.paragraphs)) from error
        if Status.INTERRUPTED in (found.curve.status, found.curve.status if each is None else each.status):
            raise KeyboardInterrupt
    said = f"{found.reading.verdict} {found.reading.no_learning}".rstrip()
    weak = why_weak(found.curve, found.reading) if repeats == AUTO else None
    if weak:
        said += cannot_follow(weak, iterator=isinstance(loader, Iterator), own_step=measure is not None)
    reading = replace(found.reading, seen=in_arguments(said), advice="")
    chosen = {name: getattr(settings, name).value for name in CHOICES}
    result = RangeTestResult(found.curve, reading, found.repeats, task.title, {}, each)
    content = content_of(
        command="range",
        status=found.curve.status,
        suggestion=result.suggestion,
        rules=result.rules,
        verdict=result.verdict,
        steps=(found.steps if each is None else each.steps)
        + (0 if measure is None else measure.control_steps),
        began=began,
        device=task.device,
        arguments={"range_test": arguments},
        task=task.title,
        own=range_record(arguments | chosen, reading, found.repeats) if each is None else each_record(each),
        groups=found.groups if each is None else each.groups,
        notes=[*found.notes, *filter(None, [reading.no_learning])],
        skipped=found.skipped,
    )
    return replace(result, content=content)


def _index_a_sweep(on_step: OnStep | None) -> OnStep | None:
    """Counts the steps that a caller is told of from 0 in every sweep, where a bar counts on."""
    if on_step is None:
        return None
    first, last = 0, math.inf

    def told(step: Step) -> None:
        nonlocal first, last
        # A sweep begins where steps are counted anew, where the rate falls, or where it rises from the 0 at
        # which a control stood.
        if step.index == 0 or step.lr < last or (last == 0 < step.lr and step.index - first > 1):
            first = step.index
        last = step.lr
        on_step(replace(step, index=step.index - first))

    return told
