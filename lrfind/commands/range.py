"""`lrfind range`: the learning-rate range test."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

from lrfind.errors import ExitCode, OutputError, UserError
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
    from lrfind.core.objective import no_memory_left, out_of_memory
    from lrfind.core.suggest import read
    from lrfind.tasks.build import build

    settings = config.range
    try:
        task = build(
            config,
            accuracy=settings.metric is Metric.ACCURACY,
            validation_samples=settings.validation.samples,
            single_batch=settings.single_batch,
        )
        with closing(task.loaders), console.progress(settings.num_steps) as on_step:
            curve = measured(task, config, on_step)
    except Exception as error:
        if isinstance(error, UserError) or not out_of_memory(error):
            raise
        raise no_memory_left(error, f"with batch_size={config.batch_size}") from error
    reading = read(curve, rule=settings.rule)
    content, files = record_of(config, task, curve, reading, directory, time.perf_counter() - started)
    try:
        write(directory, curve, reading, task.title, content)
    except OutputError as error:
        if reading.suggestion is None:
            raise
        raise OutputError(f"{error} The suggested learning rate was {reading.suggestion.lr:g}.") from error
    for warning in content.get("warnings", []):
        console.warn(warning)
    report(show, reading, content, files)
    return Outcome(None if reading.suggestion is None else reading.suggestion.lr, exit_code(curve, reading))


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
) -> tuple[dict[str, Any], list[Path]]:
    """The JSON record of a run, and the files it names."""
    from lrfind.report.environment import environment
    from lrfind.report.records import record
    from lrfind.tasks.devices import name_of

    files = [directory / name for name in ("range.csv", "range.png", "range.json")]
    skipped = task.loaders.skipped
    warnings = list(task.notes)
    if skipped:
        named = ", ".join(skipped[:3]) + (", ..." if len(skipped) > 3 else "")
        warnings.append(f"{len(skipped)} pictures could not be read and were skipped: {named}")
    content = record(
        command="range",
        status=curve.status,
        suggestion=reading.suggestion,
        rules=reading.rules,
        verdict=reading.verdict,
        steps=len(curve),
        seconds=seconds,
        seed=config.seed,
        device=str(task.device),
        config=_as_mapping(config),
        environment=environment(name_of(task.device)),
        files=files,
        warnings=warnings,
    )
    return content, files


def write(directory: Path, curve: Curve, reading: Reading, title: str, content: dict[str, Any]) -> None:
    """Writes range.csv, range.json and range.png, in the order of how hard each is to get back."""
    from lrfind.report.drawing import draw, png
    from lrfind.report.figures import picture_of
    from lrfind.report.files import write_whole
    from lrfind.report.records import range_csv, to_json

    write_whole(directory / "range.csv", range_csv(curve))
    write_whole(directory / "range.json", to_json(content))
    write_whole(directory / "range.png", png(draw(picture_of(curve, reading, title))))


def report(show: Show, reading: Reading, content: dict[str, Any], files: list[Path]) -> None:
    """Results on stdout in the form asked for; the reason for none on stderr where stdout has no words."""
    from lrfind.report import console
    from lrfind.report.records import to_json

    if show is Show.RECORD:
        console.write(to_json(content))
    elif show is Show.TABLE:
        console.show_result(reading, files)
    elif reading.suggestion is not None:
        console.write(f"{reading.suggestion.lr!r}\n")
    if reading.suggestion is None:
        console.warn(f"no learning rate can be suggested. {reading.verdict}")


def exit_code(curve: Curve, reading: Reading) -> ExitCode:
    """The exit code of a test that ran."""
    from lrfind.core.curve import Status

    if curve.status is Status.INTERRUPTED:
        return ExitCode.INTERRUPTED
    return ExitCode.SUGGESTED if reading.suggestion is not None else ExitCode.NO_SUGGESTION


def _as_mapping(config: RangeConfig) -> dict[str, Any]:
    import dataclasses

    return dataclasses.asdict(config)
