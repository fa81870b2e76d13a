"""Whether the batches of the last steps were finite themselves."""

import math

import pytest
import torch

from lrfind.training.recent_batches import RecentBatches

DEVICES = torch.device("cpu"), torch.device("cuda")


def passed(device, values, per_step):
    """What remembers batches of one number each; only its kind of device matters, the numbers lie here."""
    seen = RecentBatches(device, per_step)
    given = [(torch.tensor([value]), torch.tensor([1])) for value in values]
    assert list(seen.passing(iter(given))) == given
    return seen


@pytest.mark.parametrize("device", DEVICES, ids=str)
def test_a_step_with_a_number_that_is_not_finite_is_found(device):
    seen = passed(device, [1.0, 2.0, 3.0, math.nan], per_step=2)
    assert not seen.is_finite(1)
    assert seen.is_finite(0)
    assert passed(device, [math.inf, 2.0, 3.0, 4.0], per_step=2).is_finite(1)


def test_off_the_cpu_steps_that_came_since_hide_nothing_until_they_are_many():
    seen = passed(DEVICES[1], [1.0, math.nan] + 9 * [2.0], per_step=1)
    assert not seen.is_finite(1)
    assert seen.is_finite(2)
    assert passed(DEVICES[1], [math.nan] + 99 * [2.0], per_step=1).is_finite(0)


def test_a_step_that_has_not_come_is_not_held_against_anybody():
    assert passed(DEVICES[0], [math.nan], per_step=2).is_finite(1)
