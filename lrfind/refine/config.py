"""The config of `lrfind refine`, and what its values must satisfy."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

from lrfind.config.bounds import Bound, at_least, positive_rate
from lrfind.config.schema import TaskConfig
from lrfind.refine.segments import rounds_of
from lrfind.training.stacking.strategy import Strategy

_SAVE_EVERY = Bound("must be at least 0, or null for never, got {:g}.", lambda seconds: seconds >= 0)


class Iteration(str, Enum):
    """What one iteration of a refined sweep is."""

    BATCH = "batch"
    """One step."""
    EPOCH = "epoch"
    """A pass over the training set; the last incomplete batch is dropped."""


class Read(str, Enum):
    """On what the loss of an iteration is read."""

    BATCH = "batch"
    """Its own batches, each before its update: the mean of their training losses."""
    SUBSET = "subset"
    """A fixed subset of the training set, after it, in eval mode."""
    TRAIN = "train"
    """The whole training set, after it, in eval mode."""


class Restart(str, Enum):
    """Where each rate begins."""

    FALSE = "false"
    """Where the rate before it ended: training goes on, as in the chapter."""
    TRUE = "true"
    """At the same initial weights, with the same batches in the same order."""
    BOTH = "both"
    """Both are run, to be compared."""


@dataclass(kw_only=True, slots=True)
class RefineSettings:
    """The coarse-to-fine sweep."""

    segments: list[Any]
    """Segments {start, stop, step, iterations} of the first round, or a list of such lists, one a round."""
    around: Annotated[float | None, positive_rate()]
    """Start at the closing round about this rate, in place of `segments`."""
    rounds: Annotated[int | None, at_least(1)]
    """Number of rounds; None: those given where there are several, else until the turn is closed in."""
    iterations: Annotated[int, at_least(1)]
    """How long each rate of a derived round is held."""
    iteration: Iteration
    """What one iteration is."""
    read: Read
    """On what the loss of an iteration is read."""
    subset: Annotated[int, at_least(1)]
    """Samples of the fixed subset."""
    restart: Restart
    """Whether each rate begins at the same initial weights, or where the one before it ended."""
    halving: bool
    """With restart: rates that fall behind are dropped at half of the iterations and at a quarter."""
    seeds: Annotated[int, at_least(1)]
    """Number of seeds, counted on from `seed`: mean and spread."""
    strategy: Strategy
    """Seeds, or with restart rates, side by side or one after another; auto: whichever is faster."""
    save_every: Annotated[float | None, _SAVE_EVERY]
    """Seconds between two savings of the state that `resume` needs; None: never."""
    resume: str | None
    """Run directory of a sweep that was cut off and is to go on."""

    def problems(self) -> list[str]:
        """What is wrong with the segments, and with values that are each right by themselves."""
        problems = [] if self.around is not None else self._segment_problems()
        if self.halving and self.restart is Restart.FALSE:
            problems.append("refine.halving needs refine.restart=true: a continued sweep cannot drop a rate.")
        return problems

    def _segment_problems(self) -> list[str]:
        try:
            given = len(rounds_of(self.segments))
        except ValueError as error:
            return [f"refine.segments: {error}."]
        if self.rounds is None or not 1 <= self.rounds < given:
            return []
        return [
            f"refine.rounds is {self.rounds}, and refine.segments gives {given} rounds: leave "
            "refine.rounds at null, or give fewer."
        ]


@dataclass(kw_only=True, slots=True)
class RefineConfig(TaskConfig):
    """The config of `lrfind refine`."""

    refine: RefineSettings
    """The coarse-to-fine sweep."""

    def problems(self) -> list[str]:
        """What is wrong between the settings and the task."""
        return self.seed_problems("refine.seeds", self.refine.seeds)
