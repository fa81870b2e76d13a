"""A refined sweep that is cut off and goes on: what it keeps while it runs, and how that is taken up."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from lrfind.errors import ConfigError, UserError
from lrfind.refine import state
from lrfind.report.resume import CutOff, comparable
from lrfind.report.state_file import DAMAGED, StateFile, arrays_as_bytes, arrays_of, in_words, read_state
from lrfind.training import state as checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from lrfind.refine.config import RefineConfig
    from lrfind.refine.results import RoundResult
    from lrfind.refine.state import Part
    from lrfind.report.observers import Observer
    from lrfind.training.stacking.seeds import StackedSeeds
    from lrfind.training.task import Task

    Arrays = Mapping[str, NDArray[Any]]

NAME = "refine.state.npz"
"""Beside the results of a sweep, while it runs."""

_FREE = ("refine.resume", "refine.save_every", "num_workers", "data.timeout", "trust")
"""Keys that a sweep may go on with otherwise than it began."""


class Ledger:
    """What a sweep has measured, saved now and then as it grows.

    Attributes:
        rounds: The rounds that are finished, as they are read.
        others: With `refine.restart=both` the continued sweep of each round, that of the round under way
            included once it is finished.
        steps: Training steps taken, those before a resumption included.
    """

    def __init__(
        self,
        observer: Observer,
        *,
        file: StateFile | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.rounds: list[RoundResult] = []
        self.others: list[RoundResult] = []
        self.steps = 0
        self._observer = observer
        self._file = file
        self._config = config or {}

    @classmethod
    def of(cls, config: RefineConfig, directory: Path, saved: Saved | None, observer: Observer) -> Ledger:
        """What is saved in a run directory."""
        every = config.refine.save_every
        file = StateFile(directory / NAME, every, observer.warn)
        ledger = cls(observer, file=file, config=comparable(config, free=_FREE))
        if saved is not None:
            ledger.rounds, ledger.others = saved.rounds, saved.others
            ledger.steps = saved.about["steps"]
            if every is not None:
                file.write(lambda: arrays_as_bytes(saved.arrays))  # so that it can be cut off again at once
        return ledger

    @property
    def path(self) -> Path | None:
        """Where it is saved; None where it is not."""
        return None if self._file is None else self._file.path

    @property
    def kept(self) -> str:
        """How to go on with what is saved, in a sentence; empty where nothing is."""
        if self.path is None or not self.path.exists():
            return ""
        return f"refine.resume={self.path.parent} goes on with what was saved."

    @property
    def due(self) -> bool:
        """Whether it is time to save."""
        return self._file is not None and self._file.due

    def save(self, part: Part, steps: int, packed: Callable[[dict[str, Any]], Arrays]) -> None:
        """Saves everything.

        `part` is what is under way; `packed` makes arrays of what is told of the sweep and of the training
        state that belongs to it.
        """
        assert self._file is not None
        about = {
            "config": dict(self._config),
            "rounds": state.as_plain(self.rounds),
            "others": state.as_plain(self.others),
            "part": state.as_plain(part),
            "steps": steps,
        }
        try:
            arrays = packed(about)
        except TypeError as error:
            self._observer.warn(f"{error}: this sweep could not be resumed if it were cut off.")
            self._file.give_up()
        else:
            self._file.write(lambda: arrays_as_bytes(arrays))

    def close(self) -> None:
        """Takes the file away: the sweep is finished, and what it found is written."""
        if self._file is not None:
            self._file.remove()


@dataclasses.dataclass(slots=True, eq=False)
class Saved:
    """The state of a sweep that was cut off."""

    arrays: Arrays
    about: dict[str, Any]
    where: str
    part: Part
    """What was under way."""

    @classmethod
    def of(cls, config: RefineConfig) -> Saved | None:
        """Reads it from the directory that the config names; None where it names none.

        Raises:
            ConfigError: There is none, or it is of another experiment.
        """
        where = config.refine.resume
        if where is None:
            return None
        before = CutOff(where, "refine.resume", "sweep")
        unless = ", and one that was cut off before the first saving (refine.save_every) has none yet"
        with before.taken_up(unless) as directory:
            arrays, about, part = read_state(directory / NAME, _parsed(config.refine.seeds))
        before.check(about["config"], comparable(config, free=_FREE))
        return cls(arrays, about, where, part)

    @property
    def rounds(self) -> list[RoundResult]:
        """The rounds that were finished."""
        return [state.round_from_plain(saved) for saved in self.about["rounds"]]

    @property
    def others(self) -> list[RoundResult]:
        """The continued sweeps that were finished beside them."""
        return [state.round_from_plain(saved) for saved in self.about["others"]]

    def check_under_way(self, lengths: Sequence[int]) -> None:
        """Raises a ConfigError unless it was cut off in a round of rates held for so many iterations."""
        self._fitting(lambda: state.check_under_way(self.part, lengths))

    def put_back(self, task: Task) -> None:
        """Puts weights, optimizer and random streams of a seed back; a ConfigError where they do not fit."""
        self._fitting(lambda: checkpoint.unpack(self.arrays, task.model, task.optimizer, scaler=task.scaler))

    def put_back_stack(self, stacked: StackedSeeds) -> None:
        """Puts weights and optimizers of seeds side by side back; a ConfigError where they do not fit."""
        self._fitting(lambda: stacked.load(checkpoint.values_of(self.arrays, stacked.device)))

    def _fitting(self, put_back: Callable[[], None]) -> None:
        try:
            put_back()
        except UserError:
            raise
        except DAMAGED as error:
            raise ConfigError(
                f"refine.resume={self.where} cannot go on: {in_words(error)}. Run it again without "
                "refine.resume."
            ) from error


def _parsed(seeds: int) -> Callable[[bytes], tuple[Arrays, dict[str, Any], Part]]:
    def parse(content: bytes) -> tuple[Arrays, dict[str, Any], Part]:
        arrays = arrays_of(content)
        about = checkpoint.about(arrays)
        if "part" not in about:
            raise ValueError("it was saved by another version of lrfind ('part' is missing)")
        state.check_about(about, seeds=seeds)
        return arrays, about, state.part_from_plain(about["part"])

    return parse
