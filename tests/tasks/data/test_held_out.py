"""Samples set apart, fixed batches to read a loss on, and batches that begin in the middle."""

import itertools
import re

import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from lrfind.adapters.transformers import CountedBatches
from lrfind.errors import ConfigError, DataError
from lrfind.tasks.data import curve
from lrfind.tasks.data.dataset import OF_THE_MODEL, Data, wrap
from lrfind.tasks.data.held_out import fixed_batches, held_out_samples, met_again
from lrfind.tasks.data.loader import make_batches
from lrfind.tasks.losses import HalfMSELoss

CPU = torch.device("cpu")


class Squares(Dataset):
    def __len__(self):
        return 25

    def __getitem__(self, index):
        return torch.tensor([float(index)]), torch.tensor([float(index**2)])


class Stream(IterableDataset):
    def __iter__(self):
        return iter(Squares()[i] for i in range(25))


def tensors(count=25):
    x = torch.arange(float(count))[:, None]
    return TensorDataset(x, x**2)


def inputs(batches):
    return torch.cat([batch[0] for batch in batches]).flatten().tolist()


def read(dataset, samples, batch_size=4):
    return fixed_batches(wrap(dataset, "mine"), samples, batch_size=batch_size, seed=0, device=CPU)


@pytest.mark.parametrize("dataset", [tensors(), Squares(), DataLoader(Squares(), batch_size=4)],
                         ids=["tensors", "map", "loader"])  # fmt: skip
def test_the_whole_set_is_read_the_same_each_time(dataset):
    batches = read(dataset, None)
    assert sorted(inputs(batches)) == list(range(25))
    assert inputs(batches) == inputs(batches)


@pytest.mark.parametrize("dataset", [tensors(), Squares(), DataLoader(Squares(), batch_size=4), Stream()],
                         ids=["tensors", "map", "loader", "stream"])  # fmt: skip
def test_a_subset_is_the_same_each_time(dataset):
    batches = read(dataset, 8)
    assert len(inputs(batches)) == 8
    assert inputs(batches) == inputs(batches)


def test_a_set_without_an_end_cannot_be_read_whole():
    with pytest.raises(DataError, match=r"refine\.read=train needs data whose end is known"):
        read(Stream(), None)


def test_a_subset_larger_than_the_set_is_refused():
    with pytest.raises(DataError, match=r"refine\.subset=26 is more than data=mine holds: 25 samples"):
        read(tensors(), 26)


def test_the_textbooks_set_is_read_in_one_piece():
    (batch,) = fixed_batches(curve(), None, batch_size=10, seed=0, device=CPU)
    assert batch[0].shape == (1000, 1)


def test_half_the_mean_squared_error():
    loss = HalfMSELoss()(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0]))
    assert loss.item() == 0.5 * (1 + 4) / 2


@pytest.mark.parametrize("dataset", [tensors(), tensors(200_000), Squares(), list(DataLoader(Squares(), 4))],
                         ids=["gathered whole", "gathered", "map", "batches"])  # fmt: skip
@pytest.mark.parametrize("skip", [1, 5, 6, 13])
def test_batches_that_are_left_out_change_nothing_after_them(dataset, skip):
    def batches(skip, count):
        loaders = make_batches(
            wrap(dataset, "mine"), batch_size=4, seed=3, device=CPU, num_workers=0, skip=skip
        )
        return [inputs([batch]) for batch in itertools.islice(loaders.batches, count)]

    assert batches(skip, 9) == batches(0, skip + 9)[skip:]


def test_an_epoch_has_as_many_whole_batches_as_fit():
    def per_epoch(dataset):
        return make_batches(wrap(dataset, "mine"), batch_size=4, seed=0, device=CPU, num_workers=0).per_epoch

    assert [per_epoch(d) for d in (tensors(), Squares(), DataLoader(Squares(), 4), Stream())] == [
        6,
        6,
        7,
        None,
    ]


def set_apart(count, asked, batch_size):
    data = Data(tensors(count), name="mine")
    return held_out_samples(data, asked, batch_size=batch_size, key="verify.held_out")


@pytest.mark.parametrize(
    ("count", "asked", "wanted"), [(100, None, 20), (20_000, None, 2000), (100, 7, 7), (100, 0.3, 30)]
)
def test_a_fifth_or_what_is_asked_for_is_set_apart(count, asked, wanted):
    assert set_apart(count, asked, batch_size=10) == wanted


@pytest.mark.parametrize("asked", [None, 7, 0.3])
def test_the_batch_size_that_a_refusal_names_leaves_what_it_says_and_a_larger_one_does_not(asked):
    with pytest.raises(ConfigError, match="leaves none of the 100 samples of data=mine") as caught:
        set_apart(100, asked, batch_size=100)
    largest, left = map(
        int, re.findall(r"A batch size of (\d+) or less leaves (\d+)\.", str(caught.value))[0]
    )
    assert set_apart(100, asked, batch_size=largest) == left == {None: 20, 7: 7, 0.3: 30}[asked]
    if asked is None:
        assert set_apart(100, asked, batch_size=largest + 1) == left - 1
    else:
        with pytest.raises(ConfigError, match=f"verify.held_out={asked:g} leaves less than one batch"):
            set_apart(100, asked, batch_size=largest + 1)


def test_of_one_sample_none_can_be_set_apart():
    with pytest.raises(ConfigError, match=r"leaves none of the 1 samples .* Give more data\."):
        set_apart(1, None, batch_size=1)


def told_apart(loader, asked=None):
    """How many samples are held out of a loader, which they are, and those of an epoch of training."""
    data = wrap(loader, "mine")
    samples = held_out_samples(data, asked, batch_size=10, key="verify.held_out")
    loaders = make_batches(data, batch_size=10, seed=0, device=CPU, num_workers=0, validation_samples=samples)
    epoch = inputs(itertools.islice(loaders.batches, 3 * loaders.per_epoch))
    return samples, inputs(loaders.validation), epoch


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("dataset", [tensors(), Squares()], ids=["tensors", "map"])
@pytest.mark.parametrize(("asked", "wanted"), [(None, 5), (0.2, 5), (7, 7)])
def test_training_never_meets_what_is_held_out_of_a_plain_loader(dataset, shuffle, asked, wanted):
    samples, apart, trained = told_apart(DataLoader(dataset, batch_size=4, shuffle=shuffle), asked)
    assert samples == len(apart) == wanted
    assert set(trained) == set(range(25)) - set(apart)
    assert met_again(wrap(DataLoader(dataset, batch_size=4, shuffle=shuffle), "mine")) is None


def test_the_batches_of_a_trainer_are_set_apart_too_and_every_one_is_read():
    def of_one_step(batches):
        return list(itertools.islice(batches, 2)), 1

    class Named(Squares):
        def __getitem__(self, index):
            return {"x": torch.tensor([float(index)])}

    plain = DataLoader(Named(), batch_sampler=BatchSampler(RandomSampler(Named()), 4, drop_last=False))
    data = wrap(CountedBatches(plain, 2, of_one_step), OF_THE_MODEL)
    assert held_out_samples(data, None, batch_size=1, key="verify.held_out") == 5
    loaders = make_batches(data, batch_size=4, seed=0, device=CPU, num_workers=0, validation_samples=5)
    apart = torch.cat([batch["x"] for batch in loaders.validation]).flatten().tolist()
    trained = [x for b in itertools.islice(loaders.batches, 40) for x in b["x"].flatten().tolist()]
    assert len(apart) == 5
    assert set(trained) == set(range(25)) - set(apart)


def test_of_a_loader_with_a_sampler_of_its_own_whole_batches_are_held_out_at_most_a_fifth():
    loader = DataLoader(Squares(), batch_size=2, sampler=WeightedRandomSampler([1.0] * 25, 25))
    samples, apart, _ = told_apart(loader)
    assert samples == len(apart) == 4
    assert "samples cannot be kept out of data=mine" in met_again(wrap(loader, "mine"))


def test_one_pass_is_the_most_that_is_held_out():
    batches = [(torch.tensor([[float(i)]]), torch.zeros(1, 1)) for i in range(6)]
    samples, apart, trained = told_apart(batches)
    assert (samples, apart) == (512, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0])
    assert trained[:6] == apart  # from the beginning again


def test_more_than_leaves_a_batch_is_refused_of_a_loader_as_well():
    with pytest.raises(ConfigError, match=r"verify\.held_out=22 leaves less than .* Choose 21 or less"):
        told_apart(DataLoader(Squares(), batch_size=4), 22)
    with pytest.raises(DataError, match=r"22 samples set apart leave less .* Set 21 or less apart"):
        make_batches(wrap(DataLoader(Squares(), batch_size=4), "mine"), batch_size=4, seed=0, device=CPU,
                     num_workers=0, validation_samples=22)  # fmt: skip


@pytest.mark.parametrize(
    ("dataset", "named"),
    [
        (CountedBatches(DataLoader(Stream(), 4), 1, None), "of the Trainer's train_dataset nobody knows"),
        (DataLoader(Stream(), 4), "of the data of your LightningModule nobody knows"),
    ],
)
def test_a_share_of_data_of_a_framework_without_a_length_names_what_the_user_knows(dataset, named):
    with pytest.raises(ConfigError, match=named):
        held_out_samples(wrap(dataset, OF_THE_MODEL), 0.2, batch_size=4, key="verify.held_out")
