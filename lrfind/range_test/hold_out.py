"""Makes the one run that is read on samples held out: `held_out_run` says what it is and what comes of it."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from lrfind.range_test.held_out_run import EVERY, STEPS, HeldOutRun
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


def hold_out(sweeps: Sweeps, lr: float, why: str) -> HeldOutRun | None:
    """Trains at a rate with samples held out; None where none can be, or where the user stopped it.

    Args:
        sweeps: Made before; the task of the last is trained.
        lr: The rate.
        why: What makes it worth its steps.
    """
    opened = sweeps.last_task_with_held_out()
    if opened is None:
        return None
    run = f"a run of up to {STEPS} steps at {rate_text(lr)} with samples held out"
    sweeps.observer.note(f"{why}; {run}.")
    try:
        with sweeps.observer.steps(STEPS) as shown, opened as task:
            found = _read_on_the_way(sweeps, task, lr, shown)
            sweeps.skipped |= dict.fromkeys(task.skipped)
            return found
    except KeyboardInterrupt:
        sweeps.interrupted = True
        return None


def _read_on_the_way(sweeps: Sweeps, task: Task, lr: float, shown: OnStep) -> HeldOutRun | None:
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
    while not (run.training and run.ended):
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
