"""The samples behind a DataLoader: which loaders can be rebuilt, and compare's batch sizes on one."""

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

from lrfind.tasks.data.dataset import wrap
from lrfind.tasks.data.loader import make_batches
from lrfind.tasks.data.own_loader import samples_behind


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
        DataLoader(Numbers(), sampler=BatchSampler(SequentialSampler(Numbers()), 4, False), batch_size=None),
        [(torch.zeros(1, 1), torch.zeros(1))],
    ],
    ids=["class of its own", "weights", "a part", "batches by a sampler", "batches"],
)
def test_a_loader_that_draws_in_a_way_of_its_own_is_left_alone(loader):
    assert samples_behind(wrap(loader, "mine")) is None


MODULE = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

def samples():
    x = torch.randn(160, 4, generator=torch.Generator().manual_seed(0))
    return TensorDataset(x, (x.sum(1) > 0).long())

def loader():
    return DataLoader(samples(), batch_size=8, shuffle=True)

def weighted():
    return DataLoader(samples(), batch_size=8, sampler=WeightedRandomSampler([1.0] * 160, 160))

def net():
    return nn.Linear(4, 2)
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
