"""The suggestion for a training of another length: the law in closed form, and what is refused."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lrfind import range_test
from lrfind.errors import DataError, UserError
from lrfind.plotting.page import key_of
from lrfind.range_test.horizon import (
    EXPONENT,
    LAST,
    PASSES,
    SPREAD,
    STEPS,
    Horizon,
    at_horizon,
    horizon_record,
    horizon_steps,
    is_horizon,
    purpose_of,
)
from lrfind.range_test.plot import range_panel
from lrfind.range_test.reading import Rule, read
from lrfind.suggestion import Suggestion
from tests.range_test.test_report import a_curve

READ = Suggestion(lr=0.1, low=0.05, high=0.2, rule="centre", reason="Because.")


def test_up_to_the_length_that_was_measured_nothing_changes():
    for steps in (1, 60, STEPS):
        horizon = Horizon(steps, 10.0, READ)
        assert (horizon.factor, horizon.spread) == (1.0, 1.0)
        kept = horizon.suggestion
        assert (kept.lr, kept.low, kept.high) == (READ.lr, READ.low, READ.high)
        length = "1 step" if steps == 1 else f"{steps} steps"
        assert kept.reason.startswith(f"A training of {length} is no longer than the 300")
        assert kept.reason.endswith(READ.reason)
        assert not horizon.extrapolated


def test_while_samples_are_new_the_rate_falls_with_a_power_of_the_steps():
    for epoch_steps in (None, 1e6):
        assert Horizon(16 * STEPS, epoch_steps).factor == pytest.approx(16**-EXPONENT)


def test_after_many_passes_rate_times_steps_stays_the_same():
    turn = PASSES * 30.0  # steps, more than STEPS
    assert turn > STEPS
    at_turn = Horizon(int(turn), 30.0).factor
    assert at_turn == pytest.approx((turn / STEPS) ** -EXPONENT)
    assert Horizon(int(5 * turn), 30.0).factor == pytest.approx(at_turn / 5)


def test_a_table_met_often_enough_before_the_measured_length_falls_in_inverse_proportion_at_once():
    assert Horizon(6 * STEPS, STEPS / PASSES / 2).factor == pytest.approx(1 / 6)


def test_the_bracket_is_wider_by_the_spread_of_the_tasks():
    found = Horizon(10 * STEPS, None, READ).suggestion
    lr, apart = 0.1 * 10**-EXPONENT, math.log(10**SPREAD)
    assert found.lr == pytest.approx(lr, rel=0.005)
    width = math.hypot(math.log(2), apart)
    assert found.low == pytest.approx(lr / math.exp(width), rel=0.005)
    assert found.high == pytest.approx(lr * math.exp(width), rel=0.005)
    assert width > math.log(2)


def test_the_reason_says_that_it_is_extrapolated_and_what_is_not_known():
    near = Horizon(LAST, 100.0, READ).suggestion.reason
    assert near.startswith(f"For {LAST:,} steps")
    assert "extrapolated" in near
    assert near.endswith("Because.")
    assert "not known" not in near
    assert "not measured" not in near
    far = Horizon(LAST + 1, None, READ).suggestion.reason
    assert f"Beyond {LAST:,} steps that was not measured." in far
    assert "the length of an epoch is not known" in far


@pytest.mark.parametrize("given", [1, 2000, "1 epoch", "5 epochs", "0.5 epochs", ".5 epochs", "3.  epochs"])
def test_steps_and_epochs_are_a_length(given):
    assert is_horizon(given)


@pytest.mark.parametrize(
    "given", [0, -1, "", "5", "five epochs", "0 epochs", "5 epoch s", "-1 epochs", "1e3 epochs"]
)
def test_anything_else_is_none(given):
    assert not is_horizon(given)


def test_epochs_are_counted_in_steps_where_their_length_is_known():
    assert horizon_steps("5 epochs", 28.5) == 142
    assert horizon_steps("0.001 epochs", 28.5) == 1
    assert horizon_steps(7, None) == 7
    with pytest.raises(DataError, match=r"range\.horizon=5 epochs: how many steps .* is not known"):
        horizon_steps("5 epochs", None)


def test_the_rate_of_the_curve_is_named_in_the_picture_where_another_is_suggested():
    curve = a_curve(np.concatenate([np.full(40, 2.3), np.linspace(2.3, 0.3, 30), np.linspace(0.3, 9, 30)]))
    reading = read(curve, rule=Rule.CENTRE)
    name = f"{reading.suggestion.lr:.3g}, for 300 steps"
    for steps, named in ((3000, True), (50, False)):
        panel = range_panel(curve, at_horizon(reading, steps, None))
        (found, *_) = [*(each for each in panel.named if each.name == name), None]
        assert (found is not None) == named
        if named:
            assert found.x.tolist() == [reading.suggestion.lr] * 2
            assert key_of([panel])


def test_a_reading_without_a_rate_has_none_at_any_horizon_either():
    reading = replace(read(a_curve(np.linspace(2.3, 1.0, 100)), rule=Rule.CENTRE), suggestion=None)
    further = at_horizon(reading, 5000, None)
    assert further.suggestion is None
    assert purpose_of(further) == ""
    assert horizon_record(further.horizon)["read"] is None


def a_model():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
    x = torch.randn(320, 8)
    data = torch.utils.data.TensorDataset(x, x[:, :1] - x[:, 1:2])
    loader = torch.utils.data.DataLoader(data, batch_size=32, shuffle=True)
    return model, torch.optim.SGD(model.parameters(), lr=0.1), nn.MSELoss(), loader


def test_in_python_the_same_curve_gives_the_rate_times_the_factor():
    plain = range_test(*a_model(), repeats=1)
    further = range_test(*a_model(), repeats=1, horizon="600 epochs")
    horizon = further.reading.horizon
    assert (horizon.steps, horizon.epoch_steps) == (6000, 10)
    assert horizon.read == plain.suggestion
    assert further.suggestion.lr == pytest.approx(plain.suggestion.lr * horizon.factor, rel=0.005)
    assert further.content["horizon"]["epochs"] == 600
    assert further.content["measured"] is None
    assert "peaks" not in further.content


def test_in_python_what_cannot_be_used_names_the_argument():
    with pytest.raises(UserError, match=r"^horizon must be the steps of the training"):
        range_test(*a_model(), horizon="soon")
    with pytest.raises(UserError, match=r"^horizon=2000 goes with rule=centre alone"):
        range_test(*a_model(), horizon=2000, rule="valley")
    *rest, loader = a_model()
    with pytest.raises(DataError, match=r"^horizon=2 epochs: .* Give the number of steps: horizon=2000\.$"):
        range_test(*rest, iter(list(loader) * 20), horizon="2 epochs")
