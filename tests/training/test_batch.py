"""Batches of any make: again and again, on the device, counted."""

import collections
from collections import OrderedDict

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from lrfind.errors import DataError
from lrfind.training.batch import endless, num_samples, on_device

Pair = collections.namedtuple("Pair", ["inputs", "target"])


def take(batches, num):
    return [next(batches) for _ in range(num)]


def test_a_loader_starts_again_when_it_ends():
    assert take(endless([1, 2, 3]), 8) == [1, 2, 3, 1, 2, 3, 1, 2]


def test_a_shuffled_loader_gives_each_sample_once_an_epoch():
    loader = DataLoader(TensorDataset(torch.arange(10)), batch_size=5, shuffle=True)
    batches = endless(loader)
    for _ in range(3):
        assert sorted(torch.cat([batch[0] for batch in take(batches, 2)]).tolist()) == list(range(10))


@pytest.mark.parametrize(
    "empty", [[], (), iter([]), DataLoader(TensorDataset(torch.arange(3)), 5, drop_last=True)]
)
def test_a_loader_without_a_batch_is_refused(empty):
    with pytest.raises(DataError, match="the loader gave no batch at all"):
        next(endless(empty))


def test_a_generator_that_ended_cannot_start_again():
    batches = endless(i for i in range(3))
    assert take(batches, 3) == [0, 1, 2]
    with pytest.raises(DataError, match="the loader ended after 3 batches and gave nothing"):
        next(batches)


def test_a_batch_that_is_false_or_none_is_a_batch():
    assert take(endless([None, 0, ""]), 4) == [None, 0, "", None]


META = torch.device("meta")


@pytest.mark.parametrize(
    "batch",
    [
        (torch.zeros(2), torch.ones(2)),
        [torch.zeros(2), [torch.ones(2)]],
        {"x": torch.zeros(2), "deep": {"y": (torch.ones(2),)}},
        OrderedDict(x=torch.zeros(2)),
        Pair(torch.zeros(2), torch.ones(2)),
    ],
)
def test_every_tensor_is_moved_and_every_container_keeps_its_type(batch):
    def check(old, new):
        assert type(old) is type(new)
        if isinstance(old, torch.Tensor):
            assert new.device == META
            return
        items = zip(
            old.values() if hasattr(old, "values") else old,
            new.values() if hasattr(new, "values") else new,
            strict=True,
        )
        for one, other in items:
            check(one, other)
        if hasattr(old, "keys"):
            assert list(old) == list(new)

    check(batch, on_device(batch, META))


def test_a_mapping_that_makes_missing_keys_can_be_moved():
    batch = collections.defaultdict(list, x=torch.zeros(2))
    assert on_device(batch, META)["x"].device == META


def test_what_is_no_tensor_is_left_alone():
    batch = ("name", 3, None)
    assert on_device(batch, META) == batch


def test_a_packed_sequence_can_be_moved():
    packed = torch.nn.utils.rnn.pack_sequence([torch.zeros(3, 2), torch.zeros(2, 2)])
    moved = on_device(packed, torch.device("cpu"))
    assert torch.equal(moved.batch_sizes, packed.batch_sizes)


@pytest.mark.parametrize(
    ("batch", "size"),
    [
        (torch.zeros(4, 2), 4),
        (torch.tensor(1.0), 1),
        ((torch.zeros(4, 2), torch.zeros(4)), 4),
        ([[torch.zeros(5, 2)], torch.zeros(5)], 5),
        ({"ids": torch.zeros(6, 2), "mask": torch.zeros(6, 2)}, 6),
        ({"text": ["a", "b", "c"], "target": torch.zeros(3)}, 3),
        ((("a", "b", "c"), torch.zeros(3)), 3),
        ((7, torch.zeros(3)), 3),
        ("text", 1),
        ((), 1),
    ],
)
def test_a_batch_holds_as_many_samples_as_its_first_tensor_is_long(batch, size):
    assert num_samples(batch) == size
