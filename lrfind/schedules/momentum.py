"""The momentum that a policy moves along with the rate, for `train_runs`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.training.optimizer import momentum_of, set_momentum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.schedules.schedule import ScheduleTable
    from lrfind.training.paused_runs import BeforeStep
    from lrfind.training.task import Task


def momentum_moved(task: Task, tables: Sequence[ScheduleTable]) -> BeforeStep | None:
    """What moves the momentum along with the rate; None where no policy does, or the optimizer has none."""
    if all(table.momenta is None for table in tables) or not momentum_of(task.optimizer):
        return None

    def before_step(policy: int, step: int) -> None:
        momenta = tables[policy].momenta
        if momenta is not None:
            set_momentum(task.optimizer, float(momenta[step]))

    return before_step
