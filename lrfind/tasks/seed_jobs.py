"""Jobs on the task of one seed after another, each wherever the launcher of this run has it done."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
import torch

from lrfind.execution.executors import work_through
from lrfind.execution.launcher import Codec
from lrfind.report.shape import anything, columns, fields, flag, items, number, rate, text, whole
from lrfind.report.state_file import arrays_as_bytes, arrays_of
from lrfind.tasks.config_runs import ConfigTasks
from lrfind.tasks.threads import available
from lrfind.training.baseline import Baseline
from lrfind.training.run_set import RunSet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lrfind.execution.executors import Say
    from lrfind.report.shape import Check
    from lrfind.training.task import OpenTask, Task

Result = TypeVar("Result")

SeedJob = tuple[int, Any]
"""A seed, counted from 0, and what else says what is to be done."""

Do = Callable[["Task", SeedJob, Callable[..., None]], Result]
"""Does a job on the task of its seed, and calls the function at every step. It is pickled."""

_ABOUT = "about"
"""Name of the array that holds what is no array, as JSON."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class JobResult(Generic[Result]):
    """What a job came to, with the pictures that could not be read and what a reader should know."""

    found: Result
    skipped: list[str]
    notes: list[str]


class SeedWork(Generic[Result]):
    """Does jobs on the tasks of a config, in whichever process; the data are read once."""

    def __init__(self, open_task: ConfigTasks, do: Do[Result]) -> None:
        self._open_task = open_task.without_data()
        self._do = do
        self._threads = available()

    def __call__(self, job: SeedJob, say: Say) -> JobResult[Result]:
        """Does a job."""
        same_threads(self._threads)
        self._open_task.read_data()
        with self._open_task(job[0]) as task:
            found = self._do(task, job, lambda *step: say(step))
            return JobResult(found, list(task.skipped), list(task.notes))


def launch_seeds(
    open_task: OpenTask,
    do: Do[Result],
    jobs: Sequence[SeedJob],
    codec: Codec,
    on_result: Callable[[SeedJob, JobResult[Result]], None],
    *,
    kept: Callable[[], str] = str,
) -> None:
    """Has the launcher of this run do jobs; they end in any order. `kept` is as `work_through` has it.

    Raises:
        UserError: As a job raised it, or the launcher gave up.
        KeyboardInterrupt: As it came; what had ended was told.
    """
    assert isinstance(open_task, ConfigTasks)
    work_through(
        SeedWork(open_task, do),
        jobs,
        processes=1,
        codec=codec,
        on_message=lambda index, message: None,
        on_result=lambda index, result: on_result(jobs[index], result),
        kept=kept,
    )


def not_kept(ended: int) -> str:
    """What becomes of the seeds that had ended where a launcher gives up, of a command that cannot go on."""
    if not ended:
        return ""
    had = "1 seed had ended and is" if ended == 1 else f"{ended} seeds had ended and are"
    return f"{had} lost with it: this command keeps nothing to go on with, run it again."


def same_threads(count: int) -> None:
    """In a process that has trained nothing yet: torch may use as many threads as where the run began.

    Sums over other numbers of threads round otherwise, and the same seed is to give the same numbers.
    """
    if available.cache_info().currsize == 0:
        torch.set_num_threads(count)
        available()


def codec_of(kind: type[Any], check: Check = anything, **made_by: Callable[[Any], Any]) -> Codec:
    """How a `JobResult` is written whose `found` is a dataclass of arrays and of plain values.

    `check` is what the plain values must be; `made_by` makes the value of a field, an enum or a tuple, of
    what JSON has of it.
    """
    check_about = fields(found=check, skipped=items(text), notes=items(text))

    def pack(result: JobResult[Any]) -> bytes:
        values = {each.name: getattr(result.found, each.name) for each in dataclasses.fields(kind)}
        arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
        others = {name: value for name, value in values.items() if name not in arrays}
        plain = {name: value.value if isinstance(value, Enum) else value for name, value in others.items()}
        about = json.dumps({"found": plain, "skipped": result.skipped, "notes": result.notes}).encode()
        return arrays_as_bytes({**arrays, _ABOUT: np.frombuffer(about, dtype=np.uint8)})

    def unpack(content: bytes) -> JobResult[Any]:
        arrays = arrays_of(content)
        about = json.loads(arrays.pop(_ABOUT).tobytes())
        check_about(about, _ABOUT)
        plain = about["found"]
        plain |= {name: make(plain[name]) for name, make in made_by.items()}
        return JobResult(kind(**plain, **arrays), about["skipped"], about["notes"])

    return Codec(pack, unpack)


RUN_SET_CODEC = codec_of(
    RunSet,
    fields(
        seed=whole(-(1 << 63)),
        read_at=items(whole()),
        stacked=flag,
        reason=text,
        baseline=columns(number(), number(), whole(), number()),
    ),
    read_at=tuple,
    baseline=lambda values: Baseline(*values),
)
"""How the runs of a seed are written."""


def runs_as_bytes(runs: Mapping[str, JobResult[RunSet]], **about: Any) -> bytes:
    """A state file of runs that are finished, by a name with a space in it, and what else it tells."""
    parts = {name: RUN_SET_CODEC.pack(run) for name, run in runs.items()}
    parts |= {name: json.dumps(value).encode() for name, value in about.items()}
    return arrays_as_bytes({name: np.frombuffer(part, dtype=np.uint8) for name, part in parts.items()})


def runs_of(content: bytes) -> tuple[dict[str, JobResult[RunSet]], dict[str, Any]]:
    """What `runs_as_bytes` wrote.

    Raises:
        ValueError: It is another file, or is damaged. So do the others of `state_file.DAMAGED`.
    """
    parts = {name: part.tobytes() for name, part in arrays_of(content).items()}
    runs = {name: RUN_SET_CODEC.unpack(part) for name, part in parts.items() if " " in name}
    for run in runs.values():
        _check_arrays(run.found)
    return runs, {name: json.loads(part) for name, part in parts.items() if name not in runs}


def _check_arrays(runs: RunSet) -> None:
    """Raises a ValueError unless the arrays have the shapes and types of so many rates and readings."""
    items(rate, least=1)(runs.lrs.tolist(), "lrs")
    fitting = RunSet.untrained(runs.lrs, read_at=runs.read_at, num_steps=runs.losses.shape[1])
    for each in dataclasses.fields(RunSet):
        found, wanted = getattr(runs, each.name), getattr(fitting, each.name)
        if isinstance(wanted, np.ndarray) and (found.shape, found.dtype) != (wanted.shape, wanted.dtype):
            raise ValueError(f"{each.name} of a run do not fit its rates and readings")
