"""Whatever a sweep disturbs is afterwards bitwise what it was, whatever happened in between."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind.errors import ModelError
from lrfind.range_test.ladder import geometric
from lrfind.range_test.sweep import SweepOptions, sweep
from lrfind.suggestion import Status
from lrfind.training.batch import endless
from lrfind.training.objective import Objective
from lrfind.training.snapshot import Snapshot, preserved
from lrfind.training.step import StepOptions
from lrfind.training.task import Task

CPU = torch.device("cpu")

OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "adam_tensor_lr": lambda p: torch.optim.Adam(p, lr=torch.tensor(0.01), foreach=False),
    "amsgrad": lambda p: torch.optim.AdamW(p, lr=0.01, amsgrad=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.01),
}


class Net(nn.Module):
    """Batch norm, dropout, a buffer that is replaced by assignment and one that is not persistent."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3)
        )
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("last", torch.zeros(3), persistent=False)
        self.register_buffer("nothing", None)

    def forward(self, x):
        outputs = self.body(x)
        self.calls = self.calls + 1
        self.last.copy_(outputs.detach()[0])
        self.nothing = torch.ones(1)
        return outputs


def data(seed=3):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(48, 5, generator=generator)
    return TensorDataset(x, torch.randint(0, 3, (48,), generator=generator))


def loader(seed=7):
    return DataLoader(data(), batch_size=8, shuffle=True, generator=torch.Generator().manual_seed(seed))


def make(name="sgd", seed=0):
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    model = Net()
    return model, OPTIMIZERS[name](model.parameters())


def train(model, optimizer, batches, num_steps):
    for _ in range(num_steps):
        x, y = next(batches)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def state(model, optimizer, source=None, scaler=None):
    """All that must be as it was, copied."""
    return copy.deepcopy(
        {
            "parameters": [p.detach() for p in model.parameters()],
            "grads": [p.grad for p in model.parameters()],
            "requires_grad": [p.requires_grad for p in model.parameters()],
            "buffers": {f"{name}.{k}": b for name, m in model.named_modules() for k, b in m._buffers.items()},
            "modes": [m.training for m in model.modules()],
            "optimizer": optimizer.state_dict(),
            "attributes": sorted(vars(optimizer)),
            "scaler": None
            if scaler is None
            else (scaler.state_dict(), scaler._scale, scaler._growth_tracker),
            "random": (random.getstate(), torch.get_rng_state()),
            "numpy": list(np.random.get_state()),
            "loader": None if source is None else source.generator.get_state(),
        }
    )


def same(one, other):
    """Equal to the last bit, at any depth."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and bool((one == other).all())
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_the_comparison_sees_a_difference_of_one_bit():
    model, optimizer = make("adam")
    before = state(model, optimizer)
    assert same(before, state(model, optimizer))
    with torch.no_grad():
        model.body[0].bias[0] = torch.nextafter(model.body[0].bias[0], torch.tensor(9.0))
    assert not same(before, state(model, optimizer))


class StopHereError(Exception):
    """Raised in the middle of a sweep."""


def sweep_with(how, model, optimizer, source, scaler=None):
    """A whole sweep that ends in the way named."""

    def on_step(step):
        if how == "exception" and step.index == 5:
            raise StopHereError
        if how == "interrupt" and step.index == 5:
            raise KeyboardInterrupt

    task = Task(
        Objective(model, nn.CrossEntropyLoss()),
        optimizer,
        endless(source),
        CPU,
        StepOptions(scaler=scaler),
        validation=[next(iter(DataLoader(data(4), 16)))],
    )
    return sweep(
        task,
        geometric(1e-3, 1e6 if how == "divergence" else 1.0, 30),
        options=SweepOptions(beta=0.3, stop_factor=1.5 if how == "divergence" else None),
        on_step=on_step,
    )


@pytest.mark.parametrize("trained", [0, 4], ids=["fresh", "trained"])
@pytest.mark.parametrize("how", ["success", "divergence", "exception", "interrupt"])
@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_everything_is_bitwise_as_it_was(name, how, trained):
    model, optimizer = make(name)
    source = loader()
    train(model, optimizer, endless(source), trained)
    model.body[0].weight.requires_grad_(False)
    model.body[1].eval()
    before = state(model, optimizer, source)
    identities = [id(p) for p in model.parameters()] + [id(b) for b in model.buffers()]
    raised = None
    try:
        with preserved(model, optimizer, loader=source):
            model.body[0].weight.requires_grad_(True)
            curve = sweep_with(how, model, optimizer, source)
            assert not same(before, state(model, optimizer, source))
    except StopHereError as error:
        raised = error
    if how == "exception":
        assert raised is not None
    else:
        assert (
            curve.status
            is {
                "success": Status.COMPLETED,
                "divergence": Status.DIVERGED,
                "interrupt": Status.INTERRUPTED,
            }[how]
        )
    after = state(model, optimizer, source)
    assert [key for key in before if not same(before[key], after[key])] == []
    assert [id(p) for p in model.parameters()] + [id(b) for b in model.buffers()] == identities


def test_an_interrupt_that_is_raised_on_puts_everything_back():
    model, optimizer = make("adam")
    before = state(model, optimizer)

    def interrupted():
        with preserved(model, optimizer):
            train(model, optimizer, endless(loader()), 3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert same(before, state(model, optimizer))


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_training_goes_on_afterwards_exactly_as_without_the_test(name):
    ends = []
    for tested in (False, True):
        model, optimizer = make(name)
        source = loader()
        train(model, optimizer, endless(source), 5)
        if tested:
            with preserved(model, optimizer, loader=source):
                sweep_with("success", model, optimizer, source)
        train(model, optimizer, endless(source), 20)
        ends.append(state(model, optimizer, source))
    assert same(ends[0]["parameters"], ends[1]["parameters"])
    assert [key for key in ends[0] if not same(ends[0][key], ends[1][key])] == []


def test_gradients_that_were_there_come_back_as_the_same_objects():
    model, optimizer = make()
    nn.functional.cross_entropy(model(torch.randn(4, 5)), torch.tensor([0, 1, 2, 0])).backward()
    model.body[4].bias.grad = None
    grads = [p.grad for p in model.parameters()]
    values = copy.deepcopy(grads)
    with preserved(model, optimizer):
        train(model, optimizer, endless(loader()), 2)
        for p in model.parameters():
            p.grad.fill_(7.0)
    assert all(p.grad is grad for p, grad in zip(model.parameters(), grads, strict=True))
    assert same([p.grad for p in model.parameters()], values)
    assert model.body[4].bias.grad is None


def test_group_settings_and_a_schedulers_marks_are_put_back():
    model, optimizer = make("momentum")
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))], "lr": 0.5, "name": "extra"})
    groups = copy.deepcopy([{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups])
    attributes, step = sorted(vars(optimizer)), optimizer.step
    extra = optimizer.param_groups[1]["params"][0]
    with preserved(model, optimizer):
        torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
        optimizer.param_groups[0]["momentum"] = 0.1
        with torch.no_grad():
            extra.mul_(3)
    assert [{k: v for k, v in g.items() if k != "params"} for g in optimizer.param_groups] == groups
    assert sorted(vars(optimizer)) == attributes
    assert optimizer.step == step
    assert extra.tolist() == [1.0, 1.0]


def test_a_rate_that_is_a_tensor_stays_the_same_tensor():
    model, optimizer = make("adam_tensor_lr")
    rate = optimizer.param_groups[0]["lr"]
    with preserved(model, optimizer):
        sweep_with("success", model, optimizer, loader())
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == pytest.approx(0.01)


@pytest.mark.parametrize("used", [False, True])
def test_the_scaler_is_put_back(used):
    model, optimizer = make()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**5, growth_interval=2)
    source = loader()
    if used:
        sweep_with("success", model, optimizer, source, scaler)
    before = state(model, optimizer, source, scaler)
    with preserved(model, optimizer, scaler=scaler, loader=source):
        sweep_with("success", model, optimizer, source, scaler)
        assert scaler.get_scale() > 2.0**5
    assert same(before, state(model, optimizer, source, scaler))


def test_every_random_stream_goes_on_where_it_was():
    model, optimizer = make()
    source = loader()

    def draw():
        return [random.random(), np.random.rand(), torch.rand(()).item(), *[y.tolist() for _, y in source]]

    before = state(model, optimizer, source)
    expected = draw()
    random.setstate(before["random"][0])
    torch.set_rng_state(before["random"][1])
    np.random.set_state(tuple(before["numpy"]))
    source.generator.set_state(before["loader"])
    with preserved(model, optimizer, loader=source):
        assert draw() == expected
        draw()
    assert draw() == expected


@pytest.mark.parametrize("where", ["sampler", "batch_sampler"])
def test_the_generator_of_a_sampler_is_found(where):
    generator = torch.Generator().manual_seed(1)
    sampler = torch.utils.data.RandomSampler(data(), generator=generator)
    if where == "sampler":
        source = DataLoader(data(), batch_size=8, sampler=sampler)
    else:
        source = DataLoader(data(), batch_sampler=torch.utils.data.BatchSampler(sampler, 8, drop_last=False))
    model, optimizer = make()
    before = generator.get_state()
    with preserved(model, optimizer, loader=source):
        list(source)
        assert not torch.equal(generator.get_state(), before)
    assert torch.equal(generator.get_state(), before)


def test_a_buffer_made_during_the_sweep_is_gone_and_one_deleted_is_back():
    model, optimizer = make()
    with preserved(model, optimizer):
        model.register_buffer("new", torch.ones(1))
        del model.calls
    assert "new" not in model._buffers
    assert model.calls.item() == 0.0


def test_a_buffer_whose_memory_overlaps_itself_is_no_obstacle():
    model, optimizer = make()
    model.register_buffer("positions", torch.arange(3).expand(4, 3))
    before = state(model, optimizer)
    with preserved(model, optimizer):
        train(model, optimizer, endless(loader()), 2)
    assert same(before, state(model, optimizer))


def test_a_buffer_that_grew_in_place_is_put_back():
    model, optimizer = make()
    model.register_buffer("cache", torch.ones(2))
    with preserved(model, optimizer):
        model.cache.resize_(5).fill_(3.0)
        train(model, optimizer, endless(loader()), 1)
    assert model.cache.tolist() == [1.0, 1.0]
    assert model.calls.item() == 0.0


def test_a_parameter_that_is_shared_is_put_back():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = model[0].weight.detach().clone()
    with preserved(model, optimizer):
        model(torch.ones(2, 3)).sum().backward()
        optimizer.step()
        assert not torch.equal(model[0].weight, before)
    assert torch.equal(model[0].weight, before)
    assert model[1].weight is model[0].weight
    assert model[0].weight.grad is None


def test_a_group_added_during_the_sweep_does_not_keep_the_rest_from_being_put_back():
    model, optimizer = make("adam")
    torch_state = torch.get_rng_state()
    before = state(model, optimizer)
    with preserved(model, optimizer):
        torch.rand(3)
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))]})
        train(model, optimizer, endless(loader()), 1)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert same(before, state(model, optimizer))


def test_a_snapshot_can_be_put_back_more_than_once():
    model, optimizer = make("adam")
    train(model, optimizer, endless(loader()), 3)
    before = state(model, optimizer)
    snapshot = Snapshot(model, optimizer)
    for _ in range(2):
        train(model, optimizer, endless(loader()), 3)
        assert not same(before, state(model, optimizer))
        snapshot.restore()
        assert same(before, state(model, optimizer))


def test_a_lazy_module_is_refused_with_what_to_do():
    model = nn.Sequential(nn.LazyLinear(3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ModelError, match=r"lazy module.*call it once on a batch"):
        Snapshot(model, optimizer)
