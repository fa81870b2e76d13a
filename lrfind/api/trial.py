"""The trial of learning-rate policies for Python: on a model, an optimizer and a loader of one's own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lrfind.api.arguments import for_python, in_arguments, of_arguments, plain_arguments
from lrfind.api.caller import Caller
from lrfind.api.result import Result, content_of
from lrfind.config.schema import Precision
from lrfind.errors import UserError
from lrfind.plotting.page import column_width
from lrfind.schedule.report import schedule_record
from lrfind.schedule.trial import Trial
from lrfind.schedule.trial_report import tried_csv
from lrfind.schedules.schedule import Schedule, ScheduleTable
from lrfind.suggestion import Status
from lrfind.tasks.own import OwnTraining
from lrfind.tasks.own_checks import in_batches
from lrfind.tasks.own_runs import SeededTask
from lrfind.training.batch import num_samples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import torch
    from torch import nn
    from torch.optim import Optimizer

    from lrfind.plotting.page import Page
    from lrfind.plotting.panel import Panel
    from lrfind.schedule.policy_runs import TrialStep
    from lrfind.schedule.results import Outcome, Tried
    from lrfind.suggestion import Suggestion
    from lrfind.training.objective import Criterion, Forward


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TrialResult(Result):
    """What a task came to under several learning-rate policies.

    Attributes:
        tried: What was measured, policy by policy and seed by seed.
        title: What was trained, for the picture.
        content: The JSON record, as plain dicts and lists.
    """

    tried: Tried
    title: str
    content: dict[str, Any]

    def __repr__(self) -> str:
        """Short: the best policy, and the verdict."""
        return f"TrialResult(best={self.best!r}, verdict={self.verdict!r})"

    @property
    def best(self) -> str | None:
        """The policy that ended with the lowest mean held-out loss; None where there is none.

        There is none where every policy diverged, or where nothing was learnt under any.
        """
        return None if self.tried.best is None else self.tried.policies[self.tried.best]

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Loss and accuracy at the end of every policy, with their spread over the seeds."""
        return self.tried.outcomes

    @property
    def suggestion(self) -> Suggestion | None:
        """Always None: a trial is of policies, whose rates are given."""
        return None

    @property
    def verdict(self) -> str:
        """Which policy ended lowest, and whether by more than the spread of the seeds."""
        return in_arguments(self.tried.verdict)

    def apply(self, optimizer: Optimizer | Sequence[Optimizer]) -> float:
        """Refuses: a policy has a rate for every step, which a scheduler sets.

        Args:
            optimizer: As for the other results.

        Raises:
            UserError: Always; the message says what follows the best policy.
        """
        del optimizer
        said = "apply() sets one rate, and a trial compares schedules, which have one for every step"
        if self.best is None:
            raise UserError(f"{said}; none of them was best. {self.verdict}")
        raise UserError(
            f"{said}: lrfind.policies.scheduler(optimizer, schedule) follows one in a training of yours, and "
            f"of those given the one of {self.best} ended lowest."
        )

    def _page(self) -> Page:
        from lrfind.schedule.trial_plot import trial_page

        return trial_page(self.tried, self.title)

    def _panel(self) -> Panel:
        from lrfind.schedule.trial_plot import trial_panel

        return trial_panel(self.tried, "loss", column_width(1, 0.0))

    def _csv(self) -> str:
        return tried_csv(self.tried)


@for_python
def try_policies(
    model: nn.Module,
    optimizer: Optimizer,
    criterion: Criterion | None,
    loader: Iterable[Any],
    held_out: Iterable[Any],
    schedules: Sequence[Schedule],
    *,
    seeds: int = 3,
    readings: int | None = None,
    initialise: Callable[[nn.Module], None] | None = None,
    batch_size: int | None = None,
    accumulation_steps: int = 1,
    clip_grad_norm: float | None = None,
    precision: Precision | str = Precision.FP32,
    scaler: torch.amp.GradScaler | None = None,
    forward: Forward | None = None,
    on_step: Callable[[TrialStep], None] | None = None,
    progress: bool | None = None,
) -> TrialResult:
    """Trains under several learning-rate policies and says which ends lowest.

    It is what `lrfind schedule --try` does. Within a seed all policies share initial weights, batches and
    random numbers. Everything is put back, as `range_test` says.

    Args:
        model: On the device it is to be trained on; batches are moved there.
        optimizer: Over its parameters. Groups keep the ratio of their rates.
        criterion: `criterion(model(inputs), target)`; None where the model, or `forward`, returns the loss.
        loader: Any iterable of batches: `(inputs, target, ...)` or a dict. It is started again for each
            policy, and its order begins again with it, so it may be no iterator.
        held_out: Fixed batches that are not trained on; loss and accuracy are read on them.
        schedules: Two or more of different policies, with the same number of steps:
            `[policies.schedule(name, lr=0.1, num_steps=300) for name in ("fixed", "cosine")]`.
        seeds: Repeat everything so many times, for the noise. Random streams and the loader's generators
            are seeded with 0, 1, ... and `initialise` is called; for 1, without `initialise`, nothing is.
        readings: How often the held-out batches are read; None: 20 times, or after every step of fewer.
        initialise: Draws initial weights; None: every seed begins with the weights that are given.
        batch_size: Samples a batch in place of the loader's own, which must then be a `DataLoader` of torch's
            own class, without a sampler of batches; None: as the loader has them.
        accumulation_steps: Batches a step.
        clip_grad_norm: Largest norm of the gradient; None: no limit.
        precision: `fp32`, `bf16` or `fp16`, by autocast.
        scaler: Your gradient scaler; None makes one where the precision is fp16.
        forward: `forward(model, batch)` in place of `model(inputs)`.
        on_step: Told how far it is; an exception that it raises ends the trial and is passed on.
        progress: Whether to show how far it is, below a notebook's cell or on stderr. None: in a notebook.

    Returns:
        What each policy came to, the best of them and ways to write it down.

    Raises:
        UserError: An argument, the model, the optimizer or a batch cannot be used. It is a ValueError.
        KeyboardInterrupt: It was interrupted.
    """
    given = dict(locals())
    arguments = plain_arguments(given)
    num_steps = _num_steps(schedules)
    for name, value, most in (("seeds", seeds, None), ("readings", readings, num_steps)):
        if value is not None and (not isinstance(value, int) or value < 1):
            raise UserError(f"{name} must be a whole number of at least 1, got {value!r}.")
        if value is not None and most is not None and value > most:
            raise UserError(f"{name} must be at most the {most} steps of the schedules, got {value}.")
    loader = in_batches(loader, batch_size)
    own = of_arguments(OwnTraining, given, loader=loader)
    task = own.task(accuracy=criterion is not None, validation=held_out, validation_name="held_out")
    assert task.validation is not None
    samples = sum(map(num_samples, task.validation))
    tables = [ScheduleTable.of(each) for each in schedules]
    began = time.perf_counter()
    with own.preserved(task) as start:
        trial = Trial(
            SeededTask(task, loader, start, seeds=seeds, initialise=initialise),
            Caller(on_step, progress=progress),
            device=task.device,
            held_out=samples,
            num_steps=num_steps,
            seeds=seeds,
            readings=readings,
            accuracy=criterion is not None,
        )
        tried = trial.run(tables)
    if tried.interrupted:
        raise KeyboardInterrupt
    content = content_of(
        command="schedule",
        status=Status.DIVERGED if tried.diverged else Status.COMPLETED,
        suggestion=None,
        rules={},
        verdict=in_arguments(tried.verdict),
        steps=tried.steps_taken,
        began=began,
        device=task.device,
        arguments={"try_policies": arguments},
        task=task.title,
        own=schedule_record(tried.courses, tried, held_out=samples),
        notes=trial.notes,
        skipped=trial.skipped,
    )
    return TrialResult(tried, task.title, content)


def _num_steps(schedules: Sequence[Schedule]) -> int:
    """The steps of all schedules."""
    listed = isinstance(schedules, (list, tuple))
    for each in schedules if listed else [schedules]:
        if not (listed and isinstance(each, Schedule)):
            raise UserError(
                f"schedules must be a list of schedules, got {each!r}: each is made of a policy's name, as "
                "lrfind.policies.schedule('cosine', lr=0.1, num_steps=300)."
            )
    if len(schedules) < 2:
        raise UserError("schedules must hold two or more, to be compared with one another.")
    names = [each.policy.value for each in schedules]
    if len(set(names)) < len(names):
        raise UserError(f"schedules must be of different policies, got {', '.join(names)}.")
    if len({each.num_steps for each in schedules}) > 1:
        said = ", ".join(f"{each.policy.value} num_steps={each.num_steps}" for each in schedules)
        raise UserError(f"schedules must have the same number of steps, got {said}.")
    return schedules[0].num_steps
