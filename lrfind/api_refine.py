"""The coarse-to-fine sweep for Python: on a model, an optimizer and a loader of one's own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lrfind.api import Result, check_trainable, one_of, title_of
from lrfind.config.schema import Precision
from lrfind.core.batches import endless, on_device
from lrfind.core.continued import Reading, Tape, Trainee, continued
from lrfind.core.curve import Status
from lrfind.core.objective import Objective
from lrfind.core.restarted import restarted
from lrfind.core.rounds import Measured, Plan, conclude, explore
from lrfind.core.segments import DEFAULT_ITERATIONS, around, rounds_of, rungs, table
from lrfind.core.snapshot import Snapshot, preserved
from lrfind.core.training import StepOptions
from lrfind.errors import UserError
from lrfind.report.environment import environment
from lrfind.report.records import record
from lrfind.report.rounds import refine_csv
from lrfind.tasks.devices import name_of
from lrfind.tasks.precision import autocast, gradient_scaler

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import torch
    from matplotlib.figure import Figure
    from torch import nn
    from torch.optim import Optimizer

    from lrfind.core.objective import Criterion, Forward
    from lrfind.core.rounds import Answer
    from lrfind.core.suggest import Suggestion


@dataclass(frozen=True, slots=True, eq=False)
class RefineResult(Result):
    """What a coarse-to-fine sweep found.

    Attributes:
        rounds: What was measured, round by round.
        answer: What was read from it.
        title: What was trained, for the picture.
        content: The JSON record, as plain dicts and lists.
    """

    rounds: list[Measured]
    answer: Answer
    title: str
    content: dict[str, Any]

    @property
    def suggestion(self) -> Suggestion | None:
        """The suggested rate with its bracket and reason; None where the rounds show none."""
        return self.answer.suggestion

    @property
    def verdict(self) -> str:
        """What the rounds show, and what to do about it, in a sentence or two."""
        return self.answer.verdict

    def _figure(self) -> Figure:
        from lrfind.report.rounds_drawing import draw_rounds
        from lrfind.report.rounds_figure import rounds_figure

        return draw_rounds(rounds_figure([[each] for each in self.rounds], self.answer, self.title))

    def _csv(self) -> str:
        return refine_csv([[each] for each in self.rounds])


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
    accumulation_steps: int = 1,
    clip_grad_norm: float | None = None,
    precision: Precision | str = Precision.FP32,
    scaler: torch.amp.GradScaler | None = None,
    forward: Forward | None = None,
) -> RefineResult:
    """Runs the coarse-to-fine sweep on objects of your own and puts everything back.

    Every round begins with the model as it was given. What is put back is listed at `range_test`; as there,
    it is put back also after an exception or an interrupt.

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
        accumulation_steps: Batches a step.
        clip_grad_norm: Largest norm of the gradient; None: no limit.
        precision: `fp32`, `bf16` or `fp16`, by autocast.
        scaler: Your gradient scaler; None makes one where the precision is fp16.
        forward: `forward(model, batch)` in place of `model(inputs)`.

    Returns:
        The rounds, the suggestion (None where there is none) and ways to write them down.

    Raises:
        UserError: An argument, the model, the optimizer or a batch cannot be used. It is a ValueError.
        KeyboardInterrupt: The sweep was interrupted.

    Source: ai-edu, chapter 12.3.2.
    """
    arguments = {
        key: value for key, value in locals().items() if isinstance(value, (int, float, str)) or value is None
    }
    precision = one_of(Precision, precision)
    plans = _plans(segments, around_lr, iterations)
    for name, value in (
        ("rounds", rounds),
        ("iterations", iterations),
        ("steps_per_iteration", steps_per_iteration),
    ):
        if value is not None and value < 1:
            raise UserError(f"{name} must be at least 1, got {value}.")
    check_trainable(model, optimizer)
    started = time.perf_counter()
    device = next(model.parameters()).device
    scaler = gradient_scaler(precision, device) if scaler is None else scaler
    options = StepOptions(accumulation_steps=accumulation_steps, clip_grad_norm=clip_grad_norm, scaler=scaler)
    objective = Objective(model, criterion, forward=forward, autocast=autocast(precision, device))
    reading = Reading(
        steps_per_iteration, None if read is None else [on_device(batch, device) for batch in read]
    )
    steps = 0

    with preserved(model, optimizer, scaler=scaler, loader=loader):
        start = Snapshot(model, optimizer, scaler=scaler, loader=loader)

        def afresh() -> Iterator[Any]:
            start.restore_loader()
            return (on_device(batch, device) for batch in endless(loader))

        def measure(plan: Plan) -> Measured:
            nonlocal steps
            start.restore()
            trainee = Trainee(objective, optimizer, afresh(), device, options)
            planned = rungs(plan.segments)
            if restart:
                held = max(iterations for _, _, iterations in planned)
                track, taken = restarted(
                    trainee,
                    afresh,
                    [lr for _, lr, _ in planned],
                    iterations=held,
                    reading=reading,
                    halving=halving,
                )
                steps += taken
                return Measured(plan, (track,), restarted=True)
            tape = Tape()
            status = continued(trainee, [(lr, n) for _, lr, n in planned], reading=reading, tape=tape)
            steps += tape.iterations * reading.steps
            if status is Status.INTERRUPTED:
                raise KeyboardInterrupt
            return Measured(plan, (tape.track(),), status)

        found = list(explore(measure, plans, limit=rounds, iterations=iterations))[-1]
    answer = conclude(found)
    content = record(
        command="refine",
        status=found[-1].status,
        suggestion=answer.suggestion,
        rules=answer.rules,
        verdict=answer.verdict,
        steps=steps,
        seconds=time.perf_counter() - started,
        seed=None,
        device=str(device),
        config={"refine": arguments},
        environment=environment(name_of(device)),
        files=[],
    )
    return RefineResult(found, answer, title_of(model, optimizer, loader), content)


def _plans(segments: Sequence[Any] | None, around_lr: float | None, iterations: int) -> list[Plan]:
    if iterations < 1:
        raise UserError(f"iterations must be at least 1, got {iterations}.")
    if around_lr is not None:
        try:
            return [Plan(around(around_lr, iterations), "", "closing")]
        except ValueError as error:
            raise UserError(f"around_lr: {error}.") from error
    if segments is None:
        return [Plan(table(iterations), "")]
    try:
        return [Plan(each, "") for each in rounds_of(segments)]
    except ValueError as error:
        raise UserError(f"segments: {error}.") from error
