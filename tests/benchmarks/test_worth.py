"""What a record says a suggestion is worth is what the recorded runs say."""

import dataclasses

import pytest

from benchmarks.truth.finders import FOUND
from benchmarks.truth.lines import read_lines
from benchmarks.truth.oracle import RUNS
from benchmarks.truth.oracles import oracles
from benchmarks.truth.scores import by_task, score
from benchmarks.truth.tasks import BUDGET, TASKS, config_of
from lrfind.range_test.measured_regret import MEASURED, MEASURED_OF_TRIALS, measured_regret
from lrfind.range_test.trials import RULE as TRIALS
from lrfind.report.record import plain


def holds(measured, answers, tenths):
    best = oracles(read_lines(RUNS), kind="constant", budget=BUDGET)
    found, tenth = score(answers, best), score(tenths, best)
    assert measured["tasks"] == found.tasks
    assert measured["mean_regret"] == round(found.mean, 3)
    assert measured["mean_regret_where_answered"] == round(found.answered, 3)
    assert measured["mean_regret_of_a_tenth_where_answered"] == round(tenth.answered, 3)
    assert measured["worst_task_regret"] == round(found.worst, 3)
    assert measured["within_0_05"] == round(found.within, 2)
    assert measured["no_answer"] == round(found.failures, 2)


def test_the_figures_in_a_record_are_those_of_the_benchmark():
    answers, tenths = (by_task(read_lines(FOUND), name) for name in ("lrfind", "minimum_over_ten"))
    assert len(answers) == len(TASKS)
    holds(MEASURED, answers, tenths)


def test_the_figures_of_runs_at_constant_rates_are_those_of_the_answers_that_they_decided():
    answers, tenths = (by_task(read_lines(FOUND), name) for name in ("lrfind", "minimum_over_ten"))
    decided = {
        (task, line["seed"])
        for task, lines in answers.items()
        for line in lines
        if line["why"].startswith("Trained for ")
    }

    def among(lines_of):
        kept = {t: [line for line in lines if (t, line["seed"]) in decided] for t, lines in lines_of.items()}
        return {task: lines for task, lines in kept.items() if lines}

    holds(MEASURED_OF_TRIALS, among(answers), among(tenths))


def test_they_are_told_of_the_default_settings_and_of_no_others():
    name = next(iter(TASKS))
    settings = plain(dataclasses.asdict(config_of(name).range))
    assert measured_regret(settings) == measured_regret(settings, "centre") == MEASURED
    assert measured_regret(settings, TRIALS) == MEASURED_OF_TRIALS


@pytest.mark.parametrize(
    "changed", [{"rule": "gugger"}, {"num_steps": 100}, {"paired": False}, {"end_lr": 1.0}, {"repeats": 5}]
)
def test_other_settings_were_not_measured(changed):
    settings = plain(dataclasses.asdict(config_of(next(iter(TASKS))).range))
    assert measured_regret({**settings, **changed}) is None
