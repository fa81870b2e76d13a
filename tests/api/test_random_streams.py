"""To read held-out batches leaves the random streams, and what is found, as they would be without."""

import random
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from lrfind import compare, policies, range_test, refine, try_policies, verify

SCHEDULES = [policies.schedule(name, lr=0.1, num_steps=4) for name in ("fixed", "cosine")]
FUNCTIONS = {
    "verify": lambda *given, held_out: verify(*given, held_out, around=0.1, steps=4, seeds=1),
    "compare": lambda *given, held_out: compare(
        *given, held_out, lrs=[0.05, 0.1], samples=32, readings=2, seeds=1
    ),
    "try_policies": lambda *given, held_out: try_policies(*given, held_out, SCHEDULES, seeds=1),
    "range_test": lambda *given, held_out: range_test(*given, num_steps=10, repeats=1, validation=held_out),
    "refine": lambda *given, held_out: refine(*given, around_lr=0.1, rounds=1, read=held_out),
}


class Noisy(TensorDataset):
    """Draws from the streams of Python and NumPy at every sample, and from a generator of its own."""

    def __init__(self, *tensors):
        super().__init__(*tensors)
        self.own = np.random.default_rng(0)

    def __getitem__(self, index):
        random.random()
        np.random.rand()
        self.own.random()
        return super().__getitem__(index)


def objects():
    torch.manual_seed(0)
    x = torch.randn(64, 3)
    y = x @ torch.tensor([[1.0], [-2.0], [0.5]]) + 0.3 * torch.randn(64, 1)
    model = nn.Linear(3, 1)
    loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True)
    return (model, torch.optim.SGD(model.parameters(), lr=0.1), nn.MSELoss(), loader), Noisy(x, y)


def streams(generator, samples):
    own = [generator.get_state().tolist(), samples.own.bit_generator.state]
    return torch.get_rng_state().tolist(), random.getstate(), repr(np.random.get_state()), own


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_loader_of_held_out_batches_leaves_every_stream_where_it_was(name, shuffle):
    given, samples = objects()
    generator = torch.Generator().manual_seed(3)
    held_out = DataLoader(samples, batch_size=32, shuffle=shuffle, generator=generator if shuffle else None)
    before = streams(generator, samples)
    FUNCTIONS[name](*given, held_out=held_out)
    assert streams(generator, samples) == before


def test_streams_are_put_back_where_the_held_out_batches_cannot_be_read():
    given, samples = objects()

    def broken():
        yield next(iter(DataLoader(samples, batch_size=32)))
        raise OSError("the disk is gone")

    before = torch.get_rng_state()
    with pytest.raises(OSError, match="the disk is gone"):
        FUNCTIONS["verify"](*given, held_out=broken())
    assert torch.equal(torch.get_rng_state(), before)


def test_to_ask_a_loader_for_the_size_of_its_batches_leaves_its_order_where_it_was():
    (*given, loader), samples = objects()
    generator = torch.Generator().manual_seed(3)
    order = BatchSampler(RandomSampler(loader.dataset, generator=generator), 8, drop_last=False)
    held_out = [samples[:]]
    before = streams(generator, samples)
    FUNCTIONS["compare"](*given, DataLoader(loader.dataset, batch_sampler=order), held_out=held_out)
    assert streams(generator, samples) == before


def test_the_range_test_within_verify_is_that_of_range_test_on_the_same_objects():
    given, samples = objects()
    alone = range_test(*given)
    given, samples = objects()
    within = verify(*given, DataLoader(samples, batch_size=32), steps=4, seeds=1)
    assert within.content["rules"] == alone.rules
    assert within.content["checked"]["lr"] == alone.suggestion.lr


def test_the_losses_are_the_same_from_a_loader_as_from_a_list_of_held_out_batches():
    ended = []
    for as_held_out in (lambda samples: [samples[:]], partial(DataLoader, batch_size=64)):
        given, samples = objects()
        ended.append(FUNCTIONS["verify"](*given, held_out=as_held_out(samples)).content["runs"])
    assert ended[0] == ended[1]
