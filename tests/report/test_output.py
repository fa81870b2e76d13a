"""The one way out of every command: what is written, what is said, and the exit code."""

import json
from pathlib import Path

import pytest

from lrfind.errors import ExitCode, OutputError
from lrfind.report import output
from lrfind.report.output import Report, Show, finish
from lrfind.report.record import Findings
from lrfind.report.table import Paragraph
from lrfind.suggestion import Status, Suggestion

FOUND = Suggestion(0.01, 0.001, 0.1, "centre", "It is the middle.")


def a_report(*, suggestion=FOUND, status=Status.COMPLETED, refusal=None, picture=b"a picture", notes=()):
    findings = Findings(
        command="range",
        status=status,
        suggestion=suggestion,
        rules={},
        verdict="It falls.",
        steps=3,
        seed=0,
        device="cpu",
        config={},
        notes=notes,
    )
    return Report(
        findings=findings,
        files={"range.png": lambda: picture, "range.csv": lambda: "step\n", "range.json": None},
        lines=lambda files: [Paragraph("a table"), *(Paragraph(file.name) for file in files)],
        refusal=refusal,
    )


def test_files_are_written_hardest_to_get_back_first_and_listed_in_their_own_order(
    tmp_path, monkeypatch, capsys
):
    written = []
    write = output.write_whole
    monkeypatch.setattr(
        output, "write_whole", lambda path, content: (written.append(path.name), write(path, content))
    )
    finish(a_report(), tmp_path, show=Show.TABLE, began=0.0)
    assert written == ["range.csv", "range.json", "range.png"]
    record = json.loads((tmp_path / "range.json").read_text())
    assert [Path(file).name for file in record["files"]] == ["range.png", "range.csv", "range.json"]
    assert (tmp_path / "range.png").read_bytes() == b"a picture"
    assert capsys.readouterr().out.split("\n") == ["a table", *written, ""]


@pytest.mark.parametrize(
    ("show", "out"), [(Show.NUMBER, "0.01\n"), (Show.TABLE, "a table\nrange.csv\nrange.json\nrange.png\n")]
)
def test_stdout_has_the_number_or_the_table(tmp_path, capsys, show, out):
    outcome = finish(a_report(), tmp_path, show=show, began=0.0)
    assert (outcome.lr, outcome.code) == (0.01, ExitCode.SUGGESTED)
    assert capsys.readouterr() == (out, "")


def test_stdout_has_the_record_as_it_is_in_the_file(tmp_path, capsys):
    finish(a_report(), tmp_path, show=Show.RECORD, began=0.0)
    assert capsys.readouterr().out == (tmp_path / "range.json").read_text()


def test_without_a_suggestion_quiet_leaves_stdout_empty_and_stderr_says_why(tmp_path, capsys):
    outcome = finish(a_report(suggestion=None), tmp_path, show=Show.NUMBER, began=0.0)
    assert (outcome.lr, outcome.code) == (None, ExitCode.NO_SUGGESTION)
    assert capsys.readouterr() == (
        "",
        "lrfind: warning: no learning rate can be suggested. It falls.\n",
    )


def test_a_refusal_is_an_error_of_its_own_code_and_warnings_come_before_it(tmp_path, capsys):
    outcome = finish(
        a_report(refusal="0.1 is too high.", notes=["Mind that."]), tmp_path, show=Show.NUMBER, began=0.0
    )
    assert outcome.code is ExitCode.NOT_SENSIBLE
    assert capsys.readouterr().err == "lrfind: warning: Mind that.\nlrfind: error: 0.1 is too high.\n"


def test_an_interrupted_job_says_so_in_its_code_whatever_it_found(tmp_path):
    report = a_report(status=Status.INTERRUPTED, refusal="0.1 is too high.")
    assert finish(report, tmp_path, show=Show.NUMBER, began=0.0).code is ExitCode.INTERRUPTED


def test_a_file_that_cannot_be_written_costs_no_answer(tmp_path):
    (tmp_path / "range.png").mkdir()
    with pytest.raises(OutputError, match=r"range\.png cannot .* The suggested learning rate was 0\.01\.$"):
        finish(a_report(), tmp_path, show=Show.TABLE, began=0.0)
    assert (tmp_path / "range.json").is_file()
