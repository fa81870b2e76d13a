"""What the picture and the screen of a refined sweep show, in numbers and words."""

import math

import numpy as np
import pytest

from lrfind.plotting.draw import png
from lrfind.plotting.rounds_drawing import draw_rounds
from lrfind.refine.plot import rounds_figure
from lrfind.refine.report import announced, refine_csv, refine_lines
from lrfind.refine.results import RoundPlan, RoundResult, SeedResult
from lrfind.refine.segments import Segment, around, rungs
from lrfind.refine.state import round_as_plain, round_from_plain
from lrfind.refine.verdict import Answer, conclude

COARSE = RoundPlan((Segment.of(0.1, 0.9, 0.1, 3),), "")
FINE = RoundPlan(around(0.7, 2), "The loss turned at about 0.7: close in around 0.7.", "closing")


def measured(plan, *, seeds=1, restarted=False):
    def losses(seed):
        return tuple((abs(lr - 0.75) + 0.1 * seed,) * n for _, lr, n in rungs(plan.segments))

    return RoundResult(plan, tuple(SeedResult(1.0, losses(i)) for i in range(seeds)), restarted=restarted)


ROUNDS = [measured(COARSE), measured(FINE)]
ANSWER = conclude(ROUNDS)


def test_a_panel_a_round_in_log10_of_the_rate():
    data = rounds_figure([[each] for each in ROUNDS], ANSWER, "what is trained")
    first, second = data.panels
    assert first.line.x == pytest.approx(np.log10([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]))
    assert len(first.each.x) == 27
    assert first.line.y == pytest.approx(ROUNDS[0].losses)
    assert "log₁₀" in first.across.label
    assert "−1.0\n0.1" in first.across.tick_labels
    assert (first.heading, second.heading) == ("Round 1: 0.1 to 0.9", "Round 2: 0.6 to 0.8")


def test_the_next_span_is_shaded_and_the_chosen_rate_marked():
    first, second = rounds_figure([[each] for each in ROUNDS], ANSWER, "").panels
    span = [10**first.following.low, 10**first.following.high]
    assert span == pytest.approx([0.6, 0.8])
    assert first.following.text == "shaded: next, 0.6 to 0.8"
    assert second.following is None
    assert second.chosen == first.chosen == math.log10(ANSWER.suggestion.lr)
    assert second.chosen_text == f"suggested {ANSWER.suggestion.lr:g}"


def test_both_kinds_stand_side_by_side_on_one_scale():
    kinds = [[measured(COARSE, seeds=2), measured(COARSE, seeds=2, restarted=True)]]
    left, right = rounds_figure(kinds, ANSWER, "").panels
    assert left.box[1] == right.box[1]
    assert left.box[0] < right.box[0]
    assert left.upright == right.upright
    assert (left.restarted, right.restarted) == (False, True)
    low, high = left.band
    assert high.y - low.y == pytest.approx(2 * 0.1 / math.sqrt(2) * np.ones(9))


def test_losses_that_are_not_finite_are_marked_at_the_upper_edge():
    track = SeedResult(1.0, ((1.0,), (0.5,), (math.inf,)))
    (panel,) = rounds_figure([[RoundResult(COARSE, (track,))]], Answer(None, {}, "."), "").panels
    assert panel.nonfinite.x.tolist() == [math.log10(0.3)]
    assert panel.nonfinite.y.tolist() == [panel.upright.limits[1]]
    assert panel.chosen is None
    assert panel.chosen_text == "no learning rate suggested"


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_any_number_of_rounds_can_be_drawn(count):
    data = rounds_figure([[ROUNDS[i % 2]] for i in range(count)], ANSWER, "title")
    assert png(draw_rounds(data)).startswith(b"\x89PNG")
    boxes = [panel.box for panel in data.panels]
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


def test_the_screen_says_why_each_round_was_run():
    text = [line.text for line in refine_lines(ROUNDS, ANSWER, [])]
    assert "Round 2. The loss turned at about 0.7: close in around 0.7." in text
    assert any(line.startswith("  2") and "0.6" in line and "0.8" in line for line in text)
    assert announced(2, FINE, seeds=3) == (
        "round 2: 21 rates from 0.6 to 0.8, 42 iterations, 3 seeds. "
        "The loss turned at about 0.7: close in around 0.7."
    )


def test_a_round_is_saved_and_read_back_to_the_last_bit():
    one = measured(FINE, seeds=2)
    again = round_from_plain(round_as_plain(one))
    assert (again.plan, again.tracks, again.status) == (one.plan, one.tracks, one.status)
