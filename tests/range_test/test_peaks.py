"""The peaks that go with a suggestion: told of measured settings alone, and in one line."""

from dataclasses import asdict

import pytest

from lrfind.range_test.config import RangeSettings
from lrfind.range_test.peaks import PEAKS, peaks_line, peaks_record
from lrfind.report.record import plain
from lrfind.schedules.policy import Policy
from lrfind.suggestion import Suggestion

FOUND = Suggestion(lr=0.0123, low=0.01, high=0.02, rule="centre", reason="Because.")


def settings(**changed):
    return plain(asdict(RangeSettings(**changed)))


def test_a_peak_is_the_suggestion_times_the_measured_factor():
    peaks = peaks_record(FOUND, settings())
    assert [peak["policy"] for peak in peaks] == list(PEAKS)
    for peak in peaks:
        assert peak["lr"] == pytest.approx(0.0123 * PEAKS[peak["policy"]].factor)
        assert peak["mean_regret"] < peak["mean_regret_of_suggestion"]
    assert {Policy(name) for name in PEAKS} <= set(Policy)


def test_more_sweeps_are_as_good():
    assert peaks_record(FOUND, settings(repeats=5)) == peaks_record(FOUND, settings())


@pytest.mark.parametrize("changed", [{"num_steps": 100}, {"horizon": 2000}, {"paired": False}])
def test_of_other_settings_no_peak_is_told(changed):
    assert peaks_record(FOUND, settings(**changed)) == []


def test_without_a_suggestion_there_is_no_peak():
    assert peaks_record(None, settings()) == []


def test_the_line_names_rate_policy_and_regret():
    line = peaks_line(peaks_record(FOUND, settings()))
    assert "0.0246 for cosine and 0.0246 for one_cycle" in line
    assert "mean regret" in line
