"""Scores of the finders: from the recorded runs and answers to numbers."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmarks.truth.oracles import Oracle


@dataclass(frozen=True, slots=True)
class Score:
    """What a finder is worth on some tasks; a task counts once, whatever its number of sweeps.

    Attributes:
        mean: Mean regret; no answer counts as 1.
        answered: Mean regret of the answers alone, NaN where there is none.
        worst: Highest mean regret of a task.
        worst_task: That task.
        within: Share of sweeps whose answer has a regret of at most 0.05.
        log_error: Mean |log10(lr / best)| of the answers, NaN where there is none.
        steps: Mean training steps of a sweep.
        failures: Share of sweeps without an answer.
        tasks: How many tasks.
        sweeps: How many sweeps.
    """

    mean: float
    answered: float
    worst: float
    worst_task: str
    within: float
    log_error: float
    steps: float
    failures: float
    tasks: int
    sweeps: int


@dataclass(frozen=True, slots=True)
class Bracket:
    """What a finder's bracket is worth, as shares of tasks and of the sweeps that gave one.

    Attributes:
        sound: Share of brackets all of whose rates have a regret of at most 0.10.
        near: Share of brackets that hold the best rate or have it within a factor 2 of an end.
        sound_tasks: Share of tasks most of whose brackets are sound.
        near_tasks: Share of tasks most of whose brackets are near.
        width: Median of log10(high / low).
        sweeps: How many brackets.
    """

    sound: float
    near: float
    sound_tasks: float
    near_tasks: float
    width: float
    sweeps: int


def by_task(lines: Iterable[dict[str, Any]], finder: str) -> dict[str, list[dict[str, Any]]]:
    """The answers of a finder, task by task."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        if line["finder"] == finder:
            found[line["task"]].append(line)
    return dict(found)


def score(answers: Mapping[str, list[dict[str, Any]]], oracles: Mapping[str, Oracle]) -> Score | None:
    """The score of a finder on the tasks that have an oracle and answers; None where none has."""
    tasks = [task for task in answers if task in oracles]
    if not tasks:
        return None
    means = {}
    within, failures, steps = [], [], []
    answered: list[float] = []
    errors: list[float] = []
    for task in tasks:
        oracle, lines = oracles[task], answers[task]
        regrets = [oracle.regret(line["lr"]) for line in lines]
        given = [line["lr"] for line in lines if line["lr"] is not None]
        means[task] = float(np.mean(regrets))
        within.append(np.sum([oracle.regret(lr) <= 0.05 for lr in given]) / len(lines))
        failures.append(1 - len(given) / len(lines))
        steps.append(np.mean([line["steps"] for line in lines]))
        answered += [oracle.regret(lr) for lr in given]
        errors += [abs(float(np.log10(lr / oracle.best))) for lr in given]
    worst = max(means, key=lambda task: means[task])
    return Score(
        mean=float(np.mean(list(means.values()))),
        answered=float(np.mean(answered)) if answered else float("nan"),
        worst=means[worst],
        worst_task=worst,
        within=float(np.mean(within)),
        log_error=float(np.mean(errors)) if errors else float("nan"),
        steps=float(np.mean(steps)),
        failures=float(np.mean(failures)),
        tasks=len(tasks),
        sweeps=sum(len(answers[task]) for task in tasks),
    )


def bracket(answers: Mapping[str, list[dict[str, Any]]], oracles: Mapping[str, Oracle]) -> Bracket | None:
    """What the brackets of a finder are worth; None where it gives none."""
    sound, near, sound_tasks, near_tasks, widths = [], [], [], [], []
    for task, lines in answers.items():
        given = [(line["low"], line["high"]) for line in lines if line["low"] is not None]
        if task not in oracles or not given:
            continue
        holds = [oracles[task].worst_inside(low, high) <= 0.10 for low, high in given]
        close = [oracles[task].near(low, high) for low, high in given]
        sound += holds
        near += close
        sound_tasks.append(np.mean(holds) > 0.5)
        near_tasks.append(np.mean(close) > 0.5)
        widths += [float(np.log10(high / low)) for low, high in given]
    if not sound:
        return None
    return Bracket(
        sound=float(np.mean(sound)),
        near=float(np.mean(near)),
        sound_tasks=float(np.mean(sound_tasks)),
        near_tasks=float(np.mean(near_tasks)),
        width=float(np.median(widths)),
        sweeps=len(sound),
    )


def mean_regret(lines: Iterable[dict[str, Any]], oracle: Oracle, *, factor: float = 1.0) -> float:
    """Mean regret of the answers, each times a factor; no answer counts as 1."""
    given = [None if line["lr"] is None else line["lr"] * factor for line in lines]
    return float(np.mean([oracle.regret(lr) for lr in given]))


def median_lr(lines: Iterable[dict[str, Any]]) -> float | None:
    """The geometric median of the answers; None where there is none."""
    given = [line["lr"] for line in lines if line["lr"] is not None]
    return float(10 ** np.median(np.log10(given))) if given else None
