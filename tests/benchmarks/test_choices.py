"""What choosing is worth: the rule's numbers, and when more follows a sweep, scored as the rule answers."""

import numpy as np
import pytest

from benchmarks.truth import choice, slower
from benchmarks.truth.sweeps import recorded
from lrfind.range_test.reading import Rule, read
from lrfind.range_test.slower_sweep import FAINT

SWEEPS = recorded()


@pytest.mark.parametrize("task", SWEEPS)
def test_the_shipped_numbers_answer_what_the_rule_answers(task):
    for curve in SWEEPS[task][:3]:
        found, valley = read(curve, rule=Rule.CENTRE).suggestion, choice.seen(curve)
        assert (found is None) == (valley is None)
        if found is not None and found.lr > curve.lrs[0]:
            assert choice.answer(valley, choice.SHIPPED) == pytest.approx(found.lr, rel=0.005)


def test_the_shipped_numbers_are_among_those_that_are_scored():
    assert choice.SHIPPED in choice.CHOICES
    assert FAINT in slower.CRITERIA


def sweep(lr, *, lost, undecided=False):
    return {"lr": lr, "steps": 60, "lost": lost, "undecided": undecided}


@pytest.mark.parametrize(
    ("test", "ends"),
    [
        ([sweep(0.1, lost=0.5)], (0.1, 60)),
        ([sweep(0.1, lost=0.05), sweep(0.2, lost=0.1), sweep(0.4, lost=0.5)], (0.2, 120)),
        ([sweep(0.1, lost=0.05), sweep(0.2, lost=0.05), sweep(0.4, lost=0.02)], (0.4, 180)),
        ([sweep(0.1, lost=0.05), sweep(None, lost=0.0), sweep(0.4, lost=0.5)], (0.1, 120)),
        ([sweep(None, lost=0.0, undecided=True), sweep(0.2, lost=0.1)], (0.2, 120)),
        ([sweep(None, lost=0.0), sweep(0.2, lost=0.1)], (None, 60)),
        # The wider criterion made the second sweep, the shipped one does not.
        ([sweep(0.1, lost=0.12), sweep(0.2, lost=0.2)], (0.1, 60)),
    ],
)
def test_a_test_ends_with_the_last_answer_under_a_criterion(test, ends):
    assert slower.ended(test, FAINT) == ends


def test_the_criterion_that_is_scored_is_put_back():
    with slower.criterion(0.5):
        assert slower.slower_sweep.FAINT == 0.5
    assert slower.slower_sweep.FAINT == FAINT


def test_a_criterion_is_chosen_by_regret_among_those_that_take_few_steps():
    regrets = np.array([[0.3, 0.3], [0.2, 0.2], [0.1, 0.1]])
    steps = np.array([[60.0, 60.0], [60.0, 90.0], [180.0, 180.0]])
    assert slower.chosen(regrets, steps) == 1
