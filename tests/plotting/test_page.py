"""Where panels, keys and words come to lie on a page."""

from itertools import pairwise

import numpy as np
import pytest

from lrfind.plotting.axes import kept_on_page, linear_axis
from lrfind.plotting.page import (
    WIDTH,
    Entry,
    Key,
    Page,
    Row,
    column_width,
    key_of,
)
from lrfind.plotting.panel import BLUE, Line, Panel, Points, shade
from lrfind.plotting.text import held_above, text_width, wrapped

NOTHING = np.empty(0)
AXIS = linear_axis(0.0, 1.0, "x")


def panel(*layers, width=2.0, height=1.0, room=0.0):
    return Panel(AXIS, AXIS, layers, width, height, room=room)


def entries(count):
    return tuple(Entry(f"0.00{i}", Line(NOTHING, NOTHING, BLUE)) for i in range(10, 10 + count))


def test_rows_lie_below_each_other_and_panels_beside_each_other():
    top = Row((panel(), panel(width=3.0, room=0.4)), above=0.3, below=0.2, gap=0.5)
    page = Page("title", (top, Row((panel(height=2.0),), above=0.1, below=0.6)), left=0.6)
    (a, b, c) = [box for _, box in page.frames]
    height = page.size[1]
    assert height == pytest.approx(0.1 + 0.18 + (0.3 + 1 + 0.2) + (0.1 + 2 + 0.6) + 0.06)
    assert np.multiply(a, [WIDTH, height, WIDTH, height]) == pytest.approx([0.6, 2.96, 2.0, 1.0])
    assert b[0] * WIDTH == pytest.approx(0.6 + 2.0 + 0.5 + 0.4)
    assert a[1] == b[1]
    assert np.multiply(c, [WIDTH, height, WIDTH, height]) == pytest.approx([0.6, 0.66, 2.0, 2.0])


def test_columns_fill_the_page():
    assert 3 * column_width(3, 0.2, left=0.5, right=0.1) + 2 * 0.2 + 0.6 == pytest.approx(WIDTH)


def test_a_long_title_is_wrapped_and_the_page_grows_by_its_lines():
    short, long = Page("word", ()), Page("word " * 60, ())
    assert max(map(len, long.title_lines)) <= 84
    assert " ".join(long.title_lines) == ("word " * 60).strip()
    assert long.size[1] - short.size[1] == pytest.approx(0.18 * (len(long.title_lines) - 1))
    assert Page("word", (), "a note").size[1] - short.size[1] == pytest.approx(0.18)


def test_no_word_is_left_alone_in_the_last_line_where_the_lines_have_room():
    assert wrapped("one two three four five", 18) == ["one two three", "four five"]
    assert wrapped("one two three", 13) == ["one two three"]
    assert wrapped("one unbreakable", 11) == ["one", "unbreakable"]
    assert wrapped("first of all\nsecond", 30) == ["first of all", "second"]


def test_a_key_goes_on_in_another_row_where_the_first_is_full():
    page = Page("", (Key(entries(24), "learning rate"),))
    heights = sorted({placed.middle for placed in page.entries}, reverse=True)
    assert len(page.entries) == 24
    assert len(heights) > 1
    rows = [[placed for placed in page.entries if placed.middle == height] for height in heights]
    assert len({row[0].sample for row in rows}) == 1
    assert rows[0][0].sample[0] > page.left + text_width("learning rate")
    assert all(a.text + text_width(a.entry.text) < b.sample[0] for row in rows for a, b in pairwise(row))
    assert all(row[-1].text + text_width(row[-1].entry.text) <= WIDTH - page.right for row in rows)
    assert page.headings == [("learning rate", heights[0])]


def test_a_key_of_two_columns_is_read_by_rows():
    page = Page("", (Key(entries(3), columns=2),))
    a, b, c = page.entries
    assert a.middle == b.middle > c.middle
    assert a.sample == c.sample != b.sample


def test_a_key_has_fewer_columns_where_two_are_too_long():
    line = Line(NOTHING, NOTHING, BLUE)
    for long, short in ((56, 20), (20, 56)):
        # One column gives the other what it does not need.
        key = Key((Entry("x" * long, line), Entry("x" * short, line)), columns=2)
        assert [len(row) for row in key.rows(6.5)] == [2]
        right = Page("", (key,)).entries[1]
        assert right.text + text_width(right.entry.text) <= WIDTH - 0.1
    assert [len(row) for row in Key((Entry("x" * 50, line),) * 3, columns=2).rows(6.5)] == [1, 1, 1]


def test_a_key_without_entries_takes_no_room():
    assert Key(()).height(6.0) == 0.0


def test_a_key_names_what_is_to_be_seen_and_each_once():
    inside, outside = np.array([0.5]), np.array([5.0])
    one = panel(
        Points(inside, inside, BLUE, "batches"),
        Points(inside, outside, BLUE, "not in the frame"),
        Points(NOTHING, NOTHING, BLUE, "not there"),
        Line(inside, np.array([np.nan]), BLUE, "not a number"),
        Line(inside, inside, BLUE),
    )
    other = panel(Points(inside, inside, BLUE, "batches"), Line(inside, inside, BLUE, "smoothed"))
    assert [entry.text for entry in key_of([one, other]).entries] == ["batches", "smoothed"]


@pytest.mark.parametrize(("at", "wanted"), [(0.0, "left"), (0.5, "middle"), (1.0, "right")])
def test_words_above_a_panel_stay_above_it(at, wanted):
    half = text_width("suggested 0.1") / 4.0 / 2
    assert held_above(at, "suggested 0.1", 4.0) == {"left": half, "middle": 0.5, "right": 1 - half}[wanted]
    assert held_above(at, "a text that is longer than the panel", 0.5) == 0.5


def test_ordered_colours_go_from_the_coldest_to_the_warmest():
    assert (shade(0.0), shade(1.0)) == ("#1B1464", "#5A0F2E")
    assert len({shade(i / 20) for i in range(21)}) == 21


def test_a_label_that_the_right_edge_of_the_page_would_cut_is_left_out():
    axis = linear_axis(0.0, 20000.0, "step", intervals=4, whole=True)
    half = text_width("20000") / 2
    room = half - (1 - axis.fraction(20000.0)) * 5.0
    assert kept_on_page(axis, 5.0, room + 0.01).tick_labels == axis.tick_labels
    assert kept_on_page(axis, 5.0, room - 0.01).tick_labels == (*axis.tick_labels[:-1], "")
