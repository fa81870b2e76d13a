"""The continued sweep, against what can be written down."""

import itertools
import math

import pytest
import torch

from lrfind.refine.continued import Reading, continued
from lrfind.refine.continued_rounds import _words
from lrfind.refine.loss_log import LossLog
from lrfind.refine.results import RefineStep
from lrfind.suggestion import Status
from lrfind.training.objective import Objective
from lrfind.training.task import Task
from tests.toy_tasks import CPU, Quadratic


def a_task(model=None, **more):
    model = Quadratic() if model is None else model
    batches = itertools.repeat((torch.ones(2, 1, dtype=torch.float64),))
    return Task(Objective(model, None), torch.optim.SGD(model.parameters(), lr=1.0), batches, CPU, **more)


RUNGS = [(0.1, 3), (0.2, 2), (0.3, 2)]


def expected_after():
    """The loss after each step of RUNGS, one step an iteration."""
    w, losses = 1.0, []
    for lr, count in RUNGS:
        losses.append([])
        for _ in range(count):
            w *= 1 - lr
            losses[-1].append(0.5 * w**2)
    return losses


def test_training_goes_on_from_rate_to_rate_in_closed_form():
    tape = LossLog()
    reading = Reading(1, [(torch.ones(4, 1, dtype=torch.float64),)])
    assert continued(a_task(), RUNGS, reading=reading, tape=tape) is Status.COMPLETED
    assert tape.level == 0.5
    for ours, theirs in zip(tape.losses, expected_after(), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-14)


def test_without_fixed_batches_the_loss_is_that_before_each_update():
    tape = LossLog()
    continued(a_task(), RUNGS, reading=Reading(), tape=tape)
    before = [0.5, *itertools.chain(*expected_after())][:-1]
    assert list(itertools.chain(*tape.losses)) == pytest.approx(before, rel=1e-14)
    assert tape.level == 0.5


def test_an_iteration_of_several_steps_has_their_mean_loss():
    tape = LossLog()
    continued(a_task(), [(0.1, 2)], reading=Reading(3), tape=tape)
    squares = [0.5 * 0.9 ** (2 * k) for k in range(6)]
    assert tape.losses[0] == pytest.approx([sum(squares[:3]) / 3, sum(squares[3:]) / 3], rel=1e-14)
    assert tape.level == 0.5


def test_the_first_loss_that_is_not_finite_ends_the_round_and_is_kept():
    model = Quadratic(start=1e150)
    tape = LossLog()
    ended = continued(a_task(model), [(1e3, 2), (1e80, 3), (1.0, 1)], reading=Reading(), tape=tape)
    assert ended is Status.NONFINITE
    assert not math.isfinite(tape.losses[-1][-1])
    assert all(math.isfinite(loss) for losses in tape.losses for loss in losses[:-1])
    assert tape.iterations < 6


def test_a_level_that_is_not_finite_ends_it_before_any_update():
    model = Quadratic(start=math.nan)
    tape = LossLog()
    reading = Reading(1, [(torch.ones(4, 1, dtype=torch.float64),)])
    assert continued(a_task(model), RUNGS, reading=reading, tape=tape) is Status.NONFINITE
    assert tape.track().losses == ()


def test_an_interrupt_keeps_what_was_measured():
    def interrupt(point, catch_up):
        if point.index == 3:
            raise KeyboardInterrupt

    tape = LossLog()
    assert continued(a_task(), RUNGS, reading=Reading(), tape=tape, on_iteration=interrupt) is (
        Status.INTERRUPTED
    )
    assert [len(losses) for losses in tape.losses] == [3, 1]


def test_every_iteration_is_told_of_in_order():
    told = []
    continued(a_task(), RUNGS, reading=Reading(), tape=LossLog(), on_iteration=lambda p, _: told.append(p))
    assert [point.index for point in told] == list(range(7))
    assert [point.rate for point in told] == [0, 0, 0, 1, 1, 2, 2]
    assert [point.lr for point in told] == [0.1] * 3 + [0.2] * 2 + [0.3] * 2


@pytest.mark.parametrize("cut", range(1, 7))
def test_a_sweep_that_goes_on_ends_as_if_it_had_never_stopped(cut):
    whole = LossLog()
    continued(a_task(), RUNGS, reading=Reading(), tape=whole)
    tape, task = LossLog(), a_task()

    def stop(point, catch_up):
        if point.index == cut - 1:
            raise KeyboardInterrupt

    continued(task, RUNGS, reading=Reading(), tape=tape, on_iteration=stop)
    assert tape.iterations == cut
    assert continued(task, RUNGS, reading=Reading(), tape=tape) is Status.COMPLETED
    assert tape.losses == whole.losses


def test_the_progress_line_says_which_kind_of_sweep_it_is_of_where_both_are_run():
    step = RefineStep(round=1, seed=0, done=1, planned=10, lr=0.1, loss=2.0, rate=0)
    assert _words(1, 5, both=False)(step) == "round 1, rate 1 of 5: 0.1, loss 2"
    assert _words(1, 5, both=True)(step) == "round 1, continued, rate 1 of 5: 0.1, loss 2"
