"""The loop of the range test, against a closed form or a plain loop, to the last bit."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

from lrfind.errors import DataError, DeviceError, OptimizerError, UserError
from lrfind.range_test.ladder import geometric
from lrfind.range_test.reading import Rule, read
from lrfind.range_test.sweep import LearningRate, SweepOptions, evaluate, said_of_control, sweep
from lrfind.suggestion import Status
from lrfind.training.objective import Objective
from lrfind.training.smoothing import exponential_average
from lrfind.training.step import StepOptions
from lrfind.training.task import Task
from tests.toy_tasks import CPU, Quadratic


def run(model, optimizer, lrs, *, factors=None, criterion=None, batches=None, **others):
    """A sweep of a model that returns its loss."""
    if batches is None:
        batches = (torch.tensor(f, dtype=torch.float64) for f in (factors or itertools.repeat(1.0)))
    keep = {k: others.pop(k) for k in ("validation", "on_step") if k in others}
    accuracy, autocast = others.pop("accuracy", False), others.pop("autocast", None)
    made = {} if autocast is None else {"autocast": autocast}
    objective = Objective(model, criterion, accuracy=accuracy, **made)
    steps = {k: others.pop(k) for k in ("accumulation_steps", "clip_grad_norm", "scaler") if k in others}
    validation = keep.pop("validation", None)
    task = Task(objective, optimizer, batches, CPU, StepOptions(**steps), validation=validation)
    return sweep(task, lrs, options=SweepOptions(**others), **keep)


def in_two_roundings(w, lr, gradient):
    return w - lr * gradient


def in_one_rounding(w, lr, gradient):
    """The same with a fused multiply-add, which torch's kernels use where the processor has one."""
    if not math.isfinite(lr * gradient):
        return w - lr * gradient
    try:
        return float(Fraction(w) - Fraction(lr) * Fraction(gradient))
    except OverflowError:
        return math.copysign(math.inf, -gradient)


def fused():
    """Which of the two this processor's SGD does."""
    parameter = nn.Parameter(torch.tensor(0.1, dtype=torch.float64))
    parameter.grad = torch.tensor(0.7, dtype=torch.float64)
    torch.optim.SGD([parameter], lr=0.3).step()
    one, two = in_one_rounding(0.1, 0.3, 0.7), in_two_roundings(0.1, 0.3, 0.7)
    assert one != two
    assert parameter.item() in (one, two)
    return parameter.item() == one


def quadratic_losses(a, lrs, w=1.0):
    """0.5 a w^2 before each update w <- w - lr (a w), in plain Python."""
    update = in_one_rounding if fused() else in_two_roundings
    losses = []
    for lr in lrs:
        losses.append(0.5 * a * w * w)
        w = update(w, lr, a * w)
    return losses


def classifier(seed=0, *, dropout=0.0, batch_norm=False):
    torch.manual_seed(seed)
    middle = [nn.BatchNorm1d(8)] if batch_norm else []
    return nn.Sequential(nn.Linear(5, 8), *middle, nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 3))


def batches_of(num, *, seed=1, size=6):
    generator = torch.Generator().manual_seed(seed)
    return [
        (torch.randn(size, 5, generator=generator), torch.randint(0, 3, (size,), generator=generator))
        for _ in range(num)
    ]


# --- the quadratic


@pytest.mark.parametrize("a", [0.5, 1.0, 3.7])
def test_the_curve_of_a_quadratic_is_the_plain_loop_to_the_last_bit(a):
    lrs = geometric(1e-5, 1.9 / a, 60)
    model = Quadratic(a)
    curve = run(model, torch.optim.SGD(model.parameters(), lr=9.0), lrs)
    assert curve.losses.tolist() == quadratic_losses(a, lrs.tolist())
    assert curve.lrs.tolist() == lrs.tolist()
    assert curve.smoothed.tolist() == exponential_average(curve.losses, 0.98).tolist()
    assert curve.status is Status.COMPLETED
    assert len(curve) == curve.planned_steps == 60


def test_the_loss_of_a_step_is_measured_before_its_update():
    model = Quadratic(1.0)
    curve = run(model, torch.optim.SGD(model.parameters(), lr=0.1), np.array([0.5, 1.0]))
    assert curve.losses.tolist() == [0.5, 0.125]
    assert model.weights[0].item() == 0.0  # both updates were made: 1 - 0.5, then 0.5 - 1.0 * 0.5


def test_the_first_update_uses_the_first_rate_and_not_the_optimizers_own():
    model = Quadratic(1.0)
    seen = []

    class Spy(torch.optim.SGD):
        def step(self, closure=None):
            seen.append(self.param_groups[0]["lr"])
            return super().step(closure)

    lrs = geometric(1e-4, 1.0, 7)
    run(model, Spy(model.parameters(), lr=123.0), lrs)
    assert seen == lrs.tolist()


def test_a_quadratic_diverges_at_the_step_that_the_closed_form_says():
    a, lrs = 2.0, geometric(0.01, 100.0, 80)
    losses = quadratic_losses(a, lrs.tolist())
    smoothed = exponential_average(losses, 0.5)
    low = np.minimum.accumulate(smoothed)
    fall = smoothed[0] - low
    above = np.flatnonzero(smoothed > low + 3 * np.maximum(low, fall / 100))
    model = Quadratic(a)
    curve = run(model, torch.optim.SGD(model.parameters(), lr=1.0), lrs, beta=0.5)
    assert curve.status is Status.DIVERGED
    assert len(curve) == above[0] + 1 < 80
    assert curve.lrs[-1] > 2 / a
    assert curve.losses.tolist() == losses[: len(curve)]


def test_without_a_stop_factor_it_goes_on_to_the_end_or_to_the_first_value_that_is_not_finite():
    lrs = geometric(0.1, 1e3, 30)
    model = Quadratic(1.0)
    curve = run(model, torch.optim.SGD(model.parameters(), lr=1.0), lrs, stop_factor=None)
    assert curve.status is Status.COMPLETED
    assert curve.losses.tolist() == quadratic_losses(1.0, lrs.tolist())
    lrs = geometric(0.1, 1e40, 30)
    model = Quadratic(1.0)
    curve = run(model, torch.optim.SGD(model.parameters(), lr=1.0), lrs, stop_factor=None)
    assert curve.status is Status.NONFINITE
    assert np.isfinite(curve.losses[:-1]).all()
    assert not math.isfinite(curve.losses[-1])


def test_several_groups_keep_the_ratio_of_their_rates():
    lrs = geometric(1e-4, 0.5, 40)
    model = Quadratic(1.0, 3.0)
    optimizer = torch.optim.SGD(
        [{"params": [model.weights[0]], "lr": 0.01}, {"params": [model.weights[1]], "lr": 0.04}]
    )
    curve = run(model, optimizer, lrs)
    slow = quadratic_losses(1.0, [lr * 0.25 for lr in lrs.tolist()])
    fast = quadratic_losses(3.0, lrs.tolist())
    assert curve.losses.tolist() == [x + y for x, y in zip(slow, fast, strict=True)]
    assert [group["lr"] for group in optimizer.param_groups] == [0.125, 0.5]


def test_groups_whose_rates_are_all_zero_get_the_rate_itself():
    model = Quadratic(1.0, 3.0)
    optimizer = torch.optim.SGD([{"params": [w], "lr": 0.0} for w in model.weights])
    LearningRate(optimizer)(0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


def test_a_group_whose_rate_is_zero_stays_at_zero():
    model = Quadratic(1.0, 3.0)
    optimizer = torch.optim.SGD(
        [{"params": [model.weights[0]], "lr": 0.0}, {"params": [model.weights[1]], "lr": 0.1}]
    )
    run(model, optimizer, geometric(1e-3, 0.1, 5))
    assert model.weights[0].item() == 1.0
    assert model.weights[1].item() != 1.0


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_is_the_plain_loop(nesterov):
    a, lrs = 2.0, geometric(1e-3, 0.5, 50)
    w, velocity, losses = 1.0, None, []
    for lr in lrs.tolist():
        losses.append(0.5 * a * w * w)
        gradient = a * w
        velocity = gradient if velocity is None else 0.9 * velocity + gradient
        w = w - lr * (gradient + 0.9 * velocity if nesterov else velocity)
    model = Quadratic(a)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9, nesterov=nesterov)
    np.testing.assert_allclose(run(model, optimizer, lrs).losses, losses, rtol=1e-13)


def test_accumulation_logs_the_mean_and_updates_as_on_the_joined_batch():
    lrs = geometric(1e-3, 0.3, 30)
    parts = batches_of(90)
    joined = [
        tuple(torch.cat([part[k] for part in parts[3 * i : 3 * i + 3]]) for k in (0, 1)) for i in range(30)
    ]
    curves, models = [], []
    for batches, steps in ((parts, 3), (joined, 1)):
        model = classifier().double()
        batches = iter([(x.double(), y) for x, y in batches])
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        curves.append(
            run(
                model,
                optimizer,
                lrs,
                batches=batches,
                criterion=nn.CrossEntropyLoss(),
                accumulation_steps=steps,
                accuracy=True,
            )
        )
        models.append(model)
    np.testing.assert_allclose(curves[0].losses, curves[1].losses, rtol=1e-12)
    np.testing.assert_allclose(curves[0].accuracies, curves[1].accuracies, rtol=1e-6)
    for one, other in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


def test_clipping_limits_the_norm_of_the_whole_gradient():
    lrs = geometric(1e-3, 0.1, 20)
    u, v, losses = 1.0, 1.0, []
    for lr in lrs.tolist():
        losses.append(0.5 * 30 * u * u + 0.5 * 40 * v * v)
        scale = min(1.0, 2.0 / (math.hypot(30 * u, 40 * v) + 1e-6))
        u, v = u - lr * 30 * u * scale, v - lr * 40 * v * scale
    model = Quadratic(30.0, 40.0)
    curve = run(model, torch.optim.SGD(model.parameters(), lr=1.0), lrs, clip_grad_norm=2.0)
    np.testing.assert_allclose(curve.losses, losses, rtol=1e-12)


# --- losses that are not finite, negative, or about nothing


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("stop_factor", [4.0, None])
def test_a_loss_that_is_not_finite_stops_at_once_and_is_the_last(bad, stop_factor):
    factors = [1.0] * 20 + [bad] + [1.0] * 20
    model = Quadratic(1.0)
    curve = run(
        model,
        torch.optim.SGD(model.parameters(), lr=1.0),
        geometric(1e-3, 1.0, 40),
        factors=factors,
        stop_factor=stop_factor,
    )
    assert curve.status is Status.NONFINITE
    assert len(curve) == 21
    assert np.isfinite(curve.losses[:-1]).all()
    assert not math.isfinite(curve.losses[-1])
    reading = read(curve, rule=Rule.STEEPEST)
    assert all(lr is None or math.isfinite(lr) for lr in reading.rules.values())
    assert np.isfinite(reading.smoothed.values).all()


def test_a_nan_at_the_first_step_is_never_finite():
    model = Quadratic(1.0)
    curve = run(
        model,
        torch.optim.SGD(model.parameters(), lr=1.0),
        geometric(1e-3, 1.0, 40),
        factors=itertools.repeat(math.nan),
    )
    assert (curve.status, len(curve)) == (Status.NONFINITE, 1)
    reading = read(curve, rule=Rule.STEEPEST)
    assert reading.suggestion is None
    assert "not finite from the start" in reading.verdict


@pytest.mark.parametrize("accumulation_steps", [1, 3])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_batch_that_is_not_finite_is_told_from_rates_that_are_too_high(bad, accumulation_steps):
    factors = [1.0] * (20 * accumulation_steps - 1) + [bad] + [1.0] * 100
    model = Quadratic(1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    lrs = geometric(1e-4, 1e-2, 40)
    curve = run(model, optimizer, lrs, factors=factors, accumulation_steps=accumulation_steps)
    assert (curve.status, len(curve), curve.bad_batch) == (Status.NONFINITE, 20, True)
    reading = read(curve, rule=Rule.STEEPEST)
    assert reading.suggestion is None
    assert reading.verdict.startswith("The loss was not finite at step 19, and that batch holds NaN")


def test_a_loss_that_overflows_is_no_bad_batch():
    model = Quadratic(1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    curve = run(model, optimizer, geometric(1.5, 1e300, 40), stop_factor=None)
    assert (curve.status, curve.bad_batch) == (Status.NONFINITE, False)


def test_a_loss_far_below_zero_is_swept_as_any_other():
    lrs = geometric(1e-3, 1.9, 60)

    class Shifted(Quadratic):
        def forward(self, factor):
            return super().forward(factor) - 50.0

    model = Shifted(1.0)
    curve = run(model, torch.optim.SGD(model.parameters(), lr=1.0), lrs, skip_start=5)
    assert curve.status is Status.COMPLETED
    assert curve.losses.tolist() == [loss - 50.0 for loss in quadratic_losses(1.0, lrs.tolist())]


def test_a_loss_below_zero_that_diverges_is_stopped():
    class Shifted(Quadratic):
        def forward(self, factor):
            return super().forward(factor) - 50.0

    model = Shifted(1.0)
    curve = run(model, torch.optim.SGD(model.parameters(), lr=1.0), geometric(1e-2, 2e4, 100), skip_start=5)
    assert curve.status is Status.DIVERGED
    assert len(curve) < 80


def test_one_class_alone_can_be_swept():
    model = classifier()
    batches = iter([(x, torch.zeros_like(y)) for x, y in batches_of(50)])
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    curve = run(model, optimizer, geometric(1e-3, 1.0, 50), batches=batches, criterion=nn.CrossEntropyLoss())
    assert curve.losses[-1] < curve.losses[0]


def test_a_ladder_of_two_steps_on_one_batch():
    batch = batches_of(1)[0]
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    curve = run(
        model,
        optimizer,
        geometric(1e-2, 0.1, 2),
        batches=itertools.repeat(batch),
        criterion=nn.CrossEntropyLoss(),
    )
    assert len(curve) == 2
    assert curve.losses[1] < curve.losses[0]
    assert read(curve, rule=Rule.STEEPEST).suggestion is None


# --- validation and accuracy


def with_validation(validation, *, batch_norm, dropout=0.5, every=7, **others):
    model = classifier(dropout=dropout, batch_norm=batch_norm)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    torch.manual_seed(5)
    curve = run(
        model,
        optimizer,
        geometric(1e-3, 1.0, 30),
        batches=iter(batches_of(30)),
        criterion=nn.CrossEntropyLoss(),
        validation=validation,
        validation_every=every,
        **others,
    )
    return curve, model


@pytest.mark.parametrize("batch_norm", [False, True])
def test_validation_does_not_influence_the_training(batch_norm):
    plain, plain_model = with_validation(None, batch_norm=batch_norm)
    curve, model = with_validation(batches_of(3, seed=9), batch_norm=batch_norm)
    assert curve.losses.tolist() == plain.losses.tolist()
    for (name, one), other in zip(model.state_dict().items(), plain_model.state_dict().values(), strict=True):
        assert torch.equal(one, other), name
    assert plain.validation_losses is None
    assert np.flatnonzero(np.isfinite(curve.validation_losses)).tolist() == [0, 7, 14, 21, 28]


def test_the_validation_loss_is_the_one_before_the_update_weighted_by_the_sizes_of_the_batches():
    validation = [*batches_of(2, seed=9, size=6), *batches_of(1, seed=10, size=2)]
    x, y = (torch.cat([batch[k] for batch in validation]) for k in (0, 1))
    twin = classifier(dropout=0.5, batch_norm=True).eval()
    optimizer = torch.optim.SGD(twin.parameters(), lr=1.0)
    expected = []
    torch.manual_seed(5)
    for i, (lr, batch) in enumerate(zip(geometric(1e-3, 1.0, 30).tolist(), batches_of(30), strict=True)):
        if i % 7 == 0:
            twin.eval()
            with torch.no_grad():
                expected.append(nn.functional.cross_entropy(twin(x), y).item())
        twin.train()
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        nn.functional.cross_entropy(twin(batch[0]), batch[1]).backward()
        optimizer.step()
    curve, _ = with_validation(validation, batch_norm=True)
    np.testing.assert_allclose(curve.validation_losses[::7], expected, rtol=1e-6)


def test_evaluate_puts_every_mode_back_also_after_an_error():
    model = classifier(batch_norm=True)
    model.train()
    model[1].eval()
    modes = [module.training for module in model.modules()]
    objective = Objective(model, nn.CrossEntropyLoss())
    loss, _ = evaluate(objective, batches_of(2))
    assert not loss.requires_grad
    assert [module.training for module in model.modules()] == modes
    with pytest.raises(UserError, match="shape"):
        evaluate(objective, [(torch.zeros(2, 7), torch.zeros(2, dtype=torch.long))])
    assert [module.training for module in model.modules()] == modes


def test_accuracy_is_the_share_of_right_answers_before_the_update():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, x):
            return x * self.scale

    outputs = torch.eye(4)
    batches = [(outputs, torch.tensor(labels)) for labels in ([0, 1, 2, 3], [0, 1, 2, 0], [1, 2, 3, 0])]
    model = Fixed()
    curve = run(
        model,
        torch.optim.SGD(model.parameters(), lr=1.0),
        geometric(1e-6, 1e-5, 3),
        batches=iter(batches),
        criterion=nn.CrossEntropyLoss(),
        accuracy=True,
        validation=[batches[0]],
        validation_every=2,
    )
    assert curve.accuracies.tolist() == [1.0, 0.75, 0.0]
    assert np.isfinite(curve.validation_losses).tolist() == [True, False, True]


# --- interrupts and errors


def test_on_step_is_told_of_every_step_in_order():
    steps = []
    model = Quadratic(1.0)
    lrs = geometric(1e-3, 1.0, 15)
    curve = run(model, torch.optim.SGD(model.parameters(), lr=1.0), lrs, on_step=steps.append)
    assert [s.index for s in steps] == list(range(15))
    assert [s.lr for s in steps] == lrs.tolist()
    assert [s.loss for s in steps] == curve.losses.tolist()
    assert [s.smoothed for s in steps] == curve.smoothed.tolist()


@pytest.mark.parametrize("at", [0, 1, 7])
def test_an_interrupt_in_on_step_ends_with_what_was_measured(at):
    def on_step(step):
        if step.index == at:
            raise KeyboardInterrupt

    lrs = geometric(1e-3, 1.0, 15)
    model = Quadratic(1.0)
    curve = run(model, torch.optim.SGD(model.parameters(), lr=1.0), lrs, on_step=on_step)
    assert curve.status is Status.INTERRUPTED
    assert curve.losses.tolist() == quadratic_losses(1.0, lrs.tolist())[: at + 1]
    assert curve.planned_steps == 15


@pytest.mark.parametrize("at", [0, 1, 7])
def test_an_interrupt_in_the_loader_ends_with_what_was_measured(at):
    def batches():
        for _ in range(at):
            yield torch.tensor(1.0, dtype=torch.float64)
        raise KeyboardInterrupt

    lrs = geometric(1e-3, 1.0, 15)
    model = Quadratic(1.0)
    curve = run(model, torch.optim.SGD(model.parameters(), lr=1.0), lrs, batches=batches())
    assert curve.status is Status.INTERRUPTED
    assert curve.losses.tolist() == quadratic_losses(1.0, lrs.tolist())[:at]
    assert len(curve.lrs) == len(curve.smoothed) == at
    assert "Interrupted" in read(curve, rule=Rule.STEEPEST).verdict


def test_an_interrupt_keeps_accuracies_and_validation_losses_of_the_same_length():
    def on_step(step):
        if step.index == 4:
            raise KeyboardInterrupt

    curve, _ = with_validation(batches_of(1), batch_norm=False, accuracy=True, on_step=on_step)
    assert len(curve.losses) == len(curve.accuracies) == len(curve.validation_losses) == 5


def test_an_error_of_the_loader_is_not_swallowed():
    def batches():
        yield torch.tensor(1.0, dtype=torch.float64)
        raise DataError("data: a picture cannot be read")

    model = Quadratic(1.0)
    with pytest.raises(DataError, match="a picture cannot be read"):
        run(
            model,
            torch.optim.SGD(model.parameters(), lr=1.0),
            geometric(1e-3, 1.0, 15),
            batches=batches(),
        )


def test_an_optimizer_that_needs_a_closure_is_pointed_to_a_step_of_ones_own():
    model = Quadratic(1.0)
    with pytest.raises(OptimizerError, match=r"LBFGS\.step\(\) raised.*range_test\(\.\.\., step="):
        run(model, torch.optim.LBFGS(model.parameters(), lr=1.0), geometric(1e-3, 1.0, 5))


def test_an_optimizer_that_keeps_no_learning_rate_is_refused():
    class Rateless(torch.optim.Optimizer):
        def __init__(self, parameters):
            super().__init__(parameters, {})

    with pytest.raises(OptimizerError, match=r"Rateless keeps no learning rate.*an entry 'lr'"):
        LearningRate(Rateless(Quadratic(1.0).parameters()))


def test_memory_that_runs_out_in_the_update_says_so():
    class Greedy(torch.optim.SGD):
        def step(self, closure=None):
            raise torch.OutOfMemoryError("no room")

    model = Quadratic(1.0)
    with pytest.raises(UserError, match=r"the device ran out of memory.*no room"):
        run(model, Greedy(model.parameters(), lr=1.0), geometric(1e-3, 1.0, 5))


class Hungry(nn.Module):
    """No memory is left for its forward pass; its weights take 256 MiB, of which no page is touched."""

    def __init__(self, elements=2**26):
        super().__init__()
        self.w = nn.Parameter(torch.empty(elements))

    def forward(self, x):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")


def ends_without_memory(monkeypatch, model, *, paired):
    monkeypatch.setitem(sweep.__globals__, "InitialModel", Unmade)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    with pytest.raises(DeviceError, match=r"the device ran out of memory.*Tried to allocate") as raised:
        run(model, optimizer, geometric(1e-3, 1.0, 5), paired=paired)
    return str(raised.value)


class Unmade:
    """A control for which no memory is left either."""

    def __init__(self, objective, optimizer):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.")


def test_memory_that_runs_out_of_a_paired_test_names_the_copy_where_it_is_large(monkeypatch):
    told = ends_without_memory(monkeypatch, Hungry(), paired=True)
    assert told.endswith("paired=False does without a copy of the trained weights, which takes 256 MiB.")
    assert "paired" not in ends_without_memory(monkeypatch, Hungry(10), paired=True)
    assert "paired" not in ends_without_memory(monkeypatch, Hungry(), paired=False)


def test_a_large_control_is_spoken_of_before_the_test():
    def said(elements):
        model = Hungry(elements)
        optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        return said_of_control(Task(Objective(model, None), optimizer, iter([]), CPU))

    assert said(2**26 - 1) is None
    assert said(2**26) == (
        "the paired test keeps a copy of the trained weights on cpu, 256 MiB; "
        "range.paired=false does without it."
    )
    assert "2.5 GiB" in said(5 * 2**27)


def test_a_model_whose_loss_hangs_on_no_parameter_is_explained():
    model = nn.Linear(2, 1)
    with pytest.raises(UserError, match="backward"):
        run(
            model,
            torch.optim.SGD(model.parameters(), lr=1.0),
            geometric(1e-3, 1.0, 5),
            batches=iter([(torch.zeros(3, 2), torch.zeros(3, 1))]),
            criterion=lambda outputs, target: target.sum(),
        )


# --- precision, tensors as rates, seeds


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_runs_and_its_scaler_moves_the_model(dtype):
    model = classifier()
    before = [p.detach().clone() for p in model.parameters()]
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10) if dtype is torch.float16 else None
    curve = run(
        model,
        torch.optim.SGD(model.parameters(), lr=1.0),
        geometric(1e-2, 0.5, 20),
        batches=itertools.repeat(batches_of(1)[0]),
        criterion=nn.CrossEntropyLoss(),
        autocast=lambda: torch.autocast("cpu", dtype=dtype),
        scaler=scaler,
        clip_grad_norm=1.0,
    )
    assert curve.status is Status.COMPLETED
    assert curve.losses[-1] < 0.9 * curve.losses[0]
    assert all(not torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))


def test_a_scaler_changes_nothing_where_no_gradient_vanishes():
    curves = []
    for scaler in (None, torch.amp.GradScaler("cpu", init_scale=2.0**8)):
        model = Quadratic(1.0)
        curves.append(
            run(
                model,
                torch.optim.SGD(model.parameters(), lr=1.0),
                geometric(1e-3, 1.0, 30),
                scaler=scaler,
                clip_grad_norm=0.5,
            )
        )
    assert curves[0].losses.tolist() == curves[1].losses.tolist()


def test_a_rate_that_is_a_tensor_is_filled_in_place():
    rate = torch.tensor(0.5, dtype=torch.float64)
    model = Quadratic(1.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, capturable=False, foreach=False)
    assert optimizer.param_groups[0]["lr"] is rate
    set_lr = LearningRate(optimizer)
    set_lr(0.125)
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.125


def test_a_compiled_optimizer_step_is_not_compiled_again_along_the_ladder():
    from torch._dynamo.testing import CompileCounter

    torch._dynamo.reset()
    counter = CompileCounter()
    model = Quadratic(1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=torch.tensor(0.1, dtype=torch.float64))
    optimizer.step = torch.compile(optimizer.step, backend=counter)
    lrs = geometric(1e-3, 1.0, 12)
    curve = run(model, optimizer, lrs)
    np.testing.assert_allclose(curve.losses, quadratic_losses(1.0, lrs.tolist()), rtol=1e-12)
    assert 1 <= counter.frame_count <= 2
    torch._dynamo.reset()


def test_the_same_seed_gives_the_same_losses_to_the_last_bit():
    one, _ = with_validation(None, batch_norm=True)
    two, _ = with_validation(None, batch_norm=True)
    assert one.losses.tolist() == two.losses.tolist()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"beta": 1.0}, "beta must be at least 0 and below 1, got 1.0"),
        ({"stop_factor": 1.0}, "stop_factor must be greater than 1, or None, got 1.0"),
        ({"skip_start": -1}, "skip_start must be a whole number of at least 0, got -1"),
        ({"skip_end": -1}, "skip_end must be a whole number of at least 0, got -1"),
        ({"accumulation_steps": 0}, "accumulation_steps must be a whole number of at least 1, got 0"),
        ({"clip_grad_norm": 0.0}, "clip_grad_norm must be greater than 0, or None, got 0.0"),
        ({"validation_every": 0}, "validation_every must be a whole number of at least 1, got 0"),
    ],
)
def test_an_option_out_of_range_is_refused(option, message):
    (name,) = option
    with pytest.raises(UserError, match=message):
        (StepOptions if name in ("accumulation_steps", "clip_grad_norm") else SweepOptions)(**option)


@pytest.mark.parametrize(("num_steps", "start", "end"), [(2, 0, 0), (40, 4, 2), (100, 10, 5), (937, 10, 5)])
def test_the_steps_skipped_by_default_are_a_share_of_the_ladder(num_steps, start, end):
    options = SweepOptions.of(num_steps=num_steps, skip_start=None, skip_end=None)
    assert (options.skip_start, options.skip_end) == (start, end)
    options = SweepOptions.of(num_steps=num_steps, skip_start=3, skip_end=0, beta=0.5)
    assert (options.skip_start, options.skip_end, options.beta) == (3, 0, 0.5)
