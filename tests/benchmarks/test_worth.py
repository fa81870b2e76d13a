"""What a record says a suggestion is worth is what the recorded runs say."""

import dataclasses

import pytest

from benchmarks.truth.finders import FOUND
from benchmarks.truth.lines import read_lines
from benchmarks.truth.oracle import RUNS
from benchmarks.truth.oracles import oracles
from benchmarks.truth.scores import by_task, score
from benchmarks.truth.tasks import BUDGET, TASKS, config_of
from lrfind.range_test.measured_regret import MEASURED, measured_regret
from lrfind.report.record import plain


def test_the_figures_in_a_record_are_those_of_the_benchmark():
    best = oracles(read_lines(RUNS), kind="constant", budget=BUDGET)
    found, tenth = (score(by_task(read_lines(FOUND), name), best) for name in ("lrfind", "minimum_over_ten"))
    assert found.tasks == len(TASKS) == MEASURED["tasks"]
    assert MEASURED["mean_regret"] == round(found.mean, 3)
    assert MEASURED["mean_regret_where_answered"] == round(found.answered, 3)
    assert MEASURED["mean_regret_of_a_tenth_where_answered"] == round(tenth.answered, 3)
    assert MEASURED["worst_task_regret"] == round(found.worst, 3)
    assert MEASURED["within_0_05"] == round(found.within, 2)
    assert MEASURED["no_answer"] == round(found.failures, 2)


def test_they_are_told_of_the_default_settings_and_of_no_others():
    name = next(iter(TASKS))
    settings = plain(dataclasses.asdict(config_of(name).range))
    assert measured_regret(settings) == MEASURED


@pytest.mark.parametrize(
    "changed", [{"rule": "gugger"}, {"num_steps": 100}, {"paired": False}, {"end_lr": 1.0}, {"repeats": 5}]
)
def test_other_settings_were_not_measured(changed):
    settings = plain(dataclasses.asdict(config_of(next(iter(TASKS))).range))
    assert measured_regret({**settings, **changed}) is None
