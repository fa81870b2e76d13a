"""What the picture and the screen of a refined sweep show, in numbers and words."""

import math
from dataclasses import replace

import numpy as np
import pytest

from lrfind.plotting.panel import PURPLE_DARK, Band, Marker, Span
from lrfind.refine.plot import repeats_page, rounds_page
from lrfind.refine.report import announced, refine_csv, refine_lines
from lrfind.refine.results import RoundPlan, RoundResult, SeedResult
from lrfind.refine.segments import Segment, around, rungs
from lrfind.refine.state import as_plain, round_from_plain
from lrfind.refine.verdict import RefineVerdict, Repeats, conclude
from tests.panels import assert_readable, layer, of, texts
from tests.screen import shown

COARSE = RoundPlan((Segment.of(0.1, 0.9, 0.1, 3),), "")
FINE = RoundPlan(around(0.7, 2), "The loss turned at about 0.7: look around 0.7.", "closing")


def measured(plan, *, seeds=1, restarted=False):
    def losses(seed):
        return tuple((abs(lr - 0.75) + 0.1 * seed,) * n for _, lr, n in rungs(plan.segments))

    return RoundResult(plan, tuple(SeedResult(1.0, losses(i)) for i in range(seeds)), restarted=restarted)


ROUNDS = [measured(COARSE), measured(FINE)]
ANSWER = conclude(ROUNDS)
LINE = "mean of each rate's second half"


def test_a_panel_a_round_over_the_rate_on_a_log_axis():
    first, second = rounds_page([[each] for each in ROUNDS], ANSWER, "what is trained").panels
    line = layer(first, LINE)
    assert line.x == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    assert line.y == pytest.approx(ROUNDS[0].losses)
    assert len(layer(first, "iterations").x) == 27
    assert first.x.label == "learning rate (log axis, base 10)"
    assert first.x.tick_labels == ("0.1", "0.2", "0.5")
    assert (texts(first)[0], texts(second)[0]) == ("Round 1: 0.1 to 0.9", "Round 2: 0.6 to 0.8")


def test_the_next_span_is_shaded_and_the_chosen_rate_marked():
    page = rounds_page([[each] for each in ROUNDS], ANSWER, "")
    first, second = page.panels
    (span,) = of(first, Span)
    assert [span.low, span.high] == pytest.approx([0.6, 0.8])
    assert texts(first)[1] == "grey: next, 0.6 to 0.8"
    (bracket,) = of(second, Span)
    low, high = ANSWER.suggestion.low, ANSWER.suggestion.high
    assert [bracket.low, bracket.high] == pytest.approx([low, high])
    assert bracket.colour != span.colour
    (one,), (other,) = of(first, Marker), of(second, Marker)
    assert one.at == other.at == ANSWER.suggestion.lr
    assert texts(second)[1] == f"suggested {ANSWER.suggestion.lr:g}"
    assert page.note == f"The bracket, {low:g} to {high:g}, is green in the last round."


def test_a_next_round_that_lies_elsewhere_is_named_and_nothing_is_shaded():
    below = measured(RoundPlan((Segment.of(0.01, 0.1, 0.01, 1),), ""))
    first, _ = rounds_page([[ROUNDS[0]], [below]], ANSWER, "").panels
    assert of(first, Span) == []
    assert texts(first)[1] == "next, 0.01 to 0.1"


def test_the_answer_stands_above_the_round_that_it_is_read_from():
    flat = RoundResult(FINE, (SeedResult(1.0, tuple((1.0,) * n for _, _, n in rungs(FINE.segments))),))
    rounds = [ROUNDS[0], flat]
    answer = conclude(rounds)
    page = rounds_page([[each] for each in rounds], answer, "what is trained")
    assert [texts(panel)[1:] for panel in page.panels] == [[f"suggested {answer.suggestion.lr:g}"], []]
    assert page.note.endswith("is green in round 1.")
    assert_readable(page)


def test_why_nothing_is_suggested_stands_in_the_picture():
    none = RefineVerdict(None, {}, "It never fell. " * 20)
    page = rounds_page([[each] for each in ROUNDS], none, "what is trained")
    assert page.note == none.verdict
    assert_readable(page)


def test_a_divergence_does_not_blow_up_the_axis_of_its_round_nor_of_the_one_beside_it():
    losses = [1.0, 0.6, 400.0, 0.5, 90.0]
    wild = RoundResult(
        RoundPlan((Segment.of(0.1, 0.5, 0.1, 1),), ""), (SeedResult(1.0, tuple((loss,) for loss in losses)),)
    )
    tame = replace(measured(wild.plan, restarted=True), tracks=(SeedResult(1.0, ((1.0,), (0.9,), (0.8,))),))
    left, right = rounds_page([[wild, tame]], ANSWER, "").panels
    assert left.y.limits == right.y.limits
    assert 1.0 < left.y.limits[1] < 2.0
    above = layer(left, "above the frame")
    assert above.x == pytest.approx([0.3, 0.5])
    assert (above.y == left.y.limits[1]).all()
    assert np.isfinite(layer(left, LINE).y).all()


def test_both_kinds_stand_side_by_side_on_one_scale():
    kinds = [[measured(COARSE, seeds=2), measured(COARSE, seeds=2, restarted=True)]]
    page = rounds_page(kinds, conclude([kinds[0][1]]), "")
    (left, one), (right, other) = page.frames
    assert one[1] == other[1]
    assert one[0] < other[0]
    assert left.y.limits == right.y.limits
    assert [len(texts(panel)) for panel in page.panels] == [1, 2]  # the answer is read from the restarted one
    assert [placed.entry.text for placed in page.entries] == ["iterations", LINE]
    assert layer(left, LINE).colour != layer(right, LINE).colour == PURPLE_DARK
    (band,) = of(left, Band)
    assert band.high - band.low == pytest.approx(2 * 0.1 / math.sqrt(2) * np.ones(9))


def test_losses_that_are_not_finite_are_marked_at_the_upper_edge():
    track = SeedResult(1.0, ((1.0,), (0.5,), (math.inf,)))
    (panel,) = rounds_page([[RoundResult(COARSE, (track,))]], RefineVerdict(None, {}, "."), "").panels
    marks = layer(panel, "not finite")
    assert marks.x.tolist() == [0.3]
    assert marks.y.tolist() == [panel.y.limits[1]]
    assert of(panel, Marker) == []
    assert texts(panel)[1] == "no learning rate suggested"


@pytest.mark.parametrize(("start", "step"), [(1.1e-5, 1e-7), (1.05e-4, 1e-6), (9e-5, 5e-6), (0.79, 0.002)])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_long_rates_touch_no_other_and_are_not_cut_at_the_end_of_the_last_panel(start, step, count):
    plan = RoundPlan((Segment.of(start, start + 20 * step, step, 2),), "")
    assert_readable(rounds_page([[measured(plan)]] * count, ANSWER, "what is trained"))


@pytest.mark.parametrize(
    ("rounds", "rows"),
    [
        ((4,), (2, 2)),
        ((2, 2, 2), (2, 2, 2)),
        ((5,), (3, 2)),
        ((4, 3, 5), (4, 3, 4, 1)),
        ((4, 4, 6), (4, 4, 4, 2)),
        ((16,), (4, 4, 4, 4)),
    ],
)
def test_many_panels_stand_four_in_a_row_and_each_axis_is_named_once(rounds, rows):
    steep = measured(RoundPlan((Segment.of(1.1e-5, 1.3e-5, 1e-7, 2),), ""))
    sweeps = [[[(ROUNDS[0], ROUNDS[1], steep)[i % 3]] for i in range(count)] for count in rounds]
    if len(rounds) == 1:
        page = rounds_page(sweeps[0], ANSWER, "what is trained")
    else:
        seeds = Repeats(tuple(range(len(rounds))), (ANSWER,) * len(rounds), "it was not certain")
        page = repeats_page(sweeps, seeds, ANSWER, "what is trained")
    assert_readable(page)
    found = page.parts[1:]
    assert tuple(len(row.panels) for row in found) == rows
    assert page.size[1] < 11
    assert [[bool(panel.y.label) for panel in row.panels] for row in found] == [
        [j == 0 for j in range(count)] for count in rows
    ]
    named = [(i, j) for i, row in enumerate(found) for j, panel in enumerate(row.panels) if panel.x.label]
    lowest = [max(i for i, count in enumerate(rows) if count > j) for j in range(max(rows))]
    assert sorted(named) == sorted(zip(lowest, range(max(rows)), strict=True))


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_any_number_of_rounds_can_be_drawn(count):
    page = rounds_page([[ROUNDS[i % 2]] for i in range(count)], ANSWER, "title")
    assert_readable(page)
    boxes = [box for _, box in page.frames]
    assert all(x >= 0 and x + w <= 1 and y >= 0 and y + h <= 1 for x, y, w, h in boxes)
    assert len(set(boxes)) == count


def test_csv_has_a_row_an_iteration_and_says_the_seed_and_the_start_where_asked():
    lines = refine_csv([[each] for each in ROUNDS]).splitlines()
    assert lines[0] == "round,segment,lr,iteration,loss"
    assert lines[1].startswith("1,1,0.1,1,0.65")
    assert len(lines) == 1 + 9 * 3 + 21 * 2
    kinds = [[measured(COARSE, seeds=2), measured(COARSE, seeds=2, restarted=True)]]
    lines = refine_csv(kinds, seeds=[4, 5], starts=True).splitlines()
    assert lines[0] == "round,segment,lr,iteration,loss,seed,start"
    assert lines[-1].endswith(",5,restarted")
    assert len(lines) == 1 + 4 * 27


def test_a_sweep_without_a_whole_round_shows_no_empty_table():
    assert not any("lowest at" in line.text for line in shown(refine_lines([[]], conclude([]), [])))


def test_the_screen_says_why_each_round_was_run():
    text = [line.text for line in shown(refine_lines([ROUNDS], ANSWER, []))]
    assert "Round 2. The loss turned at about 0.7: look around 0.7." in text
    assert any(line.startswith("      2") and "0.6" in line and "0.8" in line for line in text)
    assert announced(2, FINE, seeds=3) == (
        "round 2: 21 rates from 0.6 to 0.8, 42 iterations, 3 seeds. "
        "The loss turned at about 0.7: look around 0.7."
    )


def test_a_round_is_saved_and_read_back_to_the_last_bit():
    one = measured(FINE, seeds=2)
    again = round_from_plain(as_plain(one))
    assert (again.plan, again.tracks, again.status) == (one.plan, one.tracks, one.status)


def test_the_line_of_a_halved_round_has_no_cliff_where_the_budget_steps():
    plan = RoundPlan((Segment.of(0.1, 0.5, 0.1, 4),), "")
    losses = ((1.0,), (1.0,), (1.0, 0.5, 0.3, 0.2), (1.0, 0.5, 0.2, 0.1), (1.0,))
    found = RoundResult(plan, (SeedResult(1.0, losses, (True, True, False, False, True)),), restarted=True)
    (panel,) = rounds_page([[found]], conclude([found]), "").panels
    line = layer(panel, LINE)
    assert line.x == pytest.approx([0.3, 0.4])
    assert line.y == pytest.approx([0.25, 0.15])
    assert len(layer(panel, "iterations").x) == 11
    said = "\n".join(line.text for line in shown(refine_lines([[found]], conclude([found]), [])))
    assert "Round 1. 2 of 5 rates were trained in full" in said
    assert "lowest at  restarted loss" in said
    assert round_from_plain(as_plain(found)).whole.tolist() == [False, False, True, True, False]


def test_several_sweeps_have_rows_of_their_own_and_say_what_each_alone_answers():
    nothing = RefineVerdict(None, {"lowest": None}, "None.")
    repeats = Repeats((4, 5), (ANSWER, nothing), "it was not certain")
    measured_ = [[each] for each in ROUNDS]
    page = repeats_page([measured_, measured_[:1]], repeats, ANSWER, "what is trained")
    assert_readable(page)
    assert [len(row.panels) for row in page.parts[1:]] == [2, 1]
    first, second, alone = page.panels
    assert texts(first)[0] == "Seed 4, round 1: 0.1 to 0.9"
    assert texts(second)[1] == f"alone: {ANSWER.suggestion.lr:g}"
    assert texts(alone) == ["Seed 5, round 1: 0.1 to 0.9", "alone: no answer"]
    assert all(of(panel, Marker) for panel in page.panels)
    assert page.note == (
        "The line is what the sweeps suggest together, 0.74; its bracket, 0.74 to 0.76, is green in the "
        "rounds that their answers are read from."
    )


def test_the_table_of_several_sweeps_has_the_rounds_of_all():
    text = [line.text for line in shown(refine_lines([ROUNDS, ROUNDS[:1]], ANSWER, [], seeds=(4, 5)))]
    head = next(i for i, line in enumerate(text) if line.split()[:1] == ["seed"])
    assert [line.split()[:2] for line in text[head + 1 : head + 4]] == [["4", "1"], ["4", "2"], ["5", "1"]]
    assert not any("look around" in line for line in text)
