"""Endless batches out of every kind of data."""

import itertools
import os
import random
import signal
import time
from collections import namedtuple

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset, get_worker_info

from lrfind.errors import DataError
from lrfind.tasks.data import digits, imagefolder
from lrfind.tasks.data.dataset import Data, Normalisation, wrap
from lrfind.tasks.data.fetching import suitable_workers
from lrfind.tasks.data.images import PictureFolder
from lrfind.tasks.data.loader import make_batches
from lrfind.tasks.data.prefetch import normaliser
from lrfind.training.batch import on_device

CPU = torch.device("cpu")

# Python 3.12 warns of every fork in a process with threads, and torch always has some.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def loaders_of(obj, *, batch_size=4, seed=0, num_workers=None, **options):
    data = obj if isinstance(obj, Data) else wrap(obj, "mine")
    return make_batches(
        data, batch_size=batch_size, seed=seed, device=CPU, num_workers=num_workers, **options
    )


def take(loaders, count):
    return list(itertools.islice(loaders.batches, count))


def numbers(count=10):
    return TensorDataset(torch.arange(count).float().unsqueeze(1), torch.arange(count))


class Numbers(Dataset):
    """Map-style, one sample an index."""

    def __init__(self, count=10):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return torch.tensor([float(index)]), index


class Bad(Numbers):
    """Raises at one index."""

    def __init__(self, error, count=10):
        super().__init__(count)
        self.error = error

    def __getitem__(self, index):
        if index == 3:
            raise self.error
        return super().__getitem__(index)


class TwoArgumentsError(Exception):
    """Pickles, and fails to come back."""

    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


class Stream(IterableDataset):
    """Without a length."""

    def __init__(self, count=10, error_at=None):
        self.count, self.error_at = count, error_at

    def __iter__(self):
        for number in range(self.count):
            if number == self.error_at:
                raise OSError("the line is dead")
            yield torch.tensor([float(number)]), number


# ---- order


@pytest.mark.parametrize("obj", [numbers(), Numbers()])
def test_every_epoch_is_a_new_order_of_whole_batches_without_repetition(obj):
    batches = take(loaders_of(obj), 6)
    epochs = [torch.cat([target for _, target in batches[i : i + 2]]).tolist() for i in (0, 2, 4)]
    for epoch in epochs:
        # 10 samples are two batches of 4; the incomplete third is dropped.
        assert len(set(epoch)) == 8
    assert len({tuple(epoch) for epoch in epochs}) == 3
    for inputs, target in batches:
        assert torch.equal(inputs[:, 0].long(), target)


@pytest.mark.parametrize("obj", [numbers(), Numbers()])
def test_the_same_seed_gives_the_same_batches_and_another_seed_others(obj):
    first, again, other = (
        [target.tolist() for _, target in take(loaders_of(obj, seed=seed), 5)] for seed in (7, 7, 8)
    )
    assert first == again != other


def test_tensors_samples_and_workers_give_the_same_order():
    of_tensors = [target.tolist() for _, target in take(loaders_of(numbers()), 5)]
    for num_workers in (0, 2):
        loaders = loaders_of(Numbers(), num_workers=num_workers)
        assert [target.tolist() for _, target in take(loaders, 5)] == of_tensors
        loaders.close()


@pytest.mark.parametrize("obj", [numbers(), Numbers(), Stream(), [torch.zeros(2, 1)]])
def test_global_random_streams_are_neither_read_nor_moved(obj):
    def states():
        return torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist()

    torch.manual_seed(1)
    before = states()
    first = take(loaders_of(obj), 3)
    assert states() == before
    torch.manual_seed(2)
    for ours, theirs in zip(first, take(loaders_of(obj), 3), strict=True):
        assert torch.equal(ours[0], theirs[0])


@pytest.mark.parametrize("obj", [numbers(), Numbers()])
def test_a_data_set_smaller_than_a_batch_is_refused_with_the_numbers(obj):
    with pytest.raises(
        DataError, match=r"batch_size=11 is more than data=mine can fill: it holds 10 samples\."
    ):
        loaders_of(obj, batch_size=11)
    assert len(take(loaders_of(obj, batch_size=10), 2)) == 2


def test_an_empty_data_set_is_refused():
    with pytest.raises(DataError, match="holds no samples: there is nothing to train on"):
        loaders_of(Numbers(0))


# ---- what a batch is


def test_as_many_tensors_as_the_data_set_has_come_with_a_batch():
    three = TensorDataset(torch.zeros(8, 2), torch.ones(8, 3), torch.arange(8))
    (batch,) = take(loaders_of(three), 1)
    assert [tuple(tensor.shape) for tensor in batch] == [(4, 2), (4, 3), (4,)]


def test_a_subclass_of_tensor_dataset_keeps_its_own_getitem():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            inputs, target = super().__getitem__(index)
            return 2 * inputs, target

    ((inputs, target),) = take(loaders_of(Doubled(*numbers().tensors)), 1)
    assert torch.equal(inputs[:, 0], 2.0 * target)


class Tables(Numbers):
    def __getitem__(self, index):
        return {"x": torch.tensor([float(index)]), "deep": {"y": index, "name": str(index)}}


def test_samples_in_a_dict_make_a_dict_of_batches():
    (batch,) = take(loaders_of(Tables()), 1)
    assert batch["x"].shape == (4, 1)
    assert batch["deep"]["y"].tolist() == [int(name) for name in batch["deep"]["name"]]


def test_every_shape_of_batch_moves_to_the_device():
    pair = namedtuple("Pair", "x y")
    meta = torch.device("meta")
    tensor = torch.zeros(2)
    moved = on_device({"a": tensor, "b": [tensor, (tensor, "text")], "c": pair(tensor, 3), "d": None}, meta)
    assert moved["a"].device == moved["b"][0].device == moved["b"][1][0].device == moved["c"].x.device == meta
    assert (moved["b"][1][1], moved["c"].y, moved["d"]) == ("text", 3, None)
    assert isinstance(moved["c"], pair)


# ---- normalisation


@pytest.mark.parametrize(
    ("channels", "mean", "std"),
    [
        (1, (0.5,), (0.25,)),
        (1, (0.1,) * 3, (0.3,) * 3),
        (3, (0.1, 0.2, 0.3), (0.3, 0.4, 0.5)),
        (1, (0.1, 0.2), (0.3, 0.4)),
    ],
)
def test_pictures_are_normalised_as_the_formula_says(channels, mean, std):
    raw = torch.randint(
        0, 256, (4, channels, 5, 6), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    kept = raw.clone()
    images, target = normaliser(Normalisation(1 / 255, mean, std), CPU)((raw, torch.arange(4)))
    wide = torch.tensor(mean).view(-1, 1, 1), torch.tensor(std).view(-1, 1, 1)
    expected = (raw.double() / 255 - wide[0]) / wide[1]
    assert images.dtype == torch.float32
    assert images.is_contiguous()
    torch.testing.assert_close(images.double(), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(raw, kept)
    assert target.tolist() == [0, 1, 2, 3]


def test_digits_arrive_normalised_with_their_channel():
    ((inputs, target),) = take(loaders_of(digits(), batch_size=1797), 1)
    assert inputs.shape == (1797, 1, 8, 8)
    assert abs(float(inputs.mean())) < 1e-3
    assert abs(float(inputs.std()) - 1) < 1e-3
    assert target.dtype == torch.int64


def test_a_strangers_tensors_are_left_as_they_are():
    raw = torch.arange(8, dtype=torch.uint8).view(8, 1)
    ((inputs,),) = take(loaders_of(TensorDataset(raw)), 1)
    assert inputs.dtype == torch.uint8


# ---- streams, loaders and iterables


@pytest.mark.parametrize(
    "obj",
    [
        Stream(),
        DataLoader(Numbers(), batch_size=4, drop_last=True),
        [
            (torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.arange(4)),
            (torch.zeros(4, 1), torch.arange(4, 8)),
        ],
    ],
)
def test_what_ends_begins_again(obj):
    targets = [target.tolist() for _, target in take(loaders_of(obj), 5)]
    assert targets == [[0, 1, 2, 3], [4, 5, 6, 7]] * 2 + [[0, 1, 2, 3]]


def test_a_data_loader_keeps_its_own_batch_size_and_incomplete_batch():
    loaders = loaders_of(DataLoader(Numbers(5), batch_size=3), batch_size=64)
    assert [len(target) for _, target in take(loaders, 4)] == [3, 2, 3, 2]


def test_an_iterator_that_cannot_begin_again_says_after_how_many_batches_it_ended():
    loaders = loaders_of(torch.zeros(2, 1) for _ in range(3))
    assert len(take(loaders, 3)) == 3
    with pytest.raises(DataError, match="data=mine ended after 3 batches"):
        next(loaders.batches)


@pytest.mark.parametrize(
    "obj", [[], iter([]), Stream(0), Stream(3), DataLoader(Numbers(3), batch_size=4, drop_last=True)]
)
def test_what_gives_no_batch_is_refused(obj):
    with pytest.raises(DataError, match="data=mine gave no batch at all"):
        next(loaders_of(obj).batches)


def test_a_stream_too_short_for_a_batch_hears_of_the_batch_size():
    with pytest.raises(DataError, match="A batch takes batch_size=4 samples"):
        next(loaders_of(Stream(3)).batches)


# ---- failures


@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize("error", [KeyError("no such\nlabel"), TwoArgumentsError("one", "two")])
def test_an_exception_in_a_strangers_data_set_is_told_in_one_paragraph(num_workers, error):
    loaders = loaders_of(Bad(error), num_workers=num_workers)
    with pytest.raises(
        DataError, match=f"data: the data set raised {type(error).__name__}: .*(label|two)"
    ) as caught:
        take(loaders, 3)
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    if num_workers == 0 or isinstance(error, KeyError):
        assert isinstance(caught.value.__cause__, (KeyError, TwoArgumentsError)) or num_workers == 0
    loaders.close()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_our_own_error_comes_out_of_a_worker_as_it_was(num_workers):
    loaders = loaders_of(Bad(DataError("data.root: it is the third.")), num_workers=num_workers)
    with pytest.raises(DataError, match=r"^data\.root: it is the third\.$"):
        take(loaders, 3)
    loaders.close()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_stream_that_breaks_is_told(num_workers):
    loaders = loaders_of(Stream(error_at=6), num_workers=num_workers)
    next(loaders.batches)
    with pytest.raises(DataError, match="data: the data set raised OSError: the line is dead"):
        next(loaders.batches)
    loaders.close()


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_strangers_loader_that_breaks_is_told_in_one_paragraph(num_workers):
    loaders = loaders_of(DataLoader(Bad(ValueError("bad sample")), batch_size=4, num_workers=num_workers))
    with pytest.raises(DataError, match="data: the data set raised ValueError: bad sample") as caught:
        take(loaders, 1)
    assert "\n" not in str(caught.value)


def test_samples_of_different_shapes_are_told():
    class Ragged(Numbers):
        def __getitem__(self, index):
            return torch.zeros(index + 1)

    match = (
        r"put together as a batch: RuntimeError: stack expects each tensor.*data\.collate_fn=mymodule\.pad"
    )
    with pytest.raises(DataError, match=match):
        take(loaders_of(Ragged()), 1)


def test_a_broken_iter_is_told():
    class Broken:
        def __iter__(self):
            raise ConnectionError("gone")

    with pytest.raises(DataError, match="ConnectionError: gone"):
        take(loaders_of(Broken()), 1)


# ---- validation


@pytest.mark.parametrize("obj", [numbers(12), Numbers(12)])
def test_validation_samples_are_fixed_and_never_trained_on(obj):
    loaders = loaders_of(obj, batch_size=2, validation_samples=5, seed=3)
    held_out = torch.cat([target for _, target in loaders.validation]).tolist()
    assert [len(target) for _, target in loaders.validation] == [2, 2, 1]
    assert len(set(held_out)) == 5
    trained = {int(number) for _, target in take(loaders, 9) for number in target}
    assert trained | set(held_out) <= set(range(12))
    assert not trained & set(held_out)
    again = loaders_of(obj, batch_size=2, validation_samples=5, seed=3)
    assert torch.cat([target for _, target in again.validation]).tolist() == held_out


def test_validation_that_leaves_less_than_a_batch_is_refused():
    with pytest.raises(
        DataError,
        match=r"samples=7 leaves less than one batch of batch_size=4 of the 10 samples .* Choose 6",
    ):
        loaders_of(numbers(), validation_samples=7)


def test_validation_of_a_stream_is_what_was_drawn_first():
    loaders = loaders_of(Stream(16), validation_samples=6)
    assert [target.tolist() for _, target in loaders.validation] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert next(loaders.batches)[1].tolist() == [8, 9, 10, 11]


def test_validation_of_a_plain_loader_is_kept_from_training():
    loaders = loaders_of(DataLoader(Numbers(16), batch_size=4), validation_samples=6)
    apart = torch.cat([target for _, target in loaders.validation]).tolist()
    drawn = torch.cat([next(loaders.batches)[1] for _ in range(6)]).tolist()  # two passes, of 4, 4 and 2
    assert len(apart) == 6
    assert sorted(apart + drawn[:10]) == list(range(16))
    assert drawn[10:] == drawn[:10]


def test_validation_of_pictures_is_normalised_and_none_where_not_asked_for():
    loaders = loaders_of(digits(), validation_samples=4)
    assert loaders.validation[0][0].dtype == torch.float32
    assert loaders_of(digits()).validation is None


# ---- workers


class WhoAmI(Numbers):
    def __getitem__(self, index):
        info = get_worker_info()
        ignores = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        return {
            "worker": -1 if info is None else info.id,
            "pid": os.getpid(),
            "ignores": ignores,
            "random": [random.random(), float(np.random.rand()), float(torch.rand(()))],
        }


def test_workers_ignore_ctrl_c_and_are_seeded_each_by_itself_and_alike_in_every_run():
    def draw():
        loaders = loaders_of(WhoAmI(), num_workers=2)
        drawn = take(loaders, 4)
        loaders.close()
        return drawn

    first, again = draw(), draw()
    assert {int(worker) for batch in first for worker in batch["worker"]} == {0, 1}
    assert all(bool(batch["ignores"].all()) for batch in first)
    for source in range(3):
        values = torch.cat([batch["random"][source] for batch in first])
        assert torch.equal(values, torch.cat([batch["random"][source] for batch in again]))
        assert len(values.unique()) == len(values)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_live_over_epochs_and_end_with_close():
    loaders = loaders_of(WhoAmI(), num_workers=1)
    pids = {int(pid) for batch in take(loaders, 7) for pid in batch["pid"]}
    assert len(pids) == 1
    (pid,) = pids
    assert pid != os.getpid()
    loaders.close()
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(pid)


def test_on_the_cpu_a_strangers_data_set_stays_in_this_process():
    ((batch),) = take(loaders_of(WhoAmI()), 1)
    assert set(batch["pid"].tolist()) == {os.getpid()}


def test_little_shared_memory_means_few_workers(monkeypatch):
    pictures = PictureFolder([], [], [], image_size=100)
    monkeypatch.setattr("lrfind.tasks.data.fetching.num_cores", lambda: 32)
    for shared, expected in ((1 << 40, 16), (40_000_000, 8), (1_000_000, 0)):
        monkeypatch.setattr("lrfind.tasks.data.fetching.shared_bytes", lambda shared=shared: shared)
        # A batch of 40 pictures is 1.2 MB, and a worker has three under way.
        assert suitable_workers(pictures, batch_size=40, device=torch.device("cuda")) == expected


# ---- pictures


@pytest.fixture
def folder(tmp_path):
    for label, name in enumerate("ab"):
        (tmp_path / name).mkdir()
        for number in range(6):
            colour = (20 * number, 100 * label, 0)
            Image.new("RGB", (12, 9), colour).save(tmp_path / name / f"{number}.png")
    return tmp_path


@pytest.mark.parametrize("num_workers", [0, 2])
def test_pictures_arrive_normalised_with_their_labels(folder, num_workers):
    loaders = loaders_of(imagefolder(str(folder), image_size=8), num_workers=num_workers)
    for images, labels in take(loaders, 4):
        assert images.shape == (4, 3, 8, 8)
        assert images.is_contiguous()
        green = images[:, 1] * 0.224 + 0.456
        torch.testing.assert_close(green[:, 0, 0], labels * (100 / 255), atol=1e-5, rtol=0)
    assert loaders.skipped == []
    loaders.close()


def test_pictures_decoded_by_workers_are_there_for_the_next_sweep_in_the_same_order(folder):
    data = imagefolder(str(folder), image_size=8)
    first = loaders_of(data, num_workers=2)
    decoded = take(first, 9)
    first.close()
    assert data.dataset.cached() is not None
    second = take(loaders_of(data), 9)
    for (images, labels), (cached, same) in zip(decoded, second, strict=True):
        assert torch.equal(images, cached)
        assert torch.equal(labels, same)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_skipped_pictures_are_named_once_and_left_out(folder, num_workers):
    bad = [folder / "a" / "1.png", folder / "b" / "4.png"]
    for path in bad:
        path.write_bytes(b"broken")
    loaders = loaders_of(imagefolder(str(folder), image_size=8, on_error="skip"), num_workers=num_workers)
    batches = take(loaders, 9)
    loaders.close()
    assert sorted(loaders.skipped) == [str(path) for path in bad]
    # Three epochs of three whole batches are every sample, less the two that are broken.
    assert sum(len(labels) for _, labels in batches) == 3 * (12 - 2)


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_corrupt_picture_ends_the_run_and_is_named(folder, num_workers):
    (folder / "a" / "1.png").write_bytes(b"broken")
    loaders = loaders_of(imagefolder(str(folder), image_size=8), num_workers=num_workers)
    with pytest.raises(DataError, match=r"a.1\.png cannot be read as a picture.*data\.on_error=skip"):
        take(loaders, 3)
    loaders.close()


@pytest.mark.parametrize("validation_samples", [0, 4])
def test_a_data_set_of_broken_pictures_ends_instead_of_looping(folder, validation_samples):
    for path in folder.rglob("*.png"):
        path.write_bytes(b"broken")
    data = imagefolder(str(folder), image_size=8, on_error="skip")
    with pytest.raises(
        DataError, match=r"data=imagefolder: no picture could be read; \d+ were skipped, the first"
    ):
        take(loaders_of(data, validation_samples=validation_samples), 1)


def test_pictures_set_apart_are_not_trained_on(folder):
    loaders = loaders_of(imagefolder(str(folder), image_size=8), validation_samples=4)
    (held_out,) = loaders.validation
    assert held_out[0].shape == (4, 3, 8, 8)
    kept = {tuple(image[:, 0, 0].tolist()) for image in held_out[0]}
    trained = {tuple(image[:, 0, 0].tolist()) for images, _ in take(loaders, 4) for image in images}
    assert not kept & trained
    loaders.close()


# ---- a device


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", ["tensors", "map", "pictures", "batches"])
def test_a_gpu_gets_the_same_batches_as_the_cpu(folder, kind):
    def source():
        return {
            "tensors": digits,
            "map": Numbers,
            "pictures": lambda: imagefolder(str(folder), image_size=8),
            "batches": lambda: [[torch.zeros(2, 1), torch.ones(2)], [torch.ones(2, 1), torch.ones(2)]],
        }[kind]()

    device = torch.device("cuda", 0)
    data = source() if isinstance(source(), Data) else wrap(source(), "mine")
    there = make_batches(data, batch_size=4, seed=0, device=device, num_workers=None)
    for ours, theirs in zip(take(loaders_of(source()), 5), take(there, 5), strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert other.device == device
            torch.testing.assert_close(one, other.cpu())
    there.close()
