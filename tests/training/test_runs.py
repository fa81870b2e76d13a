"""Several runs from one start: against closed forms and plain loops, along policies, and all put back."""

import itertools
import math
import random
import time

import numpy as np
import pytest
import torch
from torch import nn

from lrfind.errors import BatchError, ConfigError, DataError, UserError
from lrfind.training.divergence import DivergenceMonitor
from lrfind.training.objective import Objective
from lrfind.training.run_set import RunsInterrupted
from lrfind.training.runs import Halving, faster_form, seconds_a_step, train_runs
from lrfind.training.stacking.strategy import Strategy
from lrfind.training.step import evaluate
from lrfind.training.task import Task
from tests.toy_tasks import CPU, Quadratic

FORMS = pytest.mark.parametrize("strategy", [Strategy.SEQUENTIAL, Strategy.STACKED])


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


ONE = torch.tensor(1.0, dtype=torch.float64)


def ones():
    return itertools.repeat((ONE,))


def task_of(objective, optimizer, batches):
    return Task(objective, optimizer, batches(), CPU, afresh=batches)


def train_quadratic(lrs, *, batches=ones, model=None, num_steps=40, **others):
    model = model or Quadratic(2.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return train_runs(task_of(Objective(model, None), optimizer, batches), lrs, num_steps=num_steps, **others)


def parts(*layers, momentum=0.9):
    """A small classifier, its optimizer and its batches."""
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), *layers, nn.Linear(8, 3))
    batches = list(zip(torch.randn(7, 5, 4), torch.randint(0, 3, (7, 5)), strict=True))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=momentum)
    return Objective(model, nn.CrossEntropyLoss()), optimizer, lambda: itertools.cycle(batches)


def run(made, lrs, *, num_steps=20, **others):
    return train_runs(task_of(*made), lrs, num_steps=num_steps, **{"strategy": Strategy.SEQUENTIAL} | others)


@FORMS
def test_the_losses_of_a_quadratic_are_those_of_the_closed_form(strategy):
    lrs = np.array([0.01, 0.3, 0.5, 0.9])
    found = train_quadratic(lrs, strategy=strategy)
    # w_k = (1 - lr a)^k, and the loss before update k is 0.5 a w_k^2
    expected = (1 - lrs[:, None] * 2.0) ** (2 * np.arange(40))
    np.testing.assert_allclose(found.losses, expected, rtol=1e-12, atol=1e-300)
    assert np.array_equal(found.finals, found.losses[:, -1])
    assert np.all(found.steps_taken == 40)


@FORMS
def test_a_quadratic_is_dropped_above_two_over_the_curvature_and_only_there(strategy):
    lrs = np.array([0.5, 0.99, 1.01, 1.5, 1e200])
    found = train_quadratic(lrs, num_steps=200, strategy=strategy, beta=0.0)
    assert found.diverged.tolist() == [False, False, True, True, True]
    # (1 - 2.02)^(2k) passes 4 first at k = 36, 2^(2k) at k = 2 but not within the grace of 10 steps
    assert found.steps_taken.tolist() == [200, 200, 37, 11, 2]
    assert np.all(np.isinf(found.finals[2:]))
    for rate in (2, 3):
        steps = found.steps_taken[rate]
        expected = (1 - 2 * lrs[rate]) ** (2 * np.arange(steps))
        np.testing.assert_allclose(found.losses[rate, :steps], expected, rtol=1e-12)
        assert np.all(np.isnan(found.losses[rate, steps:]))


@FORMS
def test_without_a_stop_factor_only_what_is_not_finite_is_dropped(strategy):
    found = train_quadratic([1.5, 1e200], num_steps=30, strategy=strategy, stop_factor=None)
    assert found.diverged.tolist() == [False, True]
    np.testing.assert_allclose(found.losses[0], 4.0 ** np.arange(30), rtol=1e-12)


@FORMS
def test_one_lucky_first_batch_does_not_make_every_rate_diverge(strategy):
    batches = lambda: itertools.chain([(0.01 * ONE,)], ones())  # noqa: E731
    found = train_quadratic([1e-4, 1e-3], batches=batches, num_steps=50, strategy=strategy)
    assert not found.diverged.any()


@FORMS
def test_a_rate_that_explodes_at_once_and_then_stays_there_is_dropped(strategy):
    class Capped(Quadratic):
        def forward(self, factor):
            return factor * torch.clamp(self.w**2, max=100.0)

    found = train_quadratic([0.1, 50.0], model=Capped(), num_steps=50, strategy=strategy)
    assert found.diverged.tolist() == [False, True]


@FORMS
def test_a_loss_that_goes_below_zero_has_not_diverged(strategy):
    class Linear(Quadratic):
        def forward(self, factor):
            return factor * self.w

    found = train_quadratic([0.01, 1.0], model=Linear(start=0.1), num_steps=30, strategy=strategy)
    assert not found.diverged.any()
    np.testing.assert_allclose(found.finals, [0.1 - 29 * 0.01, 0.1 - 29])


def test_a_loss_of_exactly_zero_at_the_start_gives_no_scale_to_diverge_on():
    watch = DivergenceMonitor(0.0, grace=10, beta=0.98, factor=4.0)
    assert not any(watch.fires(loss) for loss in [0.0, *[1e-3] * 50, *[-1e-3, 2.0] * 20])
    assert watch.fires(math.inf)


def test_a_single_rate_is_a_plain_loop_to_the_last_bit():
    made = parts(nn.Dropout(0.5))
    found = run(made, 0.05)
    torch.manual_seed(0)
    again, optimizer, batches = parts(nn.Dropout(0.5))
    optimizer.param_groups[0]["lr"] = 0.05
    losses = []
    for x, y in itertools.islice(batches(), 20):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(again.model(x), y)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    assert found.losses.tolist() == [losses]
    assert found.finals.tolist() == losses[-1:]


def test_equal_rates_see_the_same_weights_batches_and_dropout():
    found = run(parts(nn.Dropout(0.5), nn.BatchNorm1d(8)), [0.1, 0.02, 0.1, 0.1])
    assert found.losses[0].tolist() == found.losses[2].tolist() == found.losses[3].tolist()
    assert np.all(found.losses[:, 0] == found.losses[0, 0])
    assert found.losses[1, 1] != found.losses[0, 1]


@FORMS
@pytest.mark.parametrize("halving", [None, Halving((5, 10))])
def test_the_order_of_the_rates_makes_no_difference(strategy, halving):
    lrs = np.geomspace(1e-3, 10, 7)
    order = np.random.default_rng(0).permutation(7)
    made = parts()
    straight = run(made, lrs, strategy=strategy, halving=halving)
    mixed = run(made, lrs[order], strategy=strategy, halving=halving)
    np.testing.assert_allclose(mixed.losses, straight.losses[order], rtol=1e-5)
    assert np.array_equal(mixed.steps_taken, straight.steps_taken[order])


def test_the_final_loss_is_read_as_evaluate_reads_it():
    objective, optimizer, batches = parts(nn.Dropout(0.5))
    fixed = [*itertools.islice(batches(), 2), (torch.randn(2, 4), torch.zeros(2, dtype=torch.long))]
    found = run((objective, optimizer, batches), [0.05], held_out=fixed)
    optimizer.param_groups[0]["lr"] = 0.05
    for x, y in itertools.islice(batches(), 20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(objective.model(x), y).backward()
        optimizer.step()
    assert found.finals[0] == evaluate(objective, fixed)[0].item()


def state_of(objective, optimizer):
    """Everything that runs disturb, as numbers."""
    model = objective.model
    numbers = [*model.parameters(), *model.buffers()]
    numbers += [v for s in optimizer.state.values() for v in s.values() if isinstance(v, torch.Tensor)]
    settings = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    streams = (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist())
    modes = [module.training for module in model.modules()]
    slots = [id(p) for p in model.parameters()]
    return [n.detach().tolist() for n in numbers], settings, streams, modes, slots


class Deliberate(Exception):  # noqa: N818
    """Raised by a test."""


@FORMS
@pytest.mark.parametrize("ending", [None, Deliberate, KeyboardInterrupt])
@pytest.mark.parametrize("at", [1, 9])
def test_everything_is_put_back_whatever_happens(strategy, ending, at):
    objective, optimizer, batches = parts(nn.LayerNorm(8))
    for x, y in itertools.islice(batches(), 3):  # so that the optimizer knows something
        nn.functional.cross_entropy(objective.model(x), y).backward()
        optimizer.step()
    objective.model.eval()
    objective.model[2].train()
    before = state_of(objective, optimizer)
    steps = itertools.count(1)

    def on_step(_rates, _step):
        if ending is not None and next(steps) == at:
            raise ending

    def go():
        run(
            (objective, optimizer, batches), [0.1, 0.2, 0.4], strategy=strategy,
            halving=Halving((4,)), on_step=on_step, num_steps=12,
        )  # fmt: skip

    if ending is None:
        go()
    else:
        with pytest.raises(ending):
            go()
    assert state_of(objective, optimizer) == before


class Interrupting(nn.Module):
    """Ctrl-C in the middle of a forward pass."""

    def __init__(self, at):
        super().__init__()
        self.left = at

    def forward(self, x):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return x


@pytest.mark.parametrize("at", [1, 4, 7, 8, 10, 12, 14, 20])
def test_an_interrupt_inside_the_model_leaves_nothing_half_done(at):
    objective, optimizer, batches = parts(Interrupting(at))
    before = state_of(objective, optimizer)
    with pytest.raises(KeyboardInterrupt):
        run((objective, optimizer, batches), [0.1, 0.2], strategy=Strategy.STACKED)
    assert state_of(objective, optimizer) == before


@FORMS
def test_on_step_counts_every_step_of_every_rate(strategy):
    told = []
    found = run(
        parts(), np.geomspace(1e-3, 1e9, 6), strategy=strategy, halving=Halving((4, 8)),
        on_step=lambda rates, step: told.append((rates, step)),
    )  # fmt: skip
    assert sum(rates for rates, _ in told) == found.steps_taken.sum()
    assert max(step for _, step in told) == 20
    if strategy is Strategy.STACKED:
        assert [step for _, step in told] == list(range(1, 21))


def test_the_steps_of_a_halving_are_those_of_the_closed_form():
    assert Halving((10, 20, 40)).total_steps(32, num_steps=80) == 32 * 10 + 16 * 10 + 8 * 20 + 4 * 40
    assert Halving((1, 3), keep=1 / 3).total_steps(27, num_steps=9) == 27 + 9 * 2 + 3 * 6
    assert Halving((5,), keep=0.1).total_steps(30, num_steps=6) == 30 * 5 + 3
    assert Halving(()).total_steps(7, num_steps=11) == 77
    assert Halving((4, 50)).total_steps(3, num_steps=10) == 3 * 4 + 2 * 6
    assert Halving((1, 2, 3, 4)).total_steps(1, num_steps=9) == 9
    assert Halving.doubling(80, first=10) == Halving((10, 20, 40))


@FORMS
@pytest.mark.parametrize("num_rates", [1, 5, 16])
@pytest.mark.parametrize("halving", [Halving((3, 6, 12)), Halving((2, 9), keep=0.3), Halving((19, 25))])
def test_a_halving_takes_as_many_steps_as_it_said(strategy, num_rates, halving):
    found = train_quadratic(
        np.geomspace(0.001, 0.4, num_rates), num_steps=20, halving=halving, strategy=strategy
    )
    assert found.steps_taken.sum() == halving.total_steps(num_rates, num_steps=20)


@FORMS
def test_the_rates_of_the_least_loss_go_on_and_what_was_dropped_does_not_come_back(strategy):
    # In the quadratic with a = 2 the loss after k steps falls with the distance of lr from 0.5.
    lrs = np.array([0.1, 0.45, 0.2, 0.4, 0.3, 2.0, 0.05, 0.35])
    found = train_quadratic(lrs, num_steps=20, halving=Halving((3, 6, 12)), strategy=strategy)
    assert found.steps_taken.tolist() == [3, 20, 3, 12, 6, 3, 3, 6]
    assert np.flatnonzero(np.isfinite(found.finals)).tolist() == [1]
    assert not found.diverged.any()
    for rate, steps in enumerate(found.steps_taken):
        assert np.all(np.isfinite(found.losses[rate, :steps]))
        assert np.all(np.isnan(found.losses[rate, steps:]))


def test_rates_that_wait_between_rungs_go_on_as_if_they_had_not_waited():
    made = parts(nn.Dropout(0.5), nn.BatchNorm1d(8))
    lrs = np.geomspace(1e-3, 1, 6)
    whole = run(made, lrs)
    halved = run(made, lrs, halving=Halving((4, 9), keep=0.6))
    for rate, steps in enumerate(halved.steps_taken):
        assert halved.losses[rate, :steps].tolist() == whole.losses[rate, :steps].tolist()
    assert np.sum(halved.steps_taken == 20) == 3


def test_if_every_rate_diverges_there_is_no_final_loss():
    for strategy in (Strategy.SEQUENTIAL, Strategy.STACKED):
        found = train_quadratic([1e200, 2e200], strategy=strategy, halving=Halving((10,)))
        assert np.all(np.isinf(found.finals))
        assert found.steps_taken.tolist() == [2, 2]


def perceptron(width):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 3))
    batch = (torch.randn(20, width), torch.randint(0, 3, (20,)))
    return (
        Objective(model, nn.CrossEntropyLoss()),
        torch.optim.SGD(model.parameters(), lr=0.1),
        lambda: itertools.repeat(batch),
    )


@pytest.mark.parametrize(
    ("width", "rates", "steps", "stacked", "reason"),
    [
        (4, 8, 125, True, "small enough for that to be faster"),
        (4, 7, 200, False, "not worth stacking"),
        (4, 8, 124, False, "not worth stacking"),
        # A multiplication and an addition for each weight and sample: 2 * 20 * (352^2 + 3 * 352) = 4,998,400.
        (352, 8, 125, True, "small enough for that to be faster"),
        (353, 8, 125, False, "a forward pass of 5.03 million operations gains nothing from stacking"),
    ],
)
def test_the_form_is_chosen_by_sizes_never_by_a_clock(monkeypatch, width, rates, steps, stacked, reason):
    for clock in ("perf_counter", "process_time", "monotonic", "time"):
        monkeypatch.setattr(time, clock, lambda: pytest.fail("a clock was read"))
    found = run(perceptron(width), np.geomspace(1e-4, 1e-3, rates), num_steps=steps, strategy=Strategy.AUTO)
    assert found.stacked is stacked
    assert reason in found.reason


def test_the_choice_does_not_change_what_is_measured():
    made = parts(momentum=0.5)
    lrs = np.linspace(0.01, 0.3, 8)
    told = []
    auto = run(made, lrs, num_steps=140, strategy=Strategy.AUTO, on_step=lambda k, _: told.append(k))
    assert auto.stacked
    assert auto.losses.tolist() == run(made, lrs, num_steps=140, strategy=Strategy.STACKED).losses.tolist()
    assert sum(told) == 8 * 140


def test_mixed_precision_is_run_one_after_another_and_says_so():
    objective, optimizer, batches = parts()
    mixed = Objective(
        objective.model, objective.criterion, autocast=lambda: torch.autocast("cpu", torch.bfloat16)
    )
    found = run((mixed, optimizer, batches), [0.1] * 8, num_steps=500, strategy=Strategy.AUTO)
    assert not found.stacked
    assert "mixed precision" in found.reason
    assert np.all(found.steps_taken == 500)


def test_too_little_work_is_not_stacked():
    found = run(parts(), [0.1, 0.2], strategy=Strategy.AUTO)
    assert not found.stacked
    assert "not worth stacking" in found.reason


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"lrs": []}, "must be finite numbers"),
        ({"lrs": [np.nan]}, "must be finite numbers"),
        ({"lrs": [np.inf]}, "must be finite numbers"),
        ({"lrs": [[[0.1]]]}, "must be finite numbers"),
        ({"lrs": [0.1, 0.0]}, "must be positive"),
        ({"lrs": [-1.0]}, "must be positive"),
        ({"lrs": np.full((1, 4), 0.1)}, "for each of the 20 steps"),
        ({"lrs": np.full((1, 20), 0.1), "strategy": Strategy.STACKED}, "cannot be stacked"),
        ({"num_steps": 0}, "num_steps must be at least 1, got 0"),
        ({"read_at": [3, 21]}, "must lie in 0 to 20"),
    ],
)
def test_what_cannot_be_trained_is_said(words, message):
    words = {"lrs": [0.1]} | words
    with pytest.raises(ConfigError, match=message):
        run(parts(), words.pop("lrs"), **words)


@pytest.mark.parametrize("rungs", [(0, 4), (4, 4), (5, 3)])
def test_rungs_that_do_not_rise_are_refused(rungs):
    with pytest.raises(ConfigError, match="rungs of a halving must rise"):
        Halving(rungs)


@pytest.mark.parametrize("keep", [0.0, 1.0, -0.5])
def test_a_share_that_keeps_all_or_nothing_is_refused(keep):
    with pytest.raises(ConfigError, match="must lie between 0 and 1"):
        Halving((1,), keep=keep)


def test_doubling_from_nothing_is_refused():
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        Halving.doubling(10, first=0)


@FORMS
def test_batches_that_end_too_early_are_named(strategy):
    objective, optimizer, batches = parts()
    short = lambda: itertools.islice(batches(), 15)  # noqa: E731
    with pytest.raises(DataError, match="ended before the last step"):
        run((objective, optimizer, short), [0.1, 0.2], strategy=strategy)


@pytest.mark.parametrize("strategy", list(Strategy))
def test_a_batch_that_the_model_cannot_take_is_explained_in_every_form(strategy):
    objective, optimizer, _ = parts()
    wrong = lambda: itertools.repeat((torch.randn(5, 9), torch.zeros(5, dtype=torch.long)))  # noqa: E731
    with pytest.raises(BatchError, match="cannot take a batch"):
        run((objective, optimizer, wrong), [0.1, 0.2], num_steps=500, strategy=strategy)


def test_an_optimizer_without_rates_is_refused():
    objective, optimizer, batches = parts()
    for group in optimizer.param_groups:
        del group["lr"]
    with pytest.raises(UserError, match="keeps no learning rate"):
        run((objective, optimizer, batches), [0.1])


def read_quadratic(lrs, *, read_at=(1, 5, 20), **others):
    return train_quadratic(lrs, num_steps=read_at[-1], read_at=read_at, held_out=[(ONE,)], **others)


def classifier():
    objective, optimizer, batches = parts()
    held_out = [
        (torch.randn(9, 4), torch.randint(0, 3, (9,))),
        (torch.randn(4, 4), torch.randint(0, 3, (4,))),
    ]
    measuring = Objective(objective.model, nn.CrossEntropyLoss(), accuracy=True)
    return task_of(measuring, optimizer, batches), held_out


@FORMS
def test_held_out_losses_of_a_quadratic_are_those_of_the_closed_form(strategy):
    lrs = np.array([0.01, 0.3, 0.5, 0.9])
    found = read_quadratic(lrs, strategy=strategy)
    # w_n = (1 - lr a)^n after n updates
    expected = (1 - lrs[:, None] * 2.0) ** (2 * np.array([1, 5, 20]))
    np.testing.assert_allclose(found.readings, expected, rtol=1e-12, atol=1e-300)
    assert found.stacked is (strategy is Strategy.STACKED)
    assert np.isnan(found.accuracies).all()
    assert found.steps_taken.tolist() == [20] * 4


@FORMS
def test_a_rate_that_diverges_is_dropped_and_the_others_go_on(strategy):
    found = read_quadratic([0.5, 3.0, 0.3], strategy=strategy, beta=0.0)
    assert found.diverged.tolist() == [False, True, False]
    assert np.isfinite(found.readings[[0, 2]]).all()
    assert np.isnan(found.readings[1, 1:]).all()
    assert found.readings[1, 0] == pytest.approx(25.0)  # it was read before it was dropped


def test_a_policy_multiplies_the_factors_of_its_rates():
    policies = np.array([[0.4 * 0.9**i for i in range(20)], [0.1] * 20])
    found = read_quadratic(policies)
    for row, rates in zip(found.readings, policies, strict=True):
        weights = np.cumprod(1 - 2.0 * rates)
        np.testing.assert_allclose(row, weights[[0, 4, 19]] ** 2, rtol=1e-12)
    assert found.lrs.tolist() == [0.4, 0.1]
    assert not found.stacked


def test_a_constant_policy_is_the_constant_rate_bit_for_bit():
    along = read_quadratic(np.full((1, 20), 0.3), strategy=Strategy.SEQUENTIAL)
    constant = read_quadratic([0.3], strategy=Strategy.SEQUENTIAL)
    assert along.losses.tobytes() == constant.losses.tobytes()
    assert along.readings.tobytes() == constant.readings.tobytes()


def test_what_else_a_policy_moves_is_set_before_each_step():
    seen = []
    read_quadratic(np.full((2, 3), 0.1), read_at=(2, 3), before_step=lambda *at: seen.append(at))
    assert seen == [(run, step) for run in range(2) for step in range(3)]


@FORMS
def test_before_training_all_runs_are_read_as_one(strategy):
    told = []
    found = read_quadratic(
        [0.3, 0.5], read_at=(0, 2), strategy=strategy, on_reading=lambda *reading: told.append(reading)
    )
    assert found.read_at == (0, 2)
    assert found.start == 1.0
    assert found.readings[:, 0].tolist() == [1.0, 1.0]
    assert [(run, reading) for run, reading, *_ in told] == [(0, 1), (1, 1)]
    assert train_quadratic([0.3]).start == 1.0


@FORMS
def test_a_halving_goes_by_what_is_read_at_its_rungs(strategy):
    # The training loss is 100 times the one that is read.
    hundred = lambda: itertools.repeat((100 * ONE,))  # noqa: E731
    found = train_quadratic(
        [0.1, 0.45, 0.2, 0.3], batches=hundred, model=Quadratic(0.02), held_out=[(ONE,)],
        halving=Halving((4,)), num_steps=8, strategy=strategy,
    )  # fmt: skip
    assert found.read_at == (4, 8)
    assert found.finished.all()
    assert np.isnan(found.readings[[0, 2], 1]).all()
    expected = 0.01 * (1 - 2 * np.array([0.45, 0.3])) ** 16
    np.testing.assert_allclose(found.finals, [np.inf, expected[0], np.inf, expected[1]], rtol=1e-9)


def test_readings_are_those_of_plain_loops_and_both_forms_agree():
    made, held_out = classifier()
    model, optimizer = made.model, made.optimizer
    start = {name: value.clone() for name, value in model.state_dict().items()}
    told = []
    one, other = (
        train_runs(
            made, [0.01, 0.1], num_steps=10, read_at=[3], held_out=held_out, strategy=strategy,
            on_reading=lambda *reading: told.append(reading),
        )
        for strategy in (Strategy.SEQUENTIAL, Strategy.STACKED)
    )  # fmt: skip
    np.testing.assert_allclose(one.readings, other.readings, rtol=1e-5)
    np.testing.assert_array_equal(one.accuracies, other.accuracies)
    assert told[:4] == [(r, k, one.readings[r, k], one.accuracies[r, k]) for r in range(2) for k in range(2)]
    for name, value in model.state_dict().items():
        assert torch.equal(value, start[name])
    optimizer.param_groups[0]["lr"] = 0.1
    for i, batch in zip(range(10), made.afresh(), strict=False):
        if i == 3:
            assert one.readings[1, 0] == float(evaluate(made.objective, held_out)[0])
        optimizer.zero_grad()
        made.objective(batch)[0].backward()
        optimizer.step()
    loss, accuracy = evaluate(made.objective, held_out)
    assert one.finals[1] == one.readings[1, 1] == float(loss)
    right = sum(float((model(x).argmax(1) == y).sum()) for x, y in held_out)
    assert one.accuracies[1, 1] == float(accuracy) == pytest.approx(right / 13)


@FORMS
def test_an_interrupt_brings_what_was_measured_with_everything_put_back(strategy):
    made, held_out = classifier()
    start = {name: value.clone() for name, value in made.model.state_dict().items()}

    def stop(run, reading, loss, accuracy):
        if run == 1 and reading == 1:
            raise KeyboardInterrupt

    with pytest.raises(RunsInterrupted) as caught:
        train_runs(
            made,
            [0.01, 0.1],
            num_steps=10,
            read_at=[0, 3],
            held_out=held_out,
            strategy=strategy,
            on_reading=stop,
        )
    runs = caught.value.runs
    stacked = strategy is Strategy.STACKED
    assert runs.finished.tolist() == [not stacked, False]
    assert not runs.whole
    assert np.isfinite(runs.readings[1, :2]).all()
    assert np.isnan(runs.finals).tolist() == [stacked, True]
    assert runs.steps_taken.tolist() == ([3, 3] if stacked else [10, 3])
    assert all(torch.equal(v, start[name]) for name, v in made.model.state_dict().items())


def test_the_faster_form_is_asked_for_without_leaving_a_trace():
    made, _ = classifier()
    before = [p.clone() for p in made.model.parameters()]
    form, seconds = faster_form(made, [0.01, 0.1], num_steps=5000)
    assert form.reason
    assert 0 < seconds_a_step(made, 0.1) < 1
    assert 0 < seconds < 2
    assert all(torch.equal(p, q) for p, q in zip(made.model.parameters(), before, strict=True))
    assert made.optimizer.param_groups[0]["lr"] == 0.1


def test_of_fast_steps_more_are_timed_and_those_that_waited_for_other_processes_count(monkeypatch):
    """A clock that jumps for the first eight steps, as beside another process."""
    seconds, calls = 0.0, 0

    def perf_counter():
        nonlocal seconds, calls
        calls += 1
        if calls % 2 == 0:  # a step ends
            seconds += 0.01 if calls <= 16 else 0.001
        return seconds

    model = Quadratic(2.0)
    task = task_of(Objective(model, None), torch.optim.SGD(model.parameters(), lr=0.1), ones)
    monkeypatch.setattr(time, "perf_counter", perf_counter)
    assert seconds_a_step(task, 0.1) == pytest.approx((7 * 0.01 + 20 * 0.001) / 27, rel=0.03)
    assert 2 * (8 + 19) <= calls <= 2 * (8 + 21)  # until they have taken a tenth of a second
