"""The rounds of `lrfind refine`: tasks built, measured, saved and taken up again."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.config.schema import Iteration, Read, Restart
from lrfind.core import checkpoint
from lrfind.core.continued import Reading, Tape, Trainee, continued
from lrfind.core.curve import Status
from lrfind.core.restarted import planned_steps, restarted, seconds_a_step
from lrfind.core.rounds import Measured, explore
from lrfind.core.segments import rungs
from lrfind.core.training import StepOptions
from lrfind.errors import ConfigError
from lrfind.report import console, state
from lrfind.report.format import duration_text, rate_text
from lrfind.report.records import plain
from lrfind.report.rounds import announced
from lrfind.tasks import devices
from lrfind.tasks.build import build, data_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from lrfind.config.schema import RefineConfig
    from lrfind.core.continued import Point
    from lrfind.core.rounds import Plan, Track
    from lrfind.tasks.build import Task

_FREE = ("refine.resume", "refine.save_every", "num_workers", "trust")
"""Keys that a sweep may go on with otherwise than it began."""


@dataclasses.dataclass(slots=True)
class _Shown:
    """What the progress bar is told."""

    index: int
    rate: int
    lr: float
    loss: float


class Sweep:
    """All rounds of one run.

    Attributes:
        rounds: What was measured, and is read; with `refine.restart` every rate from the same start.
        others: With `refine.restart=both` the continued sweep of each round, to be compared.
        interrupted: Whether the user stopped it.
        steps: Training steps taken, those before a resumption included.
        title: What is trained on what and how.
        skipped: Pictures that could not be read.
    """

    def __init__(self, config: RefineConfig, given: Sequence[Plan], directory: Path) -> None:

        self.rounds: list[Measured] = []
        self.others: list[Measured] = []
        self.interrupted = False
        self.steps = 0
        self.title = ""
        self.skipped: list[str] = []
        self._config = config
        self._given = given
        self._file = state.StateFile(directory / state.NAME, config.refine.save_every)
        self._saved: _Saved | None = None
        if config.refine.resume is not None:
            self._saved = _Saved.of(config)
            self.rounds = self._saved.rounds
            self.steps = self._saved.about["steps"]
        devices.resolve(config.device)  # what is wrong with it is said before data is read
        self._data = data_of(config)
        self._reading: Reading | None = None

    def run(self) -> None:
        """Measures until the answer is found, the rounds are used up or the user stops it."""
        settings = self._config.refine
        try:
            found = explore(
                self._measure,
                self._given,
                limit=settings.rounds,
                iterations=settings.iterations,
                before=self.rounds,
            )
            for rounds in found:
                self.rounds = rounds
                self.interrupted = rounds[-1].status is Status.INTERRUPTED
        except KeyboardInterrupt:
            if self._reading is None:
                raise
            self.interrupted = True
        if not self.interrupted:
            self._file.remove()

    def _measure(self, plan: Plan) -> Measured:
        """One round, every seed of it."""
        settings = self._config.refine
        console.note(announced(len(self.rounds) + 1, plan, seeds=settings.seeds))
        if settings.restart is Restart.FALSE:
            return self._continued(plan)
        if settings.restart is Restart.BOTH:
            other = self._continued(plan)
            self.others.append(other)
            if other.status is Status.INTERRUPTED:
                raise KeyboardInterrupt
        return self._restarted(plan)

    def _continued(self, plan: Plan) -> Measured:
        """A round in which training goes on from rate to rate."""
        tracks: list[Track] = []
        tape, skip = Tape(), 0
        saved, self._saved = self._saved, None
        if saved is not None:
            tracks, tape, skip = saved.tracks, saved.tape, saved.about["batches"]
        ladder = [(lr, iterations) for _, lr, iterations in rungs(plan.segments)]
        seeds = self._config.refine.seeds
        status = Status.COMPLETED
        with console.progress(plan.iterations * seeds, _words(len(self.rounds) + 1, len(ladder))) as shown:
            for seed in range(len(tracks), seeds):
                task, trainee, reading = self._task(seed, skip=skip)
                if saved is not None:
                    saved.put_back(task)
                    saved, skip = None, 0
                steps_before = self.steps - tape.iterations * reading.steps
                on_iteration = self._on_iteration(shown, seed * plan.iterations, tracks, tape, task)
                with closing(task.loaders):
                    ended = continued(trainee, ladder, reading=reading, tape=tape, on_iteration=on_iteration)
                self.steps = steps_before + tape.iterations * reading.steps
                self._note_skipped(task)
                tracks.append(tape.track())
                tape = Tape()
                if ended is not Status.COMPLETED:
                    status = ended
                if ended is Status.INTERRUPTED:
                    break
        return Measured(plan, tuple(tracks), status)

    def _on_iteration(
        self,
        shown: Callable[[_Shown], None],
        offset: int,
        tracks: Sequence[Track],
        tape: Tape,
        task: Task,
    ) -> Callable[[Point, Callable[[], None]], None]:
        """Shows an iteration, and saves the state where it is time to."""
        steps_before = self.steps - tape.iterations * self._steps

        def told(point: Point, catch_up: Callable[[], None]) -> None:
            shown(_Shown(point.index + offset, point.rate, point.lr, point.loss))
            if not self._file.due:
                return
            catch_up()
            steps = tape.iterations * self._steps
            about = {
                "config": _comparable(self._config),
                "rounds": [state.round_as_plain(measured) for measured in self.rounds],
                "tracks": [state.track_as_plain(track) for track in tracks],
                "tape": {"level": tape.level, "losses": tape.losses},
                "batches": steps * self._config.accumulation_steps,
                "steps": steps_before + steps,
            }
            try:
                arrays = checkpoint.packed(task.model, task.optimizer, scaler=task.scaler, about=about)
            except TypeError as error:
                console.warn(f"{error}: this sweep could not be resumed if it were cut off.")
                self._file.give_up()
            else:
                self._file.write(arrays)

        return told

    @property
    def _steps(self) -> int:
        """Training steps an iteration."""
        assert self._reading is not None
        return self._reading.steps

    def _restarted(self, plan: Plan) -> Measured:
        """A round in which every rate begins at the same start."""
        settings = self._config.refine
        lrs = [lr for _, lr, _ in rungs(plan.segments)]
        iterations = max(segment.iterations for segment in plan.segments)
        task, trainee, reading = self._task(0)
        num_steps = iterations * reading.steps
        most = planned_steps(len(lrs), num_steps=num_steps, halving=settings.halving) * settings.seeds
        seconds = most * seconds_a_step(trainee, task.afresh, lrs[0])
        task.loaders.close()
        console.note(
            f"{len(lrs)} rates x {settings.seeds} {'seed' if settings.seeds == 1 else 'seeds'} x "
            f"{num_steps:,} steps, "
            + (f"{most:,} with halving, " if settings.halving else "")
            + f"about {duration_text(seconds)} one after another."
        )
        tracks: list[Track] = []
        status = Status.COMPLETED
        done = 0
        number = len(self.rounds) + 1
        with console.progress(most, lambda _: f"round {number}, every rate from the same start") as shown:

            def told(rates: int, step: int) -> None:
                nonlocal done
                done += rates
                shown(_Shown(done - 1, 0, lrs[0], 0.0))

            try:
                for seed in range(settings.seeds):
                    task, trainee, reading = self._task(seed)
                    with closing(task.loaders):
                        track, taken = restarted(
                            trainee,
                            task.afresh,
                            lrs,
                            iterations=iterations,
                            reading=reading,
                            halving=settings.halving,
                            on_step=told,
                        )
                    self.steps += taken
                    self._note_skipped(task)
                    tracks.append(track)
            except KeyboardInterrupt:
                status = Status.INTERRUPTED
        return Measured(plan, tuple(tracks), status, restarted=True)

    def _task(self, seed: int, *, skip: int = 0) -> tuple[Task, Trainee, Reading]:
        """The task of a seed at its start, but for the batches, of which some may be left out."""
        config = dataclasses.replace(self._config, seed=self._config.seed + seed)
        task = build(config, data=self._data, skip=skip)
        self.title = self.title or task.title
        options = StepOptions(
            accumulation_steps=config.accumulation_steps,
            clip_grad_norm=config.clip_grad_norm,
            scaler=task.scaler,
        )
        if self._reading is None:
            self._reading = self._read_on(task)
        trainee = Trainee(task.objective, task.optimizer, task.batches, task.device, options)
        return task, trainee, self._reading

    def _read_on(self, task: Task) -> Reading:
        """What an iteration is, and on what its loss is read."""
        settings = self._config.refine
        steps = 1
        if settings.iteration is Iteration.EPOCH:
            if task.loaders.per_epoch is None:
                raise ConfigError(
                    f"refine.iteration=epoch needs data whose end is known, and {self._data.name} has none: "
                    "use refine.iteration=batch."
                )
            steps = max(task.loaders.per_epoch // self._config.accumulation_steps, 1)
        on = None
        if settings.read is not Read.BATCH:
            on = task.fixed_batches(settings.subset if settings.read is Read.SUBSET else None)
        return Reading(steps, on)

    def _note_skipped(self, task: Task) -> None:
        self.skipped += [path for path in task.loaders.skipped if path not in self.skipped]


@dataclasses.dataclass(slots=True, eq=False)
class _Saved:
    """The state of a sweep that was cut off."""

    arrays: Mapping[str, NDArray[Any]]
    about: dict[str, Any]
    where: str

    @classmethod
    def of(cls, config: RefineConfig) -> _Saved:
        """Reads it from the directory that the config names.

        Raises:
            ConfigError: There is none, or it is of another experiment.
        """
        where = str(config.refine.resume)
        key = f"refine.resume={where}"
        if not Path(where).is_dir():
            raise ConfigError(f"{key} is no directory: give the run directory of the sweep to go on with.")
        try:
            arrays = state.read_state(Path(where) / state.NAME)
            about = checkpoint.about(arrays)
        except ValueError as error:
            raise ConfigError(
                f"{key} cannot go on: {error}. A sweep that was finished leaves none, and one that was cut "
                "off before the first saving (refine.save_every) has none yet: run it again without "
                "refine.resume."
            ) from error
        differing = _differing(about["config"], _comparable(config))
        if differing:
            raise ConfigError(
                f"{key} is another experiment: {'; '.join(differing[:4])}"
                f"{'; ...' if len(differing) > 4 else ''}. Give the overrides it was started with (they are "
                f"in {Path(where) / '.hydra' / 'overrides.yaml'})."
            )
        return cls(arrays, about, where)

    @property
    def rounds(self) -> list[Measured]:
        """The rounds that were finished."""
        return [state.round_from_plain(saved) for saved in self.about["rounds"]]

    @property
    def tracks(self) -> list[Track]:
        """The seeds of the round under way that were finished."""
        return [state.track_from_plain(saved) for saved in self.about["tracks"]]

    @property
    def tape(self) -> Tape:
        """The seed under way."""
        return Tape(self.about["tape"]["level"], self.about["tape"]["losses"])

    def put_back(self, task: Task) -> None:
        """Puts weights, optimizer and random streams back as they were.

        Raises:
            ConfigError: They do not fit.
        """
        try:
            checkpoint.unpack(self.arrays, task.model, task.optimizer, scaler=task.scaler)
        except (ValueError, KeyError) as error:
            raise ConfigError(f"refine.resume={self.where} cannot go on: {error}.") from error


def _comparable(config: RefineConfig) -> dict[str, Any]:
    """The config as dotted keys and plain values, but for what may differ."""
    flat = dict(_flat(plain(dataclasses.asdict(config)), ""))
    return {key: value for key, value in flat.items() if key not in _FREE}


def _flat(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    missing = object()
    return [
        f"{key} was {one.get(key)} there and is {other.get(key)} here"
        for key in sorted({*one, *other})
        if one.get(key, missing) != other.get(key, missing)
    ]


def _words(number: int, rates: int) -> Callable[[_Shown], str]:
    def words(shown: _Shown) -> str:
        where = f"round {number}, rate {shown.rate + 1} of {rates}: {rate_text(shown.lr)}"
        return f"{where}, loss {rate_text(shown.loss)}"

    return words
