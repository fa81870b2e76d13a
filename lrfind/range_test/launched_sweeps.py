"""Sweeps of other seeds, each wherever the launcher of this run has it done."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.execution.executors import work_through
from lrfind.execution.launcher import Codec
from lrfind.range_test.curve import Curve
from lrfind.report.state_file import arrays_as_bytes, arrays_of
from lrfind.suggestion import Status
from lrfind.tasks.seed_runs import same_threads
from lrfind.tasks.threads import available

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.execution.executors import Say
    from lrfind.tasks.build import ConfigTasks
    from lrfind.training.task import Task

SweepTask = Callable[["Task", Callable[[object], None]], Curve]
"""Sweeps a task, told of every step. It is pickled."""

_ABOUT = "about"
"""Name of the array that holds what is no array, as JSON."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SweptSeed:
    """What a seed came to.

    Attributes:
        curve: What its sweep measured.
        skipped: Pictures that could not be read.
    """

    curve: Curve
    skipped: list[str]


class SweepWork:
    """Sweeps one seed after another of a config, in whichever process; the data are read once.

    Args:
        open_task: Opens the task of a seed.
        sweep: Sweeps it.
    """

    def __init__(self, open_task: ConfigTasks, sweep: SweepTask) -> None:
        self._open_task = open_task.without_data()
        self._sweep = sweep
        self._threads = available()

    def __call__(self, seed: int, say: Say) -> SweptSeed:
        """Sweeps a seed, counted from 0."""
        same_threads(self._threads)
        self._open_task.read_data()
        with self._open_task(seed) as task:
            return SweptSeed(self._sweep(task, lambda step: say(None)), list(task.skipped))


def launched_sweeps(
    open_task: ConfigTasks, sweep: SweepTask, seeds: Sequence[int], on_sweep: Callable[[SweptSeed], None]
) -> dict[int, SweptSeed]:
    """Has the launcher of this run sweep seeds; what each came to.

    Args:
        open_task: Opens the task of a seed.
        sweep: Sweeps it.
        seeds: Counted from 0.
        on_sweep: Told of each that has ended, in any order.

    Raises:
        UserError: As a sweep raised it, or the launcher gave up.
        KeyboardInterrupt: As it came.
    """
    found: dict[int, SweptSeed] = {}

    def on_result(index: int, swept: SweptSeed) -> None:
        found[seeds[index]] = swept
        on_sweep(swept)

    work_through(
        SweepWork(open_task, sweep),
        seeds,
        processes=1,
        codec=Codec(_pack, _unpack),
        on_message=lambda index, message: None,
        on_result=on_result,
    )
    return found


def _pack(swept: SweptSeed) -> bytes:
    values = {each.name: getattr(swept.curve, each.name) for each in dataclasses.fields(Curve)}
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    plain = {name: value for name, value in values.items() if name not in arrays}
    text = json.dumps({"curve": plain | {"status": swept.curve.status.value}, "skipped": swept.skipped})
    return arrays_as_bytes({**arrays, _ABOUT: np.frombuffer(text.encode(), dtype=np.uint8)})


def _unpack(content: bytes) -> SweptSeed:
    arrays = arrays_of(content)
    about = json.loads(arrays.pop(_ABOUT).tobytes())
    values: dict[str, Any] = {**about["curve"], **arrays, "status": Status(about["curve"]["status"])}
    return SweptSeed(Curve(**values), about["skipped"])
