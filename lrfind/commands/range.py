"""`lrfind range`: the learning-rate range test."""

from __future__ import annotations

import dataclasses
import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from lrfind.commands.finish import finish, warnings_of
from lrfind.launch import Outcome, Show, launch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from omegaconf import DictConfig

    from lrfind.config.schema import RangeConfig
    from lrfind.core.curve import Curve
    from lrfind.core.range_test import OnStep
    from lrfind.core.suggest import Reading
    from lrfind.tasks.build import Task


def main(arguments: Sequence[str], show: Show) -> int:
    """Runs the command and returns the exit code of the process."""
    return launch("range", arguments, partial(run, show=show))


def run(composed: DictConfig, directory: Path, *, show: Show) -> Outcome:
    """The job: builds the task, sweeps, reads the curve, writes the files, shows the result.

    Raises:
        UserError: Something cannot be used as given, or the results cannot be written.
    """
    from lrfind.config.door import validated
    from lrfind.config.schema import Metric, RangeConfig
    from lrfind.report import console

    started = time.perf_counter()
    config = validated(composed, RangeConfig)

    # Behind the door: torch is imported only for a config that can be run.
    from lrfind.core.suggest import read
    from lrfind.report.drawing import draw, png
    from lrfind.report.figures import picture_of
    from lrfind.report.records import range_csv, to_json
    from lrfind.tasks.build import build

    settings = config.range
    task = build(
        config,
        accuracy=settings.metric is Metric.ACCURACY,
        validation_samples=settings.validation.samples,
        single_batch=settings.single_batch,
    )
    with closing(task.loaders), console.progress(settings.num_steps) as on_step:
        curve = measured(task, config, on_step)
    reading = read(curve, rule=settings.rule)
    content = record_of(config, task, curve, reading, directory, time.perf_counter() - started)
    return finish(
        directory,
        {
            "range.csv": lambda: range_csv(curve),
            "range.json": lambda: to_json(content),
            "range.png": lambda: png(draw(picture_of(curve, reading, task.title))),
        },
        content,
        suggestion=reading.suggestion,
        status=curve.status,
        show=show,
        show_table=partial(console.show_result, reading),
    )


def measured(task: Task, config: RangeConfig, on_step: OnStep) -> Curve:
    """The curve of a task under the settings of a config."""
    from lrfind.core.ladder import ladder
    from lrfind.core.range_test import SweepOptions, sweep

    settings = config.range
    return sweep(
        task.objective,
        task.optimizer,
        task.batches,
        ladder(settings.spacing, settings.start_lr, settings.end_lr, settings.num_steps),
        options=SweepOptions.of(
            num_steps=settings.num_steps,
            beta=settings.beta,
            stop_factor=settings.stop_factor,
            paired=settings.paired,
            skip_start=settings.skip_start,
            skip_end=settings.skip_end,
            accumulation_steps=config.accumulation_steps,
            clip_grad_norm=config.clip_grad_norm,
            scaler=task.scaler,
            validation_every=settings.validation.every,
        ),
        device=task.device,
        validation=task.validation,
        on_step=on_step,
    )


def record_of(
    config: RangeConfig, task: Task, curve: Curve, reading: Reading, directory: Path, seconds: float
) -> dict[str, Any]:
    """The JSON record of a run."""
    from lrfind.report.environment import environment
    from lrfind.report.records import record
    from lrfind.tasks.devices import name_of

    return record(
        command="range",
        status=curve.status,
        suggestion=reading.suggestion,
        rules=reading.rules,
        verdict=reading.verdict,
        steps=len(curve),
        seconds=seconds,
        seed=config.seed,
        device=str(task.device),
        config=dataclasses.asdict(config),
        environment=environment(name_of(task.device)),
        files=[directory / name for name in ("range.csv", "range.png", "range.json")],
        warnings=task.notes + warnings_of(task.loaders.skipped),
    )
