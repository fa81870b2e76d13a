"""The state of a comparison that can go on: its plan and its finished runs, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfind.report import state_file
from lrfind.report.shape import anything, fields, flag, items, mapping, number, rate, text, whole
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
    _STATE(content, "it")
    check_plan(content["plan"])
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


_STATE = fields(
    config=mapping(anything),
    plan=mapping(mapping(anything)),
    runs=items(
        fields(
            optimizer=text,
            batch_size=whole(1),
            seed=whole(-(1 << 63)),
            lrs=items(rate, least=1),
            steps=items(whole(), least=1),
            losses=items(items(number())),
            accuracies=items(items(number(0, 1))),
            diverged=items(flag),
            steps_taken=whole(),
            stacked=flag,
        )
    ),
)
_PLAN = {"lrs": mapping(items(rate, least=1)), "stacked": mapping(flag), "centres": mapping(rate)}


def check_plan(found: Mapping[str, Any]) -> None:
    """Whether a plan is what `compare.plan` makes.

    Raises:
        ValueError: It is not.
    """
    for name, part in found.items():
        if name not in _PLAN:
            raise ValueError("its plan has a key that is not known")
        _PLAN[name](part, f"plan.{name}")


def _from_plain(saved: Mapping[str, Any]) -> tuple[Key, RunSet]:
    lrs, read_at, seed = saved["lrs"], saved["steps"], saved["seed"]
    tables = [*saved["losses"], *saved["accuracies"]]
    counts = {len(saved[name]) for name in ("losses", "accuracies", "diverged")}
    if counts != {len(lrs)} or {len(row) for row in tables} != {len(read_at)}:
        raise ValueError("a run has other readings than rates and steps")
    runs = RunSet.untrained(lrs, read_at=read_at, seed=seed, stacked=saved["stacked"])
    runs.readings[:] = saved["losses"]
    runs.accuracies[:] = saved["accuracies"]
    runs.diverged[:] = saved["diverged"]
    runs.finished[:] = True
    runs.steps_taken[0] = saved["steps_taken"]  # of all rates together: no more is kept
    return (saved["optimizer"], saved["batch_size"], seed), runs
