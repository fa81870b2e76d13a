"""The search for a rate, on losses that can be written down: which runs it makes, and at what cost."""

import importlib
import math

import numpy as np
import pytest

from lrfind.verify.search import FACTOR, Move

# `lrfind.verify` is the function, not the room.
Search = importlib.import_module("lrfind.verify.search").Search


def bowl(lr, steps, seed=0):
    """The loss of 0.5 w^2 after so many steps of SGD; best at 1, beyond 2 it diverges."""
    del seed
    loss = 0.5 * (1 - lr) ** (2 * steps) if abs(1 - lr) < 1e3 else math.inf
    return loss if loss < 50 else math.inf


def valley(lr, steps, seed=0, *, best=0.03, noise=0.0):
    """A loss that falls with the steps, the more the nearer the rate is to the best one."""
    away = math.log10(lr / best)
    wobble = noise * math.sin(7 * seed + 11 * away)
    return 2 - (1.8 - away**2 + wobble) * (1 - math.exp(-3 * steps / 300)) if away < 1.2 else math.inf


def searched(search, loss, start=2.0):
    """Lets a search run on a loss; returns the moves, and what each cost."""
    made = []
    for move in search.moves():
        at = search.tried.at(move.seed, move.lr)
        found = loss(move.lr, move.to, move.seed)
        cost = 5 if math.isinf(found) else move.to - at
        assert at < move.to
        assert cost <= search.left
        search.spend(cost)
        search.tried.note(move, start, found)
        made.append((move, cost))
    return made


def test_the_runs_on_a_bowl_are_those_that_can_be_written_down():
    search = Search(0.3, num_steps=30, seeds=1, budget=1000)
    made = [move for move, _ in searched(search, bowl, start=0.5)]
    # Up until it is worse again, every run to its end; then between 0.3 and 0.6, nearer to what 0.3 has.
    assert made[:3] == [Move(0, 0.3, 30), Move(0, 0.6, 30), Move(0, 1.8, 30)]
    assert [0.3 < move.lr < 0.6 for move in made[3:]] == [True]
    assert search.ranked()[0] == 0.6
    assert not search.is_spent


def test_with_less_than_two_runs_each_is_begun_and_the_best_goes_on():
    search = Search(0.3, num_steps=30, seeds=1, budget=59)
    made = [move for move, _ in searched(search, bowl, start=0.5)]
    assert made == [Move(0, 0.3, 10), Move(0, 0.6, 10), Move(0, 1.8, 10), Move(0, 0.6, 30)]
    assert search.ranked() == [0.6]
    assert search.is_spent


def test_where_the_best_of_the_first_steps_diverges_later_another_goes_on():
    ends = {0.1: (1.9, 0.5), 0.2: (1.0, math.inf), 0.6: (1.95, 1.0)}
    search = Search(0.1, num_steps=300, seeds=1, budget=599)
    searched(search, lambda lr, steps, _: ends[lr][steps > 100])
    assert search.ranked()[0] == 0.1


@pytest.mark.parametrize("start", [1e-5, 1e-3, 0.03, 1.0, 20.0])
@pytest.mark.parametrize("seeds", [1, 3])
def test_it_finds_the_valley_from_far_away(start, seeds):
    search = Search(start, num_steps=300, seeds=seeds, budget=20_000)
    made = searched(search, valley)
    assert not search.is_spent
    assert search.ranked()[0] == pytest.approx(0.03, rel=0.3)
    assert {move.seed for move, _ in made} == set(range(seeds))
    assert [move.seed for move, _ in made] == sorted(move.seed for move, _ in made)


@pytest.mark.parametrize("budget", [300, 301, 500, 777, 1000, 2000, 5000])
@pytest.mark.parametrize("start", [1e-4, 0.01, 0.3, 5.0])
def test_the_budget_is_kept_and_a_whole_run_is_made_of_it(budget, start):
    search = Search(start, num_steps=300, seeds=3, budget=budget)
    made = searched(search, lambda *words: valley(*words, noise=0.2))
    assert sum(cost for _, cost in made) == budget - search.left <= budget
    assert search.ranked()  # a run that came to its end, or diverged
    assert search.is_spent or budget > 2500


def test_it_ends_for_want_of_steps_only_where_the_next_run_does_not_fit():
    search = Search(0.03, num_steps=300, seeds=3, budget=1500)
    searched(search, valley)
    assert search.is_spent
    assert search.left < 600  # another seed needs two runs to compare


def test_a_pinned_rate_is_trained_to_its_end_on_every_seed():
    search = Search(0.03, num_steps=300, seeds=2, budget=5000, pinned=1e-4)
    made = [move for move, _ in searched(search, valley)]
    assert made[0] == Move(0, 1e-4, 300)
    assert Move(1, 1e-4, 300) in made


def test_a_pinned_rate_that_the_bracket_comes_upon_is_one_of_it():
    search = Search(0.03, num_steps=300, seeds=1, budget=5000, pinned=0.06)
    made = [move.lr for move, _ in searched(search, valley)]
    assert made[:3] == [0.06, 0.03, 0.015]
    assert len(set(made)) == len(made)


def test_where_all_diverge_it_goes_down_and_where_nothing_moves_both_ways_in_turns():
    down = searched(Search(1.0, num_steps=300, seeds=1, budget=400), lambda *_: math.inf)
    lrs = [move.lr for move, _ in down]
    assert lrs[0] == 1.0
    assert np.diff(np.log(lrs)) == pytest.approx(-math.log(FACTOR), rel=0.01)
    both = searched(Search(1e-3, num_steps=300, seeds=1, budget=2000), lambda *_: 2.0)
    assert [move.lr for move, _ in both[:4]] == pytest.approx([0.001, 0.003, 0.000333, 0.009])


def test_a_loss_that_is_not_finite_before_training_is_no_matter_of_rates():
    search = Search(0.1, num_steps=300, seeds=3, budget=5000)
    assert len(searched(search, lambda *_: math.inf, start=math.nan)) == 1


def test_along_a_schedule_no_run_is_given_up_early():
    search = Search(0.03, num_steps=300, seeds=1, budget=500, early=False)
    assert search.stops == [300]
    assert {move.to for move, _ in searched(search, valley)} == {300}
