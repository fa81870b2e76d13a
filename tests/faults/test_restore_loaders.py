"""Whatever batches and losses come from: training goes on after a range test as if there had been none."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, Dataset, IterableDataset, RandomSampler, Sampler

SIZE, INPUTS, CLASSES, BATCH = 48, 5, 3, 8


def mlp():
    return nn.Sequential(nn.Linear(INPUTS, 8), nn.Dropout(0.2), nn.Linear(8, CLASSES))


def momentum(model):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


class Points(Dataset):
    """Fixed points, changed by whatever `augment` draws."""

    def __init__(self, augment=None):
        generator = torch.Generator().manual_seed(3)
        self.x = torch.randn(SIZE, INPUTS, generator=generator)
        self.y = torch.randint(0, CLASSES, (SIZE,), generator=generator)
        self.augment = augment

    def __len__(self):
        return SIZE

    def __getitem__(self, index):
        x = self.x[index]
        return (x if self.augment is None else self.augment(x)), self.y[index]


class Jitter:
    def __init__(self):
        self.dice = random.Random(2)

    def __call__(self, x):
        return x + self.dice.random()


class Chain:
    def __init__(self, *steps):
        self.steps = list(steps)

    def __call__(self, x):
        for step in self.steps:
            x = step(x)
        return x


class DrawsItself(Points):
    def __init__(self):
        super().__init__()
        self.rng = np.random.default_rng(1)

    def __getitem__(self, index):
        x, y = super().__getitem__(index)
        return x + float(self.rng.normal()), y


class Stream(IterableDataset):
    def __init__(self):
        self.points, self.rng = Points(), np.random.RandomState(3)

    def __iter__(self):
        for _ in range(SIZE):
            yield self.points[int(self.rng.randint(SIZE))]


class ByEpoch(Sampler):
    """Shuffles by a counter of its own."""

    def __init__(self):
        self.epoch = 0

    def __len__(self):
        return SIZE

    def __iter__(self):
        self.epoch += 1
        return iter(np.random.default_rng(self.epoch).permutation(SIZE).tolist())


class InPlace:
    """A loader written by hand, which shuffles what it shuffled before."""

    def __init__(self, order):
        self.points, self.order, self.dice = Points(), order, np.random.default_rng(5)
        self.passes = 0

    def __iter__(self):
        self.dice.shuffle(self.order)
        self.passes += 1
        for begin in range(0, SIZE, BATCH):
            index = torch.as_tensor(np.asarray(self.order[begin : begin + BATCH]))
            yield self.points.x[index] * self.passes, self.points.y[index]


def collating():
    generator = torch.Generator().manual_seed(4)

    def collate(samples):
        x, y = torch.utils.data.default_collate(samples)
        return x + torch.randn(x.shape, generator=generator), y

    return DataLoader(Points(), batch_size=BATCH, collate_fn=collate)


def drawing(dataset=None, **arguments):
    return DataLoader(Points() if dataset is None else dataset, batch_size=BATCH, **arguments)


def seeded():
    return torch.Generator().manual_seed(7)


def sampled():
    return RandomSampler(range(SIZE), generator=seeded())


LOADERS = {
    "global_stream": lambda: drawing(shuffle=True),
    "generator": lambda: drawing(shuffle=True, generator=seeded()),
    "sampler": lambda: drawing(sampler=sampled()),
    "batch_sampler": lambda: DataLoader(
        Points(), batch_sampler=BatchSampler(sampled(), BATCH, drop_last=True)
    ),
    "sampler_by_epoch": lambda: drawing(sampler=ByEpoch()),
    "data_set_draws": lambda: drawing(DrawsItself()),
    "transform_draws": lambda: drawing(Points(Chain(Jitter(), Jitter()))),
    "stream": lambda: drawing(Stream()),
    "collate_draws": collating,
    "array_in_place": lambda: InPlace(np.arange(SIZE)),
    "list_in_place": lambda: InPlace(list(range(SIZE))),
    "lists": lambda: list(drawing()),
}


@pytest.mark.parametrize("name", list(LOADERS))
def test_the_order_goes_on(name, how, warm, differences):
    assert differences(mlp, momentum, how, warm, make_loader=LOADERS[name])[0] == []


class Annealed(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("weight", torch.ones(()))

    def forward(self, outputs, y):
        self.weight.mul_(0.95)
        return self.weight * nn.functional.cross_entropy(outputs, y)


class Counting:
    def __init__(self):
        self.calls = 0

    def __call__(self, outputs, y):
        self.calls += 1
        return nn.functional.cross_entropy(outputs, y) / self.calls


def noisy_loss():
    generator = np.random.default_rng(1)
    return lambda outputs, y: nn.functional.cross_entropy(outputs, y) * generator.uniform(0.5, 1.5)


@pytest.mark.parametrize("criterion", [Annealed, Counting, noisy_loss])
def test_a_loss_with_a_state_goes_on(criterion, how, warm, differences):
    assert differences(mlp, momentum, how, warm, criterion=criterion)[0] == []


@pytest.mark.slow
def test_worker_processes_begin_as_they_would_have_without_a_test(how, warm, differences):
    def make():
        workers = {"num_workers": 1, "persistent_workers": True, "multiprocessing_context": "fork"}
        return drawing(DrawsItself(), shuffle=True, generator=seeded(), **workers)

    if not warm:  # those that run already go on, and are warned of
        assert differences(mlp, momentum, how, warm, make_loader=make)[0] == []
