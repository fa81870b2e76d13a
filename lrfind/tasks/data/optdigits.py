"""The handwritten digits shipped inside the package; optdigits.md names their source and licence."""

from __future__ import annotations

from importlib import resources

import numpy as np
import torch
from torch import Tensor


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
