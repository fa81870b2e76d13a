"""The runs of a comparison before they are trained: their learning rates, and what each will cost."""

from __future__ import annotations

import dataclasses
import math
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from lrfind.compare.config import AUTO, STRATEGIES
from lrfind.compare.job import Job
from lrfind.errors import ConfigError
from lrfind.range_test.config import Metric
from lrfind.range_test.run import run_range_test
from lrfind.suggestion import Status, rate_text, rounded
from lrfind.tasks.threads import thread_count
from lrfind.training.runs import faster_form
from lrfind.training.stacking.strategy import Strategy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lrfind.compare.setup import Setting
    from lrfind.report.observers import Observer
    from lrfind.training.task import Task


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """A run and about how long its training takes, in seconds."""

    job: Job
    seconds: float


def plan(
    setting: Setting, found: dict[str, Any], observer: Observer, keep: Callable[[], None] = lambda: None
) -> list[Cost]:
    """All runs: a seed of everything before the next one, its longest run first, so that no core waits.

    `found` is what an earlier plan of the same comparison found out, rates and ways of running them; what is
    missing is added, and `keep` is called each time.

    Raises:
        ConfigError: No rate was found, or the rates cannot be stacked as asked for.
        KeyboardInterrupt: As it came.
    """
    with thread_count(setting.threads):
        costs = _first_seed(setting, found, observer, keep)
    costs.sort(key=lambda cost: -cost.seconds)
    return [
        Cost(dataclasses.replace(cost.job, seed=cost.job.seed + seed), cost.seconds)
        for seed in range(setting.settings.seeds)
        for cost in costs
    ]


def _first_seed(
    setting: Setting, found: dict[str, Any], observer: Observer, keep: Callable[[], None]
) -> list[Cost]:
    """Each optimizer at each batch size: its rates, and how they are trained best."""
    grids: dict[str, list[float]] = found.setdefault("lrs", {})
    forms: dict[str, bool] = found.setdefault("stacked", {})
    centres: dict[str, float] = found.setdefault("centres", {})
    costs = []
    for name in setting.optimizers:
        for size in setting.sizes:
            place = f"{name} {size}"
            if place not in grids:
                grids[place] = _rates(setting, name, size, centres, observer)
                keep()
            lrs = tuple(grids[place])
            strategy = STRATEGIES[setting.settings.stacked]
            if place in forms:
                strategy = Strategy.STACKED if forms[place] else Strategy.SEQUENTIAL
            steps = setting.steps(size)
            with setting.open_run(name, size, setting.first_seed, accuracy=setting.accuracy) as task:
                form, seconds = faster_form(task, lrs, num_steps=steps[-1], strategy=strategy)
            if place not in forms:
                forms[place] = form.stacked
                keep()
            job = Job(
                optimizer=name,
                batch_size=size,
                seed=setting.first_seed,
                lrs=lrs,
                steps=steps,
                accuracy=setting.accuracy,
                stacked=form.stacked,
                threads=setting.threads,
            )
            costs.append(Cost(job, seconds * steps[-1]))
    return costs


def _rates(
    setting: Setting, name: str, batch_size: int, centres: dict[str, float], observer: Observer
) -> list[float]:
    """Those given, rising; else a grid around what a range test suggests.

    The first centre of an optimizer is kept: the grids of its other batch sizes have rates in common with it,
    so that the same rate is measured at several of them, and what differs is the batch size alone.
    """
    settings = setting.settings
    if settings.lrs != AUTO:
        return sorted(float(lr) for lr in settings.lrs)
    found = run_range_test(partial(_open_task, setting, name, batch_size), setting.range, observer)
    if found.curve.status is Status.INTERRUPTED:
        raise KeyboardInterrupt
    reading = found.reading
    if reading.suggestion is None:
        raise ConfigError(
            f"compare.lrs=auto: the range test at batch size {batch_size} suggests no rate. "
            f"{reading.verdict} Or give the rates yourself: compare.lrs=[0.01,0.03,0.1,0.3]."
        )
    centre = reading.suggestion.lr
    through = centres.setdefault(name, centre)
    lrs = grid_around(centre, count=settings.num_lrs, factor=settings.factor, through=through)
    among = f"{name}, " if settings.optimizers is not None else ""
    shared = (
        "" if centre == through else f", of the grid of batch size {setting.sizes[0]} those nearest to it"
    )
    observer.note(
        f"{among}batch size {batch_size}: a range test suggests {rate_text(centre)}; tried are "
        f"{', '.join(rate_text(lr) for lr in lrs)}{shared}."
    )
    return lrs


def grid_around(centre: float, *, count: int, factor: float, through: float | None = None) -> list[float]:
    """Rates a factor apart, the middle one nearest to a centre, three significant digits each.

    With an even count the centre is the lower one of the two in the middle. The grid would meet `through` if
    it were continued, so that grids around different centres have rates in common and can be drawn as the
    same lines; None: the centre itself.
    """
    through = centre if through is None else through
    nearest = round(math.log(centre / through) / math.log(factor))
    first = nearest - (count - 1) // 2
    return [rounded(through * factor**k) for k in range(first, first + count)]


@contextmanager
def _open_task(
    setting: Setting, optimizer: str, batch_size: int, seed: int, *, skip: int = 0
) -> Iterator[Task]:
    """Opens the task of a range test; what is held out is only kept from being trained on."""
    assert skip == 0
    accuracy = setting.range.metric is Metric.ACCURACY
    with setting.open_run(optimizer, batch_size, setting.first_seed + seed, accuracy=accuracy) as task:
        yield dataclasses.replace(task, validation=None)
