"""The peaks that go with a suggestion: told of measured settings alone, and in one line."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from lrfind.range_test.centre import valley_sides
from lrfind.range_test.config import RangeSettings
from lrfind.range_test.curve import Curve
from lrfind.range_test.peaks import PEAKS, RISEN, highest_peak, peaks_record
from lrfind.range_test.reading import Rule, read
from lrfind.range_test.trials import Trials
from lrfind.report.record import plain
from lrfind.schedules.peaks import TIMES, peak_within, peaks_line
from lrfind.schedules.policy import Policy
from lrfind.suggestion import Status

LRS = np.logspace(-5, 1, 60)


def a_reading(*, last=0.9, momentum=0.0):
    """Of a loss that falls from 1 to 0 between 0.003 and 0.03 and is up again after `last`."""
    x = np.log10(LRS)
    losses = 1 - np.interp(x, [-2.5, -1.5], [0, 1]) + np.interp(x, np.log10([last, 1.6 * last]), [0, 2])
    # What a rate does shows in the loss of the step after.
    losses = np.concatenate([[1.0], losses[:-1]])
    curve = Curve(lrs=LRS, losses=losses, smoothed=losses, status=Status.COMPLETED, planned_steps=60,
                  start_losses=np.ones(60), momentum=momentum)  # fmt: skip
    return read(curve, rule=Rule.CENTRE)


def settings(**changed):
    return plain(asdict(RangeSettings(**changed)))


def test_a_peak_is_the_suggestion_times_the_measured_factor():
    reading = a_reading()
    peaks = peaks_record(reading, settings())
    assert [peak["policy"] for peak in peaks] == list(PEAKS)
    for peak in peaks:
        assert peak["factor"] == TIMES
        assert peak["lr"] == pytest.approx(reading.suggestion.lr * peak["factor"], rel=0.005)
        assert peak["mean_regret"] < peak["mean_regret_of_suggestion"]
    assert {Policy(name) for name in PEAKS} <= set(Policy)


def test_a_peak_is_not_near_to_where_the_loss_rises():
    assert peak_within(0.1, 2, 0.5) == pytest.approx(0.2)
    assert peak_within(0.1, 2, 0.15) == pytest.approx(0.15)
    assert peak_within(0.1, 2, 0.05) == pytest.approx(0.1)
    assert peak_within(0.1, 0.5, 0.05) == pytest.approx(0.05)
    narrow = a_reading(last=0.06)
    end = highest_peak(narrow)
    assert end == min(valley_sides(narrow.smoothed)[1], RISEN * narrow.smoothed.climb[0])
    assert narrow.suggestion.lr < end < 2 * narrow.suggestion.lr
    for peak in peaks_record(narrow, settings()):
        assert peak["lr"] == pytest.approx(end, rel=0.005)
        assert peak["factor"] == pytest.approx(end / narrow.suggestion.lr, rel=0.005)


def test_where_trials_decided_there_is_no_peak():
    trials = Trials(100, 1.0, {0.01: 0.5, 0.03: 0.4}, 200)
    decided = replace(a_reading(), suggestion=trials.suggestion((1e-5, 10.0), "loss"), trials=trials)
    assert highest_peak(decided) is None
    assert peaks_record(decided, settings()) == []


def test_trials_that_decided_nothing_leave_the_limit_of_the_sweep():
    tried = replace(a_reading(last=0.06), trials=Trials(100, 1.0, {0.01: 1.5, 0.03: 1.4}, 200))
    assert highest_peak(tried) == highest_peak(a_reading(last=0.06)) < np.inf


def test_momentum_lowers_the_suggestion_and_not_the_highest_peak():
    narrow = a_reading(last=0.06, momentum=0.9)
    assert highest_peak(narrow) == highest_peak(a_reading(last=0.06))
    assert peaks_record(narrow, settings())[0]["factor"] == TIMES


def test_more_sweeps_are_as_good():
    assert peaks_record(a_reading(), settings(repeats=5)) == peaks_record(a_reading(), settings())


@pytest.mark.parametrize("changed", [{"num_steps": 100}, {"horizon": 2000}, {"paired": False}])
def test_of_other_settings_no_peak_is_told(changed):
    assert peaks_record(a_reading(), settings(**changed)) == []


def test_without_a_suggestion_there_is_no_peak():
    nothing = replace(a_reading(), suggestion=None)
    assert highest_peak(nothing) is None
    assert peaks_record(nothing, settings()) == []


def test_for_a_model_that_was_trained_before_none_was_measured():
    assert peaks_record(a_reading(), settings())
    assert peaks_record(replace(a_reading(), trained_before=True), settings()) == []


def test_the_line_names_rate_policy_and_regret():
    reading = a_reading()
    line = peaks_line(peaks_record(reading, settings()))
    peak = f"{2 * reading.suggestion.lr:.3g}"
    assert line == (
        f"As the peak of a schedule: {peak} for cosine and one_cycle; twice the suggestion. In 300 steps on "
        "28 tasks such peaks lost 2.5% (cosine) and 2.6% (one_cycle) of what the best one learns."
    )


def test_the_line_says_where_twice_is_too_much():
    line = peaks_line(peaks_record(a_reading(last=0.06), settings()))
    assert "and one_cycle; twice the suggestion would be too near to where the loss rises. In 300" in line


def test_policies_with_rates_of_their_own_are_told_one_by_one():
    first, second = peaks_record(a_reading(), settings())
    line = peaks_line([first, second | {"lr": 0.5, "mean_regret": 0.1}])
    assert f"{first['lr']:g} for cosine and 0.5 for one_cycle; " in line
    assert line.endswith("lost 2.5% (cosine) and 10.0% (one_cycle) of what the best one learns.")
