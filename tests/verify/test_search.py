"""The search for a rate, on losses that can be written down: which runs it makes, and at what cost."""

import importlib
import math

import numpy as np
import pytest

from lrfind.verify.candidates import FACTOR
from lrfind.verify.stops import Stops
from lrfind.verify.tried import Move

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


def dip(lr, steps, seed=0):
    """A loss that falls in proportion to the steps, the more the nearer the rate is to 0.6."""
    del seed
    return 1 - steps / 30 * max(1 - abs(math.log2(lr / 0.6)) / 2, 0)


def plateau(lr, steps, seed=0):
    """A loss that stands still for 60 / lr steps and then falls; the lower the rate, the lower it ends."""
    del seed
    return 1 - min(max(steps - 60 / lr, 0) / 100, 1) * (1 - 0.3 * lr)


def moves_of(search, loss, start):
    """Rate and step of every move."""
    return [(move.lr, move.to) for move, _ in searched(search, loss, start=start)]


def test_the_runs_on_a_bowl_are_those_that_can_be_written_down():
    search = Search(0.3, num_steps=6, seeds=1, budget=1000)
    assert search.stops == Stops((1, 3, 4, 6), first=3)
    assert moves_of(search, bowl, 0.5) == [
        # Half-way: up until it is worse again; 1.8 is then behind by 0.8 ** 6 = 26% of the drop.
        *[(0.3, 1), (0.3, 3), (0.6, 1), (0.6, 3), (1.8, 1), (1.8, 3)],
        *[(0.6, 4), (0.3, 4), (0.6, 6), (0.3, 6)],
        # The lowest, 0.3, is not worse by half, so a tenth of it is tried too.
        *[(0.03, 1), (0.03, 3)],
    ]
    assert search.ranked() == [0.6, 0.3]
    assert not search.is_spent


def test_with_less_than_two_runs_rates_are_first_compared_after_a_sixth():
    search = Search(0.3, num_steps=30, seeds=1, budget=59)
    assert search.stops == Stops((5, 15, 30), first=5)
    # 0.3 has lost half of what 0.6 has, and 1.8 a fifth: neither goes on before 0.6 has come to its end.
    made = moves_of(search, dip, 1.0)
    assert made[:5] == [(0.3, 5), (0.6, 5), (1.8, 5), (0.6, 15), (0.6, 30)]
    assert search.ranked() == [0.6]
    assert search.is_spent


def test_a_higher_rate_that_is_hardly_ahead_early_is_not_taken_for_better():
    def nearly(lr, steps, seed=0):
        ahead = 0.003 if steps < 30 else -0.2
        return 1 - steps / 30 * {0.3: 1, 0.6: 1 + ahead}.get(lr, 0.2)

    search = Search(0.3, num_steps=30, seeds=1, budget=59)
    made = moves_of(search, nearly, 1.0)
    assert made[-1] == (0.3, 30)
    assert search.ranked() == [0.3]


def test_on_a_plateau_no_rate_is_given_up_before_its_end():
    search = Search(1.0, num_steps=200, seeds=1, budget=2000)
    made = moves_of(search, plateau, 1.0)
    # Half-way 2 has lost 28% of all, 1 has 28%, and 0.5 nothing, though it ends lower than both.
    assert [(lr, 200) in made for lr in (0.5, 1.0, 2.0)] == [True] * 3
    assert search.ranked()[0] < 1.0


def test_the_rate_to_check_goes_to_its_end_before_the_others_that_are_not_behind():
    def flat(lr, steps, seed=0):
        return 2 - 1.5 * steps / 300 + 0.01 * abs(math.log(lr / 0.02))

    search = Search(0.01, num_steps=300, seeds=1, budget=5000)
    ends = [lr for lr, to in moves_of(search, flat, 2.0) if to == 300]
    assert ends.index(0.01) <= 1  # after the one ahead
    # On a plateau no comparison before the end is trusted: there it is trained whole however far away it is.
    search = Search(3.0, num_steps=300, seeds=1, budget=20_000)
    searched(search, plateau, start=1.0)
    assert search.tried.at(0, 3.0) == 300


def test_a_rate_that_is_far_behind_half_way_goes_no_further():
    search = Search(0.6, num_steps=30, seeds=1, budget=600)
    made = moves_of(search, dip, 1.0)
    assert [(lr, 15) in made for lr in (1.2, 0.3)] == [True, True]
    assert [lr for lr, to in made if to > 15] == [0.6, 0.6]


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


def test_a_rate_that_the_budget_left_is_told_from_one_that_is_behind():
    # A low rate is far behind half-way; the others wait when the last steps have brought one to its end.
    search = Search(0.03, num_steps=300, seeds=3, budget=650)
    searched(search, valley)
    ended = search.ranked()
    others = {lr for _, lr in search.tried.losses} - set(ended)
    assert search.is_spent
    assert ended
    assert others
    behind = {lr for lr in others if valley(lr, 150) - valley(ended[0], 150) > 0.15 * 1.8}
    assert search.unfinished() == others - behind
    whole = Search(0.03, num_steps=300, seeds=3, budget=100_000)
    searched(whole, valley)
    assert (whole.is_spent, whole.unfinished()) == (False, frozenset())


def test_it_ends_for_want_of_steps_only_where_the_next_run_does_not_fit():
    search = Search(0.03, num_steps=300, seeds=3, budget=1500)
    searched(search, valley)
    assert search.is_spent
    assert search.left < 600  # another seed needs two runs to compare


@pytest.mark.parametrize("away", [1 / 20, 20.0])
def test_from_a_rate_that_is_off_by_20_a_budget_of_three_runs_finds_back(away):
    search = Search(0.03 * away, num_steps=300, seeds=3, budget=900)
    searched(search, valley)
    assert search.ranked()[0] == pytest.approx(0.03, rel=0.7)


@pytest.mark.parametrize("steps", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("budget", [1, 3, 40])
def test_runs_of_a_few_steps_have_stops_too(steps, budget):
    stops = Stops.of(steps, budget, early=True)
    assert stops.end == steps
    assert stops.first in stops.all
    assert 1 <= stops.all[0] <= stops.first <= stops.after(stops.first) <= steps
    search = Search(0.03, num_steps=steps, seeds=2, budget=budget)
    searched(search, lambda lr, at, seed: valley(lr, 300 * at / steps, seed))
    assert bool(search.ranked()) == (budget >= steps)


def test_a_pinned_rate_is_trained_to_its_end_on_every_seed():
    search = Search(0.03, num_steps=300, seeds=2, budget=5000, pinned=1e-4)
    made = [move for move, _ in searched(search, valley)]
    assert made[:4] == [Move(0, 1e-4, step) for step in (75, 150, 200, 300)]
    assert Move(1, 1e-4, 300) in made


def test_a_pinned_rate_that_the_bracket_comes_upon_is_one_of_it():
    search = Search(0.03, num_steps=300, seeds=1, budget=5000, pinned=0.06)
    made = [move for move, _ in searched(search, valley)]
    assert list(dict.fromkeys(move.lr for move in made))[:3] == [0.06, 0.03, 0.015]
    assert len(set(made)) == len(made)


def test_where_all_diverge_it_goes_down_and_where_nothing_moves_both_ways_in_turns():
    down = searched(Search(1.0, num_steps=300, seeds=1, budget=400), lambda *_: math.inf)
    lrs = [move.lr for move, _ in down]
    assert lrs[0] == 1.0
    assert np.diff(np.log(lrs)) == pytest.approx(-math.log(FACTOR), rel=0.01)
    assert len(lrs) == 8
    both = searched(Search(1e-3, num_steps=300, seeds=1, budget=2000), lambda *_: 2.0)
    begun = list(dict.fromkeys(move.lr for move, _ in both))
    assert begun[:4] == pytest.approx([0.001, 0.003, 0.000333, 0.009])


def test_a_loss_that_is_not_finite_before_training_is_no_matter_of_rates():
    search = Search(0.1, num_steps=300, seeds=3, budget=5000)
    assert len(searched(search, lambda *_: math.inf, start=math.nan)) == 1


def uneven(lr, steps, seed=0):
    """A loss that falls in proportion to the steps; on the first seed most at 0.03, on others at 0.06."""
    falls = {0.03: 1.0} if seed == 0 else {0.03: 0.5, 0.06: 1.0}
    return 1 - steps / 300 * falls.get(lr, 0.3)


def test_where_a_later_seed_makes_an_end_of_the_rates_the_best_the_next_one_is_tried_on_it():
    def ends_on_the_second_seed(budget):
        search = Search(0.03, num_steps=300, seeds=2, budget=budget)
        made = searched(search, uneven, start=1.0)
        ends = [move.lr for move, _ in made if move.seed == 1]
        return search, ends, sum(cost for _, cost in made)

    search, ends, spent = ends_on_the_second_seed(20_000)
    assert (ends, search.ranked()[0]) == ([0.03, 0.015, 0.06, 0.18], 0.06)
    assert not search.is_spent
    search, ends, _ = ends_on_the_second_seed(spent - 1)
    assert (ends, search.ranked()[0]) == ([0.03, 0.015, 0.06], 0.06)
    assert search.is_spent  # so the verdict says that higher ones were not tried


def test_along_a_schedule_no_run_is_given_up_early():
    search = Search(0.03, num_steps=300, seeds=1, budget=500, early=False)
    assert search.stops == Stops((300,), first=300)
    assert {move.to for move, _ in searched(search, valley)} == {300}


def test_what_is_learnt_at_any_rate_alike_does_not_count_where_a_blind_answer_is_known():
    def search_of(blind=math.inf):
        search = Search(0.01, num_steps=300, seeds=2, budget=3000)
        search.tried.blind = blind
        return search

    near = moves_of(search_of(), valley, 2.0)
    # From far above the mean of the targets, which has 2, losses are the same at every rate.
    assert moves_of(search_of(2.0), valley, 100.0) == near
    assert moves_of(search_of(), valley, 100.0) != near
    best = search_of(2.0)
    searched(best, valley, start=100.0)
    assert best.ranked()[0] == pytest.approx(0.03, rel=0.2)
