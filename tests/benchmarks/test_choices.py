"""What choosing is worth: the rule's numbers and when to repeat, scored as the rule itself answers."""

import numpy as np
import pytest

from benchmarks.truth import choice, repeat
from benchmarks.truth.oracles import Oracle
from benchmarks.truth.sweeps import recorded
from lrfind.range_test.reading import Rule, read
from lrfind.range_test.repeat_reason import AUTO, sweeps_in_all

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
    assert repeat.SHIPPED in repeat.CRITERIA


FLAT = Oracle(np.array([1e-6, 10.0]), np.array([0.5, 0.5]), best=10.0, initial=1.0, final=0.0, seeds=1)


@pytest.mark.parametrize(
    "task", ["digits_deep_momentum", "diabetes_momentum", "digits_mlp_sgd", "wine_raw_rmsprop"]
)
def test_the_shipped_criterion_repeats_what_the_command_repeats(task):
    curves = SWEEPS[task]
    for curve, trial in zip(curves, repeat.trials(curves, FLAT), strict=True):
        assert trial.repeated(repeat.SHIPPED) == (sweeps_in_all(curve, AUTO, rule=Rule.CENTRE)[0] > 1)
        assert trial.alone == (0.5 if trial.answers else 1.0)


def test_a_criterion_is_chosen_by_regret_among_those_that_make_few_sweeps():
    regrets = np.array([[0.3, 0.3], [0.2, 0.2], [0.1, 0.1]])
    sweeps = np.array([[1.0, 1.0], [1.0, 1.5], [3.0, 3.0]])
    assert repeat.chosen(regrets, sweeps) == 1


def test_never_and_always_are_what_they_are_called():
    weak = repeat.Trial(0.4, 0.1, evidence=2.5, width=1.2, undecided=False, answers=True)
    assert repeat.scored([weak], repeat.NEVER) == (0.4, 1.0)
    assert repeat.scored([weak], repeat.ALWAYS) == (0.1, 3.0)
    assert repeat.scored([weak, weak], repeat.SHIPPED) == (0.1, 3.0)
    assert repeat.scored([weak], repeat.NO_ANSWER) == (0.4, 1.0)
