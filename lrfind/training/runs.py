"""Several runs of one task from the same start: the same weights, batches and random numbers.

What a range test or the textbook's sweep reads at a rate also depends on all the training before it. Here
nothing but the rate, or the policy, differs, so the losses may be compared one by one.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lrfind.errors import ConfigError
from lrfind.training.divergence import GRACE, DivergenceMonitor
from lrfind.training.halving import Halving
from lrfind.training.optimizer import LearningRate
from lrfind.training.peers import mean_of
from lrfind.training.readback import Readback
from lrfind.training.readings import OnReading, Readings
from lrfind.training.run_set import RunLog, RunSet, RunsInterrupted
from lrfind.training.snapshot import Snapshot
from lrfind.training.stacking.autotune import Form, form_of_rates
from lrfind.training.stacking.rates import StackedRates
from lrfind.training.stacking.stack import Stack
from lrfind.training.stacking.strategy import Strategy
from lrfind.training.start import Start, from_one_start
from lrfind.training.step import train_step

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from lrfind.training.run_set import OnStep
    from lrfind.training.task import Task

BeforeStep = Callable[[int, int], None]
"""`before_step(run, step)`: called when the rate of a step is set and before it is made."""


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
    rates, policies = _checked(lrs, num_steps)
    if policies is not None or before_step is not None:
        if strategy is Strategy.STACKED:
            raise ConfigError("rates that follow a schedule cannot be stacked. Run them one after another.")
        strategy = Strategy.SEQUENTIAL
    strategy = _with_peers(task, strategy)
    if not all(0 <= step <= num_steps for step in read_at):
        raise ConfigError(f"the steps after which to read must lie in 0 to {num_steps}, got {list(read_at)}.")
    rungs = [rung for rung in halving.rungs if rung < num_steps] if halving else []
    steps = sorted({*read_at, *rungs, num_steps})
    with from_one_start(task) as start:
        work = (halving or Halving(())).total_steps(len(rates), num_steps=num_steps)
        form = form_of_rates(start, rates, steps=min(num_steps, 2), work=work, strategy=strategy)
        grace = max(1, min(GRACE, num_steps // 5))
        level = math.nan if stop_factor is None else start.level(grace)
        runs = RunSet.untrained(
            rates,
            read_at=() if held_out is None else steps,
            num_steps=num_steps,
            seed=seed,
            stacked=form.stacked,
            reason=form.reason,
        )
        monitors = [DivergenceMonitor(level, grace=grace, beta=beta, factor=stop_factor) for _ in rates]
        log = RunLog(runs, monitors, on_step)
        readings = Readings(task, held_out, runs, on_reading)
        try:
            if held_out is not None and steps[0] == 0:
                start.restore()
                readings.read_start()
            way: _Sequential | StackedRates = (
                StackedRates(start, log, readings)
                if form.stacked
                else _Sequential(start, log, readings, policies, before_step)
            )
            counts = halving.alive(len(rates)) if halving else [len(rates)]
            begin = 0
            for end, count in zip([*rungs, num_steps], [*counts[1:], 0], strict=False):
                stops = [step for step in steps if begin < step <= end]
                way.advance(begin, stops, last=end == num_steps)
                if end < num_steps:
                    log.halve(count, end)
                begin = end
        except KeyboardInterrupt as error:
            raise RunsInterrupted(runs) from error
    return runs


def faster_form(
    task: Task, lrs: ArrayLike, *, num_steps: int, strategy: Strategy = Strategy.AUTO
) -> tuple[Form, float]:
    """Which way of running constant rates is faster, and how many seconds a step of all of them takes.

    For a plan: what `train_runs` with `Strategy.AUTO` would find out, asked once for runs of the same make.
    Everything is put back. Arguments and errors are those of `train_runs`.
    """
    rates, _ = _checked(lrs, num_steps)
    with from_one_start(task) as start:
        work = num_steps * len(rates)
        strategy = _with_peers(task, strategy)
        form = form_of_rates(start, rates, steps=min(num_steps, 2), work=work, strategy=strategy)
        start.restore()
        return form, _seconds_a_step(start, rates, stacked=form.stacked)


def seconds_a_step(task: Task, lr: float) -> float:
    """How long a training step takes; everything is put back."""
    return faster_form(task, [lr], num_steps=1, strategy=Strategy.SEQUENTIAL)[1]


def _seconds_a_step(start: Start, lrs: NDArray[np.float64], *, stacked: bool) -> float:
    """The median of a few, after a first one that is not counted."""
    task, batches = start.task, start.batches()
    stack = Stack(task.objective, task.optimizer, lrs, options=task.options) if stacked else None
    if stack is None:
        LearningRate(task.optimizer)(float(lrs.min()))
    times = []
    for _ in range(6):
        began = time.perf_counter()
        if stack is not None:
            stack.step(batches).tolist()
        else:
            train_step(task.objective, task.optimizer, batches, task.options)[0].item()
        if task.device.type == "cuda":
            torch.cuda.synchronize(task.device)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:]) * (1 if stacked else len(lrs))


def _with_peers(task: Task, strategy: Strategy) -> Strategy:
    """The strategy that remains where others train on the same at the same time."""
    if task.peers is None:
        return strategy
    if strategy is Strategy.STACKED:
        raise ConfigError("runs on several ranks cannot be stacked. Run them one after another.")
    return Strategy.SEQUENTIAL


def _checked(lrs: ArrayLike, num_steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """The rates, shape (runs,), and where they are policies these, shape (runs, steps)."""
    rates = np.atleast_1d(np.asarray(lrs, dtype=np.float64))
    if num_steps < 1:
        raise ConfigError(f"num_steps must be at least 1, got {num_steps}.")
    if rates.ndim not in (1, 2) or rates.size == 0 or not np.all(np.isfinite(rates)):
        raise ConfigError(f"the learning rates must be finite numbers, one a run or one a step, got {rates}.")
    if rates.ndim == 1:
        if not np.all(rates > 0):
            raise ConfigError(f"learning rates that are constant must be positive, got {rates}.")
        return rates, None
    if not (np.all(rates >= 0) and rates.shape[1] >= num_steps):
        raise ConfigError(
            f"a schedule must give a rate of at least 0 for each of the {num_steps} steps, got shape "
            f"{rates.shape} with a least rate of {rates.min():g}."
        )
    return rates.max(axis=1), rates


class _Sequential:
    """One run after another; between two rungs each waits as a copy of model and optimizer."""

    def __init__(
        self,
        start: Start,
        log: RunLog,
        readings: Readings,
        policies: NDArray[np.float64] | None,
        before_step: BeforeStep | None,
    ) -> None:
        start.restore()  # the shares of the groups are read off their own rates
        self._start = start
        self._log = log
        self._readings = readings
        self._policies = policies
        self._before_step = before_step
        self._set_lr = LearningRate(start.task.optimizer)
        self._waiting: dict[int, Snapshot] = {}

    def advance(self, begin: int, stops: Sequence[int], *, last: bool) -> None:
        """Takes every run that still trains from `begin` to the last stop, and reads it at each."""
        start, log = self._start, self._log
        task = start.task
        waiting, self._waiting = self._waiting, {}
        for run in list(log.alive):
            start.restore()
            batches = start.batches()
            if begin:
                for _ in range(begin * task.options.accumulation_steps):
                    next(batches)
                waiting.pop(run).restore()
            if self._policies is None:
                self._set_lr(float(log.runs.lrs[run]))
            for at, stop in zip([begin, *stops], stops, strict=False):
                if self._diverged(run, batches, range(at, stop)):
                    break
                if stop == stops[-1] and not last:
                    task.optimizer.zero_grad()
                    self._waiting[run] = Snapshot(task.model, task.optimizer, scaler=task.scaler)
                self._readings.read(run, stop)
            else:
                if last:
                    log.end((run,))

    def _diverged(self, run: int, batches: Iterator[Any], steps: range) -> bool:
        """Trains a run for these steps; True where it diverged on the way."""
        task, log = self._start.task, self._log
        readback = Readback(task.device, len(steps), 1, fixed_lag=task.peers is not None)
        for step in steps:
            if self._policies is not None:
                self._set_lr(float(self._policies[run, step]))
            if self._before_step is not None:
                self._before_step(run, step)
            loss, _ = train_step(task.objective, task.optimizer, batches, task.options)
            readback.push(loss)
            if any(log.take((run,), mean_of(task.peers, values)) for values in readback.ready()):
                return True
        rest = readback.ready(all_of_them=True)
        return any(log.take((run,), mean_of(task.peers, values)) for values in rest)
