"""The table of a multirun and its CSV."""

import csv
import io
from pathlib import Path

from lrfind.multirun.report import count_text, multirun_csv, multirun_lines, varied
from lrfind.multirun.results import MultirunJob

RECORD = {
    "status": "diverged",
    "shape": "healthy",
    "verdict": "Healthy: it fell.",
    "suggestion": {"lr": 0.5, "low": 0.4, "high": 0.6},
}


def jobs(*overrides, last=None):
    found = [
        MultirunJob(i, str(i), "range", tuple(given), code=0, record=RECORD)
        for i, given in enumerate(overrides)
    ]
    return found if last is None else [*found, last]


def test_the_csv_has_a_column_for_each_key_and_says_healthy():
    text = multirun_csv(jobs(["batch_size=16", "seed=1"], ["batch_size=64", "+model.width=3"]))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == [
        *("job", "batch_size", "seed", "model.width"),
        *("status", "lr", "low", "high", "message"),
    ]
    assert [row["batch_size"] for row in rows] == ["16", "64"]
    assert [row["model.width"] for row in rows] == ["", "3"]
    assert {row["status"] for row in rows} == {"healthy"}
    assert float(rows[0]["lr"]) == 0.5


def test_the_csv_has_what_a_job_warns_of_behind_its_verdict():
    warned = MultirunJob(0, "0", "range", (), code=0, record=RECORD | {"warnings": ["Nothing.", "Odd."]})
    (row,) = csv.DictReader(io.StringIO(multirun_csv([warned])))
    assert row["message"] == "Healthy: it fell. Nothing. Odd."


def test_the_table_shows_what_the_jobs_differ_in_and_what_came_of_each():
    failed = MultirunJob(2, "2", "range", ("range.num_steps=9", "seed=1"), code=2, failure=("Too few.",))
    found = jobs(["range.num_steps=40", "seed=1"], ["range.num_steps=60", "seed=1"], last=failed)
    assert varied(found) == ["range.num_steps"]
    lines = [line.text for line in multirun_lines(found)]
    assert lines[1].split() == ["job", "num_steps", "status", "lr", "bracket"]
    assert lines[2].split() == ["0", "40", "healthy", "0.5", "0.4", "to", "0.6"]
    assert lines[4].split() == ["2", "9", "failed"]


def test_a_table_fits_80_columns():
    wide = [f"{name}={'x' * 60}" for name in ("model", "data", "optimizer")]
    other = [f"{name}={'y' * 60}" for name in ("model", "data", "optimizer")]
    assert max(len(line.text) for line in multirun_lines(jobs(wide, other))) <= 80


def test_of_a_multirun_that_was_cut_off_it_is_said_what_there_is_of_each_job():
    sweep = Path("sweep")
    cut = MultirunJob(1, "one", "range", (), code=130, record={"status": "interrupted", "suggestion": None})
    killed = MultirunJob(1, "1", "range", ())
    failed = MultirunJob(1, "1", "range", (), code=2, failure=("Too few.",))
    assert count_text(jobs([]), 1, sweep) == "1 of 1 job suggests a learning rate"
    assert count_text(jobs([], last=failed), None, sweep) == "1 of 2 jobs suggest a learning rate"
    assert count_text(jobs([], last=cut), 4, sweep) == (
        "1 of 4 jobs came to an end, 1 with a learning rate; what job 1 had measured is in "
        f"{sweep / 'one'}; 2 were not begun"
    )
    assert count_text(jobs(last=killed), None, sweep) == "0 jobs came to an end"
    assert count_text(jobs(last=killed), 2, sweep) == "none of 2 jobs came to an end; 1 was not begun"
