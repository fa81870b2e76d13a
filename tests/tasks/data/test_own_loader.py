"""A DataLoader in batches of another size, and the samples behind it, for compare's batch sizes."""

from itertools import chain

import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from lrfind import range_test, refine, verify
from lrfind.errors import UserError
from lrfind.tasks.data.dataset import wrap
from lrfind.tasks.data.loader import make_batches
from lrfind.tasks.data.own_loader import rebatched, samples_behind


class Numbers(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        return torch.tensor([float(index)]), index


class Stream(IterableDataset):
    def __iter__(self):
        return iter([(torch.tensor([float(index)]), index) for index in range(12)])


def negated(samples):
    inputs, labels = torch.utils.data.default_collate(samples)
    return -inputs, labels


TENSORS = TensorDataset(torch.arange(12.0).unsqueeze(1), torch.arange(12))


@pytest.mark.parametrize("samples", [Numbers(), Stream(), TENSORS], ids=["map", "stream", "tensors"])
@pytest.mark.parametrize("collate", [None, negated])
@pytest.mark.parametrize("size", [3, 6])
def test_its_samples_come_in_batches_of_any_size_by_its_collator(samples, collate, size):
    behind = samples_behind(wrap(DataLoader(samples, batch_size=4, collate_fn=collate), "mine"))
    loaders = make_batches(behind, batch_size=size, seed=0, device=torch.device("cpu"), num_workers=0)
    drawn = [next(loaders.batches) for _ in range(12 // size)]
    loaders.close()
    assert all(len(labels) == size for _, labels in drawn)
    assert sorted(label for _, labels in drawn for label in labels.tolist()) == list(range(12))
    sign = 1 if collate is None else -1
    assert all(torch.equal(inputs[:, 0], sign * labels) for inputs, labels in drawn)


class OwnLoader(DataLoader):
    pass


@pytest.mark.parametrize(
    "loader",
    [
        OwnLoader(Numbers(), batch_size=4),
        DataLoader(Numbers(), batch_size=4, sampler=WeightedRandomSampler([1.0] * 12, 12)),
        DataLoader(Numbers(), batch_size=4, sampler=torch.utils.data.RandomSampler(Numbers(), num_samples=4)),
        DataLoader(
            Numbers(), batch_sampler=BatchSampler(WeightedRandomSampler([1.0] * 12, 12), 4, drop_last=False)
        ),
        DataLoader(Numbers(), sampler=BatchSampler(SequentialSampler(Numbers()), 4, False), batch_size=None),
        [(torch.zeros(1, 1), torch.zeros(1))],
    ],
    ids=["class of its own", "weights", "a part", "batches of weights", "batches by a sampler", "batches"],
)
def test_a_loader_that_draws_in_a_way_of_its_own_is_left_alone(loader):
    assert samples_behind(wrap(loader, "mine")) is None


def labels(loader):
    return [batch[1].tolist() for batch in loader]


def test_a_loader_of_another_batch_size_draws_as_the_first_one_does():
    loader = DataLoader(Numbers(), batch_size=4, collate_fn=negated, drop_last=True, timeout=0)
    made = rebatched(loader, 5)
    assert labels(made) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert made.collate_fn is negated
    generator = torch.Generator().manual_seed(3)
    loader = DataLoader(Numbers(), batch_size=4, shuffle=True, generator=generator)
    order = [*chain(*labels(loader))]
    generator.manual_seed(3)
    assert [*chain(*labels(rebatched(loader, 3)))] == order
    weighted = DataLoader(Numbers(), sampler=WeightedRandomSampler([0.0] * 11 + [1.0], 6))
    assert labels(rebatched(weighted, 3)) == [[11, 11, 11], [11, 11, 11]]
    assert labels(rebatched(DataLoader(Stream(), batch_size=4), 6)) == [list(range(6)), list(range(6, 12))]


def test_a_loader_of_that_batch_size_stays_itself():
    loader = OwnLoader(Numbers(), batch_size=4)
    assert rebatched(loader, 4) is loader


MAKES_BATCHES = DataLoader(
    Numbers(), sampler=BatchSampler(SequentialSampler(Numbers()), 4, False), batch_size=None
)
NOT_REBUILT = pytest.mark.parametrize(
    ("loader", "why"),
    [
        (OwnLoader(Numbers(), batch_size=4), r"is a DataLoader of a class of its own \(OwnLoader\)"),
        (MAKES_BATCHES, "whose batches a sampler of its own, or its data set, puts together"),
        ([(torch.zeros(1, 1), torch.zeros(1))], "gives batches as they are, and is no DataLoader of torch"),
        (
            DataLoader(TENSORS, sampler=WeightedRandomSampler([1.0] * 12, 2)),
            "draws 2 samples an epoch, and a batch cannot hold more: 2 is the most",
        ),
    ],
    ids=["class of its own", "batches by a sampler", "batches", "too few samples"],
)


@NOT_REBUILT
def test_what_cannot_be_rebuilt_says_why(loader, why):
    with pytest.raises(ValueError, match=why):
        rebatched(loader, 3)


@NOT_REBUILT
@pytest.mark.parametrize("function", [range_test, refine, verify])
def test_python_functions_say_that_a_batch_size_cannot_be_had(loader, why, function):
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    held_out = [loader] if function is verify else []
    with pytest.raises(UserError, match=f"batch_size=3 cannot be had: the loader .*{why}"):
        function(model, optimizer, torch.nn.MSELoss(), loader, *held_out, batch_size=3)
    with pytest.raises(UserError, match="batch_size must be a whole number of at least 1, or None, got 0"):
        function(model, optimizer, torch.nn.MSELoss(), loader, *held_out, batch_size=0)


def test_python_functions_train_on_batches_of_the_size_given():
    """With a rate that changes nothing the loss of a step is that of its batch alone: a closed form."""
    loader = DataLoader(TENSORS, batch_size=2)
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)

    def loss(outputs, target):
        return (outputs[:, 0] + target).mean()

    found = range_test(
        model, optimizer, loss, loader, batch_size=4, start_lr=1e-30, end_lr=1e-29, num_steps=3, paired=False,
        repeats=1,
    )  # fmt: skip
    assert found.losses.tolist() == [1.5, 5.5, 9.5]
    assert "batch size 4" in found.title
    assert found.content["config"]["range_test"]["batch_size"] == 4
    segments = [{"start": 1e-30, "stop": 1e-29, "step": 9e-30, "iterations": 3}]
    rounds = refine(model, optimizer, loss, loader, batch_size=6, segments=segments, rounds=1).rounds
    assert rounds[0].tracks[0].losses[0] == (2.5, 8.5, 2.5)


MODULE = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

def samples():
    x = torch.randn(160, 4, generator=torch.Generator().manual_seed(0))
    return TensorDataset(x, (x.sum(1) > 0).long())

def loader(batch_size=8):
    return DataLoader(samples(), batch_size=batch_size, shuffle=True)

def weighted():
    return DataLoader(samples(), batch_size=8, sampler=WeightedRandomSampler([1.0] * 160, 160))

def batches():
    return [(x.repeat(8, 1), y.repeat(8)) for x, y in samples()]

def net():
    return nn.Linear(4, 2)

class Meets(nn.Linear):
    # Wants so many samples a batch.
    def __init__(self, size):
        super().__init__(4, 2)
        self.size = size
    def forward(self, x):
        if len(x) != self.size:
            raise ValueError(f"a batch of {len(x)}")
        return super().forward(x)
"""

WORDS = ("compare", "model=custom", "model._target_=lod.net", "data=custom", "trust=[lod]")
SHORT = ("compare.lrs=[0.1,0.3]", "compare.samples=640", "compare.seeds=1", "compare.held_out=32")


def test_compare_tries_batch_sizes_on_a_loader(lrfind, own):
    own("lod", MODULE)
    ran = lrfind(*WORDS, *SHORT, "data._target_=lod.loader", "compare.batch_sizes=[16,32]")
    assert ran.code == 0, ran.err
    assert {row["batch_size"] for row in ran.rows} == {"16", "32"}
    ran = lrfind(*WORDS, *SHORT, "data._target_=lod.weighted", "compare.batch_sizes=[16,32]")
    assert ran.code == 2
    assert "is no plain DataLoader, whose samples could be put together otherwise" in ran.err


RANGE = (
    *("model=custom", "model._target_=lod.Meets", "data=custom", "trust=[lod]"),
    *("range.num_steps=12", "range.repeats=1"),
)


def test_a_loader_whose_batches_are_larger_than_its_data_is_warned_of_with_the_size_that_counts(lrfind, own):
    own("lod", MODULE)
    words = (*RANGE, "data._target_=lod.loader", "+model.size=160")  # all there are
    ran = lrfind(*words, "+data.batch_size=9999")
    assert ran.code in (0, 3), ran.err
    assert "on these 160" in " ".join(ran.record["warnings"])
    assert ran.err.count("asks for batches of 9999 and draws") == 1
    refused = lrfind(*words, "batch_size=9999", folder="refused")
    assert refused.code == 2
    assert "batch_size=9999 cannot be had: data=DataLoader draws" in refused.err


def test_the_command_takes_a_batch_size_for_a_loader_and_else_that_of_the_loader(lrfind, own):
    own("lod", MODULE)
    for name, words, size, asked in [
        ("weighted", (), 8, None),
        ("weighted", ("batch_size=32",), 32, 32),
        ("loader", ("batch_size=8",), 8, 8),
        ("samples", (), 64, None),
        ("samples", ("batch_size=16",), 16, 16),
    ]:
        ran = lrfind(*RANGE, f"data._target_=lod.{name}", *words, f"+model.size={size}")
        assert ran.code in (0, 3), ran.err
        assert ran.record["config"]["batch_size"] == asked


@pytest.mark.parametrize("command", ["range", "refine", "verify"])
def test_the_command_says_that_a_batch_size_cannot_be_had(lrfind, own, command):
    own("lod", MODULE)
    ran = lrfind(command, *WORDS[1:], "data._target_=lod.batches", "batch_size=32")
    assert ran.code == 2
    assert "batch_size=32 cannot be had: data=list gives batches as they are, and is no DataLoader" in ran.err
    assert "leave batch_size out" in ran.err
