"""The coarse-to-fine sweep for Python: on a model, an optimizer and a loader of one's own."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lrfind.api.arguments import for_python, in_arguments, of_arguments, plain_arguments
from lrfind.api.caller import Caller
from lrfind.api.result import Result, content_of
from lrfind.config.schema import Precision
from lrfind.errors import UserError
from lrfind.execution.distributed import all_ranks
from lrfind.refine.config import Iteration, Read, RefineSettings, Restart
from lrfind.refine.continued import Reading
from lrfind.refine.report import refine_csv
from lrfind.refine.results import RoundPlan, RoundResult
from lrfind.refine.run import Sweep
from lrfind.refine.seeds import Seeds
from lrfind.refine.segments import DEFAULT_ITERATIONS, around, rounds_of, table
from lrfind.refine.verdict import conclude, with_no_learning
from lrfind.tasks.own import OwnTraining
from lrfind.tasks.own_checks import fixed, in_batches
from lrfind.tasks.own_runs import SeededTask
from lrfind.training.stacking.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import torch
    from torch import nn
    from torch.optim import Optimizer

    from lrfind.plotting.page import Page
    from lrfind.plotting.panel import Panel
    from lrfind.refine.results import RefineStep
    from lrfind.refine.verdict import RefineVerdict
    from lrfind.suggestion import Suggestion
    from lrfind.training.objective import Criterion, Forward


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class RefineResult(Result):
    """What a coarse-to-fine sweep found.

    Attributes:
        rounds: What was measured, round by round.
        answer: What was read from it.
        title: What was trained, for the picture.
        content: The JSON record, as plain dicts and lists.
    """

    rounds: list[RoundResult]
    answer: RefineVerdict
    title: str
    content: dict[str, Any]

    def __repr__(self) -> str:
        """Short: the suggestion, or that there is none, and the verdict."""
        found = "no suggestion" if self.suggestion is None else f"lr={self.suggestion.lr:g}"
        return f"RefineResult({found}, rounds={len(self.rounds)}, verdict={self.verdict!r})"

    @property
    def suggestion(self) -> Suggestion | None:
        """The suggested rate with its bracket and reason; None where the rounds show none."""
        return self.answer.suggestion

    @property
    def verdict(self) -> str:
        """What the rounds show, and what to do about it, in a sentence or two."""
        return self.answer.verdict

    def _page(self) -> Page:
        from lrfind.refine.plot import rounds_page

        return rounds_page([[each] for each in self.rounds], self.answer, self.title)

    def _panel(self) -> Panel:
        return self._page().panels[-1]

    def _csv(self) -> str:
        several = max((len(measured.tracks) for measured in self.rounds), default=1)
        return refine_csv([[each] for each in self.rounds], seeds=range(several) if several > 1 else None)


@for_python
def refine(
    model: nn.Module,
    optimizer: Optimizer,
    criterion: Criterion | None,
    loader: Iterable[Any],
    *,
    segments: Sequence[Any] | None = None,
    around_lr: float | None = None,
    rounds: int | None = None,
    iterations: int = DEFAULT_ITERATIONS,
    steps_per_iteration: int = 1,
    read: Iterable[Any] | None = None,
    restart: bool = False,
    halving: bool = False,
    seeds: int = 1,
    initialise: Callable[[nn.Module], None] | None = None,
    batch_size: int | None = None,
    accumulation_steps: int = 1,
    clip_grad_norm: float | None = None,
    precision: Precision | str = Precision.FP32,
    scaler: torch.amp.GradScaler | None = None,
    forward: Forward | None = None,
    on_step: Callable[[RefineStep], None] | None = None,
    progress: bool | None = None,
) -> RefineResult:
    """Runs the coarse-to-fine sweep on objects of your own and puts everything back.

    Every round begins with the model as it was given. What is put back is listed at `range_test`; as there,
    it is put back also after an exception or an interrupt. On several ranks it is called as `range_test` is.

    A sweep that is cut off cannot be resumed here, as one of `lrfind refine` can: where the loader is, and
    what its samples and their order depend on, is the caller's, and could not be put back in another process.

    Args:
        model: On the device it is to be trained on; batches are moved there.
        optimizer: Over its parameters. Groups keep the ratio of their rates.
        criterion: `criterion(model(inputs), target)`; None where the model, or `forward`, returns the loss.
        loader: Any iterable of batches: `(inputs, target, ...)` or a dict. It is started again when it ends.
        segments: Mappings `{start, stop, step, iterations}` of the first round, or a list of such lists, one
            a round; None: the textbook's table, 0.0001 to 1.1.
        around_lr: Start at the closing round about this rate instead.
        rounds: Number of rounds; None: those given where there are several, else until the turn is closed in.
        iterations: How long each rate is held, where the segments do not say it.
        steps_per_iteration: Training steps an iteration; `len(loader)` makes it an epoch.
        read: Fixed batches on which the loss of an iteration is read, after it, in eval mode; None: the mean
            training loss of its steps, each before its update.
        restart: Begin every rate at the same start instead of where the rate before it ended.
        halving: With `restart`: drop the worse half of the rates at a quarter and at half of the steps.
        seeds: Repeat everything so many times, one after another, for a mean and a spread. Each time the
            random streams (Python, NumPy, torch) and the loader's generators are seeded with 0, 1, ... and
            `initialise` is called; within a seed all rates, and all rounds, share weights and batches. For
            1, without `initialise`, nothing is seeded.
        initialise: Draws initial weights, as `lambda model: model.apply(reset)`; None: every seed begins with
            the weights of the model as it was given, and only the order of the batches and what the
            model draws differ.
        batch_size: Samples a batch in place of the loader's own, which must then be a `DataLoader` of torch's
            own class, without a sampler of batches; None: as the loader has them.
        accumulation_steps: Batches a step.
        clip_grad_norm: Largest norm of the gradient; None: no limit.
        precision: `fp32`, `bf16` or `fp16`, by autocast.
        scaler: Your gradient scaler; None makes one where the precision is fp16.
        forward: `forward(model, batch)` in place of `model(inputs)`.
        on_step: Told how far it is; an exception that it raises ends the sweep and is passed on.
        progress: Whether to show how far it is, below a notebook's cell or on stderr. None: in a notebook.

    Returns:
        The rounds, the suggestion (None where there is none) and ways to write them down.

    Raises:
        UserError: An argument, the model, the optimizer or a batch cannot be used. It is a ValueError.
        KeyboardInterrupt: The sweep was interrupted.

    Source: ai-edu, chapter 12.3.2.
    """
    given = dict(locals())
    arguments = plain_arguments(given)
    loader = in_batches(loader, batch_size)
    plans = _plans(segments, around_lr, iterations)
    counts = {"rounds": rounds, "steps_per_iteration": steps_per_iteration, "seeds": seeds}
    for name, value in counts.items():
        if value is not None and value < 1:
            raise UserError(f"{name} must be at least 1, got {value}.")
    with all_ranks(arguments | {"plans": repr(plans)}) as ranks:
        own = of_arguments(OwnTraining, given, loader=loader)
        task = own.task(peers=ranks)
        began = time.perf_counter()
        reading = Reading(steps_per_iteration, fixed(read, task.device, "read"))
        settings = of_arguments(
            RefineSettings,
            given,
            segments=[],
            around=around_lr,
            iteration=Iteration.BATCH,
            read=Read.BATCH,
            subset=0,
            restart=Restart.TRUE if restart else Restart.FALSE,
            strategy=Strategy.AUTO,
            save_every=None,
            resume=None,
        )
        with own.preserved(task) as start:
            tasks = SeededTask(task, loader, start, seeds=seeds, initialise=initialise)
            sweep = Sweep(
                Seeds(tasks, seeds, reading), settings, plans, Caller(on_step, progress=progress), timed=False
            )
            sweep.run()
        if sweep.interrupted:
            raise KeyboardInterrupt
    found = sweep.rounds
    answer = conclude(found)
    answer = with_no_learning(answer, [found], sweep.seeds.blind)
    answer = replace(answer, verdict=in_arguments(f"{answer.verdict} {answer.no_learning}".rstrip()))
    content = content_of(
        command="refine",
        status=found[-1].status,
        suggestion=answer.suggestion,
        rules=answer.rules,
        verdict=answer.verdict,
        steps=sweep.steps,
        began=began,
        device=task.device,
        arguments={"refine": arguments},
        task=task.title,
        groups=[group.following(answer.suggestion) for group in sweep.seeds.groups],
        notes=[*sweep.seeds.notes, *filter(None, [answer.no_learning])],
        skipped=sweep.seeds.skipped,
    )
    return RefineResult(found, answer, task.title, content)


def _plans(segments: Sequence[Any] | None, around_lr: float | None, iterations: int) -> list[RoundPlan]:
    if iterations < 1:
        raise UserError(f"iterations must be at least 1, got {iterations}.")
    if around_lr is not None:
        try:
            return [RoundPlan(around(around_lr, iterations), "", "closing")]
        except ValueError as error:
            raise UserError(f"around_lr: {error}.") from error
    if segments is None:
        return [RoundPlan(table(iterations), "")]
    try:
        return [RoundPlan(each, "") for each in rounds_of(segments)]
    except ValueError as error:
        raise UserError(f"segments: {error}.") from error
