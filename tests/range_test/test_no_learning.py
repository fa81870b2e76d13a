"""What a range test says where the labels, or the numbers, have nothing to do with the inputs."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import range_test


def a_test(targets, *, weight=None, batch_size=64, learns=False, **arguments):
    """A range test of a network on inputs of which the targets know nothing, or that tell them."""
    torch.manual_seed(0)
    x = torch.randn(len(targets), 10)
    if learns:
        x[:, 0] = 3 * targets.flatten().float()
    numbers = targets.is_floating_point()
    model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 1 if numbers else 2))
    criterion = nn.MSELoss() if numbers else nn.CrossEntropyLoss(weight=weight)
    loader = DataLoader(
        TensorDataset(x, targets),
        batch_size=batch_size,
        shuffle=True,
        generator=torch.Generator().manual_seed(0),
    )
    optimizer = torch.optim.Adam(model.parameters())
    given = {
        "num_steps": 180,
        "repeats": 1,
    } | arguments  # within 60 the shares of the classes are hardly found
    return range_test(model, optimizer, criterion, loader, progress=False, **given)


RARE = (torch.arange(8000) % 20 == 0).long()
"""One label in 20 is of the second class."""


@pytest.mark.parametrize("batch_size", [8, 64])
@pytest.mark.parametrize("weight", [None, torch.tensor([0.5, 10.0])])
def test_random_labels_of_unequal_classes_get_no_rate_without_a_warning(weight, batch_size):
    found = a_test(RARE, weight=weight, batch_size=batch_size)
    if found.suggestion is not None:
        assert "a model that always answers the shares of the classes has" in found.reading.no_learning
        assert found.warnings == (found.reading.no_learning,)


@pytest.mark.parametrize("batch_size", [8, 64])
@pytest.mark.parametrize("weight", [None, torch.tensor([0.5, 10.0])])
def test_unequal_classes_that_are_learnt_get_a_rate_and_no_warning(weight, batch_size):
    found = a_test(RARE, weight=weight, batch_size=batch_size, learns=True)
    assert found.suggestion is not None
    assert found.reading.no_learning == ""


def test_with_small_batches_of_random_numbers_luck_is_told_from_learning():
    targets = torch.randn(8000, 1, generator=torch.Generator().manual_seed(1))
    lucky = a_test(targets, batch_size=8)
    assert lucky.suggestion is None or "of the targets has" in lucky.reading.no_learning
    learnt = a_test(targets, batch_size=8, learns=True)
    assert learnt.suggestion is not None
    assert learnt.reading.no_learning == ""


def test_steps_that_accumulate_batches_are_compared_on_all_of_theirs():
    found = a_test(RARE, batch_size=32, learns=True, accumulation_steps=2)
    assert found.suggestion is not None
    assert found.reading.no_learning == ""


def test_few_samples_that_are_learnt_by_heart_are_held_to_those_held_out():
    found = a_test(RARE[:400], batch_size=32, repeats="auto", num_steps=60)
    assert found.reading.held_out.blind.is_known
    assert found.reading.no_learning
