"""What every command says at its end."""

from lrfind.report.answer import answer_lines
from lrfind.report.table import Paragraph
from lrfind.suggestion import Suggestion


def test_the_end_names_the_suggestion_the_verdict_and_the_files_by_their_shorter_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    suggestion = Suggestion(0.01, 0.001, 0.1, "centre", "It is the middle.")
    lines = answer_lines(suggestion, "It holds.", [tmp_path / "a.csv", "/elsewhere/a.png"])
    assert [line.text for line in lines] == [
        "Suggested learning rate: 0.01 (bracket 0.001 to 0.1: rates that should do nearly as well)",
        "It is the middle.",
        "It holds.",
        "",
        "a.csv",
        "/elsewhere/a.png",
    ]


def test_what_the_answer_was_read_from_stands_below_it():
    suggestion = Suggestion(0.01, 0.001, 0.1, "centre", "It is the middle.")
    lines = answer_lines(
        suggestion, "It holds.", ["a.csv"], bracket="the best", details=[Paragraph("a table")]
    )
    assert [line.text for line in lines] == [
        "Suggested learning rate: 0.01 (bracket 0.001 to 0.1: the best)",
        "It is the middle.",
        "It holds.",
        "",
        "a table",
        "",
        "a.csv",
    ]


def test_without_an_answer_the_details_are_shown_all_the_same():
    lines = answer_lines(None, "It never fell.", [], details=[Paragraph("a table")])
    assert [line.text for line in lines] == ["No learning rate can be suggested.", "", "a table"]


def test_a_lone_rate_has_no_bracket():
    lines = answer_lines(Suggestion(0.1, 0.1, 0.1, "compared", "It is the only one."), "Alone.", [])
    assert lines[0].text == "Suggested learning rate: 0.1 (no bracket)"
