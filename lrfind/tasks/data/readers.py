"""Known data sets read into memory: the digits of the package, and those in torchvision's layout."""

from __future__ import annotations

import contextlib
import gzip
import math
import sys
import warnings
import zlib
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from lrfind.errors import DataError
from lrfind.tasks.data.machine import available_bytes

_IMAGES, _LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
_UNSIGNED_BYTE = 8


def read_mnist(folder: str, root: str, download: bool) -> tuple[Tensor, Tensor]:
    """Read the training part of MNIST or of a data set in its format.

    The files are read here and not by torchvision, whose import takes longer than a whole range test.

    `folder` is `MNIST` or `FashionMNIST`, the name of the folder in `root` and of torchvision's class.

    Returns:
        Images of shape (samples, 1, height, width), uint8, and labels of shape (samples,), int64.

    Raises:
        DataError: Where files are missing or corrupt, or cannot be fetched.
    """
    raw = Path(root).expanduser() / folder / "raw"
    missing = [name for name in (_IMAGES, _LABELS) if _existing(raw / name) is None]
    if missing and download:
        _fetch(folder, root)
    elif missing:
        raise DataError(
            f"data.root={root}: there is no {raw / missing[0]} (nor the same with .gz). Give the folder that "
            f"holds {folder}/raw as data.root, or fetch the data with data.download=true."
        )
    images = _read_idx(raw / _IMAGES, num_axes=3)
    labels = _read_idx(raw / _LABELS, num_axes=1)
    if len(images) != len(labels):
        raise DataError(
            f"data.root={root}: {raw} holds {len(images)} images and {len(labels)} labels, which do "
            "not belong together. Delete the folder and fetch the data with data.download=true."
        )
    return images.unsqueeze(1), labels.long()


def read_cifar10(root: str, download: bool) -> tuple[Tensor, Tensor]:
    """Read the training part of CIFAR-10 through torchvision, which checks the files against their sums.

    Returns:
        Images of shape (50000, 3, 32, 32), uint8, and labels of shape (50000,), int64.

    Raises:
        DataError: Where files are missing or corrupt, or cannot be fetched.
    """
    dataset = _fetch("CIFAR10", root, download)
    images = torch.from_numpy(dataset.data).permute(0, 3, 1, 2).contiguous()
    return images, torch.tensor(dataset.targets, dtype=torch.int64)


def check_channels(channels: int | None, *, have: int) -> None:
    """Refuse a number of channels that pictures of `have` channels cannot be given."""
    if channels not in (None, have, 3):
        raise DataError(
            f"data.channels must be null, {have} or 3, got {channels}."
            if have != 3
            else f"data.channels must be null or 3 for pictures in colour, got {channels}."
        )


def resize_all(images: Tensor, image_size: int | None) -> Tensor:
    """Resize pictures, shape (samples, channels, height, width), uint8, with antialias; None: they stay.

    Raises:
        DataError: Where the size is no size, or the result does not fit into memory.
    """
    if image_size is None or images.shape[-2:] == (image_size, image_size):
        return images
    if image_size < 1:
        raise DataError(f"data.image_size must be null or at least 1, got {image_size}.")
    num_samples, channels = images.shape[:2]
    needed = num_samples * channels * image_size**2
    if needed > available_bytes() // 2:
        raise DataError(
            f"data.image_size={image_size}: {num_samples} pictures of this size take "
            f"{needed / 2**30:.1f} GiB, more than half of the {available_bytes() / 2**30:.1f} GiB that "
            "are free. Choose a smaller size."
        )
    resized = torch.empty(num_samples, channels, image_size, image_size, dtype=torch.uint8)
    for old, new in zip(torch.split(images, 1000), torch.split(resized, 1000), strict=True):
        new.copy_(interpolate(old, size=(image_size, image_size), mode="bilinear", antialias=True))
    return resized


def _existing(path: Path) -> Path | None:
    for candidate in (path, path.with_name(path.name + ".gz")):
        if candidate.is_file():
            return candidate
    return None


def _read_idx(path: Path, *, num_axes: int) -> Tensor:
    """Read a file of unsigned bytes in MNIST's format: big-endian magic number and sizes, then the values."""
    found = _existing(path) or path
    start = 4 * (num_axes + 1)
    try:
        with gzip.open(found) if found.suffix == ".gz" else found.open("rb") as file:
            content = file.read(start)
            if len(content) < start or content[:4] != bytes((0, 0, _UNSIGNED_BYTE, num_axes)):
                raise _corrupt(found, "it does not begin as a file of this format must")
            shape = [int(size) for size in np.frombuffer(content, ">u4", num_axes, offset=4)]
            expected = start + math.prod(shape)
            if expected > available_bytes() // 2:
                raise _corrupt(
                    found, f"it promises {expected} bytes, more than half of the memory that is free"
                )
            # One byte more than promised: a small archive may go on for ever.
            content += file.read(expected - start + 1)
            more = len(content) > expected
    except (OSError, EOFError, ValueError, zlib.error) as error:
        if isinstance(error, DataError):
            raise
        raise _corrupt(found, str(error)) from error
    if len(content) != expected:
        holds = "more" if more else str(len(content))
        raise _corrupt(found, f"it promises {expected} bytes and holds {holds}")
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=start).view(shape)


def _corrupt(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} cannot be read: {why}. Delete the file and fetch it anew with data.download=true."
    )


def _fetch(name: str, root: str, download: bool = True) -> Any:
    """Makes torchvision's data set, which fetches what is missing; what it raises becomes a DataError."""
    from torchvision import datasets

    processed = Path(root).expanduser() / name / "processed"
    if (processed / "training.pt").exists():
        # Torchvision would take it for the data, and its older versions would unpickle it.
        raise DataError(
            f"data.root={root}: {processed} holds the data as an old torchvision kept it, which is not read. "
            "Delete that folder and fetch the data with data.download=true."
        )

    try:
        # Older versions print to stdout, where only results may go; NumPy 2.4 warns of CIFAR's old pickles.
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(datasets, name)(Path(root).expanduser(), train=True, download=download)
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        if download:
            raise DataError(
                f"data.download=true: {name} could not be fetched into data.root={root} ({why}). Check the "
                "network and that the folder can be written, or copy the files there by hand."
            ) from error
        raise DataError(
            f"data.root={root}: {name} is missing or corrupt in {Path(root).expanduser()} ({why}). Give the "
            "folder that holds it as data.root, or fetch the data with data.download=true."
        ) from error


def read_digits() -> tuple[Tensor, Tensor]:
    """Read the test part of UCI optdigits.

    Returns:
        Images of shape (1797, 1, 8, 8), uint8 in 0..16, and labels of shape (1797,), int64 in 0..9.
    """
    with (
        resources.files("lrfind.tasks.data").joinpath("optdigits.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as arrays,
    ):
        images, labels = arrays["images"], arrays["labels"]
    return torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels.astype(np.int64))
