"""MLflow: a run on the server, or in the database, that MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from lrfind.trackers.finished_run import step_of
from lrfind.trackers.tracker import Tracker

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

    from lrfind.trackers.finished_run import FinishedRun

_AT_ONCE = 100
"""Parameters, and metrics, that every server takes in one request."""

_LONGEST = 500
"""Characters of a parameter that every server takes."""

_SWEEP = "lrfind.sweep"


class MLflow(Tracker):
    """Params, metrics, tags and the run directory as artifacts; a multirun is a parent run.

    A curve goes over the step `round(1000 log10 lr)`: -3000 is 1e-3.

    Args:
        experiment: The experiment that runs are put into; made where it is not there.
    """

    package = "mlflow"

    def __init__(self, experiment: str = "lrfind") -> None:
        super().__init__()
        self._experiment = experiment

    def log(self, run: FinishedRun, sweep: Path | None) -> None:
        """Makes a run."""
        from mlflow.entities import Metric, Param

        client, now = _client(), round(1000 * time.time())
        tags = run.words if sweep is None else run.words | {_SWEEP: str(sweep.absolute())}
        made = client.create_run(self._experiment_id(client), run_name=run.name, tags=tags).info.run_id
        params = [Param(key, str(value)[:_LONGEST]) for key, value in run.settings.items()]
        metrics = [Metric(name, value, now, 0) for name, value in run.numbers.items()]
        for name, values in run.curves.items():
            metrics += [Metric(name, value, now, step_of(lr)) for lr, value in values]
        for i in range(0, max(len(params), len(metrics)), _AT_ONCE):
            several = slice(i, i + _AT_ONCE)
            client.log_batch(made, metrics=metrics[several], params=params[several])
        for path in run.files:
            folder = path.parent.relative_to(run.directory)
            client.log_artifact(made, str(path), None if folder == folder.parent else str(folder))
        client.set_terminated(made)

    def prepare(self) -> None:
        """Makes the experiment, and the tables of a new database, which two runs cannot do at once."""
        self._experiment_id(_client())

    def group(self, sweep: Path) -> None:
        """Makes a run that is the parent of those of a multirun."""
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        client = _client()
        experiment, folder = self._experiment_id(client), str(sweep.absolute())
        children = [
            run
            for run in client.search_runs([experiment], f"tags.`{_SWEEP}` = '{folder}'")
            if MLFLOW_PARENT_RUN_ID not in run.data.tags
        ]
        if not children:
            return
        parent = client.create_run(experiment, run_name=f"multirun {sweep.name}").info.run_id
        for run in children:
            client.set_tag(run.info.run_id, MLFLOW_PARENT_RUN_ID, parent)
        client.set_terminated(parent)

    def _experiment_id(self, client: object) -> str:
        found = client.get_experiment_by_name(self._experiment)  # type: ignore[attr-defined]
        if found is not None:
            return str(found.experiment_id)
        return str(client.create_experiment(self._experiment))  # type: ignore[attr-defined]


def _client() -> MlflowClient:
    from mlflow import MlflowClient

    # Their packages say on stderr what tables they make, with -q too. Importing mlflow sets the level.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return MlflowClient()
