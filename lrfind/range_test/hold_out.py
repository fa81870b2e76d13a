"""Makes the runs that are read on samples held out: `held_out_run` says what is made of them."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lrfind.range_test.held_out_run import EVERY, MOST_LOWER, STEPS, HeldOutRun
from lrfind.range_test.sweeps import shown_later
from lrfind.suggestion import Status, rate_text
from lrfind.training.batch import num_samples
from lrfind.training.peers import mean_of
from lrfind.training.readings import blind_answer_on
from lrfind.training.step import evaluate

if TYPE_CHECKING:
    from lrfind.range_test.sweep import OnStep
    from lrfind.range_test.sweeps import Sweeps
    from lrfind.training.task import Task


def hold_out_again(sweeps: Sweeps, lr: float, why: str) -> HeldOutRun | None:
    """The run at a rate, and others at lower or higher ones, for a model that was trained before.

    At lower ones while the loss of other samples only rises; at higher ones while it does not turn and ends
    lower than before.

    Args:
        sweeps: Made before; the task of the last is trained.
        lr: The rate.
        why: What makes it worth its steps.

    Returns:
        The run that decides, with the others; None as in `hold_out`.
    """
    run = hold_out(sweeps, lr, why)
    least, most = sweeps.settings.start_lr, sweeps.settings.end_lr
    while run is not None and not run.learns and len(run.before) < MOST_LOWER and run.lr > least:
        why = f"at {rate_text(run.lr)} the loss of samples held out only rises"
        lower = hold_out(sweeps, max(run.next_lower, least), why)
        if lower is None:
            break
        run = lower.following(run)
    while run is not None and run.learns and not run.turned and run.next_higher <= most:
        why = f"at {rate_text(run.lr)} the loss of samples held out does not turn"
        higher = hold_out(sweeps, run.next_higher, why, run.steps)
        if higher is None:
            break
        if not higher.last < run.last:
            return replace(run, after=higher)
        run = higher.following(run)
    return run


def hold_out(sweeps: Sweeps, lr: float, why: str, steps: int | None = None) -> HeldOutRun | None:
    """Trains at a rate with samples held out; None where none can be, or where the user stopped it.

    Args:
        sweeps: Made before; the task of the last is trained.
        lr: The rate.
        why: What makes it worth its steps.
        steps: How many; None: until there is nothing more to see, `STEPS` at most.
    """
    opened = sweeps.last_task_with_held_out()
    if opened is None:
        return None
    length = f"up to {STEPS}" if steps is None else f"{steps}"
    run = f"a run of {length} steps at {rate_text(lr)} with samples held out"
    sweeps.observer.note(f"{why}; {run}.")
    try:
        with sweeps.observer.steps(steps or STEPS) as shown, opened as task:
            found = _read_on_the_way(sweeps, task, lr, shown, steps)
            sweeps.skipped |= dict.fromkeys(task.skipped)
            return found
    except KeyboardInterrupt:
        sweeps.interrupted = True
        return None


def _read_on_the_way(
    sweeps: Sweeps, task: Task, lr: float, shown: OnStep, steps: int | None
) -> HeldOutRun | None:
    """The run on a task with samples held out, from one reading to the next; None where it has no loss.

    Raises:
        KeyboardInterrupt: The user stopped it.
    """
    held_out = task.validation or []
    task = replace(task, validation=None)

    def loss() -> float:
        (found,) = mean_of(task.peers, (float(evaluate(task.objective, held_out)[0]),))
        return found if math.isfinite(found) else math.inf

    run = HeldOutRun(lr, sum(map(num_samples, held_out)), {0: loss()}, {})
    if math.isinf(run.losses[0]):
        return None
    run = replace(run, blind=blind_answer_on(held_out, task))
    while run.steps < steps if steps else not (run.training and run.ended):
        curve = sweeps.run(task, lr, EVERY, partial(shown_later, shown, run.steps), paired=False)
        at = run.steps + EVERY
        is_whole = curve.status is Status.COMPLETED
        run = replace(
            run,
            losses=run.losses | {at: loss() if is_whole else math.inf},
            training=run.training | {at: float(curve.losses.mean())},
        )
        if not is_whole:
            break
    return run
