"""Learning curves from one start: against closed forms, in both forms, along schedules, and put back."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from lrfind.errors import ConfigError
from lrfind.training.objective import Objective
from lrfind.training.runs import faster_form, follow, schedules
from lrfind.training.stacking.autotune import Strategy
from lrfind.training.step import evaluate
from lrfind.training.task import Task

CPU = torch.device("cpu")
FORMS = pytest.mark.parametrize("strategy", [Strategy.SEQUENTIAL, Strategy.STACKED])
ONE = (torch.tensor(1.0, dtype=torch.float64),)


class Quadratic(nn.Module):
    """0.5 a w^2 in float64, times the batch; it returns its loss."""

    def __init__(self, curvature=2.0):
        super().__init__()
        self.curvature = curvature
        self.w = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

    def forward(self, factor):
        return factor * 0.5 * self.curvature * self.w**2


def a_task(objective, optimizer, batches):
    return Task(objective, optimizer, batches(), CPU, afresh=batches)


def follow_quadratic(lrs, *, read_at=(1, 5, 20), momentum=0.0, **others):
    model = Quadratic()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=momentum)
    task = a_task(Objective(model, None), optimizer, lambda: itertools.repeat(ONE))
    return follow(task, lrs, read_at=read_at, held_out=[ONE], **others)


def classifier():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))
    batches = list(zip(torch.randn(7, 5, 4), torch.randint(0, 3, (7, 5)), strict=True))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    held_out = [
        (torch.randn(9, 4), torch.randint(0, 3, (9,))),
        (torch.randn(4, 4), torch.randint(0, 3, (4,))),
    ]
    objective = Objective(model, nn.CrossEntropyLoss(), accuracy=True)
    return objective, optimizer, lambda: itertools.cycle(batches), held_out


@FORMS
def test_held_out_losses_of_a_quadratic_are_those_of_the_closed_form(strategy):
    lrs = np.array([0.01, 0.3, 0.5, 0.9])
    found = follow_quadratic(lrs, strategy=strategy)
    # w_n = (1 - lr a)^n after n updates
    expected = (1 - lrs[:, None] * 2.0) ** (2 * np.array([1, 5, 20]))
    np.testing.assert_allclose(found.losses, expected, rtol=1e-12, atol=1e-300)
    assert found.stacked is (strategy is Strategy.STACKED)
    assert np.isnan(found.accuracies).all()
    assert found.steps_taken.tolist() == [20] * 4


@FORMS
def test_a_rate_that_diverges_is_dropped_and_the_others_go_on(strategy):
    found = follow_quadratic([0.5, 3.0, 0.3], strategy=strategy, beta=0.0)
    assert found.diverged.tolist() == [False, True, False]
    assert np.isfinite(found.losses[[0, 2]]).all()
    assert np.isnan(found.losses[1, 1:]).all()
    assert found.losses[1, 0] == pytest.approx(25.0)  # it was read before it was dropped


def test_a_schedule_multiplies_the_factors_of_its_rates():
    decaying = schedules([lambda i: 0.4 * 0.9**i, lambda i: 0.1], 20)
    assert decaying.shape == (2, 20)
    found = follow_quadratic(decaying)
    for row, rates in zip(found.losses, decaying, strict=True):
        weights = np.cumprod(1 - 2.0 * rates)
        np.testing.assert_allclose(row, weights[[0, 4, 19]] ** 2, rtol=1e-12)
    assert not found.stacked


def test_a_constant_schedule_is_the_constant_rate_bit_for_bit():
    along = follow_quadratic(schedules([lambda i: 0.3], 20), strategy=Strategy.SEQUENTIAL)
    constant = follow_quadratic([0.3], strategy=Strategy.SEQUENTIAL)
    assert along.losses.tobytes() == constant.losses.tobytes()


def test_what_else_a_schedule_moves_is_set_before_each_step():
    seen = []
    follow_quadratic(
        schedules([lambda i: 0.1] * 2, 3), read_at=(2, 3), before_step=lambda *at: seen.append(at)
    )
    assert seen == [(rate, step) for rate in range(2) for step in range(3)]


def test_readings_are_those_of_plain_loops_and_both_forms_agree():
    objective, optimizer, batches, held_out = classifier()
    start = {name: value.clone() for name, value in objective.model.state_dict().items()}
    told = []
    found = {
        strategy: follow(
            a_task(objective, optimizer, batches), [0.01, 0.1], read_at=[3, 10], held_out=held_out,
            strategy=strategy, on_reading=lambda *reading: told.append(reading),
        )
        for strategy in (Strategy.SEQUENTIAL, Strategy.STACKED)
    }  # fmt: skip
    one, other = found.values()
    np.testing.assert_allclose(one.losses, other.losses, rtol=1e-5)
    np.testing.assert_array_equal(one.accuracies, other.accuracies)
    assert told[:4] == [(r, k, one.losses[r, k], one.accuracies[r, k]) for r in range(2) for k in range(2)]
    for name, value in objective.model.state_dict().items():
        assert torch.equal(value, start[name])
    optimizer.param_groups[0]["lr"] = 0.1
    for i, batch in zip(range(10), batches(), strict=False):
        if i == 3:
            assert one.losses[1, 0] == float(evaluate(objective, held_out))
        optimizer.zero_grad()
        objective(batch)[0].backward()
        optimizer.step()
    assert one.losses[1, 1] == float(evaluate(objective, held_out))
    right = sum(float((objective.model(x).argmax(1) == y).sum()) for x, y in held_out)
    assert one.accuracies[1, 1] == pytest.approx(right / 13)


def test_interruption_is_passed_on_with_everything_put_back_and_what_was_read_told():
    objective, optimizer, batches, held_out = classifier()
    start = {name: value.clone() for name, value in objective.model.state_dict().items()}
    told = []

    def stop(rate, reading, loss, accuracy):
        told.append((rate, reading))
        if rate == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        follow(
            a_task(objective, optimizer, batches), [0.01, 0.1], read_at=[3, 10], held_out=held_out,
            strategy=Strategy.SEQUENTIAL, on_reading=stop,
        )  # fmt: skip
    assert told == [(0, 0), (0, 1), (1, 0)]
    assert all(torch.equal(v, start[name]) for name, v in objective.model.state_dict().items())


def test_the_faster_form_is_asked_for_without_leaving_a_trace():
    objective, optimizer, batches, _ = classifier()
    before = [p.clone() for p in objective.model.parameters()]
    form = faster_form(a_task(objective, optimizer, batches), [0.01, 0.1], num_steps=5000)
    assert form.seconds > 0
    assert form.reason
    assert all(torch.equal(p, q) for p, q in zip(objective.model.parameters(), before, strict=True))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"read_at": []}, "must rise from 1 up"),
        ({"read_at": [3, 3]}, "must rise from 1 up"),
        ({"lrs": []}, "must be finite numbers"),
        ({"lrs": [0.0]}, "must be positive"),
        ({"lrs": np.full((1, 4), 0.1)}, "for each of the 20 steps"),
        ({"lrs": np.full((1, 20), 0.1), "strategy": Strategy.STACKED}, "cannot be stacked"),
    ],
)
def test_what_cannot_be_followed_is_said(words, message):
    words = {"lrs": [0.1]} | words
    with pytest.raises(ConfigError, match=message):
        follow_quadratic(words.pop("lrs"), **words)
