"""What the jobs of a multirun leave, and the exit code of all of them."""

import json

import pytest

from lrfind.errors import ExitCode
from lrfind.multirun.results import ENTRIES, MultirunJob, exit_code, forget_jobs, jobs_of, note_job

RECORD = {"status": "diverged", "shape": "healthy", "suggestion": {"lr": 0.5, "low": 0.4, "high": 0.6}}


def job(number=0, code=0, **kwargs):
    return MultirunJob(number, str(number), "range", (f"seed={number}",), code=code, **kwargs)


def test_jobs_come_back_in_the_order_of_their_numbers_with_their_records(tmp_path):
    for number in (10, 9):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "range.json").write_text(json.dumps(RECORD))
        note_job(tmp_path, job(number))
    assert [each.number for each in jobs_of(tmp_path)] == [9, 10]
    assert jobs_of(tmp_path)[0].lr == 0.5
    assert jobs_of(tmp_path)[0].status == "healthy"  # that the sweep diverged is how a healthy one ends
    forget_jobs(tmp_path)
    assert not (tmp_path / ENTRIES).exists()
    assert jobs_of(tmp_path) == []


def test_a_job_that_was_killed_is_not_taken_for_an_older_one_in_its_folder(tmp_path):
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "range.json").write_text(json.dumps(RECORD))
    note_job(tmp_path, job(code=None))
    (found,) = jobs_of(tmp_path)
    assert (found.status, found.lr) == ("unfinished", None)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([0, 0], ExitCode.SUGGESTED),
        ([0, 3], ExitCode.NO_SUGGESTION),
        ([3, 4], ExitCode.NOT_SENSIBLE),
        ([4, 2], ExitCode.UNUSABLE),
        ([0, None], ExitCode.UNUSABLE),
        ([2, 1], ExitCode.DEFECT),
        ([], ExitCode.UNUSABLE),
    ],
)
def test_the_exit_code_is_that_of_the_worst_job(codes, expected):
    jobs = [
        job(code=code, failure=("it failed",) if code in (1, 2) else (), record=RECORD if code != 2 else {})
        for code in codes
        if code is not None
    ]
    assert exit_code(jobs + [job(code=None)] * codes.count(None)) is expected
