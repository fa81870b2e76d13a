"""The state of a comparison that can go on: its plan and its finished runs, as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from lrfind.compare.results import Run
from lrfind.report import resume
from lrfind.report.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

NAME = "compare.state.json"
"""Beside the results of a comparison, while it runs."""


def write_state(
    path: Path, *, config: Mapping[str, Any], plan: Mapping[str, Any], runs: Sequence[Run]
) -> None:
    """Saves the state in place of the one before, whole or not at all.

    Args:
        path: The file.
        config: What a comparison that goes on must agree with.
        plan: What was found out before the first run: plain values.
        runs: Those that are finished.

    Raises:
        OutputError: It cannot be written.
    """
    content = {"config": config, "plan": plan, "runs": [_as_plain(run) for run in runs]}
    write_whole(path, json.dumps(content))  # with NaN, which only Python reads back: it is no one else's file


def read_state(path: Path) -> tuple[dict[str, Any], dict[str, Any], list[Run]]:
    """Config, plan and runs as `write_state` wrote them.

    Raises:
        ValueError: The file is not there, or is none.
    """
    return resume.read_state(path, _parsed)


def _parsed(text: bytes) -> tuple[dict[str, Any], dict[str, Any], list[Run]]:
    content = json.loads(text)
    return content["config"], content["plan"], [_from_plain(run) for run in content["runs"]]


def _as_plain(run: Run) -> dict[str, Any]:
    return {
        "optimizer": run.optimizer,
        "batch_size": run.batch_size,
        "seed": run.seed,
        "lrs": list(run.lrs),
        "steps": list(run.steps),
        "losses": run.losses.tolist(),
        "accuracies": run.accuracies.tolist(),
        "diverged": list(run.diverged),
        "steps_taken": run.steps_taken,
        "stacked": run.stacked,
    }


def _from_plain(saved: Mapping[str, Any]) -> Run:
    return Run(
        optimizer=saved["optimizer"],
        batch_size=saved["batch_size"],
        seed=saved["seed"],
        lrs=tuple(saved["lrs"]),
        steps=tuple(saved["steps"]),
        losses=np.array(saved["losses"], dtype=np.float64),
        accuracies=np.array(saved["accuracies"], dtype=np.float64),
        diverged=tuple(saved["diverged"]),
        steps_taken=saved["steps_taken"],
        stacked=saved["stacked"],
    )
