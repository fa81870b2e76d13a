"""Data sets by name: what they hold, and what is said where they cannot be used."""

import gzip
import math
import struct
import urllib.request
from urllib.error import URLError

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.utils import get_class, get_method
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from lrfind.errors import DataError
from lrfind.tasks import data
from lrfind.tasks.data.dataset import Normalisation, wrap


def write_mnist(root, count=20, folder="MNIST", compress=False):
    raw = root / folder / "raw"
    raw.mkdir(parents=True)
    pixels = bytes(i % 256 for i in range(count * 28 * 28))
    images = struct.pack(">IIII", 2051, count, 28, 28) + pixels
    labels = struct.pack(">II", 2049, count) + bytes(i % 10 for i in range(count))
    for name, content in (("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte", labels)):
        if compress:
            (raw / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (raw / name).write_bytes(content)
    return raw


@pytest.mark.parametrize("compress", [False, True])
def test_mnist_files_are_read_as_they_were_written(tmp_path, compress):
    write_mnist(tmp_path, compress=compress)
    read = data.mnist(str(tmp_path))
    images, labels = read.dataset.tensors
    assert images.shape == (20, 1, 28, 28)
    assert images.flatten()[:300].tolist() == [i % 256 for i in range(300)]
    assert labels.tolist() == [i % 10 for i in range(20)]
    assert (labels.dtype, read.input_shape, read.num_outputs) == (torch.int64, (1, 28, 28), 10)


def test_pixels_of_mnist_can_be_left_between_0_and_1(tmp_path):
    write_mnist(tmp_path)
    read = data.mnist(str(tmp_path), standardise=False)
    assert read.normalisation == Normalisation(1 / 255, (0.0,), (1.0,))


def test_fashion_mnist_has_its_own_folder(tmp_path):
    write_mnist(tmp_path, folder="FashionMNIST")
    assert data.fashion_mnist(str(tmp_path)).name == "fashion_mnist"
    with pytest.raises(DataError, match=r"data\.download=true"):
        data.mnist(str(tmp_path))


def test_real_mnist_has_60000_pictures_and_the_known_mean(shared_data):
    read = data.mnist(str(shared_data / "mnist"))
    images, labels = read.dataset.tensors
    assert images.shape == (60000, 1, 28, 28)
    assert int(labels[0]) == 5
    assert math.isclose(int(images.sum()) / images.numel() / 255, read.normalisation.mean[0], abs_tol=1e-4)


def test_image_size_resizes_once_and_stays_uint8(tmp_path):
    write_mnist(tmp_path)
    read = data.mnist(str(tmp_path), image_size=14)
    assert read.dataset.tensors[0].shape == (20, 1, 14, 14)
    assert read.dataset.tensors[0].dtype == torch.uint8
    assert read.input_shape == (1, 14, 14)


def test_an_image_size_that_does_not_fit_into_memory_is_refused_before_it_is_tried(tmp_path):
    write_mnist(tmp_path)
    with pytest.raises(DataError, match=r"data\.image_size=1000000: 20 pictures of this size take .* GiB"):
        data.mnist(str(tmp_path), image_size=1_000_000)


def test_three_channels_are_promised_where_grey_is_repeated(tmp_path):
    write_mnist(tmp_path)
    read = data.mnist(str(tmp_path), channels=3)
    assert read.input_shape == (3, 28, 28)
    assert len(read.normalisation.mean) == 3


@pytest.mark.parametrize(
    ("key", "message"), [({"channels": 2}, r"data\.channels"), ({"image_size": 0}, "image_size")]
)
def test_arguments_out_of_range_name_their_key(tmp_path, key, message):
    write_mnist(tmp_path)
    with pytest.raises(DataError, match=message):
        data.mnist(str(tmp_path), **key)


def test_missing_files_name_root_and_path_and_the_remedy(tmp_path):
    with pytest.raises(DataError, match=r"data\.root=.*train-images-idx3-ubyte.*data\.download=true"):
        data.mnist(str(tmp_path))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda content: content[:5000], "promises 15696 bytes and holds 5000"),
        (lambda content: b"<html>not found</html>", "does not begin as"),
        (lambda content: b"", "does not begin as"),
    ],
)
def test_a_corrupt_file_is_named_with_what_is_wrong(tmp_path, damage, why):
    raw = write_mnist(tmp_path)
    file = raw / "train-images-idx3-ubyte"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(DataError, match=rf"train-images-idx3-ubyte cannot be read: .*{why}.*Delete"):
        data.mnist(str(tmp_path))


def test_a_truncated_gz_file_is_corrupt(tmp_path):
    raw = write_mnist(tmp_path, compress=True)
    file = raw / "train-labels-idx1-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-12])
    with pytest.raises(DataError, match=r"labels-idx1-ubyte\.gz cannot be read"):
        data.mnist(str(tmp_path))


def test_images_and_labels_of_different_length_are_refused(tmp_path):
    raw = write_mnist(tmp_path)
    (raw / "train-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, 3) + bytes(3))
    with pytest.raises(DataError, match="20 images and 3 labels"):
        data.mnist(str(tmp_path))


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise URLError("Temporary failure in name resolution")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_a_download_without_network_says_so_and_prints_nothing(tmp_path, no_network, capsys, name):
    with pytest.raises(
        DataError, match=r"data\.download=true: .*Temporary failure in name resolution.*network"
    ) as caught:
        getattr(data, name)(str(tmp_path), download=True)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_a_download_flag_needs_no_network_where_the_files_are_there(tmp_path, no_network):
    write_mnist(tmp_path)
    assert data.mnist(str(tmp_path), download=True).num_outputs == 10


def test_missing_cifar_names_root_and_the_remedy(tmp_path):
    with pytest.raises(DataError, match=r"data\.root=.*CIFAR10 is missing or corrupt.*data\.download=true"):
        data.cifar10(str(tmp_path))


def test_cifar_comes_as_channels_first_uint8(tmp_path, monkeypatch):
    import numpy as np
    from torchvision import datasets

    class FakeCIFAR10:
        def __init__(self, root, train, download):
            self.data = np.arange(2 * 32 * 32 * 3, dtype=np.uint64).astype(np.uint8).reshape(2, 32, 32, 3)
            self.targets = [3, 9]

    monkeypatch.setattr(datasets, "CIFAR10", FakeCIFAR10)
    images, labels = data.cifar10(str(tmp_path)).dataset.tensors
    assert images.shape == (2, 3, 32, 32)
    assert images[0, :, 0, 1].tolist() == [3, 4, 5]
    assert labels.tolist() == [3, 9]


def test_the_curve_lies_within_its_noise_of_the_textbooks_formula():
    x, y = data.curve().dataset.tensors
    assert x.shape == y.shape == (1000, 1)
    assert (float(y.min()), float(y.max())) == (0.0, 1.0)
    exact = 0.4 * x**2 + 0.3 * x * torch.sin(15 * x) + 0.01 * torch.cos(50 * x) - 0.3
    # y is an increasing straight line of exact + error; its slope follows from the range.
    slope = float(((exact - exact.mean()) * (y - y.mean())).sum() / ((exact - exact.mean()) ** 2).sum())
    error = (y - y.mean()) / slope - (exact - exact.mean())
    assert 0.045 < float(error.abs().max()) < 0.06


def test_the_curve_depends_on_its_own_seed_and_not_on_the_global_stream():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = data.curve(seed=3).dataset.tensors[1]
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(first, data.curve(seed=3).dataset.tensors[1])
    assert not torch.equal(first, data.curve(seed=4).dataset.tensors[1])


class Squares(Dataset):
    classes = ("even", "odd")

    def __len__(self):
        return 10

    def __getitem__(self, index):
        return torch.tensor([float(index)]), index % 2


class Stream(IterableDataset):
    def __iter__(self):
        return iter([1.0])


class DuckTyped:
    def __len__(self):
        return 3

    def __getitem__(self, index):
        return index


@pytest.mark.parametrize(
    "obj", [Squares(), Stream(), DataLoader(Squares()), [torch.zeros(2)], (x for x in [1]), DuckTyped()]
)
def test_wrap_takes_everything_that_gives_samples_or_batches(obj):
    wrapped = wrap(obj, "mine")
    assert wrapped.dataset is obj
    assert wrapped.name == "mine"


def test_wrap_counts_classes_where_the_data_set_or_the_loaders_data_set_names_them():
    assert wrap(Squares(), "mine").num_outputs == 2
    assert wrap(DataLoader(Squares()), "mine").num_outputs == 2
    assert wrap(Stream(), "mine").num_outputs is None


def test_wrap_reads_shape_and_labels_of_tensors():
    wrapped = wrap(TensorDataset(torch.zeros(5, 3, 4), torch.arange(5)), "mine")
    assert wrapped.input_shape == (3, 4)
    assert wrapped.labels.tolist() == [0, 1, 2, 3, 4]
    assert wrap(TensorDataset(torch.zeros(5, 3), torch.zeros(5, 1)), "mine").labels is None


def test_wrap_returns_data_as_it_is():
    mine = data.curve()
    assert wrap(mine, "other") is mine


@pytest.mark.parametrize("obj", [3, None, "text", b"bytes", torch.zeros(3), {"a": 1}, Squares, lambda: 1])
def test_wrap_refuses_what_gives_no_batches(obj):
    with pytest.raises(DataError, match=r"data\._target_ gave .* no data set: it must give"):
        wrap(obj, "mine")


GROUP = ["digits", "mnist", "fashion_mnist", "cifar10", "dogbreed", "imagefolder", "curve"]


@pytest.mark.parametrize("name", GROUP)
def test_a_yaml_names_a_function_and_only_arguments_it_takes(name):
    with initialize_config_module("lrfind.configs", version_base="1.3"):
        node = dict(compose("base", [f"data={name}"]).data) if name != "imagefolder" else None
        if node is None:
            node = dict(compose("base", [f"data={name}", "data.root=x"]).data)
    function = get_method(node.pop("_target_"))
    assert function is getattr(data, name)
    assert set(node) == set(function.__code__.co_varnames[: function.__code__.co_argcount])


def test_the_curve_brings_a_loss_for_regressions_that_the_command_line_can_change():
    with initialize_config_module("lrfind.configs", version_base="1.3"):
        own = compose("base", ["data=curve"]).criterion._target_
        chosen = compose("base", ["data=curve", "criterion=mae"]).criterion._target_
    assert get_class(own) is torch.nn.MSELoss
    assert get_class(chosen) is torch.nn.L1Loss
