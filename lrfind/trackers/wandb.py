"""Weights & Biases: a run in the project given, online or offline as WANDB_MODE says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.report import console
from lrfind.trackers.tracker import Tracker

if TYPE_CHECKING:
    from pathlib import Path

    from lrfind.trackers.finished_run import FinishedRun


class WandB(Tracker):
    """Config, curves over the learning rate, pictures, summary, and the run directory as an artifact.

    Args:
        project: The project that runs are put into. The runs of a multirun are a group in it.
    """

    package = "wandb"

    def __init__(self, project: str = "lrfind") -> None:
        super().__init__()
        self._project = project

    def log(self, run: FinishedRun, sweep: Path | None) -> None:
        """Makes a run."""
        import wandb

        group = None if sweep is None else f"{sweep.parent.name}/{sweep.name}"
        settings = wandb.Settings(silent=console.is_quiet(), console="off")
        config = dict(run.record["config"])
        with wandb.init(
            project=self._project, name=run.name, group=group, config=config, settings=settings
        ) as made:
            made.define_metric("*", step_metric="lr")
            rows: dict[float, dict[str, float]] = {}
            for name, values in run.curves.items():
                for lr, value in values:
                    rows.setdefault(lr, {"lr": lr})[name] = value
            for lr in sorted(rows):
                made.log(rows[lr])
            made.log({path.stem: wandb.Image(str(path)) for path in run.pictures})
            made.summary.update({**run.numbers, **run.words})
            artifact = wandb.Artifact(f"lrfind-{made.id}", type="lrfind-run")
            for path in run.files:
                artifact.add_file(str(path), name=str(path.relative_to(run.directory)))
            made.log_artifact(artifact)
