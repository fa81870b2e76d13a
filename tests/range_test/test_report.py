"""What a range test leaves for programs, and what it says on the screen."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from lrfind.range_test.curve import Curve
from lrfind.range_test.horizon import at_horizon, purpose_of
from lrfind.range_test.measured_regret import MEASURED, MEASURED_OF_TRIALS, measured_in_words
from lrfind.range_test.reading import Rule, read
from lrfind.range_test.repeats import Repeats
from lrfind.range_test.report import range_csv, range_lines, repeats_line, rules_in_words, trials_record
from lrfind.range_test.trials import RULE as TRIALS
from lrfind.range_test.trials import Trials
from lrfind.report.record import plain
from lrfind.suggestion import Status, rate_text
from tests.screen import shown


def a_curve(losses, **more):
    losses = np.asarray(losses, dtype=np.float64)
    lrs = np.geomspace(1e-7, 10, len(losses))
    return Curve(lrs, losses, losses / 3, Status.COMPLETED, len(losses), **more)


def a_reading(losses=None):
    losses = 2.3 - 2 / (1 + np.exp(-np.linspace(-10, 10, 100))) if losses is None else losses
    curve = Curve(np.geomspace(1e-5, 1, 100), losses, losses, Status.COMPLETED, 100)
    return read(curve, rule=Rule.STEEPEST)


def test_csv_numbers_read_back_to_the_last_bit_and_spell_what_is_not_finite():
    losses = [0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308, -2.5, math.nan, math.inf, -math.inf]
    text = range_csv(a_curve(losses))
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["step"] for row in rows] == [str(step) for step in range(8)]
    assert np.array_equal([float(row["loss"]) for row in rows], losses, equal_nan=True)
    assert np.array_equal([float(row["lr"]) for row in rows], np.geomspace(1e-7, 10, 8))
    assert [row["loss"] for row in rows[5:]] == ["nan", "inf", "-inf"]


def test_csv_has_the_columns_of_the_contract_and_unix_line_ends():
    curve = Curve(np.array([0.5]), np.array([2.0]), np.array([2.25]), Status.COMPLETED, 1)
    assert range_csv(curve) == "step,lr,loss,smoothed_loss\n0,0.5,2.0,2.25\n"


def test_csv_has_accuracy_and_validation_where_measured_and_empty_cells_between():
    curve = a_curve([3, 2], accuracies=np.array([0.25, 0.5]), validation_losses=np.array([2.5, np.nan]))
    lines = range_csv(curve).splitlines()
    assert lines[0] == "step,lr,loss,smoothed_loss,accuracy,validation_loss"
    assert lines[1].endswith(",0.25,2.5")
    assert lines[2].endswith(",0.5,")


def test_csv_of_a_sweep_without_a_step_is_its_header():
    assert range_csv(a_curve([])) == "step,lr,loss,smoothed_loss\n"


def test_the_screen_has_every_rule_the_suggestion_the_verdict_and_the_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reading = a_reading()
    files = [tmp_path / "outputs" / "range.csv", Path("/elsewhere/range.png")]
    lines = [line.text for line in shown(range_lines(reading, None, files))]
    for rule in Rule:
        assert sum(line[2:].startswith(f"{rule.value} ") for line in lines) == 1
    assert [line[2:].split()[0] for line in lines if line.startswith("* ")] == ["steepest"]
    found = reading.suggestion
    assert any(line.startswith(f"Suggested learning rate: {found.lr:g} (bracket ") for line in lines)
    assert reading.verdict in lines
    assert lines[-2:] == [str(Path("outputs/range.csv")), "/elsewhere/range.png"]


def test_the_screen_says_why_it_is_not_the_rate_of_tutorials():
    reading = a_reading()
    measured = {**MEASURED, "tasks": 96, "mean_regret_where_answered": 0.031}
    measured["mean_regret_of_a_tenth_where_answered"] = 0.109
    text = [line.text for line in shown(range_lines(reading, None, [], measured=measured))]
    tenth = reading.rules["minimum"]
    assert (
        "On 96 small tasks such suggestions lost 3% of what the best rate learns, on average; a tenth of the "
        "rate at the lowest loss, as tutorials advise "
        f"({tenth:.3g} here), lost 11%."
    ) in text


def test_of_runs_at_constant_rates_the_screen_says_what_such_answers_are_worth():
    measured = {**MEASURED_OF_TRIALS, "tasks": 9, "mean_regret_where_answered": 0.082}
    assert measured_in_words(measured, None).startswith(
        "On 9 small tasks runs at constant rates decided too, and their answers lost 8% of what the best "
    )


def test_the_chosen_rule_says_for_how_long_it_is_and_what_a_longer_training_makes_of_it():
    reading = at_horizon(a_reading(), 3000, None)
    suggestion = reading.suggestion
    row = next(line.text for line in shown(range_lines(reading, None, [])) if line.text.startswith("* "))
    assert row.split()[:3] == ["*", suggestion.rule, rate_text(reading.rules[suggestion.rule])]
    assert row.endswith(f", here for 300 steps; {rate_text(suggestion.lr)} for 3,000 steps")
    assert purpose_of(at_horizon(a_reading(), 1, None)) == " for 1 step"
    assert "A training of 1 step is no longer" in at_horizon(a_reading(), 1, None).suggestion.reason


def test_the_screen_says_so_where_there_is_no_suggestion():
    lines = shown(range_lines(a_reading(np.full(100, 2.3)), None, []))
    assert [line.text for line in lines] == ["No learning rate can be suggested."]


def test_every_rule_and_the_runs_at_constant_rates_say_what_they_look_at():
    found = rules_in_words("loss")
    assert list(found) == [TRIALS, *(rule.value for rule in Rule)]
    assert all(found.values())


@pytest.mark.parametrize(
    ("lrs", "said"),
    [
        ((0.1, 0.1, 0.1), "the same within half a percent."),
        ((0.1, 0.102, 0.104), "one standard deviation is a factor of 1.02."),
        ((0.1, 0.2, 0.4), "one standard deviation is a factor of 2."),
    ],
)
def test_a_spread_is_never_a_factor_of_1(lrs, said):
    assert repeats_line(Repeats((0, 1, 2), (), lrs)).endswith(said)


@pytest.mark.parametrize(
    ("lrs", "said"),
    [
        ((None, None), "Neither of the two has an answer."),
        ((None, 0.1), "The first has no answer, the slower one answers 0.1."),
        ((1.0, None), "The first answers 1, the slower one has no answer."),
        ((1.0, 0.1), "The first answers 1, the slower one answers 0.1."),
    ],
)
def test_why_a_slower_sweep_followed_is_told_with_what_each_answers(lrs, said):
    line = repeats_line(Repeats((0, 1), (), lrs, "it is flat"))
    assert line == f"A slower sweep followed, since it is flat. {said}"


def test_the_record_has_runs_at_constant_rates_of_every_length_with_their_steps():
    shorter = Trials(100, 2.0, {0.1: 2.0, 0.3: math.inf}, 110)
    found = plain(trials_record(Trials(200, 2.0, {0.1: 1.5}, 310, shorter)))
    assert found["runs"] == [
        {"steps": 100, "lr": 0.1, "loss": 2.0},
        {"steps": 100, "lr": 0.3, "loss": None},
        {"steps": 200, "lr": 0.1, "loss": 1.5},
    ]
    assert (found["steps"], found["steps_taken"]) == (200, 310)
