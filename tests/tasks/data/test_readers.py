"""The data set shipped inside the package."""

import subprocess
import sys

import torch

from lrfind.tasks.data import digits


def test_digits_are_the_1797_pictures_of_uci_with_values_up_to_16():
    data = digits()
    images, labels = data.dataset.tensors
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == torch.uint8
    assert (int(images.min()), int(images.max())) == (0, 16)
    # The published number of pictures a class.
    assert torch.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    # The first picture, a zero, begins so in the published file.
    assert images[0, 0, :2].flatten().tolist() == [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]
    assert int(labels[0]) == 0


def test_digits_say_what_a_model_must_know():
    data = digits()
    assert (data.name, data.input_shape, data.num_outputs) == ("digits", (1, 8, 8), 10)
    assert data.labels is not None
    assert data.labels.dtype == torch.int64


def test_digits_can_be_enlarged_and_given_three_channels():
    data = digits(image_size=32, channels=3)
    assert data.input_shape == (3, 32, 32)
    assert data.dataset.tensors[0].shape == (1797, 1, 32, 32)


def test_digits_are_normalised_with_their_own_mean_and_deviation():
    data = digits()
    pixels = data.dataset.tensors[0].double() * data.normalisation.scale
    assert abs(float(pixels.mean()) - data.normalisation.mean[0]) < 1e-4
    assert abs(float(pixels.std(correction=0)) - data.normalisation.std[0]) < 1e-4


def test_digits_load_neither_torchvision_nor_pil():
    code = """
import sys
import torch
from lrfind.tasks.data import digits
from lrfind.tasks.data.loader import make_batches
loaders = make_batches(digits(), batch_size=4, seed=0, device=torch.device("cpu"), num_workers=None)
next(loaders.batches)
sys.exit(any(name in sys.modules for name in ("torchvision", "PIL")))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
