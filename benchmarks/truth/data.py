"""The data sets of the benchmark that lrfind does not bring itself."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from lrfind.tasks.data.dataset import Data
from lrfind.tasks.data.readers import read_digits

if TYPE_CHECKING:
    from collections.abc import Sequence

ALPHABET = 128
"""Characters are ASCII codes; whatever is not ASCII is a question mark."""

SOURCES = ("argparse.py", "ast.py", "inspect.py", "subprocess.py", "tarfile.py", "typing.py", "zipfile.py")
"""Modules of the standard library that are read as text; those that this Python has as one file."""


@cache
def _source_text(whole: bool = False) -> Tensor:
    folder = Path(os.__file__).parent
    names = sorted(path.name for path in folder.glob("*.py")) if whole else SOURCES
    found = [(folder / name).read_bytes() for name in names if (folder / name).is_file()]
    codes = torch.frombuffer(bytearray(b"".join(found)), dtype=torch.uint8).long()
    return torch.where(codes < ALPHABET, codes, ord("?"))


def characters(length: int = 16, every: bool = False, whole: bool = False) -> Data:
    """Source code of the standard library, cut into pieces that do not overlap.

    Args:
        length: Characters of an input, shape (length,), int64.
        every: Whether the target is the next character at every place, shape (length,), or after the last
            one alone, a number.
        whole: Whether all modules that this Python has as one file are read, 4.7 MB, and not seven alone.
    """
    pieces = _source_text(whole)
    pieces = pieces[: len(pieces) // (length + 1) * (length + 1)].view(-1, length + 1)
    x, y = pieces[:, :-1].contiguous(), pieces[:, 1:].contiguous()
    dataset = TensorDataset(x, y if every else y[:, -1].contiguous())
    return Data(dataset, name="characters", input_shape=(length,), num_outputs=ALPHABET)


def scaled(num_samples: int = 3000) -> Data:
    """A regression on ten inputs whose scales span a factor of 100, and that all matter; made up."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(num_samples, 10, generator=generator)
    y = torch.tanh(z @ torch.randn(10, 1, generator=generator) / 2) + 0.5 * z.mean(1, keepdim=True)
    y = y + 0.05 * torch.randn(num_samples, 1, generator=generator)
    x = z * torch.logspace(-1.5, 0.5, 10)
    return Data(TensorDataset(x, y), name="scaled", input_shape=(10,), num_outputs=1)


def table(name: str, standardised: bool = True) -> Data:
    """One of scikit-learn's small tables.

    Args:
        name: `breast_cancer`, `wine` or `iris`, with class labels, or `diabetes`, a regression whose target
            is standardised.
        standardised: Whether each input has mean 0 and deviation 1; False leaves it as the table has it.
    """
    from sklearn import datasets

    inputs, target = getattr(datasets, f"load_{name}")(return_X_y=True)
    x = torch.tensor(inputs, dtype=torch.float32)
    if standardised:
        x = (x - x.mean(0)) / x.std(0)
    if name != "diabetes":
        y = torch.tensor(target)
        return Data(TensorDataset(x, y), name, (x.shape[1],), num_outputs=int(y.max()) + 1, labels=y)
    y = torch.tensor(target, dtype=torch.float32).unsqueeze(1)
    return Data(TensorDataset(x, (y - y.mean()) / y.std()), name, (x.shape[1],), num_outputs=1)


def digits_of(classes: Sequence[int]) -> Data:
    """The digits of some classes, which are counted anew from 0; inputs of shape (1, 8, 8) in -1..1."""
    images, labels = read_digits()
    chosen = torch.isin(labels, torch.tensor(list(classes)))
    x, y = images[chosen].float().view(-1, 1, 8, 8) / 8 - 1, labels[chosen]
    y = (y.unsqueeze(1) == torch.tensor(list(classes))).long().argmax(1)
    return Data(TensorDataset(x, y), "some digits", (1, 8, 8), num_outputs=len(classes), labels=y)


def turned_mnist(root: str, degrees: float = 30) -> Data:
    """MNIST's images 10,000 to 20,000, turned; inputs of shape (1, 28, 28), normalised as lrfind does."""
    from torchvision.transforms.functional import InterpolationMode, rotate

    from lrfind.tasks.data.readers import read_mnist

    images, y = (part[10_000:20_000] for part in read_mnist("MNIST", root, False))
    x = images.float().view(-1, 1, 28, 28) / 255
    x = (rotate(x, degrees, interpolation=InterpolationMode.BILINEAR) - 0.1307) / 0.3081
    return Data(TensorDataset(x, y), "turned MNIST", (1, 28, 28), num_outputs=10, labels=y)


def dogs_of(root: str, breeds: Sequence[int], image_size: int = 48) -> Data:
    """The photographs of some of the ten breeds, of both folders `train` and `val`; counted anew from 0.

    Inputs of shape (3, image_size, image_size), normalised as lrfind does.
    """
    from lrfind.tasks.data.named import IMAGENET_MEAN, IMAGENET_STD, imagefolder

    parts = [imagefolder(str(Path(root) / folder), image_size).dataset for folder in ("train", "val")]
    found = [part[i] for part in parts for i in range(len(part)) if int(part.labels[i]) in breeds]
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_STD))
    x = (torch.stack([picture for picture, _ in found]).float() / 255 - mean) / std
    y = torch.tensor([list(breeds).index(int(label)) for _, label in found])
    return Data(TensorDataset(x, y), "dogs", tuple(x.shape[1:]), num_outputs=len(breeds), labels=y)


def friedman(num_samples: int = 500) -> Data:
    """A made-up regression of scikit-learn: five of ten inputs matter, and the target is noisy."""
    from sklearn.datasets import make_friedman1

    inputs, target = make_friedman1(num_samples, noise=1.0, random_state=0)
    x, y = (torch.tensor(part, dtype=torch.float32) for part in (inputs, target))
    y = ((y - y.mean()) / y.std()).unsqueeze(1)
    return Data(TensorDataset(2 * x - 1, y), "friedman", (10,), num_outputs=1)


def moons(num_samples: int = 1500) -> Data:
    """Two half circles in the plane that overlap a little, made up by scikit-learn."""
    from sklearn.datasets import make_moons

    inputs, target = make_moons(num_samples, noise=0.25, random_state=0)
    y = torch.tensor(target)
    return Data(TensorDataset(torch.tensor(inputs).float(), y), "moons", (2,), num_outputs=2, labels=y)


def few_digits(num_samples: int) -> Data:
    """The first of the digits; inputs of shape (1, 8, 8) in -1..1."""
    images, labels = (part[:num_samples] for part in read_digits())
    x = images.float().view(-1, 1, 8, 8) / 8 - 1
    return Data(TensorDataset(x, labels), "few digits", (1, 8, 8), num_outputs=10, labels=labels)


def few_mnist(root: str, num_samples: int) -> Data:
    """The first of MNIST's images; inputs of shape (1, 28, 28), normalised as lrfind does."""
    from lrfind.tasks.data.readers import read_mnist

    images, y = (part[:num_samples] for part in read_mnist("MNIST", root, False))
    x = (images.float().view(-1, 1, 28, 28) / 255 - 0.1307) / 0.3081
    return Data(TensorDataset(x, y), "few of MNIST", (1, 28, 28), num_outputs=10, labels=y)


def digits_and_themselves() -> Data:
    """Digits of 64 numbers in -1..1, and the same again as the target."""
    images, _ = read_digits()
    x = images.float().view(-1, 64) / 8 - 1
    return Data(TensorDataset(x, x), "digits and themselves", (64,), num_outputs=64)


def pieces_of_modules(length: int = 32) -> Data:
    """Pieces of the `SOURCES`, shape (length,), int64, and which of them each is from."""
    folder = Path(os.__file__).parent
    inputs, labels = [], []
    for label, name in enumerate(SOURCES):
        if (folder / name).is_file():
            codes = torch.frombuffer(bytearray((folder / name).read_bytes()), dtype=torch.uint8).long()
            pieces = codes[: len(codes) // length * length].view(-1, length)
            inputs.append(torch.where(pieces < ALPHABET, pieces, ord("?")))
            labels.append(torch.full((len(pieces),), label))
    y = torch.cat(labels)
    return Data(TensorDataset(torch.cat(inputs), y), "modules", (length,), num_outputs=len(SOURCES), labels=y)


def noised_mnist(root: str, num_samples: int = 10_000) -> Data:
    """The first of MNIST's images of half the size with noise added, 196 numbers, and the same without it."""
    from lrfind.tasks.data.readers import read_mnist

    images, _ = read_mnist("MNIST", root, False)
    clean = torch.nn.functional.avg_pool2d(images[:num_samples].float().view(-1, 1, 28, 28) / 255, 2).flatten(
        1
    )
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    return Data(TensorDataset(clean + 0.3 * noise, clean), "noised MNIST", (196,), num_outputs=196)


def spirals(num_samples: int = 1500) -> Data:
    """Three arms of a spiral in the plane, with noise; made up."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(num_samples) % 3
    along = torch.rand(num_samples, generator=generator)
    angle = 4 * along + labels * (2 * torch.pi / 3)
    x = torch.stack((angle.cos(), angle.sin()), 1) * (0.2 + along).unsqueeze(1)
    x = 1.5 * (x + 0.05 * torch.randn(x.shape, generator=generator))
    return Data(TensorDataset(x, labels), "spirals", (2,), num_outputs=3, labels=labels)


def several_labels(num_samples: int = 2000) -> Data:
    """Counts, standardised, and which of five labels each sample has, 0 or 1; made up by scikit-learn."""
    from sklearn.datasets import make_multilabel_classification

    inputs, target = make_multilabel_classification(num_samples, n_features=20, n_classes=5, random_state=0)
    x, y = (torch.tensor(part, dtype=torch.float32) for part in (inputs, target))
    return Data(TensorDataset((x - x.mean(0)) / x.std(0), y), "labels", (20,), num_outputs=5)


def waves(num_samples: int = 2000, length: int = 32) -> Data:
    """Noisy waves of shape (length, 1), sines, squares, triangles or sawteeth, and which it is; made up."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(num_samples) % 4
    phase, cycles = torch.rand(2, num_samples, 1, generator=generator)
    turns = (phase + (1 + 2 * cycles) * torch.arange(length) / length) % 1
    sine = (2 * torch.pi * turns).sin()
    kinds = torch.stack((sine, sine.sign(), 4 * (turns - 0.5).abs() - 1, 2 * turns - 1))
    x = kinds[labels, torch.arange(num_samples)] + 0.3 * torch.randn(turns.shape, generator=generator)
    return Data(TensorDataset(x.unsqueeze(2), labels), "waves", (length, 1), num_outputs=4, labels=labels)


def marked_sums(num_samples: int = 3000, length: int = 12) -> Data:
    """Numbers of which some are marked, shape (length, 2), and the sum of those, standardised; made up."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(num_samples, length, generator=generator)
    marks = (torch.rand(num_samples, length, generator=generator) < 0.3).float()
    y = (numbers * marks).sum(1, keepdim=True)
    x = torch.stack((numbers, marks), 2)
    return Data(TensorDataset(x, (y - y.mean()) / y.std()), "marked sums", (length, 2), num_outputs=1)
