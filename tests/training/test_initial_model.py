"""The model as it was at the start meets the same batch in the same mode, and training does not notice."""

import copy
import random

import numpy as np
import pytest
import torch
from torch import nn

from lrfind.range_test.ladder import geometric
from lrfind.range_test.sweep import SweepOptions, sweep
from lrfind.training.initial_model import InitialModel, initial_model_nbytes
from lrfind.training.objective import Objective
from lrfind.training.optimizer import momentum_of
from lrfind.training.step import StepOptions
from lrfind.training.task import Task

CPU = torch.device("cpu")
LRS = geometric(1e-3, 1.0, 12)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 5, num_layers=2, dropout=0.3), nn.Linear(5, 4)

    def forward(self, x):
        return self.head(self.lstm(x.reshape(-1, 2, 3).transpose(0, 1))[0][-1])


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(6, 6), nn.Linear(6, 6)
        self.two.weight = self.one.weight
        self.head = nn.utils.parametrizations.weight_norm(nn.Linear(6, 4))

    def forward(self, x):
        return self.head(torch.tanh(self.two(torch.tanh(self.one(x)))))


class Counting(nn.Module):
    """Its forward pass puts another tensor in the place of a buffer, and writes into a second one."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 4)
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("total", torch.zeros(4))

    def forward(self, x):
        outputs = self.linear(x)
        self.seen = self.seen + 1
        self.total += outputs.detach().sum(0)
        return outputs + 0.01 * self.seen


MODELS = {
    "mlp": lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)),
    "dropout": lambda: nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 4)),
    "batch norm": lambda: nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4)),
    "recurrent": Recurrent,
    "tied": Tied,
    "buffers": Counting,
}


def batches(seed=0, size=16):
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield torch.randn(size, 6, generator=generator), torch.randint(4, (size,), generator=generator)


def run(make, *, paired, accumulation_steps=1, accuracy=False):
    torch.manual_seed(7)
    model = make()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9)
    objective = Objective(model, nn.functional.cross_entropy, accuracy=accuracy)
    task = Task(objective, optimizer, batches(), CPU, StepOptions(accumulation_steps=accumulation_steps))
    return sweep(task, LRS, options=SweepOptions(paired=paired, stop_factor=None)), model


@pytest.mark.parametrize("name", MODELS)
def test_training_does_not_notice(name):
    alone, model = run(MODELS[name], paired=False)
    after = torch.get_rng_state()
    paired, other = run(MODELS[name], paired=True)
    assert torch.equal(torch.get_rng_state(), after)
    assert np.array_equal(alone.losses, paired.losses)
    for one, two in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    assert alone.start_losses is None


@pytest.mark.parametrize("name", [name for name in MODELS if name != "buffers"])
def test_the_start_loss_is_that_of_a_copy_made_at_the_start(name):
    torch.manual_seed(7)
    model = MODELS[name]()
    reference = copy.deepcopy(model)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    objective = Objective(model, nn.functional.cross_entropy)
    start = InitialModel(objective, optimizer)
    stream = batches(3)
    for step in range(6):
        batch = next(stream)
        measured, _ = start.measure([batch])
        state = torch.get_rng_state()
        expected = nn.functional.cross_entropy(reference(batch[0]), batch[1])
        torch.testing.assert_close(measured, expected.detach())
        torch.set_rng_state(state)
        optimizer.zero_grad()
        loss, _ = objective(batch)
        assert torch.allclose(loss, measured, rtol=1e-6) == (step == 0)
        loss.backward()
        optimizer.step()


def test_both_draw_the_same_dropout():
    # With a rate of next to nothing the two models stay the same, and so must their losses.
    torch.manual_seed(0)
    model = MODELS["dropout"]()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    options = SweepOptions(paired=True)
    lrs = np.full(8, 1e-30)
    objective = Objective(model, nn.functional.cross_entropy)
    curve = sweep(Task(objective, optimizer, batches(), CPU), lrs, options=options)
    assert np.array_equal(curve.losses, curve.start_losses)
    assert len(set(curve.losses)) == 8


def test_accumulated_batches_are_averaged_as_the_loss_is():
    curve, _ = run(MODELS["mlp"], paired=True, accumulation_steps=3)
    assert curve.start_losses[0] == pytest.approx(curve.losses[0], rel=1e-6)
    assert curve.start_losses[-1] != pytest.approx(curve.losses[-1], rel=1e-3)


def test_accuracies_of_the_start_are_measured_where_accuracies_are():
    curve, _ = run(MODELS["mlp"], paired=True, accuracy=True)
    assert curve.start_accuracies[0] == curve.accuracies[0]
    assert curve.start_accuracies.shape == curve.accuracies.shape == (12,)


def test_what_is_frozen_is_not_copied():
    model = nn.Sequential(nn.Linear(6, 100), nn.Linear(100, 4))
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    start = InitialModel(Objective(model, nn.functional.cross_entropy), optimizer)
    assert [tuple(p.shape) for p, _ in start._parameters] == [(4, 100), (4,)]


def test_copies_keep_the_layout_of_weights_that_share_a_storage():
    flat = torch.randn(20)
    model = nn.Module()
    model.one, model.two = nn.Parameter(flat[:8].view(2, 4)), nn.Parameter(flat[8:].view(3, 4).t())
    optimizer = torch.optim.SGD([model.one, model.two], lr=0.1)
    (_, one), (_, two) = InitialModel(Objective(model, None), optimizer)._parameters
    assert one.untyped_storage().data_ptr() == two.untyped_storage().data_ptr() != flat.data_ptr()
    assert torch.equal(one, model.one)
    assert torch.equal(two, model.two)
    assert two.stride() == model.two.stride()


def test_a_model_that_fails_on_a_batch_is_left_as_it_was():
    model = MODELS["batch norm"]()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    start = InitialModel(Objective(model, nn.functional.cross_entropy), optimizer)
    before = {name: (value, value.clone()) for name, value in model.state_dict(keep_vars=True).items()}
    pointers = {name: value.data_ptr() for name, value in model.state_dict(keep_vars=True).items()}
    with pytest.raises(ValueError, match="cannot take a batch"):
        start.measure([(torch.randn(4, 7), torch.zeros(4, dtype=torch.int64))])
    for name, value in model.state_dict(keep_vars=True).items():
        assert value is before[name][0]
        assert value.data_ptr() == pointers[name]
        assert torch.equal(value, before[name][1])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda p: torch.optim.SGD(p, lr=1), 0.0),
        (lambda p: torch.optim.SGD(p, lr=1, momentum=0.8), 0.8),
        (lambda p: torch.optim.Adam(p, betas=(0.7, 0.99)), 0.7),
        (lambda p: torch.optim.AdamW(p), 0.9),
        (lambda p: torch.optim.RMSprop(p), 0.0),
        (lambda p: torch.optim.RMSprop(p, momentum=0.5), 0.5),
        (lambda p: torch.optim.Adagrad(p), 0.0),
    ],
)
def test_momentum_is_read_from_the_optimizer(make, expected):
    optimizer = make([nn.Parameter(torch.zeros(2))])
    assert momentum_of(optimizer) == expected


class Lion(torch.optim.Adam):
    """Of the name and the betas of the one that several libraries have."""


class AdamWScheduleFree(torch.optim.AdamW):
    """Likewise."""


def test_momentum_of_lion_is_that_of_updates_as_old_and_of_schedule_free_there_is_none():
    parameters = [nn.Parameter(torch.zeros(2))]
    # 0.9 of the update is an average of gradients that are 1 / (1 - 0.99) = 100 steps old: 90 = m / (1 - m)
    assert momentum_of(Lion(parameters, betas=(0.9, 0.99))) == pytest.approx(90 / 91)
    assert momentum_of(AdamWScheduleFree(parameters)) == 0.0


def test_of_several_groups_the_largest_momentum_counts():
    one, two = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
    groups = [{"params": [one]}, {"params": [two], "momentum": 0.6}]
    assert momentum_of(torch.optim.SGD(groups, lr=1)) == 0.6


class Drawing(nn.Module):
    """Draws from Python's and NumPy's global streams in its forward pass."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 4)

    def forward(self, x):
        return self.linear(x) * (1 + 0.1 * random.random() + 0.1 * float(np.random.rand()))


def test_both_draw_the_same_from_python_and_numpy():
    random.seed(1)
    np.random.seed(1)
    curve, _ = run(Drawing, paired=True)
    after = random.random(), np.random.rand()
    assert curve.paired
    random.seed(1)
    np.random.seed(1)
    alone, _ = run(Drawing, paired=False)
    assert np.array_equal(curve.losses, alone.losses)
    assert after == (random.random(), np.random.rand())


class Halving(nn.Module):
    """Changes its input in place."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 4)

    def forward(self, x):
        return self.linear(x.mul_(0.5))


def test_a_model_that_changes_its_input_meets_it_unchanged():
    paired, _ = run(Halving, paired=True)
    alone, _ = run(Halving, paired=False)
    assert np.array_equal(paired.losses, alone.losses)
    assert paired.start_losses[0] == paired.losses[0]


def test_a_batch_that_is_taken_apart_is_whole_for_training():
    def forward(model, batch):
        return nn.functional.cross_entropy(model(batch["x"]), batch.pop("y"))

    torch.manual_seed(0)
    model = MODELS["mlp"]()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    stream = ({"x": x, "y": y} for x, y in batches())
    objective = Objective(model, None, forward=forward)
    curve = sweep(Task(objective, optimizer, stream, CPU), LRS, options=SweepOptions(paired=True))
    assert curve.paired
    assert len(curve) == len(LRS)


class Teacher(nn.Module):
    """Follows its own weights with a slow copy that no optimizer moves."""

    def __init__(self):
        super().__init__()
        self.linear, self.slow = nn.Linear(6, 4), nn.Linear(6, 4).requires_grad_(False)

    def forward(self, x):
        with torch.no_grad():
            self.slow.weight.lerp_(self.linear.weight, 0.1)
        return self.linear(x) + self.slow(x)


def test_what_a_forward_pass_writes_to_is_kept_apart_from_the_second_step_on():
    torch.manual_seed(7)
    model = Teacher()
    optimizer = torch.optim.SGD(model.linear.parameters(), lr=0.1)
    start = InitialModel(Objective(model, nn.functional.cross_entropy), optimizer)
    stream = batches()
    start.measure([next(stream)])
    slow = model.slow.weight.clone()
    start.measure([next(stream)])
    assert torch.equal(model.slow.weight, slow)


class Loss(nn.Module):
    """A loss that counts."""

    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, outputs, target):
        self.seen += 1
        return nn.functional.cross_entropy(outputs, target)


def test_buffers_of_the_loss_are_counted_once_and_put_back():
    from lrfind import range_test

    loss = Loss()
    model = MODELS["mlp"]()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    objective = Objective(model, loss)
    sweep(Task(objective, optimizer, batches(), CPU), LRS, options=SweepOptions(paired=True))
    assert loss.seen == len(LRS)
    data = [batch for batch, _ in zip(batches(), range(20), strict=False)]
    range_test(model, optimizer, loss, data, num_steps=12)
    assert loss.seen == len(LRS)


def test_momentum_is_read_from_a_tensor_and_not_from_groups_that_train_nothing():
    one, frozen = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2), requires_grad=False)
    adam = torch.optim.Adam([one], betas=(torch.tensor(0.7), torch.tensor(0.99)), foreach=False)
    assert momentum_of(adam) == pytest.approx(0.7)
    groups = [{"params": [one]}, {"params": [frozen], "momentum": 0.99}]
    assert momentum_of(torch.optim.SGD(groups, lr=1)) == 0.0


def held_nbytes(control):
    """Bytes of the tensors that a control keeps, each storage once."""
    tensors = [copy for _, copy in control._parameters] + [copy for _, _, copy in control._buffers]
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("frozen", [False, True])
def test_the_memory_that_it_takes_is_known_before_it_is_made(name, frozen):
    model = MODELS[name]()
    if frozen:
        next(model.parameters()).requires_grad_(False)
    trained = [p for p in model.parameters() if p.requires_grad]
    objective = Objective(model, nn.CrossEntropyLoss(weight=torch.ones(4)))
    optimizer = torch.optim.SGD(trained, lr=0.1)
    told = initial_model_nbytes(objective, optimizer)
    assert told == held_nbytes(InitialModel(objective, optimizer)) > 0


def test_of_a_linear_layer_it_takes_its_weights_and_of_the_frozen_ones_nothing():
    model = nn.Sequential(nn.Linear(10, 20), nn.BatchNorm1d(20), nn.Linear(20, 3))
    optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)
    head, running = 4 * (20 * 3 + 3), 4 * 2 * 20 + 8
    assert initial_model_nbytes(Objective(model, nn.MSELoss()), optimizer) == head + running
