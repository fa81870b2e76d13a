"""The stacked form against torch's own optimizers, one model after another, in float64."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim import SGD, Adam, AdamW

from lrfind.errors import ConfigError
from lrfind.training.objective import Objective
from lrfind.training.runs import Halving, train_runs
from lrfind.training.stacking.stack import Stack
from lrfind.training.stacking.strategy import Strategy
from lrfind.training.stacking.support import why_not_stacked
from lrfind.training.start import own_parameters
from lrfind.training.step import StepOptions
from lrfind.training.task import Task

CPU = torch.device("cpu")
LRS = np.array([0.003, 0.3, 0.01, 0.0001])
STEPS = 8


@pytest.fixture(autouse=True)
def _double_on_one_thread():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for each other make such small models slow
    yield
    torch.set_num_threads(threads)
    torch.set_default_dtype(torch.float32)


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3)), torch.randn(5, 6, 16)


def cnn():
    layers = [nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 3)), torch.randn(5, 6, 1, 4, 4)


def embedding():
    layers = (nn.Embedding(11, 4, padding_idx=0), nn.LayerNorm(4), nn.Flatten(), nn.Linear(20, 3))
    return nn.Sequential(*layers), torch.randint(0, 11, (5, 6, 5))


def batches_of(inputs):
    """Makes an endless iterator over five batches, the same ones whenever it is called."""
    targets = torch.randint(0, 3, inputs.shape[:2])
    return lambda: itertools.cycle(list(zip(inputs, targets, strict=True)))


def task_of(objective, optimizer, batches, **options):
    return Task(objective, optimizer, batches(), CPU, StepOptions(**options), afresh=batches)


def both(model, optimizer, batches, *, criterion=None, lrs=LRS, read=True, options=None, **others):
    """The same runs stacked and one after another."""
    objective = Objective(model, criterion or nn.CrossEntropyLoss())
    fixed = list(itertools.islice(batches(), 2)) if read else None
    keep = {"num_steps": STEPS, "held_out": fixed} | others
    task = task_of(objective, optimizer, batches, **(options or {}))
    return [
        train_runs(task, lrs, strategy=strategy, **keep)
        for strategy in (Strategy.STACKED, Strategy.SEQUENTIAL)
    ]


def assert_agree(stacked, alone):
    assert stacked.stacked
    assert not alone.stacked
    assert np.array_equal(stacked.steps_taken, alone.steps_taken)
    assert np.array_equal(stacked.diverged, alone.diverged)
    np.testing.assert_allclose(stacked.losses, alone.losses, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(stacked.finals, alone.finals, rtol=1e-8, atol=1e-8)


OPTIMIZERS = {
    "sgd": (SGD, {}),
    "momentum": (SGD, {"momentum": 0.9}),
    "nesterov": (SGD, {"momentum": 0.9, "nesterov": True}),
    "dampening": (SGD, {"momentum": 0.9, "dampening": 0.3}),
    "sgd weight decay": (SGD, {"momentum": 0.5, "weight_decay": 0.1}),
    "nesterov weight decay": (SGD, {"momentum": 0.5, "weight_decay": 0.1, "nesterov": True}),
    "sgd maximize": (SGD, {"maximize": True}),
    "adam": (Adam, {}),
    "adam weight decay": (Adam, {"weight_decay": 0.1}),
    "adam betas eps": (Adam, {"betas": (0.8, 0.9), "eps": 1e-3}),
    "adam amsgrad": (Adam, {"amsgrad": True, "betas": (0.5, 0.6)}),
    "adam maximize": (Adam, {"maximize": True}),
    "adamw": (AdamW, {}),
    "adamw weight decay": (AdamW, {"weight_decay": 0.3, "eps": 1e-5}),
    "adamw amsgrad": (AdamW, {"amsgrad": True, "betas": (0.5, 0.6)}),
}


@pytest.mark.parametrize("make", [mlp, cnn, embedding])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_stacked_and_one_after_another_agree(make, name):
    model, inputs = make()
    kind, settings = OPTIMIZERS[name]
    # A loss that is maximized passes any factor of its start, and then nothing would be compared.
    stacked, alone = both(
        model, kind(model.parameters(), lr=0.1, **settings), batches_of(inputs), stop_factor=None
    )
    assert_agree(stacked, alone)
    assert np.all(stacked.steps_taken == STEPS)
    assert len(np.unique(stacked.finals)) == len(LRS)


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW])
def test_parameter_groups_keep_the_ratio_of_their_rates_and_their_own_settings(kind):
    model, inputs = mlp()
    groups = [
        {"params": model[1].parameters(), "lr": 0.02, "weight_decay": 0.2},
        {"params": [model[3].weight], "lr": 0.1},
        {"params": [model[3].bias], "lr": 0.0},
    ]
    assert_agree(*both(model, kind(groups, lr=0.1), batches_of(inputs)))


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam amsgrad", "adamw"])
def test_a_stack_goes_on_from_what_the_optimizer_knows(name):
    model, inputs = mlp()
    kind, settings = OPTIMIZERS[name]
    optimizer = kind(model.parameters(), lr=0.05, **settings)
    batches = batches_of(inputs)
    for x, y in itertools.islice(batches(), 3):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert_agree(*both(model, optimizer, batches))


@pytest.mark.parametrize("kind", [SGD, Adam])
@pytest.mark.parametrize("options", [{"clip_grad_norm": 0.05}, {"accumulation_steps": 3}])
def test_clipping_and_accumulation_are_done_copy_by_copy(kind, options):
    model, inputs = mlp()
    optimizer = kind(model.parameters(), lr=0.1)
    stacked, alone = both(model, optimizer, batches_of(inputs), options=options)
    assert_agree(stacked, alone)
    plain, _ = both(model, optimizer, batches_of(inputs))
    assert not np.allclose(plain.losses, stacked.losses)


class Odd(nn.Module):
    """Tied weights, a frozen one, one that is never used, and a buffer that stays."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(16, 16, bias=False)
        self.second = nn.Linear(16, 16, bias=False)
        self.second.weight = self.first.weight
        self.frozen = nn.Linear(16, 3).requires_grad_(False)
        self.unused = nn.Linear(2, 2)
        self.register_buffer("scale", torch.tensor(0.5))

    def forward(self, x):
        return self.frozen(torch.tanh(self.second(torch.tanh(self.first(x)))) * self.scale)


@pytest.mark.parametrize("kind", [SGD, AdamW])
def test_tied_frozen_and_unused_parameters_are_as_in_a_run_alone(kind):
    model = Odd()
    assert_agree(*both(model, kind(model.parameters(), lr=0.1), batches_of(torch.randn(5, 6, 16))))


def test_a_batch_that_is_a_dict_and_a_model_that_returns_its_loss_are_stacked():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(16, 1)

        def forward(self, x, y):
            return {"loss": functional.mse_loss(self.layer(x).squeeze(-1), y)}

    x, y = torch.randn(6, 16), torch.randn(6)
    model = Own()
    batches = lambda: itertools.repeat({"x": x, "y": y})  # noqa: E731
    task = task_of(Objective(model, None), SGD(model.parameters(), lr=1.0), batches)
    stacked, alone = (
        train_runs(task, LRS, num_steps=STEPS, strategy=strategy)
        for strategy in (Strategy.STACKED, Strategy.SEQUENTIAL)
    )
    assert_agree(stacked, alone)


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_rates_that_diverge_leave_the_others_unharmed(name):
    model, inputs = mlp()
    kind, settings = OPTIMIZERS[name]
    optimizer = kind(model.parameters(), lr=0.1, **settings)
    batches = batches_of(100 * inputs)
    criterion = lambda out, y: ((out - y[:, None]) ** 4).mean()  # noqa: E731
    lrs = np.array([1e-12, 1e6, 3e-10, 1e3, 1e-11])
    stacked, alone = both(model, optimizer, batches, criterion=criterion, lrs=lrs)
    assert stacked.diverged.tolist() == [False, True, False, True, False]
    np.testing.assert_allclose(stacked.finals, alone.finals, rtol=1e-8)
    sane, _ = both(model, optimizer, batches, criterion=criterion, lrs=lrs[[0, 2, 4]])
    np.testing.assert_allclose(stacked.losses[[0, 2, 4]], sane.losses, rtol=1e-8)


def test_halving_drops_the_same_rates_in_both_forms():
    model, inputs = cnn()
    optimizer = Adam(model.parameters(), lr=0.1)
    lrs = np.geomspace(1e-5, 1, 9)
    stacked, alone = both(
        model, optimizer, batches_of(inputs), lrs=lrs, halving=Halving((2, 5, 8)), num_steps=12
    )
    assert_agree(stacked, alone)
    assert sorted(stacked.steps_taken.tolist()) == [2] * 4 + [5, 5, 8, 12, 12]


def one_step(model, x):
    return Stack(
        Objective(model, nn.CrossEntropyLoss()),
        SGD(model.parameters(), lr=0.1),
        LRS,
        options=StepOptions(),
    ).step(iter([(x, torch.zeros(len(x), dtype=torch.long))]))


def test_model_and_optimizer_are_not_touched_by_a_stack():
    model, inputs = mlp()
    before = [p.clone() for p in model.parameters()]
    own = dict(model.named_parameters())
    one_step(model, inputs[0])
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), before, strict=True))
    assert all(p is own[name] and p.grad is None for name, p in model.named_parameters())


def test_parameters_that_were_exchanged_when_an_interrupt_came_are_put_back():
    model, _ = mlp()
    own = list(model.parameters())

    def interrupted():
        with own_parameters(model):
            model[1]._parameters["weight"] = torch.zeros(4, 8, 16)  # as functional_call does
            model[3]._parameters["bias"] = torch.zeros(4, 3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert all(p is q for p, q in zip(model.parameters(), own, strict=True))
    assert model[1].weight is own[0]


class Wide(SGD):
    """A stranger's optimizer."""


def hooked():
    model, _ = mlp()
    model[1].register_forward_hook(lambda *_: None)
    return model


def on_flat(*layers):
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 3), *layers).double()


REFUSED = {
    "batch norm": (lambda: on_flat(nn.BatchNorm1d(3)), SGD, "BatchNorm1d keeps running statistics"),
    "instance norm": (
        lambda: nn.Sequential(nn.InstanceNorm2d(1, track_running_stats=True), nn.Conv2d(1, 1, 1)),
        SGD,
        "InstanceNorm2d keeps running statistics",
    ),
    "dropout": (lambda: on_flat(nn.Dropout(0.5)), SGD, "Dropout draws random numbers"),
    "hooks": (hooked, SGD, "Linear has hooks"),
    "sparse": (lambda: nn.Embedding(4, 3, sparse=True), SGD, "Embedding has sparse gradients"),
    "optimizer": (lambda: on_flat(), torch.optim.RMSprop, "the optimizer is RMSprop"),
    "subclass": (lambda: on_flat(), Wide, "the optimizer is Wide"),
    "half": (lambda: on_flat().to(torch.bfloat16), SGD, "float32 or float64"),
    "wrapped": (lambda: nn.DataParallel(on_flat()), SGD, "wrapped in DataParallel"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_stacked_is_refused_with_its_reason(name):
    make, kind, reason = REFUSED[name]
    model = make()
    optimizer = kind(model.parameters(), lr=0.1)
    assert reason in why_not_stacked(model, optimizer, Objective(model, nn.CrossEntropyLoss()))


def test_other_reasons_that_can_be_read_off_are_given():
    model = on_flat()
    loss = nn.CrossEntropyLoss()
    optimizer = SGD(model.parameters(), lr=0.1)
    objective = Objective(model, loss)
    assert why_not_stacked(model, optimizer, objective) is None
    assert "mixed precision" in why_not_stacked(model, optimizer, objective, scaler=object())
    bf16 = Objective(model, loss, autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    assert "mixed precision" in why_not_stacked(model, optimizer, bf16)
    foreign = SGD([*model.parameters(), nn.Parameter(torch.zeros(1))], lr=0.1)
    assert "not the model's" in why_not_stacked(model, foreign, objective)
    optimizer.register_step_post_hook(lambda *_: None)
    assert "SGD has hooks" in why_not_stacked(model, optimizer, objective)


@pytest.mark.parametrize(
    "layer", [nn.Dropout(0.0), nn.BatchNorm1d(3, track_running_stats=False), nn.LayerNorm(3)]
)
def test_layers_that_draw_and_keep_nothing_are_stacked(layer):
    model = on_flat(layer)
    assert_agree(*both(model, SGD(model.parameters(), lr=0.1), batches_of(torch.randn(5, 6, 16))))


def test_batch_norm_that_is_frozen_is_stacked():
    model = on_flat(nn.BatchNorm1d(3))
    model[2].eval()
    assert_agree(*both(model, SGD(model.parameters(), lr=0.1), batches_of(torch.randn(5, 6, 16))))


class Body(nn.Module):
    """A layer, and then what a function does."""

    def __init__(self, then):
        super().__init__()
        self.layer = nn.Linear(16, 3)
        self.register_buffer("count", torch.zeros(()))
        self.then = then

    def forward(self, x):
        return self.then(self, self.layer(x))


def counts(module, out):
    module.count += 1
    return out


CALLS = itertools.count()
"""A state that no snapshot of the model holds."""


def remembers(module, out):
    return out * (1 + next(CALLS) % 2)


SHOWN_BY_THE_TRIAL = {
    "a random number": (lambda _, out: functional.dropout(out, 0.5), "random"),
    "a branch on a value": (lambda _, out: out if out.sum() > 0 else 2 * out, "data-dependent control flow"),
    "a buffer that changes": (counts, "the model has buffers that change in training"),
    "a state outside the model": (remembers, "the losses come out differently when stacked"),
}


@pytest.mark.parametrize("name", SHOWN_BY_THE_TRIAL)
def test_what_only_a_step_shows_falls_back_to_one_after_another(name):
    then, reason = SHOWN_BY_THE_TRIAL[name]
    inputs = torch.randn(5, 6, 16)
    batches = batches_of(inputs)
    model = Body(then)
    objective = Objective(model, nn.CrossEntropyLoss())
    optimizer = SGD(model.parameters(), lr=0.1)
    task = task_of(objective, optimizer, batches)
    found = train_runs(task, [*LRS, *LRS], num_steps=125)
    assert not found.stacked
    assert reason in found.reason
    assert np.all(found.steps_taken == 125)
    with pytest.raises(ConfigError, match="cannot be stacked"):
        train_runs(task, LRS, num_steps=3, strategy=Strategy.STACKED)
