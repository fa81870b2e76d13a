"""What the pictures, the table and the CSV of a comparison show, in numbers and words."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from lrfind.compare.budget import Budget
from lrfind.compare.checkpoint import as_bytes, read_state
from lrfind.compare.plot import curves_page
from lrfind.compare.report import announced, compare_csv, compare_lines
from lrfind.compare.results import Comparison, Judge, cells_of
from lrfind.compare.scaling_plot import scaling_page
from lrfind.compare.verdict import conclude
from lrfind.plotting.axes import kept_apart
from lrfind.plotting.draw import draw, png
from lrfind.plotting.panel import Band, Label, Line, Marker, Points, Shape, shade
from lrfind.training.baseline import Baseline
from lrfind.training.run_set import RunSet
from tests.panels import assert_readable, layer, of, texts
from tests.screen import shown

BUDGET = Budget(300, 3, 100)
LRS = (0.1, 0.2, 0.4)


def runs_of(seed, lrs, read_at, losses, accuracies, *, diverged=False, finished=True):
    """The runs of a seed, one a rate."""
    runs = RunSet.untrained(lrs, read_at=read_at, seed=seed)
    runs.readings[:], runs.accuracies[:] = losses, accuracies
    runs.diverged[:], runs.finished[:] = diverged, finished
    return runs


def run_of(*, size=10, seed=0, best=0.2, optimizer="SGD", finished=True, readings=3, accuracy=True):
    fall = np.array([3.0, 2.0, 1.0])
    away = np.array([abs(math.log2(lr / best)) for lr in LRS])
    losses = fall[None, :] + away[:, None] + 0.1 * seed
    losses[:, readings:] = np.nan
    right = 1 - losses / 10 if accuracy else np.nan
    return optimizer, size, runs_of(seed, LRS, BUDGET.steps(size), losses, right, finished=finished)


def measured(*runs, judge=Judge.ACCURACY, planned=None):
    return Comparison(cells_of(runs, judge), BUDGET, judge, len(runs) if planned is None else planned)


BOTH = measured(*(run_of(size=size, seed=seed) for size in (10, 20) for seed in (0, 2)))


def test_a_panel_a_batch_size_a_line_a_rate_in_epochs():
    page = curves_page(BOTH, "what is trained")
    assert [texts(panel) for panel in page.panels] == [
        ["batch size 10: best 0.2"],
        ["batch size 20: best 0.2"],
        [],
        [],
    ]
    lines = of(page.panels[0], Line)
    # The best one is painted last and thickest.
    assert [(line.name, line.width > 1) for line in lines] == [("0.1", False), ("0.4", False), ("0.2", True)]
    assert lines[2].x.tolist() == [1.0, 2.0, 3.0]
    assert lines[2].y == pytest.approx([0.69, 0.79, 0.89])
    bands = of(page.panels[0], Band)
    assert bands[1].high - bands[1].low == pytest.approx(2 * 0.02 / math.sqrt(2) * np.ones(3))
    key = [(placed.entry.text, placed.entry.sample.colour) for placed in page.entries]
    assert key == [("0.1", shade(0.0)), ("0.2", shade(0.5)), ("0.4", shade(1.0))]
    assert [line.colour for line in lines] == [shade(0.0), shade(1.0), shade(0.5)]
    assert "mean of 2 seeds" in page.title


def test_the_axis_of_time_begins_with_the_first_reading():
    left, _, lower, _ = curves_page(BOTH, "").panels
    assert left.x.fraction(1.0) == pytest.approx(0.03, abs=0.01)
    assert lower.x.fraction(3.0) == pytest.approx(0.97, abs=0.01)
    assert lower.x.tick_labels == ("1", "2", "3")


def test_every_rate_that_was_dropped_or_is_not_to_be_seen_is_named_off_the_curves():
    lrs = (0.1, 0.2, 0.4, 0.8, 1.6)

    def run(seed, diverged):
        losses = np.tile([[1.0, 0.5]], (5, 1)) + 0.01 * np.arange(5)[:, None]
        losses[2] = 90.0
        losses[list(diverged)] = np.nan
        gone = tuple(i in diverged for i in range(5))
        return "SGD", 10, runs_of(seed, lrs, (5, 10), losses, np.nan, diverged=gone)

    cells = cells_of([run(0, [4]), run(1, [3, 4])], Judge.LOSS)
    comparison = Comparison(cells, Budget(100, 2, 50), Judge.LOSS, 2)
    page = curves_page(comparison, "")
    (panel,) = page.panels
    assert texts(panel) == [
        "batch size 10: best 0.1",
        "diverged: 0.8 (1 of 2), 1.6; outside the frame: 0.4",
    ]
    heading, note = of(panel, Label)
    assert heading.y == note.y == 1.0
    assert heading.shift[1] > note.shift[1] > 0
    # 1.6 was dropped before it was read, 0.4 lies outside: the key names what is drawn.
    assert [placed.entry.text for placed in page.entries] == ["0.1", "0.2", "0.8"]
    assert_readable(page)
    assert page.parts[1].above > curves_page(BOTH, "").parts[1].above


def test_what_rates_came_to_before_they_diverged_does_not_flatten_the_others():
    losses = np.array([[2.0, 1.0], [2.0, 0.5], [9e4, np.nan]])
    runs = runs_of(0, LRS, (5, 10), losses, np.nan, diverged=[False, False, True])
    comparison = Comparison(cells_of([("SGD", 10, runs)], Judge.LOSS), Budget(100, 2, 50), Judge.LOSS, 1)
    (panel,) = curves_page(comparison, "").panels
    assert panel.y.limits[1] < 3


def test_panels_of_a_row_share_their_axis_and_it_is_labelled_once():
    page = curves_page(BOTH, "")
    left, right, lower, _ = page.panels
    assert left.y.limits == right.y.limits
    assert left.y.label == "held-out accuracy"
    assert set(right.y.tick_labels) == {""}
    bottoms = [box[1] for _, box in page.frames]
    assert bottoms[0] == bottoms[1] > bottoms[2] == bottoms[3]
    assert (left.x.label, lower.x.label) == ("", "epoch")
    assert lower.y.label == "held-out loss"


def test_without_accuracy_there_is_one_row_of_losses():
    runs = [run_of(size=size, accuracy=False) for size in (10, 20)]
    panels = curves_page(measured(*runs, judge=Judge.LOSS), "").panels
    assert [panel.y.label for panel in panels] == ["held-out loss", ""]
    assert texts(panels[0]) == ["batch size 10: best 0.2"]


def test_a_run_that_was_cut_off_is_shown_as_far_as_it_came():
    panel = curves_page(measured(run_of(finished=False, readings=1), planned=2), "").panels[0]
    assert texts(panel) == ["batch size 10 (cut off)"]
    assert [line.x.tolist() for line in of(panel, Line)] == [[1.0]] * 3
    assert not any(line.width > 1 for line in of(panel, Line))


def test_nothing_measured_is_a_picture_that_says_so():
    page = curves_page(measured(planned=2), "what is trained")
    assert page.panels == ()
    assert page.title == "what is trained; cut off before anything was read"
    assert png(draw(page)).startswith(b"\x89PNG")


def test_many_batch_sizes_are_broken_into_even_rows_and_optimizers_stand_apart():
    runs = [run_of(size=size, optimizer=name) for name in ("SGD", "Adam") for size in (2, 5, 10, 20, 25, 50)]
    page = curves_page(measured(*runs), "")
    assert [text for text, _ in page.headings] == ["SGD, learning rate"] * 2 + ["Adam, learning rate"] * 2
    assert len({box[:2] for _, box in page.frames}) == len(page.panels) == 24
    assert_readable(page)
    comparison = measured(*runs)
    assert_readable(scaling_page(comparison, conclude(comparison, 10), "what is trained"))


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("accuracy", [False, True])
@pytest.mark.parametrize(
    ("optimizers", "sizes", "blocks"),
    [(2, 1, 1), (3, 1, 1), (4, 1, 1), (5, 1, 2), (8, 1, 2), (3, 2, 2), (4, 2, 2)],
)
def test_optimizers_stand_side_by_side(optimizers, sizes, blocks, once, accuracy):
    names = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "nadam")[:optimizers]
    runs = [
        run_of(size=size, optimizer=name, best=LRS[i % 3], seed=seed, accuracy=accuracy)
        for i, name in enumerate(names)
        for size in (10, 20)[:sizes]
        for seed in (0, 2)
    ]
    comparison = measured(*runs, judge=Judge.ACCURACY if accuracy else Judge.LOSS)
    if once:
        last = [(name, size, of_last_reading(found)) for name, size, found in runs]
        comparison = replace(
            comparison, measured=cells_of(last, comparison.judge), budget=Budget(100, 1, 100)
        )
    page = curves_page(comparison, "what is trained")
    assert len(page.panels) == optimizers * sizes * (2 if accuracy else 1)
    assert len({box[1] for _, box in page.frames}) == blocks * (2 if accuracy else 1)
    # All have the same rates: a key a block.
    assert len(page.headings) == blocks
    assert page.size[1] < 5.6 * blocks
    assert_readable(page)
    scaling = scaling_page(comparison, conclude(comparison, 10), "what is trained")
    assert len(scaling.panels) == (1 if sizes == 1 else 2 * optimizers)
    assert_readable(scaling)


@pytest.mark.parametrize("sizes", [(10,), (10, 20), (10, 20, 25, 50)])
def test_long_names_of_optimizers_stay_above_their_panels(sizes):
    names = ("adamw_weight_decay_0_05_amsgrad", "sgd_with_nesterov_momentum_0_95_and_decay", "a" * 40)
    runs = [run_of(size=size, optimizer=name) for name in names for size in sizes]
    page = curves_page(measured(*runs), "what is trained")
    assert_readable(page)
    assert {float(each.entry.text) for each in page.entries} == set(LRS)
    words = texts(page.panels[0])
    assert "".join(words).startswith("adamw_weight_decay_0_05_amsgrad")
    assert any(text.endswith("best 0.2") for text in words)
    cut = run_of(optimizer=names[0], finished=False, readings=1)
    heading = texts(curves_page(measured(cut, run_of(optimizer=names[1]), planned=9), "").panels[0])
    assert heading[-1].endswith("cut off)")


def of_last_reading(runs):
    """The same runs as if they had been read once."""
    return replace(
        runs, read_at=runs.read_at[-1:], readings=runs.readings[:, -1:], accuracies=runs.accuracies[:, -1:]
    )


def test_optimizers_of_rates_of_their_own_have_a_key_each_and_a_line_each_over_the_rates():
    runs = [run_of(), ("Adam", 10, replace(run_of()[2], lrs=np.array([0.01, 0.02, 0.04])))]
    comparison = measured(*runs)
    page = curves_page(comparison, "what is trained")
    assert page.title == "what is trained, batch size 10; one seed"
    assert [text for text, _ in page.headings] == ["SGD, learning rate", "Adam, learning rate"]
    key = [(placed.entry.text, placed.entry.sample.colour) for placed in page.entries]
    places = {"0.1": 3, "0.2": 4, "0.4": 5, "0.01": 0, "0.02": 1, "0.04": 2}
    assert key == [(text, shade(place / 5)) for text, place in places.items()]  # none has two meanings
    assert [texts(panel) for panel in page.panels[:2]] == [["SGD: best 0.2"], ["Adam: best 0.02"]]
    (panel,) = scaling_page(comparison, conclude(comparison, 10), "what is trained").panels
    assert [(line.name, line.x[0]) for line in of(panel, Line)] == [("SGD", 0.1), ("Adam", 0.01)]
    assert len({line.colour for line in of(panel, Line)}) == 2


def test_of_more_rates_than_can_be_told_apart_each_optimizer_has_all_colours():
    names = ("SGD", "Adam", "Lion", "Rprop", "Adagrad")
    runs = [
        (name, 10, replace(run_of()[2], lrs=np.array([0.1, 0.2, 0.4]) / 10**i))
        for i, name in enumerate(names)
    ]
    page = curves_page(measured(*runs), "")
    colours = [placed.entry.sample.colour for placed in page.entries]
    assert colours == [shade(0.0), shade(0.5), shade(1.0)] * len(names)
    # Beside one another no two lines look alike, nor do their keys.
    strokes = [of(panel, Line)[0].dash for panel in page.panels[:3]]
    assert len(set(strokes)) == 3
    assert [placed.entry.sample.dash for placed in page.entries[:9:3]] == strokes


@pytest.mark.parametrize("readings", [3, 1])
def test_where_nothing_is_learnt_a_line_shows_what_is_had_without_training(readings):
    _, size, runs = run_of()
    runs.readings[:], runs.accuracies[:] = 2.3, 0.1
    runs = replace(runs, baseline=Baseline(2.2, 0.13, 100))
    comparison = measured(("SGD", size, runs))
    if readings == 1:
        last = [("SGD", size, of_last_reading(runs))]
        comparison = Comparison(cells_of(last, Judge.ACCURACY), Budget(100, 1, 100), Judge.ACCURACY, 1)
    right, loss = curves_page(comparison, "").panels
    assert texts(right) == ["without training", "batch size 10: nothing learnt"]
    assert [of(panel, Marker)[0].at for panel in (right, loss)] == [0.13, 2.2]
    assert_readable(curves_page(comparison, ""))


def test_what_was_read_once_is_drawn_over_the_rates():
    budget = Budget(100, 1, 100)
    runs = []
    for size in (10, 20):
        for seed in (0, 2):
            losses, right = [[3.0], [1.0 + 0.1 * seed], [np.nan]], [[0.1], [0.5 + 0.1 * seed], [np.nan]]
            diverged = [False, False, True]
            runs.append((size, runs_of(seed, LRS, budget.steps(size), losses, right, diverged=diverged)))
    comparison = Comparison(cells_of([("SGD", *run) for run in runs], Judge.LOSS), budget, Judge.LOSS, 4)
    page = curves_page(comparison, "what is trained")
    assert page.title == "what is trained; after 1 epoch, mean of 2 seeds, bar: ± one standard deviation"
    panel = page.panels[2]
    assert (panel.x.scale, panel.x.label) == ("log", "learning rate (log axis, base 10)")
    low, best, cross = of(panel, Points)
    assert (cross.shape, cross.x.tolist()) == (Shape.CROSS, [0.4])
    assert sum(panel.y.limits) / 2 < cross.y[0] < panel.y.limits[1]
    assert (low.x, low.y, low.name) == ([0.1], [3.0], "0.1")
    assert (best.x, best.y, best.size > low.size) == ([0.2], pytest.approx([1.1]), True)
    assert best.high - best.y == pytest.approx([math.sqrt(0.02)])
    assert_readable(page)


def test_where_all_diverged_before_they_were_read_there_is_no_key_of_nothing():
    runs = runs_of(0, LRS, (10,), np.full((3, 1), np.nan), np.nan, diverged=[True] * 3)
    comparison = Comparison(cells_of([("SGD", 10, runs)], Judge.LOSS), Budget(100, 1, 100), Judge.LOSS, 1)
    page = curves_page(comparison, "what is trained")
    assert page.headings == []
    assert of(page.panels[0], Points)[0].x.tolist() == list(LRS)
    assert_readable(page)


def test_best_rates_stand_over_their_batch_sizes_beside_the_rules():
    runs = [run_of(size=size, best=best, seed=s) for size, best in ((5, 0.2), (50, 0.2)) for s in (0, 1)]
    comparison = measured(*runs)
    advice = conclude(comparison, 5)
    comparison_scaling = advice.scalings["SGD"]
    page = scaling_page(comparison, advice, "what is trained")
    rates, panel = page.panels
    points = layer(panel, "best of those tried")
    assert points.x.tolist() == [5.0, 50.0]
    assert points.y.tolist() == [0.2, 0.2]
    linear, root, _, bar = of(panel, Line)
    assert linear.y[[0, -1]] == pytest.approx([0.2, 2.0])
    assert root.y[[0, -1]] == pytest.approx([0.2, 0.2 * math.sqrt(10)])
    fails = next(each for each in of(panel, Points) if each.shape is Shape.CROSS)
    assert (fails.x.tolist(), fails.y) == ([50.0], pytest.approx([2.0]))
    assert "linear, lr ~ B: contradicted at 50" in [placed.entry.text for placed in page.entries]
    (move,) = comparison_scaling.moves
    assert bar.x.tolist() == [50.0, 50.0]
    assert bar.y == pytest.approx([0.2 * 10**move.low, 0.2 * 10**move.high])
    # A rule is contradicted where it misses the bar.
    for rule, line in zip(comparison_scaling.rules, (linear, root), strict=True):
        assert (rule.fails_at is None) == (bar.y[0] <= line.y[-1] <= bar.y[1])
    assert bar.name == "nine in ten resamples, from 0.2 at 5 on"
    assert texts(panel)[0].startswith("best rate ~ B^0.00")
    ring = next(each for each in of(rates, Points) if each.shape is Shape.RING)
    assert (ring.x.tolist(), ring.y) == ([0.2], pytest.approx([0.895]))
    assert png(draw(page)).startswith(b"\x89PNG")


def test_the_best_rates_are_written_below_the_batch_sizes_where_no_line_runs():
    comparison = measured(run_of(size=5, best=0.2), run_of(size=50, best=0.1))
    _, panel = scaling_page(comparison, conclude(comparison, 5), "").panels
    assert panel.x.tick_labels == ("5\n0.2", "50\n0.1")
    assert all(label.y >= 1 for label in of(panel, Label))


def test_where_the_best_rates_have_no_room_below_all_batch_sizes_these_stand_alone():
    sizes = (10, 11, 12, 16, 20, 30)
    comparison = measured(*(run_of(size=size) for size in sizes))
    _, panel = scaling_page(comparison, conclude(comparison, 10), "").panels
    assert panel.x.tick_labels == ("10", "11", "12", "16", "20", "30")
    assert panel.x.ticks == sizes
    assert panel.x.label == "batch size (log axis)"
    close = kept_apart(replace(panel.x, tick_labels=("1000", *panel.x.tick_labels[1:])), panel.width)
    assert close.tick_labels == ("1000", "", "12", "16", "20", "30")


def test_a_single_rate_is_drawn_over_the_batch_sizes():
    def run(size, seed):
        losses = np.array([[2.0, 1.0 + size / 100 + 0.1 * seed]])
        return "SGD", size, runs_of(seed, (0.1,), (5, 10), losses, 1 - losses / 10)

    cells = cells_of([run(size, seed) for size in (10, 40) for seed in (0, 1)], Judge.ACCURACY)
    comparison = Comparison(cells, Budget(100, 2, 50), Judge.ACCURACY, 4)
    headings = [texts(panel) for panel in curves_page(comparison, "").panels[:2]]
    assert headings == [["batch size 10"], ["batch size 40"]]
    page = scaling_page(comparison, conclude(comparison, 10), "")
    (panel,) = page.panels
    points = of(panel, Points)[0]
    assert panel.x.tick_labels == ("10", "40")
    assert points.x.tolist() == [10.0, 40.0]
    assert points.y == pytest.approx([0.885, 0.855])
    assert points.high - points.y == pytest.approx(2 * [0.01 / math.sqrt(2)])
    assert panel.y.holds(np.append(points.low, points.high)).all()
    assert texts(panel) == ["learning rate 0.1"]
    assert png(draw(page)).startswith(b"\x89PNG")


def test_a_best_at_the_edge_points_beyond_it():
    comparison = measured(run_of(size=5, best=0.2), run_of(size=50, best=5.0))
    _, panel = scaling_page(comparison, conclude(comparison, 5), "").panels
    arrows = [each for each in of(panel, Points) if each.shape in (Shape.UP, Shape.DOWN)]
    assert [(arrow.x.tolist(), arrow.shape) for arrow in arrows] == [([50.0], Shape.UP)]
    assert "fitted" not in [line.name for line in of(panel, Line)]


def test_the_answer_and_the_table_say_alike_that_an_end_is_open():
    comparison = measured(run_of(size=5, best=0.2), run_of(size=50, best=5.0))
    text = [line.text for line in shown(compare_lines(comparison, conclude(comparison, 50), []))]
    (row,) = [line for line in text if line.startswith("*")]
    between = re.search(r"[^ ]+ to >[^ ]+", row)[0]
    assert f"(bracket {between}: where the best one may lie)" in " ".join(text)


def test_an_edge_that_no_bar_shows_points_beyond_it_too():
    runs = [run_of(size=size, best=best) for size, best in ((5, 0.05), (10, 0.2), (50, 0.2))]
    comparison = measured(*runs)
    _, panel = scaling_page(comparison, conclude(comparison, 5), "").panels
    (arrow,) = (each for each in of(panel, Points) if each.shape is Shape.DOWN)
    assert (arrow.x.tolist(), arrow.y < 0.1) == ([5.0], True)


def test_rates_that_diverged_are_crosses_at_the_worse_end_and_named():
    def run(size, seed, bad):
        losses = np.where(np.arange(3)[:, None] >= bad, np.nan, [[1.0, 0.5]] * 3)
        gone = np.arange(3) >= bad
        return "SGD", size, runs_of(seed, LRS, (5, 10), losses, 1 - losses, diverged=gone)

    cells = cells_of([run(10, 0, 3), run(10, 1, 2), run(20, 0, 1), run(20, 1, 2)], Judge.ACCURACY)
    comparison = Comparison(cells, Budget(100, 2, 50), Judge.ACCURACY, 4)
    page = scaling_page(comparison, conclude(comparison, 10), "")
    rates = page.panels[0]
    crosses = [each for each in of(rates, Points) if each.shape is Shape.CROSS]
    assert [each.x.tolist() for each in crosses] == [[0.4], [0.2, 0.4]]
    assert rates.y.limits[0] < crosses[0].y[0] < crosses[1].y[0] < sum(rates.y.limits) / 2
    assert [placed.entry.text for placed in page.entries][:3] == ["10", "20", "diverged with a seed or more"]
    assert_readable(page)


def test_wide_labels_of_the_best_rates_do_not_push_words_into_the_panel_beside_them():
    _, small = scaling_page(BOTH, conclude(BOTH, 10), "").panels
    tiny = [(*run[:2], replace(run[2], lrs=run[2].lrs / 1e3)) for run in (run_of(size=10), run_of(size=20))]
    comparison = measured(*tiny)
    _, wide = scaling_page(comparison, conclude(comparison, 10), "").panels
    assert small.room == 0.0
    assert wide.room > 0.0
    assert wide.room + wide.width == pytest.approx(small.width)


def test_one_batch_size_has_no_second_panel():
    comparison = measured(run_of())
    page = scaling_page(comparison, conclude(comparison, 10), "")
    ((_, box),) = page.frames
    assert box[2] > 0.8
    assert_readable(page)


def test_csv_has_a_row_a_reading_in_order_and_none_that_was_not_made():
    comparison = measured(
        run_of(size=20), run_of(size=10, seed=1), run_of(size=10, finished=False, readings=1)
    )
    lines = compare_csv(comparison, optimizers=False).splitlines()
    assert lines[0] == "batch_size,lr,seed,epoch,step,samples,loss,accuracy"
    assert lines[1] == "10,0.1,0,1.0,10,100,4.0,0.6"
    assert [line.split(",")[:5] for line in lines[2:5]] == [
        ["10", "0.1", "1", f"{e}.0", f"{e}0"] for e in (1, 2, 3)
    ]
    assert len(lines) == 1 + 3 * 7
    with_optimizer = compare_csv(comparison, optimizers=True, accumulation_steps=2).splitlines()
    assert with_optimizer[1] == "SGD,10,0.1,0,1.0,10,200,4.0,0.6"


def test_the_table_has_a_line_a_batch_size_and_marks_the_one_suggested():
    text = [line.text for line in shown(compare_lines(BOTH, conclude(BOTH, 20), []))]
    assert text[0].startswith("Suggested learning rate: 0.2 (bracket")
    head = next(i for i, line in enumerate(text) if line.startswith("  batch"))
    assert text[head].split() == ["batch", "best", "lr", "between", "accuracy", "loss", "tried"]
    assert text[head + 1].split()[:5] == ["10", "0.2", "0.141", "to", "0.283"]
    assert text[head + 2].split()[:2] == ["*", "20"]
    assert "89.0% ± 1.4" in text[head + 1]


def test_a_comparison_that_was_cut_off_shows_what_was_measured():
    runs = [run_of(size=10), run_of(size=10, seed=1, finished=False, readings=1)]
    cut = measured(*runs, run_of(size=20, finished=False, readings=1), planned=6)
    text = [line.text for line in shown(compare_lines(cut, conclude(cut, 10), []))]
    head = next(i for i, line in enumerate(text) if line.startswith("  batch"))
    assert text[head + 1].split()[:2] == ["10", "0.2"]
    # The first reading of a run is 3 above the best, which is right in a tenth less.
    row = " ".join(text[head + 2].split())
    assert row == "20 cut off 70.0% so far 3 so far 3, 0.1 to 0.4"
    assert not any(line.startswith("*") for line in text)


def test_of_a_comparison_that_was_cut_off_at_once_a_sentence_says_that_nothing_was_measured():
    cut = measured(planned=6)
    text = [line.text for line in shown(compare_lines(cut, conclude(cut, 10), []))]
    assert text == [
        "No learning rate can be suggested.",
        "",
        "Nothing was measured: no run had come to its first reading.",
    ]


@pytest.mark.parametrize("width", [80, 60])
def test_the_table_fits_the_screen(width):
    lines = shown(compare_lines(BOTH, conclude(BOTH, 20), []), width)
    head = next(i for i, line in enumerate(lines) if line.text.startswith("  batch"))
    assert all(len(line.text) <= width for line in lines[head:])


def test_the_budget_is_announced_in_the_words_of_the_settings():
    words = {"rates": 4, "each": False, "optimizers": 1, "batch_sizes": 3, "seeds": 3, "budget": "10 epochs",
             "processes": 2, "taken_over": 0, "seconds": 185.0, "stacked": 0.0}  # fmt: skip
    assert (
        announced(**words) == "4 rates x 3 batch sizes x 3 seeds x 10 epochs, about 3 min 05 s (2 at a time)."
    )
    words |= {
        "each": True,
        "optimizers": 2,
        "batch_sizes": 1,
        "seeds": 1,
        "processes": 1,
        "taken_over": 1,
        "stacked": 1.0,
    }
    assert announced(**words) == (
        "4 rates each x 2 optimizers x 1 batch size x 1 seed x 10 epochs, about 3 min 05 s (rates side by "
        "side); 1 run taken over from before."
    )
    words |= {"launcher": "joblib", "taken_over": 0, "stacked": 0.0, "optimizers": 1}
    assert announced(**words).endswith(
        ", about 3 min 05 s of training, with the start of each process of joblib on top."
    )


def test_the_state_comes_back_as_it_was_written(tmp_path):
    *_, runs = run_of(readings=2)
    runs.steps_taken[:] = 3
    state = {("SGD", 10, 0): runs}
    content = as_bytes(config={"seed": 0}, plan={"lrs": {"a": [0.1]}}, runs=state)
    (tmp_path / "state").write_bytes(content)
    config, plan, found = read_state(tmp_path / "state")
    assert (config, plan) == ({"seed": 0}, {"lrs": {"a": [0.1]}})
    assert found.keys() == state.keys()
    (back,) = found.values()
    for name in ("lrs", "readings", "accuracies", "diverged", "finished"):
        assert getattr(back, name).tobytes() == getattr(runs, name).tobytes()
    assert (back.seed, back.read_at, back.steps_taken.sum()) == (0, runs.read_at, 9)
    (tmp_path / "state").write_text("{")
    with pytest.raises(ValueError, match="state cannot be read"):
        read_state(tmp_path / "state")


def test_pictures_are_drawn_without_a_look_at_the_clock_or_the_screen():
    page = curves_page(BOTH, "$x$ [/foo]")
    assert png(draw(page)) == png(draw(page))
