"""What several runs from one start came to, and the log that notes it while they train."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.training.baseline import UNKNOWN, Baseline

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lrfind.statistics import Floats
    from lrfind.training.divergence import DivergenceMonitor

    OnStep = Callable[[int, int], None]
    """`on_step(runs, step)`: so many more runs have taken `step` steps, all that are in the stack or one
    alone. The sum of `runs` over the calls is the number of steps taken."""


@dataclass(frozen=True, slots=True, eq=False)
class RunSet:
    """Runs of one seed from the same start on the same batches: one a learning rate, or one a policy.

    Attributes:
        seed: Of initial weights, order of the batches and choice of the held-out samples.
        lrs: The rate of each run, in the order given, shape (runs,); of a schedule its highest.
        read_at: Updates made before each held-out reading, rising; 0 is before training.
        losses: Training loss of each step's batch before its update, shape (runs, steps). NaN after the step
            at which a run was dropped; the loss that showed the divergence is kept, finite or not.
        readings: Held-out losses, shape (runs, readings); NaN from where a run was dropped.
        accuracies: Held-out accuracies, same shape; NaN also where they are not measured.
        steps_taken: Steps whose loss is known, shape (runs,).
        diverged: Whether a run was dropped because its loss was not finite or too large, shape (runs,).
        finished: Whether a run came to its end, was dropped or diverged, shape (runs,).
        stacked: Whether the runs were trained side by side.
        reason: Why side by side, or why not, in words.
        baseline: What the held-out data show without training, where that was read.
    """

    seed: int
    lrs: Floats
    read_at: tuple[int, ...]
    losses: Floats
    readings: Floats
    accuracies: Floats
    steps_taken: NDArray[np.int64]
    diverged: NDArray[np.bool_]
    finished: NDArray[np.bool_]
    stacked: bool = False
    reason: str = ""
    baseline: Baseline = UNKNOWN

    @classmethod
    def untrained(
        cls,
        lrs: Sequence[float] | Floats,
        *,
        read_at: Sequence[int] = (),
        num_steps: int = 0,
        seed: int = 0,
        stacked: bool = False,
        reason: str = "",
    ) -> RunSet:
        """Runs of which nothing is known yet; what is noted of them is written into the arrays."""
        runs = len(lrs)
        return cls(
            seed=seed,
            lrs=np.asarray(lrs, dtype=np.float64),
            read_at=tuple(read_at),
            losses=np.full((runs, num_steps), np.nan),
            readings=np.full((runs, len(read_at)), np.nan),
            accuracies=np.full((runs, len(read_at)), np.nan),
            steps_taken=np.zeros(runs, dtype=np.int64),
            diverged=np.zeros(runs, dtype=np.bool_),
            finished=np.zeros(runs, dtype=np.bool_),
            stacked=stacked,
            reason=reason,
        )

    @property
    def start(self) -> float:
        """The loss before training: held out where that was read, else that of the first batch."""
        return float(self.readings[0, 0] if self.read_at[:1] == (0,) else self.losses[0, 0])

    @property
    def finals(self) -> Floats:
        """The loss at the end, shape (runs,): the last reading, or the last training loss where none is made.

        Infinite for a run that was dropped and where it is not finite; NaN for a run that is not finished.
        """
        last = (self.readings if self.read_at else self.losses)[:, -1]
        known = np.where(np.isfinite(last) & ~self.diverged, last, np.inf)
        return np.where(self.finished, known, np.nan)

    @property
    def whole(self) -> bool:
        """Whether every run is finished."""
        return bool(self.finished.all())


class RunsInterrupted(KeyboardInterrupt):
    """An interrupt, with what is known of the runs so far."""

    def __init__(self, runs: RunSet) -> None:
        super().__init__()
        self.runs = runs


class RunLog:
    """Notes what the runs come to, and which of them still train.

    Attributes:
        runs: What is known so far.
        alive: The runs that still train.
    """

    def __init__(self, runs: RunSet, monitors: Sequence[DivergenceMonitor], on_step: OnStep | None) -> None:
        self.runs = runs
        self.alive = list(range(len(runs.lrs)))
        self._monitors = monitors
        self._on_step = on_step

    def take(self, runs: Sequence[int], losses: Sequence[float]) -> bool:
        """Takes the loss of the next step of some runs; True where one of them diverged with it.

        A run that is out already is passed over: its losses were still on their way from the device.
        """
        known = self.runs
        count, step, dropped = 0, 0, False
        for run, loss in zip(runs, losses, strict=True):
            if known.diverged[run]:
                continue
            step = int(known.steps_taken[run])
            known.losses[run, step] = loss
            known.steps_taken[run] = step = step + 1
            count += 1
            if self._monitors[run].fires(loss):
                known.diverged[run] = known.finished[run] = dropped = True
                self.alive.remove(run)
        if count and self._on_step is not None:
            self._on_step(count, step)
        return dropped

    def halve(self, count: int, step: int) -> None:
        """Keeps so many of the runs that still train, those of the least loss after `step` steps.

        It is the loss read there, or else the training loss; of equals the smaller rate is kept.
        """
        known = self.runs
        read = known.read_at.index(step) if known.read_at else None
        losses = known.losses[:, step - 1] if read is None else known.readings[:, read]

        def rank(run: int) -> tuple[float, float]:
            loss = float(losses[run])
            return loss if math.isfinite(loss) else math.inf, float(known.lrs[run])

        kept = sorted(sorted(self.alive, key=rank)[:count])
        known.finished[[run for run in self.alive if run not in kept]] = True
        self.alive = kept

    def end(self, runs: Sequence[int]) -> None:
        """Notes that these runs are at their end."""
        self.runs.finished[list(runs)] = True
