"""What the picture shows, in numbers; and that it can be drawn so that it can be read."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.truth.sweeps import recorded
from lrfind.plotting.panel import Band, Label, Marker, Span
from lrfind.plotting.text import text_width
from lrfind.range_test.curve import Curve
from lrfind.range_test.ladder import geometric
from lrfind.range_test.plot import curve_panel, ladder_panel, range_page, range_panel
from lrfind.range_test.reading import Rule, read, repeats_of
from lrfind.range_test.repeats import median_curve
from lrfind.range_test.trials import Trials
from lrfind.suggestion import Status, Suggestion
from tests.panels import assert_readable, layer, of, texts

SUGGESTION = Suggestion(0.01, 0.001, 0.1, "steepest", "It falls fastest there.")
TITLE = "mnist_mlp, mnist, sgd, batch size 64"


def a_curve(losses, *, lrs=None, status=Status.COMPLETED, **more):
    losses = np.asarray(losses, dtype=np.float64)
    lrs = np.geomspace(1e-7, 10, len(losses)) if lrs is None else lrs
    return Curve(lrs, losses, losses, status, more.pop("planned_steps", len(losses)), **more)


def healthy(count=100, *, noise=0.0, low=1e-7, high=10.0):
    """Level at 2.3, down to 0.3 around a rate of 0.01, up again beyond 0.5."""
    lrs = np.geomspace(low, high, count)
    x = np.log10(lrs)
    losses = 2.3 - 2 / (1 + np.exp(-3 * (x + 2))) + 4 * np.clip(x + 0.3, 0, None) ** 2
    return losses + noise * np.random.default_rng(0).standard_normal(count)


def reading_of(curve):
    return read(curve, rule=Rule.CENTRE)


def test_each_measured_value_is_drawn_at_the_rate_whose_effect_it_shows():
    curve = a_curve(healthy())
    panel = curve_panel(curve, SUGGESTION)
    read, above = layer(panel, "batches"), layer(panel, "above the frame")
    assert np.array_equal(np.append(read.x, above.x)[1:], curve.lrs[:-1])
    assert read.x[0] == curve.lrs[0]
    assert np.array_equal(read.y, curve.losses[: len(read.y)])
    ladder = ladder_panel(curve, SUGGESTION)
    marked = [each for each in ladder.layers if isinstance(each, Span | Marker)]
    assert [(each.along, getattr(each, "at", 0.001)) for each in marked] == [("y", 0.001), ("y", 0.01)]
    line = next(each for each in ladder.layers if hasattr(each, "stairs"))
    assert np.array_equal(line.x, np.arange(100))
    assert np.array_equal(line.y, curve.lrs)


@pytest.mark.parametrize("accuracy", [False, True])
def test_runs_at_constant_rates_stand_where_they_ended_and_in_the_frame(accuracy):
    curve = a_curve(healthy(), **({"accuracies": np.linspace(0.1, 0.3, 100)} if accuracy else {}))
    ends = {1e-8: 0.7, 1e-2: 0.05, 0.3: np.inf}
    shorter = Trials(100, 2.3, {1e-2: 0.6, 0.1: np.inf}, 200)
    reading = replace(reading_of(curve), trials=Trials(200, 2.3, ends, 800, shorter))
    panel = range_panel(curve, reading)
    before = layer(panel, "after 100 steps at one rate")
    assert (before.x.tolist(), before.y.tolist()) == ([1e-2], [pytest.approx(0.4 if accuracy else 0.6)])
    shown = layer(panel, "after 200 steps at one rate")
    assert shown.x.tolist() == [1e-8, 1e-2]
    assert shown.y.tolist() == pytest.approx([0.3, 0.95] if accuracy else [0.7, 0.05])
    assert panel.y.holds(shown.y).all()
    assert panel.x.holds(shown.x).all()
    diverged = layer(panel, "diverged, or outside the frame")
    assert (diverged.x.tolist(), diverged.y.tolist()) == (
        [0.1, 0.3],
        [panel.y.limits[0 if accuracy else 1]] * 2,
    )
    assert shown.size > before.size


def test_the_key_names_what_is_drawn_and_no_more():
    everything = a_curve(
        np.append(healthy()[:99], np.nan),
        status=Status.NONFINITE,
        skip_start=10,
        skip_end=5,
        validation_losses=np.full(100, 2.0),
        start_losses=np.full(100, 2.3),
    )
    for curve, names in (
        (a_curve(np.linspace(3, 2, 50)), ["batches", "smoothed"]),
        (
            everything,
            [
                "batches",
                "not read",
                "smoothed, batch noise cancelled",
                "validation",
                "above the frame",
                "not finite",
            ],
        ),
        (a_curve([], status=Status.INTERRUPTED, planned_steps=12), []),
    ):
        page = range_page(curve, reading_of(curve), TITLE)
        assert [placed.entry.text for placed in page.entries] == names


def test_what_lies_below_the_frame_is_marked_at_its_lower_edge():
    losses = np.concatenate([np.linspace(2.3, 1.3, 60), np.linspace(1.3, 9.0, 39), [-60.0]])
    line = (np.geomspace(1e-7, 1, 60), np.linspace(2.3, 1.3, 60))
    panel = curve_panel(a_curve(losses), None, line=line)
    below = layer(panel, "below the frame")
    assert below.y.tolist() == [panel.y.limits[0]]
    assert not below.clipped


def test_why_nothing_is_suggested_stands_in_the_picture():
    flat = a_curve(2.3 + 1e-6 * np.random.default_rng(0).standard_normal(100))
    reading = reading_of(flat)
    page = range_page(flat, reading, TITLE)
    assert reading.suggestion is None
    assert page.note == reading.verdict != ""
    assert "no learning rate suggested" in texts(page.panels[0])
    assert range_page(flat, replace(reading, suggestion=SUGGESTION), TITLE).note == ""


def test_skipped_steps_are_told_apart_and_those_at_the_end_only_after_an_early_stop():
    losses = np.linspace(3, 1, 50)
    completed = curve_panel(a_curve(losses, skip_start=10, skip_end=5), None)
    assert np.array_equal(layer(completed, "not read").y, losses[:10])
    diverged = curve_panel(a_curve(losses, skip_start=10, skip_end=5, status=Status.DIVERGED), None)
    assert np.array_equal(layer(diverged, "not read").y, np.append(losses[:10], losses[-5:]))
    assert np.array_equal(layer(diverged, "batches").y, losses[10:-5])


def test_the_suggestion_and_its_bracket_are_named_with_their_values():
    panel = curve_panel(a_curve(healthy()), SUGGESTION)
    ((span,), (marker,)) = of(panel, Span), of(panel, Marker)
    bracket, suggestion = of(panel, Label)
    assert (marker.along, marker.at, suggestion.text) == ("x", 0.01, "suggested 0.01")
    assert (span.along, span.low, span.high, bracket.text) == ("x", 0.001, 0.1, "bracket 0.001 to 0.1")
    assert suggestion.x == pytest.approx(panel.x.fraction(0.01))
    assert bracket.shift[1] > suggestion.shift[1]


def test_the_suggestion_sits_on_the_line_that_was_read():
    line = (np.array([0.001, 0.01, 0.1]), np.array([2.0, 1.25, 1.0]))
    point = curve_panel(a_curve(healthy()), SUGGESTION, line=line).layers[-1]
    assert (point.x.tolist(), point.y.tolist()) == ([0.01], [1.25])


@pytest.mark.parametrize("lr", [1e-7, 10.0])
def test_a_label_at_the_edge_stays_above_the_panel(lr):
    panel = curve_panel(a_curve(healthy()), Suggestion(lr, lr, lr, "r", "r"))
    for label in of(panel, Label):
        half = text_width(label.text) / panel.width / 2
        assert half <= label.x <= 1 - half


def test_without_a_suggestion_nothing_is_marked():
    panel = curve_panel(a_curve(healthy()), None)
    assert of(panel, Span) == of(panel, Marker) == []
    assert texts(panel) == ["no learning rate suggested"]


def test_a_cliff_does_not_squash_the_curve_and_the_line_leaves_the_frame():
    losses = np.append(healthy()[:90], 10.0 ** np.arange(1, 31, 3))
    panel = curve_panel(a_curve(losses, status=Status.DIVERGED), SUGGESTION)
    bottom, top = panel.y.limits
    line, above = layer(panel, "smoothed"), layer(panel, "above the frame")
    assert 2.3 < top < 6
    assert line.y[-1] > top + 10 * (top - bottom)
    assert np.isfinite(line.y).all()
    assert len(above.x) == (losses > top).sum() > 5
    assert (above.y == top).all()


def test_one_spike_at_the_start_does_not_squash_the_curve():
    losses = healthy(noise=0.02)
    losses[3] = 1000.0
    x = np.log10(np.geomspace(1e-7, 10, 100))
    line = (10**x, healthy())
    assert curve_panel(a_curve(losses), None, line=line).y.limits[1] < 6


def test_a_moderate_divergence_is_shown_whole():
    losses = np.concatenate((np.full(30, 2.3), np.linspace(2.3, 0.3, 40), np.linspace(0.3, 1.2, 10)))
    assert curve_panel(a_curve(losses), None).y.limits == pytest.approx((0.3 - 0.06, 2.3 + 0.06))


def test_a_nan_at_the_end_is_marked_at_the_rate_that_made_it_and_changes_no_limit():
    losses = np.append(healthy()[:80], np.nan)
    curve = a_curve(losses, status=Status.NONFINITE, planned_steps=100)
    panel = curve_panel(curve, SUGGESTION)
    assert layer(panel, "not finite").x == pytest.approx([10.0 / 10**0.1])
    assert panel.y.limits == curve_panel(a_curve(healthy()[:80]), None).y.limits
    assert texts(ladder_panel(curve, None)) == ["not finite: 81 of 100"]


def test_a_flat_curve_looks_flat():
    noise = 1e-4 * np.random.default_rng(0).standard_normal(100)
    bottom, top = curve_panel(a_curve(2.3 + noise), None).y.limits
    assert top - bottom > 0.1
    assert (top + bottom) / 2 == pytest.approx(2.3, abs=0.01)


def test_negative_losses_get_the_frame_of_their_mirrored_shape():
    shifted = curve_panel(a_curve(healthy() - 5), SUGGESTION)
    assert shifted.y.limits[0] < -4.6
    assert -2.7 < shifted.y.limits[1] < 0
    assert shifted.y.tick_labels[0].startswith("−")


def test_accuracy_is_drawn_in_percent_from_zero():
    curve = a_curve(healthy(), accuracies=np.linspace(0.1, 0.9, 100))
    panel = curve_panel(curve, SUGGESTION)
    assert np.array_equal(layer(panel, "batches").y, curve.accuracies)
    assert panel.y.tick_labels == ("0%", "20%", "40%", "60%", "80%", "100%")
    assert panel.y.label == "training accuracy"


def test_the_validation_loss_is_drawn_at_the_rates_whose_effect_it_shows():
    checks = np.full(100, np.nan)
    checks[::10] = 2.0
    curve = a_curve(healthy(), validation_losses=checks)
    points = layer(curve_panel(curve, None), "validation")
    assert np.array_equal(points.x[1:], curve.lrs[9::10][: len(points.x) - 1])
    assert (points.y == 2.0).all()


def test_a_reading_is_drawn_by_its_own_line_up_to_the_cliff():
    losses = np.append(healthy()[:90], 10.0 ** np.arange(2, 12))
    curve = a_curve(losses, status=Status.DIVERGED, skip_start=5)
    reading = read(curve, rule=Rule.STEEPEST)
    line = layer(range_panel(curve, reading), "smoothed")
    # Its last point is the first loss of the cliff, at the rate of the step before.
    shown = len(line.x) - 1
    assert 80 <= shown == len(reading.smoothed)
    assert np.array_equal(line.x, curve.lrs[curve.skip_start :][: shown + 1])
    cliff = curve.losses >= 100.0
    assert cliff[curve.skip_start + 1 + shown]
    assert not cliff[: curve.skip_start + 1 + shown].any()
    assert line.y[np.searchsorted(line.x, 0.01)] == pytest.approx(1.3, abs=0.3)


def test_a_reading_of_accuracies_is_drawn_as_accuracies():
    curve = a_curve(np.linspace(2, 1, 100), accuracies=np.linspace(0.1, 0.9, 100))
    panel = range_panel(curve, read(curve, rule=Rule.STEEPEST))
    assert layer(panel, "smoothed").y[50] == pytest.approx(curve.accuracies[51], abs=0.01)
    assert panel.y.tick_labels[-1] == "100%"


def test_the_axis_follows_the_ladder():
    for curve, scale in (
        (a_curve(healthy()), "log"),
        (a_curve(healthy(), lrs=np.linspace(0, 1, 100)), "linear"),
        (a_curve([2.0, 1.0]), "log"),
    ):
        assert curve_panel(curve, None).x.scale == ladder_panel(curve, None).y.scale == scale
    assert curve_panel(a_curve(healthy()), None).x.label == "learning rate (log axis, base 10)"


def test_the_iterations_that_were_not_taken_stay_empty():
    ladder = ladder_panel(a_curve(healthy(60), status=Status.DIVERGED, planned_steps=100), None)
    assert ladder.x.limits[1] > 99
    assert texts(ladder) == ["diverged: 60 of 100"]


def pictures():
    noisy = healthy(noise=0.5)
    early = Suggestion(1.23e-7, 1.01e-7, 1.57e-7, "valley", "r")
    late = Suggestion(9.87, 1.23e-5, 10, "valley", "r")
    checks = np.full(100, np.nan)
    checks[::10] = 2.0
    cliff = np.append(healthy()[:90], 10.0 ** np.arange(0, 40, 4))
    everything = a_curve(
        np.append(cliff[:-1], np.nan),
        status=Status.NONFINITE,
        skip_start=10,
        skip_end=5,
        validation_losses=checks,
    )
    accurate = a_curve(healthy(), lrs=np.linspace(1e-4, 0.3, 100), accuracies=np.linspace(0, 1, 100))
    interrupted = a_curve(healthy(5000), status=Status.INTERRUPTED, planned_steps=200_000)
    return {
        "everything": (everything, SUGGESTION, "a model on $HOME/data_{x}$, adamw " * 8),
        "noisy, early": (a_curve(noisy), early, TITLE),
        "late": (a_curve(noisy * 1e6), late, TITLE),
        "flat": (a_curve(np.full(100, 2.3)), None, TITLE),
        "constant zero": (a_curve(np.zeros(100)), None, ""),
        "two points": (a_curve([2.0, 1.0]), None, TITLE),
        "no point": (a_curve([], status=Status.INTERRUPTED, planned_steps=12000), None, TITLE),
        "NaN alone": (a_curve([np.nan], status=Status.NONFINITE), None, TITLE),
        "wide": (a_curve(healthy(), lrs=np.geomspace(1e-10, 100, 100)), SUGGESTION, TITLE),
        "narrow": (a_curve(healthy(), lrs=np.geomspace(0.3, 0.4, 100)), None, TITLE),
        "linear": (accurate, SUGGESTION, TITLE),
        "small linear": (a_curve(healthy(), lrs=np.linspace(0, 3e-7, 100)), None, TITLE),
        "long": (interrupted, SUGGESTION, TITLE),
    }


@pytest.mark.parametrize("name", pictures())
def test_no_text_touches_another_or_leaves_the_picture(name):
    curve, suggestion, title = pictures()[name]
    assert_readable(range_page(curve, replace(reading_of(curve), suggestion=suggestion), title))


@pytest.mark.parametrize(
    "task", ["digits_mlp_sgd", "dogs_cnn_adam", "mnist_mlp_batch4_momentum", "curve_adam"]
)
def test_the_line_of_several_sweeps_lies_within_their_band_and_the_band_within_the_frame(task):
    every = recorded()[task]
    for i in range(0, 12, 3):
        curves = every[i : i + 3]
        curve = median_curve(curves, beta=0.98)
        reading = read(curve, rule=Rule.CENTRE, sweeps=curves)
        panel = range_panel(curve, reading, repeats_of(curves, range(3), rule=Rule.CENTRE))
        (band,) = of(panel, Band)
        drawn = reading.smoothed.drawn
        assert ((band.low <= drawn) & (drawn <= band.high)).all()
        assert len(band.x) == len(reading.smoothed)
        # What is told is the line's.
        if reading.suggestion is not None:
            assert f"{drawn[reading.smoothed.lowest_drawn]:.3g}," in reading.verdict


def test_a_band_holds_every_sweeps_own_line():
    log = np.log10(geometric(1e-5, 10.0, 60))

    def sweep_of(depth, level):
        effects = np.concatenate([[0.0], np.interp(log, [-5, -3, -1, 1], [0, 0, -depth, depth])])[:60]
        start = np.full(60, level)
        losses = start + effects
        return Curve(10**log, losses, losses, Status.COMPLETED, 60, start_losses=start)

    curves = [sweep_of(1.0, 3.0), sweep_of(1.2, 2.0), sweep_of(0.7, 2.5)]
    curve = median_curve(curves, beta=0.98)
    page = range_page(curve, reading_of(curve), TITLE, repeats_of(curves, range(3), rule=Rule.CENTRE))
    assert "median of 3 sweeps" in page.title
    panel = page.panels[0]
    assert layer(panel, "batches, median")
    (band,) = of(panel, Band)
    rates, low, high = band.x, band.low, band.high
    # The levels differ, the shares of them that are left are compared: 1 - 1.2 / 2 and 1 - 0.7 / 2.5 of 2.5.
    bottom = int(np.argmin(low))
    assert rates[bottom] == pytest.approx(0.1, rel=0.3)
    assert high[bottom] - low[bottom] == pytest.approx(2.5 * (0.6 - 0.28), abs=0.1)
    assert (low <= high).all()
    assert of(range_panel(curve, reading_of(curve)), Band) == []
