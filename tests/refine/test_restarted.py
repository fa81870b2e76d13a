"""Every rate from the same start."""

import itertools

import pytest
import torch

from lrfind.refine.continued import Reading
from lrfind.refine.restarted import planned_steps, restarted, seed_result
from lrfind.training.objective import Objective
from lrfind.training.task import Task
from tests.toy_tasks import CPU, Quadratic


def afresh():
    return itertools.repeat((torch.ones(2, 1, dtype=torch.float64),))


def a_task():
    model = Quadratic()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    return Task(Objective(model, None), optimizer, afresh(), CPU, afresh=afresh)


LRS = [0.05, 0.1, 0.5, 1.5]


def test_each_rate_begins_at_the_same_weights_in_closed_form():
    runs = restarted(a_task(), LRS, iterations=6, reading=Reading())
    track, steps = seed_result(runs, Reading()), runs.steps_taken.sum()
    assert steps == 24
    assert track.level == 0.5
    for lr, losses in zip(LRS, track.losses, strict=True):
        assert losses == pytest.approx([0.5 * (1 - lr) ** (2 * k) for k in range(6)], rel=1e-12)


def test_with_fixed_batches_the_loss_is_read_once_at_the_end():
    reading = Reading(2, [next(afresh())])
    runs = restarted(a_task(), LRS, iterations=3, reading=reading)
    track, steps = seed_result(runs, reading), runs.steps_taken.sum()
    assert steps == 24
    assert track.level == 0.5
    finals = [losses for (losses,) in track.losses]
    assert finals == pytest.approx([0.5 * (1 - lr) ** 12 for lr in LRS], rel=1e-12)


def test_the_budget_is_kept_and_halving_leaves_the_winner_in():
    lrs = [0.001 * k for k in range(1, 17)]
    runs = restarted(a_task(), lrs, iterations=16, reading=Reading(), halving=True)
    track, steps = seed_result(runs, Reading()), runs.steps_taken.sum()
    most = planned_steps(16, num_steps=16, halving=True)
    assert steps <= most < planned_steps(16, num_steps=16, halving=False) == 256
    assert [len(losses) for losses in track.losses][-1] == 16
    assert len(track.losses[0]) == 4
    assert min(track.at_rates()) == track.at_rates()[-1]
