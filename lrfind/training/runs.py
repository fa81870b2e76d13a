"""Several runs of one task from the same start: the same weights, batches and random numbers.

What a range test or the textbook's sweep reads at a rate also depends on all the training before it. Here
nothing but the rate, or the policy, differs, so the losses may be compared one by one.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from lrfind.errors import ConfigError
from lrfind.training.optimizer import LearningRate
from lrfind.training.paused_runs import PausedRuns, checked_rates, level_of, with_peers
from lrfind.training.run_set import RunSet, RunsInterrupted
from lrfind.training.stacking.autotune import Form, form_of_rates
from lrfind.training.stacking.stack import Stack
from lrfind.training.stacking.strategy import Strategy
from lrfind.training.start import Start, from_one_start
from lrfind.training.step import train_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from lrfind.statistics import Floats
    from lrfind.training.paused_runs import BeforeStep
    from lrfind.training.readings import OnReading
    from lrfind.training.run_set import OnStep
    from lrfind.training.task import Task


@dataclass(frozen=True, slots=True)
class Halving:
    """Successive halving: at stated step counts the better part goes on.

    Source: Jamieson and Talwalkar, arXiv 1502.07943, figure 3.

    Attributes:
        rungs: Step counts after which rates are dropped, rising.
        keep: The share that goes on; of n rates it is the next whole number from `keep * n` up, at least 1.
    """

    rungs: tuple[int, ...]
    keep: float = 0.5

    def __post_init__(self) -> None:
        if not all(a < b for a, b in zip((0, *self.rungs), self.rungs, strict=False)):
            raise ConfigError(f"the rungs of a halving must rise from 1 up, got {self.rungs}.")
        if not 0 < self.keep < 1:
            raise ConfigError(f"the share that a halving keeps must lie between 0 and 1, got {self.keep}.")

    @classmethod
    def doubling(cls, num_steps: int, *, first: int) -> Halving:
        """Keeps half after `first`, 2 `first`, 4 `first`, ... steps, all below `num_steps`."""
        if first < 1:
            raise ConfigError(f"the first rung of a halving must be at least 1, got {first}.")
        return cls(tuple(first * 2**j for j in range(num_steps.bit_length()) if first * 2**j < num_steps))

    def alive(self, num_rates: int) -> list[int]:
        """The most rates that run up to each rung, and after the last; one more than there are rungs."""
        counts = [num_rates]
        for _ in self.rungs:
            # Rounded before it is rounded up: 0.1 * 30 is 3.0000000000000004.
            counts.append(max(1, math.ceil(round(self.keep * counts[-1], 9))) if counts[-1] else 0)
        return counts

    def total_steps(self, num_rates: int, *, num_steps: int) -> int:
        """The most training steps that this takes; fewer only where rates diverge."""
        ends = [min(rung, num_steps) for rung in self.rungs] + [num_steps]
        starts = [0, *ends[:-1]]
        counts = self.alive(num_rates)
        return sum(n * (b - a) for n, a, b in zip(counts, starts, ends, strict=True))


_FEWEST_TIMED, _MOST_TIMED, _TIMED_SECONDS = 5, 50, 0.1
"""How many steps are timed for a plan: so many at least, and more until they have taken that long."""


def train_runs(
    task: Task,
    lrs: ArrayLike,
    *,
    num_steps: int,
    held_out: Sequence[Any] | None = None,
    read_at: Sequence[int] = (),
    seed: int = 0,
    strategy: Strategy = Strategy.AUTO,
    halving: Halving | None = None,
    beta: float = 0.98,
    stop_factor: float | None = 4.0,
    before_step: BeforeStep | None = None,
    on_step: OnStep | None = None,
    on_reading: OnReading | None = None,
) -> RunSet:
    """Trains at each rate, or along each policy, from the state that all is in now.

    Model, optimizer and random streams are put back afterwards, whatever happens. A run is dropped when its
    loss is not finite, or when its smoothed loss passes `stop_factor` times the loss at the start, which is
    read on the first batches before anything is trained (see `DivergenceMonitor`); the others go on.

    One after another, halving keeps a copy of model and optimizer for each run that reaches a rung, as much
    memory as a stack, and draws the batches before a rung again, without training on them.

    Args:
        task: What is trained; `afresh` gives at least `num_steps` batches (times `accumulation_steps`).
        lrs: Constant rates, shape (runs,), in any order; or a policy each, shape (runs, steps): the rate of
            step i is `lrs[:, i]`. Policies run one after another.
        num_steps: Updates a run.
        held_out: Fixed batches that are read at the end and at each rung, as `evaluate` does: in eval mode,
            weighted by their sizes. It is not counted as a step. None: nothing is read.
        read_at: Updates after which they are read, too; 0: before training.
        seed: That of the task, for the record.
        strategy: One after another, stacked, or whichever is faster.
        halving: When to drop the worse part, on the loss read, or the last training loss. None: never.
        beta: Weight of the past in the smoothed loss.
        stop_factor: As above; None: only a loss that is not finite drops a run.
        before_step: For what else a policy moves, such as the momentum of one cycle. The runs then go one
            after another.
        on_step: Told of every step once its loss is known.
        on_reading: Told of every reading as it is made, but of that before training.

    Raises:
        ConfigError: No rate, one that cannot be used, no step, or a stack that cannot be made.
        UserError: Model, loss, optimizer or data cannot be used as given.
        KeyboardInterrupt: After everything was put back; as `RunsInterrupted` once the runs have begun.
    """
    if not all(0 <= step <= num_steps for step in read_at):
        raise ConfigError(f"the steps after which to read must lie in 0 to {num_steps}, got {list(read_at)}.")
    rungs = [rung for rung in halving.rungs if rung < num_steps] if halving else []
    steps = sorted({*read_at, *rungs, num_steps})
    rates, _ = checked_rates(lrs, num_steps)
    with from_one_start(task) as start:
        runs = PausedRuns(
            task,
            start,
            lrs,
            num_steps=num_steps,
            work=(halving or Halving(())).total_steps(len(rates), num_steps=num_steps),
            level=level_of(start, num_steps, stop_factor),
            held_out=held_out,
            read_at=steps,
            seed=seed,
            strategy=strategy,
            beta=beta,
            stop_factor=stop_factor,
            before_step=before_step,
            on_step=on_step,
            on_reading=on_reading,
        )
        try:
            counts = halving.alive(len(rates)) if halving else [len(rates)]
            for end, count in zip([*rungs, num_steps], [*counts[1:], 0], strict=False):
                runs.advance(end)
                if end < num_steps:
                    runs.log.halve(count, end)
        except KeyboardInterrupt as error:
            raise RunsInterrupted(runs.found) from error
    return runs.found


def faster_form(
    task: Task, lrs: ArrayLike, *, num_steps: int, strategy: Strategy = Strategy.AUTO
) -> tuple[Form, float]:
    """Which way of running constant rates is faster, and how many seconds a step of all of them takes.

    For a plan: what `train_runs` with `Strategy.AUTO` would find out, asked once for runs of the same make.
    Everything is put back. Arguments and errors are those of `train_runs`.
    """
    rates, _ = checked_rates(lrs, num_steps)
    with from_one_start(task) as start:
        work = num_steps * len(rates)
        strategy = with_peers(task, strategy)
        form = form_of_rates(start, rates, steps=min(num_steps, 2), work=work, strategy=strategy)
        start.restore()
        return form, _seconds_a_step(start, rates, stacked=form.stacked)


def seconds_a_step(task: Task, lr: float) -> float:
    """How long a training step takes; everything is put back."""
    return faster_form(task, [lr], num_steps=1, strategy=Strategy.SEQUENTIAL)[1]


def _seconds_a_step(start: Start, lrs: Floats, *, stacked: bool) -> float:
    """The mean of a few, after a first one that is not counted; of more where they are fast.

    On a busy machine a few fast steps may all fall into one gap that another process leaves, or beside it,
    and a step that waited for other processes counts: those that are planned are going to wait as well.
    Several ranks time the few alone: their clocks differ, and all have to take as many steps.
    """
    task, batches = start.task, start.batches()
    stack = Stack(task.objective, task.optimizer, lrs, options=task.options) if stacked else None
    if stack is None:
        LearningRate(task.optimizer)(float(lrs.min()))
    times: list[float] = []
    most = _MOST_TIMED if task.peers is None else 0
    while len(times) <= _FEWEST_TIMED or (len(times) < most and sum(times) < _TIMED_SECONDS):
        began = time.perf_counter()
        if stack is not None:
            stack.step(batches).tolist()
        else:
            train_step(task.objective, task.optimizer, batches, task.options)[0].item()
        if task.device.type == "cuda":
            torch.cuda.synchronize(task.device)
        times.append(time.perf_counter() - began)
    return statistics.mean(times[1:]) * (1 if stacked else len(lrs))
