"""What the picture shows, in numbers; and that it can be drawn so that it can be read."""

import math
import subprocess
import sys
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pytest

from lrfind.plotting.axes import linear_axis, log_axis
from lrfind.plotting.draw import draw, png
from lrfind.range_test.curve import Curve
from lrfind.range_test.ladder import geometric
from lrfind.range_test.plot import picture_of, range_figure
from lrfind.range_test.reading import Rule, read, repeats_of
from lrfind.range_test.repeats import median_curve
from lrfind.suggestion import Status, Suggestion

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


def test_each_measured_value_is_drawn_at_the_rate_whose_effect_it_shows():
    curve = a_curve(healthy())
    data = range_figure(curve, SUGGESTION, TITLE)
    assert np.array_equal(np.append(data.read.x, data.above.x)[1:], curve.lrs[:-1])
    assert data.read.x[0] == curve.lrs[0]
    assert np.array_equal(data.read.y, curve.losses[: len(data.read.y)])
    assert np.array_equal(data.ladder.x, np.arange(100))
    assert np.array_equal(data.ladder.y, curve.lrs)
    assert len(data.skipped.x) == len(data.validation.x) == len(data.nonfinite.x) == 0


def test_skipped_steps_are_told_apart_and_those_at_the_end_only_after_an_early_stop():
    losses = np.linspace(3, 1, 50)
    completed = range_figure(a_curve(losses, skip_start=10, skip_end=5), None, TITLE)
    assert np.array_equal(completed.skipped.y, losses[:10])
    diverged = range_figure(a_curve(losses, skip_start=10, skip_end=5, status=Status.DIVERGED), None, TITLE)
    assert np.array_equal(diverged.skipped.y, np.append(losses[:10], losses[-5:]))
    assert np.array_equal(diverged.read.y, losses[10:-5])


def test_the_suggestion_and_its_bracket_are_named_with_their_values():
    data = range_figure(a_curve(healthy()), SUGGESTION, TITLE)
    assert (data.suggestion.low, data.suggestion.text) == (0.01, "suggested 0.01")
    assert (data.bracket.low, data.bracket.high) == (0.001, 0.1)
    assert data.bracket.text == "bracket 0.001 to 0.1"
    assert data.suggestion.text_at == pytest.approx(data.rate.fraction(0.01))


def test_the_suggestion_sits_on_the_line_that_was_read():
    line = (np.array([0.001, 0.01, 0.1]), np.array([2.0, 1.25, 1.0]))
    assert range_figure(a_curve(healthy()), SUGGESTION, TITLE, reading_line=line).suggestion.height == 1.25


@pytest.mark.parametrize("lr", [1e-7, 10.0])
def test_a_label_at_the_edge_stays_above_the_panel(lr):
    data = range_figure(a_curve(healthy()), Suggestion(lr, lr, lr, "r", "r"), TITLE)
    assert 0.1 < data.suggestion.text_at < 0.9
    assert 0.1 < data.bracket.text_at < 0.9


def test_without_a_suggestion_nothing_is_marked():
    data = range_figure(a_curve(healthy()), None, TITLE)
    assert data.suggestion is None
    assert data.bracket is None


def test_a_cliff_does_not_squash_the_curve_and_the_line_leaves_the_frame():
    losses = np.append(healthy()[:90], 10.0 ** np.arange(1, 31, 3))
    data = range_figure(a_curve(losses, status=Status.DIVERGED), SUGGESTION, TITLE)
    bottom, top = data.value.limits
    assert 2.3 < top < 6
    assert data.line.y[-1] > top + 10 * (top - bottom)
    assert np.isfinite(data.line.y).all()
    assert len(data.above.x) == (losses > top).sum() > 5
    assert (data.above.y == top).all()


def test_one_spike_at_the_start_does_not_squash_the_curve():
    losses = healthy(noise=0.02)
    losses[3] = 1000.0
    x = np.log10(np.geomspace(1e-7, 10, 100))
    line = (10**x, healthy())
    assert range_figure(a_curve(losses), None, TITLE, reading_line=line).value.limits[1] < 6


def test_a_moderate_divergence_is_shown_whole():
    losses = np.concatenate((np.full(30, 2.3), np.linspace(2.3, 0.3, 40), np.linspace(0.3, 1.2, 10)))
    data = range_figure(a_curve(losses), None, TITLE)
    assert data.value.limits == pytest.approx((0.3 - 0.06, 2.3 + 0.06))


def test_a_nan_at_the_end_is_marked_at_the_rate_that_made_it_and_changes_no_limit():
    losses = np.append(healthy()[:80], np.nan)
    data = range_figure(a_curve(losses, status=Status.NONFINITE, planned_steps=100), SUGGESTION, TITLE)
    assert data.nonfinite.x == pytest.approx([10.0 / 10**0.1])
    assert data.value.limits == range_figure(a_curve(healthy()[:80]), None, TITLE).value.limits
    assert data.outcome == "not finite: 81 of 100"


def test_a_flat_curve_looks_flat():
    noise = 1e-4 * np.random.default_rng(0).standard_normal(100)
    bottom, top = range_figure(a_curve(2.3 + noise), None, TITLE).value.limits
    assert top - bottom > 0.1
    assert (top + bottom) / 2 == pytest.approx(2.3, abs=0.01)


def test_negative_losses_get_the_frame_of_their_mirrored_shape():
    shifted = range_figure(a_curve(healthy() - 5), SUGGESTION, TITLE)
    assert shifted.value.limits[0] < -4.6
    assert -2.7 < shifted.value.limits[1] < 0
    assert shifted.value.tick_labels[0].startswith("−")


def test_accuracy_is_drawn_in_percent_from_zero():
    curve = a_curve(healthy(), accuracies=np.linspace(0.1, 0.9, 100))
    data = range_figure(curve, SUGGESTION, TITLE, metric="accuracy")
    assert np.array_equal(data.read.y, curve.accuracies)
    assert data.value.tick_labels == ("0%", "20%", "40%", "60%", "80%", "100%")
    assert data.value.label == "accuracy in each batch"


def test_accuracy_that_was_not_measured_cannot_be_drawn():
    with pytest.raises(ValueError, match="must be 'loss' for a curve without accuracies"):
        range_figure(a_curve(healthy()), None, TITLE, metric="accuracy")


def test_the_validation_loss_is_drawn_at_the_rates_whose_effect_it_shows():
    checks = np.full(100, np.nan)
    checks[::10] = 2.0
    curve = a_curve(healthy(), validation_losses=checks)
    data = range_figure(curve, None, TITLE)
    assert np.array_equal(data.validation.x[1:], curve.lrs[9::10][: len(data.validation.x) - 1])
    assert (data.validation.y == 2.0).all()


def test_a_reading_is_drawn_by_its_own_line_up_to_the_cliff():
    losses = np.append(healthy()[:90], 10.0 ** np.arange(2, 12))
    curve = a_curve(losses, status=Status.DIVERGED, skip_start=5)
    reading = read(curve, rule=Rule.STEEPEST)
    data = picture_of(curve, reading, TITLE)
    shown = len(data.line.x)
    assert 80 <= shown <= len(reading.smoothed)
    assert np.array_equal(data.line.x, reading.smoothed.lrs[:shown])
    assert curve.losses[curve.skip_start + 2 + shown] >= 100.0
    assert data.line.y[np.searchsorted(data.line.x, 0.01)] == pytest.approx(1.3, abs=0.3)


def test_a_reading_of_accuracies_is_drawn_as_accuracies():
    curve = a_curve(np.linspace(2, 1, 100), accuracies=np.linspace(0.1, 0.9, 100))
    data = picture_of(curve, read(curve, rule=Rule.STEEPEST), TITLE)
    assert data.line.y[50] == pytest.approx(curve.accuracies[51], abs=0.01)
    assert data.value.tick_labels[-1] == "100%"


def test_the_axis_follows_the_ladder():
    geometric = range_figure(a_curve(healthy()), None, TITLE)
    assert (geometric.rate.scale, geometric.rate_upright.scale) == ("log", "log")
    assert geometric.rate.label == "learning rate (log axis, base 10)"
    linear = range_figure(a_curve(healthy(), lrs=np.linspace(0, 1, 100)), None, TITLE)
    assert (linear.rate.scale, linear.rate_upright.scale) == ("linear", "linear")
    assert range_figure(a_curve([2.0, 1.0]), None, TITLE).rate.scale == "log"


def test_the_iterations_that_were_not_taken_stay_empty():
    data = range_figure(a_curve(healthy(60), status=Status.DIVERGED, planned_steps=100), None, TITLE)
    assert data.step.limits[1] > 99
    assert data.outcome == "diverged: 60 of 100"


def test_a_long_title_is_wrapped_and_the_picture_grows_by_its_lines():
    short = range_figure(a_curve(healthy()), None, TITLE)
    long = range_figure(a_curve(healthy()), None, "word " * 60)
    assert max(map(len, long.title.splitlines())) <= 84
    assert " ".join(long.title.split()) == ("word " * 60).strip()
    lines = len(long.title.splitlines()) - 1
    assert long.size[1] - short.size[1] == pytest.approx(lines * 0.18)


def test_decades_are_the_ticks_of_a_wide_log_axis():
    axis = log_axis(1e-7, 10, "lr")
    assert axis.ticks == (1e-6, 1e-4, 1e-2, 1.0)
    assert axis.tick_labels == ("10⁻⁶", "10⁻⁴", "10⁻²", "10⁰")
    assert axis.fraction(axis.limits[0]) == 0
    assert axis.fraction(1e-3) == pytest.approx(0.5)


def test_one_decade_is_labelled_at_one_two_and_five():
    assert log_axis(0.01, 0.1, "lr").tick_labels == ("0.01", "0.02", "0.05", "0.1")


@pytest.mark.parametrize(("low", "high"), [(0.3, 0.4), (1e-10, 100), (1e-3, 1e-3), (0.9, 1.1), (1e-30, 1e30)])
def test_every_log_axis_has_some_ticks_within_its_limits(low, high):
    axis = log_axis(low, high, "lr")
    assert 2 <= len(axis.ticks) <= 8
    assert all(axis.limits[0] <= tick <= axis.limits[1] for tick in axis.ticks + axis.minor_ticks)
    assert len(set(axis.tick_labels)) == len(axis.ticks)


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (0, 1, ("0.0", "0.2", "0.4", "0.6", "0.8", "1.0")),
        (0, 99, ("0", "20", "40", "60", "80", "100")),
        (0, 2.5e7, ("0", "5e6", "1e7", "1.5e7", "2e7", "2.5e7")),
        (-2e-6, 2e-6, ("−2e-6", "−1e-6", "0", "1e-6", "2e-6")),
    ],
)
def test_a_linear_axis_is_labelled_with_round_numbers(low, high, labels):
    assert linear_axis(low, high, "x").tick_labels == labels


def test_iterations_are_whole_numbers():
    assert linear_axis(0, 1, "iteration", whole=True).tick_labels == ("0", "1")


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
    yield "everything", range_figure(everything, SUGGESTION, "a model on $HOME/data_{x}$, adamw " * 8)
    yield "noisy, early", range_figure(a_curve(noisy), early, TITLE)
    yield "late", range_figure(a_curve(noisy * 1e6), late, TITLE)
    yield "flat", range_figure(a_curve(np.full(100, 2.3)), None, TITLE)
    yield "constant zero", range_figure(a_curve(np.zeros(100)), None, "")
    yield "two points", range_figure(a_curve([2.0, 1.0]), None, TITLE)
    yield "no point", range_figure(a_curve([], status=Status.INTERRUPTED, planned_steps=12000), None, TITLE)
    yield "NaN alone", range_figure(a_curve([np.nan], status=Status.NONFINITE), None, TITLE)
    yield "wide", range_figure(a_curve(healthy(), lrs=np.geomspace(1e-10, 100, 100)), SUGGESTION, TITLE)
    yield "narrow", range_figure(a_curve(healthy(), lrs=np.geomspace(0.3, 0.4, 100)), None, TITLE)
    yield (
        "linear",
        range_figure(
            a_curve(healthy(), lrs=np.linspace(1e-4, 0.3, 100), accuracies=np.linspace(0, 1, 100)),
            SUGGESTION,
            TITLE,
            metric="accuracy",
        ),
    )
    yield "small linear", range_figure(a_curve(healthy(), lrs=np.linspace(0, 3e-7, 100)), None, TITLE)
    interrupted = a_curve(healthy(5000), status=Status.INTERRUPTED, planned_steps=200_000)
    yield "long", range_figure(interrupted, SUGGESTION, TITLE)


@pytest.mark.parametrize(("name", "data"), [pytest.param(n, d, id=n) for n, d in pictures()])
def test_no_text_touches_another_or_leaves_the_picture(name, data):
    from matplotlib.text import Text

    figure = draw(data)
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    boxes = [(text.get_text(), text.get_window_extent(renderer)) for text in texts]
    assert any(text == "learning rate" for text, _ in boxes)
    for text, box in boxes:
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, text
    for (one, a), (other, b) in combinations(boxes, 2):
        apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
        assert apart, f"{one!r} touches {other!r}"


def test_the_drawing_has_the_axes_lines_and_texts_that_were_worked_out():
    data = range_figure(a_curve(healthy(), skip_start=10), SUGGESTION, TITLE)
    figure = draw(data)
    left, right = figure.axes
    assert (left.get_xscale(), left.get_yscale()) == ("log", "linear")
    assert (right.get_xscale(), right.get_yscale()) == ("linear", "log")
    assert left.get_xlim() == pytest.approx(data.rate.limits)
    assert left.get_ylim() == pytest.approx(data.value.limits)
    assert left.get_xlabel() == "learning rate (log axis, base 10)"
    assert right.get_xlabel() == "iteration"
    drawn = {line.get_label(): line for line in left.lines}
    assert np.array_equal(drawn["smoothed"].get_ydata(), data.line.y)
    assert np.array_equal(drawn["not read"].get_xdata(), data.skipped.x)
    written = [text.get_text() for text in left.texts]
    assert written == ["bracket 0.001 to 0.1", "suggested 0.01"]
    assert figure.texts[0].get_text() == TITLE
    explained = [text.get_text() for text in figure.legends[0].get_texts()]
    assert explained == ["each batch", "not read", "smoothed", "above the frame"]


def test_the_png_is_one_and_has_the_size_of_the_figure():
    data = range_figure(a_curve(healthy()), SUGGESTION, TITLE)
    content = png(draw(data))
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    assert (width, height) == (1440, math.floor(200 * data.size[1]))


def test_drawing_leaves_the_users_settings_alone_and_is_not_led_by_them():
    data = range_figure(a_curve(healthy()), SUGGESTION, TITLE)
    content = png(draw(data))
    with mpl.rc_context({"font.size": 30, "savefig.bbox": "tight", "axes.grid": True, "figure.dpi": 50}):
        before = mpl.rcParams.copy()
        assert png(draw(data)) == content
        assert mpl.rcParams.copy() == before


def test_drawing_does_not_import_pyplot():
    code = (
        "import sys, numpy as np; from lrfind.range_test.curve import Curve;"
        "from lrfind.suggestion import Status;"
        "from lrfind.range_test.plot import range_figure; from lrfind.plotting.draw import draw, png;"
        "assert 'matplotlib' not in sys.modules;"
        "a = np.array([1.0, 2.0]);"
        "png(draw(range_figure(Curve(a, a, a, Status.COMPLETED, 2), None, '')));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_band_holds_every_sweeps_own_line():
    log = np.log10(geometric(1e-5, 10.0, 60))

    def sweep_of(depth, level):
        effects = np.concatenate([[0.0], np.interp(log, [-5, -3, -1, 1], [0, 0, -depth, depth])])[:60]
        start = np.full(60, level)
        losses = start + effects
        return Curve(10**log, losses, losses, Status.COMPLETED, 60, start_losses=start)

    curves = [sweep_of(1.0, 3.0), sweep_of(1.2, 2.0), sweep_of(0.7, 2.5)]
    curve = median_curve(curves, beta=0.98)
    figure = picture_of(
        curve, read(curve, rule=Rule.CENTRE), TITLE, repeats_of(curves, range(3), rule=Rule.CENTRE)
    )
    rates, low, high = figure.band
    assert "median of 3 sweeps" in figure.title
    # The levels differ, what training did is compared: the deepest and the shallowest valley bound the band.
    bottom = int(np.argmin(low))
    assert rates[bottom] == pytest.approx(0.1, rel=0.3)
    assert high[bottom] - low[bottom] == pytest.approx(0.5, abs=0.1)
    assert (low <= high).all()
    assert draw(figure).axes[0].collections


def test_one_sweep_has_no_band():
    losses = healthy()
    assert range_figure(a_curve(losses), None, TITLE).band is None
