"""What the suggestion of a rule has been measured to be worth, for the record of a run."""

from __future__ import annotations

from typing import Any

from lrfind.range_test.trials import RULE as TRIALS
from lrfind.suggestion import rate_text

MEASURED: dict[str, Any] = {
    "rule": "centre",
    "benchmark": "benchmarks/truth: 300 steps at the suggested rate against the best of 25, on held-out loss",
    "tasks": 110,
    "mean_regret": 0.029,
    "mean_regret_where_answered": 0.027,
    "mean_regret_of_a_tenth_where_answered": 0.114,
    "worst_task_regret": 0.248,
    "within_0_05": 0.85,
    "no_answer": 0.0,
}
"""Of the default rule on the default ladder, on all tasks but the large ones: the 34 of the table in README,
six of kinds on which the answer had been far off, 14 apart and 56 drawn ones. A regret of 0 is the
best rate there is, 1 has learnt nothing, and no answer counts as 1. A tenth of the rate at the lowest loss
of the same sweeps is what tutorials advise. The figures are those of benchmarks/truth/results, to which a
test holds them."""

MEASURED_OF_TRIALS: dict[str, Any] = {
    **MEASURED,
    "rule": TRIALS,
    "tasks": 20,
    "mean_regret": 0.047,
    "mean_regret_where_answered": 0.055,
    "mean_regret_of_a_tenth_where_answered": 0.404,
    "worst_task_regret": 0.22,
    "within_0_05": 0.72,
    "no_answer": 0.0,
}
"""Of those that runs at constant rates decided, where sweeps showed too little or batches disagreed."""

_DEFAULT = {
    "start_lr": 1e-5,
    "end_lr": 10.0,
    "num_steps": 60,
    "spacing": "geometric",
    "paired": True,
    "metric": "loss",
    "single_batch": False,
    "beta": 0.98,
    "stop_factor": 4.0,
    "skip_start": None,
    "skip_end": None,
    "rule": "centre",
    "repeats": "auto",
    "horizon": None,
    "groups": "ratio",
}
"""The settings that were measured."""


def measured_regret(settings: dict[str, Any], chosen_by: str | None = None) -> dict[str, Any] | None:
    """What a suggestion with those settings of `range` is worth; None where they were not measured.

    Args:
        settings: By name, enumerations as their values.
        chosen_by: The suggestion's `rule`; None where there is none.
    """
    same = all(settings.get(name) == value for name, value in _DEFAULT.items())
    return dict(MEASURED_OF_TRIALS if chosen_by == TRIALS else MEASURED) if same else None


def measured_in_words(measured: dict[str, Any], a_tenth: float | None) -> str:
    """What a suggestion is worth, and why it is not the one of tutorials, in a sentence.

    Args:
        measured: What `measured_regret` says.
        a_tenth: A tenth of the rate at the lowest loss; None where there is none.
    """
    here = "" if a_tenth is None else f" ({rate_text(a_tenth)} here)"
    such = "such suggestions"
    if measured["rule"] == TRIALS:
        such = "runs at constant rates decided too, and their answers"
    return (
        f"On {measured['tasks']} small tasks {such} lost "
        f"{measured['mean_regret_where_answered']:.0%} of what the best rate learns, on average; a tenth of "
        f"the rate at the lowest loss, as tutorials advise{here}, lost "
        f"{measured['mean_regret_of_a_tenth_where_answered']:.0%}."
    )
