"""What the pictures, the table and the CSV of a comparison show, in numbers and words."""

import io
import math
from itertools import pairwise

import numpy as np
import pytest

from lrfind.compare.budget import Budget
from lrfind.compare.checkpoint import read_state, write_state
from lrfind.compare.plot import curves_figure, legend_rows
from lrfind.compare.report import announced, compare_csv, compare_lines
from lrfind.compare.results import Comparison, Judge, Run
from lrfind.compare.scaling_plot import scaling_figure
from lrfind.compare.verdict import advise
from lrfind.plotting.compare_drawing import draw_curves, draw_scaling
from lrfind.plotting.draw import png

BUDGET = Budget(300, 3, 100)
LRS = (0.1, 0.2, 0.4)


def run_of(*, size=10, seed=0, best=0.2, optimizer="SGD", finished=True, readings=3, accuracy=True):
    fall = np.array([3.0, 2.0, 1.0])
    away = np.array([abs(math.log2(lr / best)) for lr in LRS])
    losses = fall[None, :] + away[:, None] + 0.1 * seed
    losses[:, readings:] = np.nan
    right = 1 - losses / 10 if accuracy else np.full_like(losses, np.nan)
    steps = BUDGET.steps(size)
    return Run(optimizer, size, seed, LRS, steps, losses, right, (False,) * 3, 9, finished=finished)


def measured(*runs, judge=Judge.ACCURACY, planned=None):
    return Comparison(runs, BUDGET, judge, len(runs) if planned is None else planned)


BOTH = measured(*(run_of(size=size, seed=seed) for size in (10, 20) for seed in (0, 2)))


def test_a_panel_a_batch_size_a_line_a_rate_in_epochs():
    data = curves_figure(BOTH, "what is trained")
    assert [panel.heading for panel in data.panels] == [
        "batch size 10: best 0.2",
        "batch size 20: best 0.2",
        "",
        "",
    ]
    first = data.panels[0]
    assert [line.mean.name for line in first.lines] == ["0.1", "0.2", "0.4"]
    assert [line.best for line in first.lines] == [False, True, False]
    assert first.lines[1].mean.x.tolist() == [1.0, 2.0, 3.0]
    assert first.lines[1].mean.y == pytest.approx([0.69, 0.79, 0.89])
    low, high = first.lines[1].band
    assert high.y - low.y == pytest.approx(2 * 0.02 / math.sqrt(2) * np.ones(3))
    assert [(e.text, e.shade) for e in data.legends[0].entries] == [("0.1", 0.0), ("0.2", 0.5), ("0.4", 1.0)]
    assert "mean of 2 seeds" in data.title


def test_a_legend_that_is_too_long_goes_on_in_another_row():
    rows = legend_rows("learning rate", [(f"0.00{i}", 0.0) for i in range(10, 30)], 0.6)
    assert len(rows) == 3
    assert sum(len(row) for row in rows) == 20
    assert {row[0].line for row in rows} == {rows[0][0].line}
    assert all(a.text_at < b.line[0] for row in rows for a, b in pairwise(row))
    assert all(row[-1].text_at < 0.95 for row in rows)


def test_panels_of_a_row_share_their_axis_and_it_is_labelled_once():
    left, right, lower, _ = curves_figure(BOTH, "").panels
    assert left.upright.limits == right.upright.limits
    assert left.upright.label == "held-out accuracy"
    assert set(right.upright.tick_labels) == {""}
    assert left.box[1] == right.box[1] > lower.box[1]
    assert (left.across.label, lower.across.label) == ("", "epoch")
    assert lower.upright.label == "held-out loss"


def test_without_accuracy_there_is_one_row_of_losses():
    runs = [run_of(size=size, accuracy=False) for size in (10, 20)]
    panels = curves_figure(measured(*runs, judge=Judge.LOSS), "").panels
    assert [panel.upright.label for panel in panels] == ["held-out loss", ""]
    assert panels[0].heading == "batch size 10: best 0.2"


def test_a_run_that_was_cut_off_is_shown_as_far_as_it_came():
    data = curves_figure(measured(run_of(finished=False, readings=1), planned=2), "")
    assert data.panels[0].heading == "batch size 10 (cut off)"
    assert data.panels[0].lines[0].mean.x.tolist() == [1.0]
    assert not any(line.best for line in data.panels[0].lines)


def test_nothing_measured_is_a_picture_that_says_so():
    data = curves_figure(measured(planned=2), "what is trained")
    assert data.panels == ()
    assert data.title == "what is trained; cut off before anything was read"
    assert png(draw_curves(data)).startswith(b"\x89PNG")


def test_many_batch_sizes_are_broken_into_even_rows_and_optimizers_stand_apart():
    runs = [run_of(size=size, optimizer=name) for name in ("SGD", "Adam") for size in (2, 5, 10, 20, 25, 50)]
    data = curves_figure(measured(*runs), "")
    assert len(data.legends) == 4
    assert [legend.text for legend in data.legends[::2]] == ["SGD, learning rate", "Adam, learning rate"]
    assert len({panel.box[:2] for panel in data.panels}) == len(data.panels) == 24
    assert png(draw_curves(data)).startswith(b"\x89PNG")


def test_best_rates_stand_over_their_batch_sizes_beside_the_rules():
    runs = [run_of(size=size, best=best, seed=s) for size, best in ((5, 0.2), (50, 0.2)) for s in (0, 1)]
    comparison = measured(*runs)
    data = scaling_figure(comparison, advise(comparison, 5), "what is trained")
    (panel,) = data.scalings
    assert panel.points.x.tolist() == [5.0, 50.0]
    assert panel.points.y.tolist() == [0.2, 0.2]
    assert panel.across.tick_labels == ("5", "50")
    linear, root = panel.rules
    assert linear.line.y[[0, -1]] == pytest.approx([0.2, 2.0])
    assert root.line.y[[0, -1]] == pytest.approx([0.2, 0.2 * math.sqrt(10)])
    assert linear.fails == pytest.approx((50.0, 2.0))
    assert "fails at 50" in linear.line.name
    assert panel.heading.startswith("best rate ~ B^0.00")
    assert data.rates[0].lines[0].best == pytest.approx((0.2, 0.895))
    assert png(draw_scaling(data)).startswith(b"\x89PNG")


def test_a_best_at_the_edge_points_beyond_it():
    comparison = measured(run_of(size=5, best=0.2), run_of(size=50, best=5.0))
    (panel,) = scaling_figure(comparison, advise(comparison, 5), "").scalings
    assert [(x, up) for x, _, up in panel.open_ends] == [(50.0, True)]
    assert panel.fit is None


def test_one_batch_size_has_no_second_panel():
    comparison = measured(run_of())
    data = scaling_figure(comparison, advise(comparison, 10), "")
    assert data.scalings == ()
    assert data.rates[0].box[2] > 0.8
    assert png(draw_scaling(data)).startswith(b"\x89PNG")


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
    text = [line.text for line in compare_lines(BOTH, advise(BOTH, 20), [])]
    assert text[0].split() == ["batch", "size", "best", "lr", "between", "accuracy", "loss", "tried"]
    assert text[1].split()[:5] == ["10", "0.2", "0.141", "to", "0.283"]
    assert text[2].split()[:2] == ["*", "20"]
    assert "89.00% ± 1.41" in text[1]
    assert any(line.startswith("Suggested learning rate: 0.2 (bracket") for line in text)


def test_the_budget_is_announced_in_the_words_of_the_settings():
    words = {"rates": 4, "optimizers": 1, "batch_sizes": 3, "seeds": 3, "budget": "10 epochs",
             "processes": 2, "taken_over": 0, "seconds": 185.0, "stacked": 0.0}  # fmt: skip
    assert (
        announced(**words) == "4 rates x 3 batch sizes x 3 seeds x 10 epochs, about 3 min 05 s (2 at a time)."
    )
    words |= {
        "optimizers": 2,
        "batch_sizes": 1,
        "seeds": 1,
        "processes": 1,
        "taken_over": 1,
        "stacked": 1.0,
    }
    assert announced(**words) == (
        "4 rates x 2 optimizers x 1 batch size x 1 seed x 10 epochs, about 3 min 05 s (rates side by side); "
        "1 run taken over from before."
    )


def test_the_state_comes_back_as_it_was_written(tmp_path):
    run = run_of(readings=2)
    write_state(tmp_path / "state", config={"seed": 0}, plan={"lrs": {"a": [0.1]}}, runs=[run])
    config, plan, (back,) = read_state(tmp_path / "state")
    assert (config, plan) == ({"seed": 0}, {"lrs": {"a": [0.1]}})
    assert back.losses.tobytes() == run.losses.tobytes()
    assert (back.lrs, back.steps, back.diverged, back.finished) == (run.lrs, run.steps, run.diverged, True)
    (tmp_path / "state").write_text("{")
    with pytest.raises(ValueError, match="state cannot be read"):
        read_state(tmp_path / "state")


def test_pictures_are_drawn_without_a_look_at_the_clock_or_the_screen():
    data = curves_figure(BOTH, "$x$ [/foo]")
    one, other = io.BytesIO(png(draw_curves(data))), io.BytesIO(png(draw_curves(data)))
    assert one.getvalue() == other.getvalue()
