"""The state of a comparison that can go on: its plan and its finished runs, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfind.report import state_file
from lrfind.report.state_file import plain_as_bytes, plain_of
from lrfind.training.run_set import RunSet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Key = tuple[str, int, int]
    """Optimizer, batch size and seed."""

NAME = "compare.state.json"
"""Beside the results of a comparison, while it runs."""


def as_bytes(*, config: Mapping[str, Any], plan: Mapping[str, Any], runs: Mapping[Key, RunSet]) -> bytes:
    """All of the file.

    Args:
        config: What a comparison that goes on must agree with.
        plan: What was found out before the first run: plain values.
        runs: Those that are finished.
    """
    saved = [_as_plain(*each) for each in runs.items()]
    return plain_as_bytes({"config": config, "plan": plan, "runs": saved})


def read_state(path: Path) -> tuple[dict[str, Any], dict[str, Any], dict[Key, RunSet]]:
    """Config, plan and runs as `as_bytes` wrote them.

    Raises:
        ValueError: The file is not there, or is none.
    """
    return state_file.read_state(path, _parsed)


def _parsed(text: bytes) -> tuple[dict[str, Any], dict[str, Any], dict[Key, RunSet]]:
    content = plain_of(text)
    return content["config"], content["plan"], dict(_from_plain(run) for run in content["runs"])


def _as_plain(key: Key, runs: RunSet) -> dict[str, Any]:
    optimizer, batch_size, seed = key
    return {
        "optimizer": optimizer,
        "batch_size": batch_size,
        "seed": seed,
        "lrs": runs.lrs.tolist(),
        "steps": list(runs.read_at),
        "losses": runs.readings.tolist(),
        "accuracies": runs.accuracies.tolist(),
        "diverged": runs.diverged.tolist(),
        "steps_taken": int(runs.steps_taken.sum()),
        "stacked": runs.stacked,
    }


def _from_plain(saved: Mapping[str, Any]) -> tuple[Key, RunSet]:
    lrs, read_at, seed = saved["lrs"], saved["steps"], saved["seed"]
    runs = RunSet.untrained(lrs, read_at=read_at, seed=seed, stacked=saved["stacked"])
    runs.readings[:] = saved["losses"]
    runs.accuracies[:] = saved["accuracies"]
    runs.diverged[:] = saved["diverged"]
    runs.finished[:] = True
    runs.steps_taken[0] = saved["steps_taken"]  # of all rates together: no more is kept
    return (saved["optimizer"], saved["batch_size"], seed), runs
