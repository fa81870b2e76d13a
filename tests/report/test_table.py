"""A table fits the screen: words are broken, then columns left out by their rank, and the reader is told."""

import io
import re

import pytest

from lrfind.report import console
from lrfind.report.table import Column, Row, Table

NUMBERS = Table(
    [Column("lr"), Column("loss", rank=1), Column("spread", rank=2)],
    [Row(["0.1", "1.25", "0.5"]), Row(["0.001", "11.25", ""], chosen=True)],
)
WORDS = Table(
    [Column("rule", words=True), Column("lr"), Column("looks at", words=True)],
    [
        Row(["centre", "0.1", "the middle of the valley, less for momentum"], chosen=True),
        Row(["a", "none", ""]),
    ],
)


def texts(table, width=None):
    return [line.text for line in table.lines(width)]


def test_numbers_end_at_the_right_words_begin_at_the_left_and_the_chosen_row_is_marked():
    assert texts(NUMBERS) == [
        "     lr   loss  spread",
        "    0.1   1.25     0.5",
        "* 0.001  11.25",
    ]
    assert texts(WORDS) == [
        "  rule      lr  looks at",
        "* centre   0.1  the middle of the valley, less for momentum",
        "  a       none",
    ]


@pytest.mark.parametrize(
    ("width", "head"),
    [(22, "     lr   loss  spread"), (21, "     lr   loss"), (13, "     lr"), (3, "     lr")],
)
def test_the_column_of_the_highest_rank_is_left_out_first(width, head):
    assert texts(NUMBERS, width)[0] == head


def test_what_is_left_out_is_named():
    assert texts(NUMBERS, 21)[-1] == "  (too narrow for: spread)"
    assert texts(NUMBERS, 13)[-1] == "  (too narrow for: loss, spread)"
    assert len(texts(NUMBERS, 22)) == 3


def test_a_last_column_of_words_is_broken_below_itself(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    monkeypatch.setattr(console, "results", lambda: stream)
    console.show([WORDS])
    plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert [line.rstrip() for line in plain.splitlines()] == [
        "  rule      lr  looks at",
        "* centre   0.1  the middle of the",
        "                valley, less for",
        "                momentum",
        "  a       none",
    ]


def test_a_table_without_rows_is_its_head():
    assert texts(Table([Column("lr"), Column("loss")], [])) == ["  lr  loss"]
