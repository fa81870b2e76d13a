"""The peaks of schedules that go with a rate that was searched for."""

import json

import jsonschema
import pytest

from lrfind.report.load import earlier_run
from lrfind.report.observers import Nobody
from lrfind.schedule.peak import Peak
from lrfind.schedules.policy import Policy
from lrfind.suggestion import Suggestion
from lrfind.verify.candidates import Role
from lrfind.verify.config import VerifySettings
from lrfind.verify.judge import judge
from lrfind.verify.peaks import search_peaks
from lrfind.verify.plan import Plan
from lrfind.verify.report import verify_record
from lrfind.verify.target import Checked, as_wanted
from lrfind.verify.verdict import VerifyVerdict
from tests.records import SCHEMA
from tests.verify.runs import verified

FOUND = Suggestion(0.3, 0.2, 0.4, "verify", "It ended lowest.")
JUDGED = judge([0.1, 0.3], [[0.5, 0.2]], [1.0], checked=0, margin=0.1)
PLAN = Plan(300, 2000, 0, "constant")


def test_twice_a_searched_rate_is_named_in_the_record_and_read_back(tmp_path):
    record = verify_record(verified(None, JUDGED, VerifyVerdict(FOUND, "", None), plan=PLAN))
    jsonschema.validate(record["peaks"], SCHEMA["properties"]["peaks"] | {"$defs": SCHEMA["$defs"]})
    suggestion = {"lr": 0.3, "low": 0.2, "high": 0.4, "rule": "verify", "reason": ""}
    whole = record | {"command": "verify", "suggestion": suggestion, "verdict": ""}
    (tmp_path / "verify.json").write_text(json.dumps(whole))
    assert earlier_run(str(tmp_path), "schedule.from").peaks == {"cosine": 0.6, "one_cycle": 0.6}


@pytest.mark.parametrize(
    ("plan", "suggestion", "searched"),
    [
        (Plan(200, 2000, 0, "constant"), FOUND, True),
        (Plan(300, 999, 0, "constant"), FOUND, True),
        (Plan(300, 2000, 0, "one_cycle"), FOUND, True),
        (PLAN, None, True),
        (PLAN, FOUND, False),
    ],
)
def test_of_other_searches_no_peak_is_named(plan, suggestion, searched):
    assert search_peaks(plan, suggestion, searched=searched) == []
    judgement = JUDGED if searched else None
    found = verified(None, judgement, VerifyVerdict(suggestion, "", None), plan=plan)
    assert "peaks" not in verify_record(found)


class Told(Nobody):
    """Keeps what it is told."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.mark.parametrize(
    ("peaks", "begins", "told"),
    [
        ({}, 0.3, "no peak of cosine was measured, so the search begins at 0.3 for a constant rate (run)."),
        ({"cosine": 0.6}, 0.6, "the search begins at 0.6, the peak of cosine that goes with 0.3 for"),
        # It was searched for along that schedule, and is no constant rate.
        ({"cosine": 0.3}, 0.3, None),
    ],
)
def test_along_a_schedule_the_search_begins_at_its_peak_and_says_which(peaks, begins, told):
    observer = Told()
    found = Checked(0.3, Role.SUGGESTION, FOUND, source="run", peaks=peaks)
    assert as_wanted(found, VerifySettings(schedule="cosine"), observer).lr == begins
    assert [note[: len(told)] for note in observer.notes] == [told] if told else not observer.notes


def test_a_peak_that_was_searched_along_its_schedule_is_not_told_to_be_a_constant_rate():
    along = Peak(FOUND, "suggested by lrfind verify", named={"cosine": 0.3})
    assert along.origin([Policy.COSINE]) == "suggested by lrfind verify (bracket 0.2 to 0.4)"
    twice = Peak(FOUND, "suggested by lrfind verify", named={"cosine": 0.6})
    assert twice.origin([Policy.COSINE]).endswith("(bracket 0.4 to 0.8; 0.3 for a constant rate)")
