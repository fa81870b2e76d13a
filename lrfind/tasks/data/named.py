"""Data sets by name."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from lrfind.errors import ConfigError, DataError
from lrfind.tasks.data.dataset import Data, Normalisation
from lrfind.tasks.data.folders import find_class_folders, find_dogbreed
from lrfind.tasks.data.images import PictureFolder
from lrfind.tasks.data.readers import check_channels, read_cifar10, read_digits, read_mnist, resize_all

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

SIDE = 224
"""Pixels of a side of pictures from files, where nothing else is asked for."""


def digits(image_size: int | None = None, channels: int | None = None) -> Data:
    """Handwritten digits, embedded in the package: 1,797 pictures of 8x8 (UCI optdigits, test part).

    Args:
        image_size: Side in pixels that pictures are resized to, once; None leaves them as they are.
        channels: 3 repeats the grey channel for models that want colour; None leaves 1.
    """
    # Mean and standard deviation over all pixels, divided by 16.
    grey = Normalisation(1 / 16, (0.3053,), (0.3760,))
    return _grey_pictures("digits", read_digits(), image_size, channels, grey)


def mnist(
    root: str,
    download: bool = False,
    image_size: int | None = None,
    channels: int | None = None,
    standardise: bool = True,
) -> Data:
    """Handwritten digits: 60,000 pictures of 28x28 (LeCun, Cortes and Burges), torchvision's layout.

    Args:
        root: Folder that holds `MNIST/raw/train-images-idx3-ubyte` and its labels, `.gz` or not.
        download: Whether to fetch what is missing.
        image_size: Side in pixels that pictures are resized to, once; None leaves them as they are.
        channels: 3 repeats the grey channel for models that want colour; None leaves 1.
        standardise: Whether pixels have a mean of 0 and a standard deviation of 1; else they lie in 0..1, as
            many textbooks have them. It moves the best learning rate.

    Raises:
        DataError: Where files are missing or corrupt, or cannot be fetched.
    """
    grey = Normalisation(1 / 255, *(((0.1307,), (0.3081,)) if standardise else ((0.0,), (1.0,))))
    return _grey_pictures("mnist", read_mnist("MNIST", root, download), image_size, channels, grey)


def fashion_mnist(
    root: str, download: bool = False, image_size: int | None = None, channels: int | None = None
) -> Data:
    """Articles of clothing: 60,000 pictures of 28x28 (Zalando); layout and arguments as in `mnist`."""
    read = read_mnist("FashionMNIST", root, download)
    grey = Normalisation(1 / 255, (0.2860,), (0.3530,))
    return _grey_pictures("fashion_mnist", read, image_size, channels, grey)


def cifar10(
    root: str, download: bool = False, image_size: int | None = None, channels: int | None = None
) -> Data:
    """Small colour photographs: 50,000 of 32x32 (Krizhevsky), torchvision's layout; arguments as `mnist`."""
    check_channels(channels, have=3)
    images, labels = read_cifar10(root, download)
    colours = Normalisation(1 / 255, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    return _in_memory("cifar10", resize_all(images, image_size), labels, colours)


def dogbreed(root: str, image_size: int | None = None, on_error: str = "raise") -> Data:
    """Photographs of dogs: class folders, or Kaggle's `train/<id>.jpg` beside `labels.csv` (id,breed).

    Args:
        root: The folder; the class folders may also lie in its `train/`.
        image_size: Side in pixels: the shorter side is resized to it, the longer one cropped; None: 224, or
            what a model of timm was made for.
        on_error: What a picture that cannot be read does: `raise` ends the run, `skip` leaves it out.

    Raises:
        DataError: Where the folder or labels.csv cannot be used; the message says why.
    """
    return _picture_folder("dogbreed", find_dogbreed(root), image_size, on_error)


def imagefolder(root: str, image_size: int | None = None, on_error: str = "raise") -> Data:
    """Any folder of class folders with pictures in them; arguments as `dogbreed`."""
    return _picture_folder("imagefolder", find_class_folders(root), image_size, on_error)


def curve(num_samples: int = 1000, noise: float = 0.05, seed: int = 0) -> Data:
    """The textbook's noisy function, a regression.

    `y = 0.4 x^2 + 0.3 x sin(15 x) + 0.01 cos(50 x) - 0.3 + e` on uniform x in [0, 1], with e uniform in
    `-noise..noise`; y is then scaled to [0, 1]. Inputs and targets have the shape (num_samples, 1), float32.

    Args:
        num_samples: Number of points.
        noise: Half the width of the noise.
        seed: Of the points; nothing else is disturbed by it.
    """
    if num_samples < 2 or noise < 0:
        raise DataError(
            f"data.num_samples must be at least 2 and data.noise not negative, got {num_samples} and {noise}."
        )
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(num_samples, 1, generator=generator)
    error = (2 * torch.rand(num_samples, 1, generator=generator) - 1) * noise
    y = 0.4 * x**2 + 0.3 * x * torch.sin(15 * x) + 0.01 * torch.cos(50 * x) - 0.3 + error
    y = (y - y.min()) / (y.max() - y.min())
    dataset = TensorDataset(x, y)
    return Data(dataset, name="curve", input_shape=(1,), num_outputs=1)


def from_model() -> Data:
    """Stands for the data that a model brings, which whoever makes the model takes from it."""
    raise ConfigError(
        "data=from_model needs model=lightning or model=transformers, which may bring data; type "
        "data=custom, or another of the group."
    )


def _grey_pictures(
    name: str,
    read: tuple[Tensor, Tensor],
    image_size: int | None,
    channels: int | None,
    grey: Normalisation,
) -> Data:
    check_channels(channels, have=1)
    images, labels = read
    times = channels or 1
    repeated = Normalisation(grey.scale, grey.mean * times, grey.std * times)
    return _in_memory(name, resize_all(images, image_size), labels, repeated)


def _in_memory(name: str, images: Tensor, labels: Tensor, normalisation: Normalisation) -> Data:
    """Images are uint8 of shape (samples, 1 or 3, height, width), labels int64 of shape (samples,)."""
    height, width = images.shape[-2:]
    return Data(
        TensorDataset(images, labels),
        name=name,
        input_shape=(len(normalisation.mean), height, width),
        num_outputs=10,
        labels=labels,
        normalisation=normalisation,
    )


def _picture_folder(
    name: str, found: tuple[list[str], list[int], list[str]], image_size: int | None, on_error: str
) -> Data:
    paths, labels, classes = found
    side = SIDE if image_size is None else image_size
    pictures = PictureFolder(paths, labels, classes, image_size=side, on_error=on_error)
    return Data(
        pictures,
        name=name,
        input_shape=(3, side, side),
        num_outputs=len(classes),
        labels=pictures.labels,
        normalisation=Normalisation(1 / 255, IMAGENET_MEAN, IMAGENET_STD),
    )
