"""What every command says at its end."""

from lrfind.report.paragraphs import answer_lines
from lrfind.suggestion import Suggestion


def test_the_end_names_the_suggestion_the_verdict_and_the_files_by_their_shorter_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    suggestion = Suggestion(0.01, 0.001, 0.1, "centre", "It is the middle.")
    lines = answer_lines(suggestion, "It holds.", [tmp_path / "a.csv", "/elsewhere/a.png"])
    assert [line.text for line in lines] == [
        "Suggested learning rate: 0.01 (bracket 0.001 to 0.1)",
        "It is the middle.",
        "It holds.",
        "",
        "a.csv",
        "/elsewhere/a.png",
    ]
