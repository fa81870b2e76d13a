"""The tables of the README and of the site are those of the recorded runs."""

import pytest

from benchmarks.truth import pages
from benchmarks.truth.pages import PAGES, TABLES, filled


def test_what_stands_between_marks_is_made_anew_and_nothing_else_moves(monkeypatch):
    monkeypatch.setitem(pages.TABLES, "short", lambda: "| new |")
    mark = "<!-- short: made by python -m benchmarks.truth.pages -->"
    text = f"Before.\n\n{mark}\n| old |\n<!-- end -->\n\nAfter."
    assert filled(text) == f"Before.\n\n{mark}\n| new |\n<!-- end -->\n\nAfter."
    assert filled("No marks.") == "No marks."


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_the_tables_of_the_runs(page):
    text = page.read_text()
    assert "<!-- end -->" in text
    assert filled(text) == text, "python -m benchmarks.truth.pages writes it anew"


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_whole_rows_the_least_regret_first(name):
    lines = TABLES[name]().splitlines()
    assert len({line.count("|") for line in lines}) == 1
    means = [float(line.split("|")[2].strip(" *")) for line in lines[2:]]
    assert means == sorted(means)
