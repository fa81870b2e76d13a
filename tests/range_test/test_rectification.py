"""RAdam's rectification, against the updates that torch makes."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from lrfind.range_test.centre import centre, less_for_rectification, middle_half, valley_middle
from lrfind.range_test.horizon import STEPS
from lrfind.range_test.rectification import rectification
from lrfind.range_test.smoothed_curve import SmoothedCurve
from lrfind.training.optimizer import rectified_by


@pytest.mark.parametrize("beta", [0.9, 0.99, 0.999])
def test_it_is_the_part_of_the_rate_that_radam_moves_by_under_a_constant_gradient(beta):
    weight = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.RAdam([weight], lr=1.0, betas=(0.9, beta), eps=1e-12)
    for step in range(1, 400):
        before = weight.item()
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        moved = before - weight.item()
        if step > 6:  # the first are not divided by the average of squares, and move by all of the rate
            assert rectification(beta, step) == pytest.approx(moved, rel=1e-6)
    assert rectified_by(optimizer) == beta


def test_it_rises_from_the_first_step_on_and_ends_at_all_of_the_rate():
    parts = [rectification(0.999, step) for step in (1, 5, 6, 60, 300, 3000, 100_000)]
    assert parts == sorted(parts)
    assert 0 < parts[0] == parts[1]
    assert parts[-1] == pytest.approx(1, abs=1e-6)
    assert rectification(0.5, 1) == 1  # so short an average is never divided by


def test_only_an_optimizer_of_that_name_has_one():
    weight = torch.zeros(1, requires_grad=True)

    class RAdam(torch.optim.Adam):
        """As other libraries have it."""

    assert rectified_by(RAdam([weight], betas=(0.9, 0.99))) == 0.99
    assert rectified_by(torch.optim.Adam([weight])) is None
    assert rectified_by(torch.optim.SGD([weight], lr=0.1)) is None


def test_answer_and_bracket_are_lower_by_what_the_sweep_used_less_of_the_rate_than_training_does():
    lrs = np.logspace(-5, 1, 61)
    line = np.interp(np.log10(lrs), [-5, -3, -1, 1], [2.0, 2.0, 1.0, 3.0])
    zeros = np.zeros_like(line)
    still = SmoothedCurve(lrs, line, line, line, line, 0.0, zeros)
    held = dataclasses.replace(still, rectified_by=0.999, first_step=4)
    at = round(10 * (math.log10(valley_middle(still)) + 5)) + 4
    factor = rectification(0.999, at) / rectification(0.999, STEPS)
    assert 0.3 < factor < 0.5
    assert less_for_rectification(held) == pytest.approx(factor)
    assert centre(held) == pytest.approx(factor * centre(still))
    assert np.allclose(middle_half(held), factor * np.array(middle_half(still)))
    # A sweep of more steps than the training that the answer is for has used no less than it.
    assert less_for_rectification(dataclasses.replace(held, first_step=1000)) == 1
