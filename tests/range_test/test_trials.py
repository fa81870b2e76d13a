"""Runs at constant rates: which rates are tried, what a run came to, what is answered."""

import math
import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import range_test
from lrfind.plotting.panel import VERMILLION, Points
from lrfind.range_test import trial_runs
from lrfind.range_test.curve import Curve
from lrfind.range_test.held_out_run import HeldOutRun
from lrfind.range_test.plot import range_page, range_panel
from lrfind.range_test.report import range_lines
from lrfind.range_test.shape import Shape
from lrfind.range_test.trial_runs import MOST_RUNS, first_rate, last_loss, searched
from lrfind.range_test.trials import FACTOR, LEARNT, Trials
from lrfind.suggestion import Status, rate_text
from lrfind.training.blind_answer import BlindAnswer
from tests.screen import shown

WIDE = (1e-8, 1e3)


def valley(best):
    """A loss that is lowest at a rate, and the rates that it was asked for."""
    asked = []

    def loss_of(lr):
        asked.append(lr)
        return math.log10(lr / best) ** 2

    return loss_of, asked


@pytest.mark.parametrize("off", [-3, -2, -1, 0, 1, 2, 3])
def test_the_search_ends_at_the_best_rate_between_two_that_are_worse(off):
    loss_of, asked = valley(best=0.1)
    found = searched(0.1 * FACTOR**off, loss_of, WIDE)
    lrs = list(found)
    assert lrs == sorted(lrs)
    assert np.diff(np.log(lrs)) == pytest.approx(math.log(FACTOR))
    best = min(found, key=found.get)
    assert best == pytest.approx(0.1)
    assert lrs[0] < best < lrs[-1]
    assert len(asked) == len(set(asked)) == len(found) <= abs(off) + 3


def test_upwards_a_rate_that_is_hardly_worse_is_gone_beyond():
    losses = {0.1: 1.0, 0.1 * FACTOR: 1.01, 0.1 * FACTOR**2: 0.5, 0.1 * FACTOR**3: 2.0}

    def loss_of(lr):
        return next(loss for known, loss in losses.items() if math.isclose(lr, known))

    assert list(searched(0.1, loss_of, (0.1, 1e3), slack=0.02).values()) == [1.0, 1.01, 0.5, 2.0]
    assert list(searched(0.1, loss_of, (0.1, 1e3)).values()) == [1.0, 1.01]


def test_the_search_goes_down_until_a_rate_has_ended_below_the_start():
    # Far above every good rate the losses say nothing of one another.
    losses = [0.5, 0.9, 2.4, math.inf, 2.3, 2.6]
    rates = [0.01 * FACTOR**i for i in range(6)]

    def loss_of(lr):
        return next(loss for known, loss in zip(rates, losses, strict=True) if math.isclose(lr, known))

    ends = (rates[0] * 0.99, rates[-1] * 1.01)
    assert list(searched(rates[4], loss_of, ends, start=2.0).values()) == losses
    assert list(searched(rates[4], loss_of, ends).values()) == losses[3:]


def test_the_search_stays_between_the_ends():
    loss_of, asked = valley(best=100.0)
    assert max(searched(0.1, loss_of, (0.01, 2.0))) == pytest.approx(1.0)
    assert max(asked) <= 2.0
    loss_of, asked = valley(best=1e-9)
    assert min(searched(0.1, loss_of, (0.01, 2.0))) == pytest.approx(0.01)
    assert min(asked) >= 0.01 / 1.0001


def test_the_search_ends_after_so_many_runs():
    loss_of, asked = valley(best=1e-20)
    assert len(searched(1.0, loss_of, (1e-30, 10.0))) == MOST_RUNS == len(asked)


def test_a_rate_that_diverges_is_worse_than_any():
    found = searched(0.1, lambda lr: math.inf if lr > 0.05 else lr, WIDE)
    assert min(found, key=found.get) < 0.05


def run(losses, starts=None, *, accuracies=None, start_accuracies=None, status=Status.COMPLETED):
    losses = np.asarray(losses, dtype=np.float64)
    return Curve(
        np.full(len(losses), 0.1),
        losses,
        losses,
        status,
        len(losses),
        accuracies=accuracies,
        start_losses=starts,
        start_accuracies=start_accuracies,
    )


def test_a_run_comes_to_the_mean_of_its_last_third():
    assert last_loss(run([9.0] * 6 + [1.0, 2.0, 3.0]), 9.0) == pytest.approx(2.0)


def test_the_noise_of_the_batches_cancels():
    batches = np.random.default_rng(0).uniform(1.0, 3.0, 90)
    halved = np.where(np.arange(90) < 30, 1.0, 0.5) * batches
    assert last_loss(run(halved, batches), 2.0) == pytest.approx(1.0)
    # Of losses that can be negative it is the difference that the batch leaves alone.
    lower = batches - np.where(np.arange(90) < 30, 0.0, 5.0)
    assert last_loss(run(lower, batches), 2.0) == pytest.approx(-3.0)


def test_of_accuracies_the_share_of_wrong_answers_is_read():
    right, right_at_start = np.linspace(0.1, 0.7, 9), np.full(9, 0.1)
    found = last_loss(run(np.ones(9), np.ones(9), accuracies=right, start_accuracies=right_at_start), 0.9)
    assert found == pytest.approx(1 - right[-3:].mean())


@pytest.mark.parametrize("status", [Status.DIVERGED, Status.NONFINITE])
def test_a_run_that_diverged_has_no_finite_loss(status):
    assert last_loss(run([1.0, 2.0], status=status), 1.0) == math.inf


def trials(*losses, first=0.01, start=2.0):
    return Trials(100, start, {first * FACTOR**i: loss for i, loss in enumerate(losses)}, 100 * len(losses))


def through(*losses):
    """The number of steps of half a decade from the middle one to where a parabola is lowest."""
    left, middle, right = losses
    return (left - right) / (2 * (left - 2 * middle + right))


@pytest.mark.parametrize(
    ("losses", "lowest"),
    [
        ((1.5, 1.0, 1.5), 0.0),
        ((1.5, 1.0, 1.2), through(1.5, 1.0, 1.2)),
        ((1.1, 1.0, math.inf), through(1.1, 1.0, 2.0)),  # what diverged has learnt nothing, and no less
        ((1.9, 1.0, 1.0), 0.5),  # no farther than half of the way to a neighbour
        ((1.0, 1.1, 1.2), 0.0),  # at an end nothing is known of one side
        ((1.2, 1.1, 1.0), 0.0),
        ((2.5, 2.1, 2.2), 0.0),  # nothing was learnt
    ],
)
def test_the_lowest_point_is_half_of_the_way_to_where_a_parabola_through_the_best_is_lowest(losses, lowest):
    found = trials(*losses)
    assert found.lowest_point == pytest.approx(found.best * FACTOR ** (lowest / 2))


@pytest.mark.parametrize(("steps", "times"), [(100, 0.5), (200, 1.0), (400, 1.0)])
def test_the_answer_is_the_lowest_point_and_half_of_it_after_short_runs(steps, times):
    found = replace(trials(1.5, 1.0, 1.5), steps=steps)
    assert found.answer == pytest.approx(0.01 * FACTOR * times)
    suggestion = found.suggestion(WIDE, "loss")
    assert suggestion.lr == pytest.approx(found.answer, rel=0.005)
    ends = found.answer / FACTOR**0.5, found.answer * FACTOR**0.5
    assert (suggestion.low, suggestion.high) == pytest.approx(ends, rel=0.005)


def test_losses_have_as_many_digits_as_tell_the_lowest_from_the_others():
    said = trials(2.3041, 2.3038, 2.3275).in_words("loss")
    assert "a loss of 2.3038 with 0.0316 (2.3041 with 0.01, 2.3275 with 0.1)" in said
    assert "a loss of 2 with 0.01 (2 with 0.0316)" in trials(2.0, 2.0).in_words("loss")


def test_the_reason_has_what_every_rate_came_to_and_what_the_best_is_multiplied_by():
    said = trials(2.0, 1.0, math.inf).suggestion(WIDE, "loss").reason
    assert "ends at a loss of 1 with 0.0316 (2 with 0.01, diverged with 0.1); it" in said
    assert "it is lowest near 0.0316. For 300 steps 0.0158 is that times 0.5, as longer trainings" in said
    longer = replace(trials(2.0, 1.0, math.inf), steps=200).suggestion(WIDE, "loss").reason
    assert longer.endswith("it is lowest near 0.0316. It is meant for training at a constant rate.")


def test_the_answer_stays_between_the_ends():
    found = trials(1.0, math.inf).suggestion((0.008, 0.011), "loss")
    assert (found.low, found.lr, found.high) == (0.008, 0.008, 0.011)


def test_the_share_lost_is_that_of_the_start():
    assert trials(1.5, 1.0, 1.2).share_lost == pytest.approx(0.5)
    assert trials(3.0, start=2.0).share_lost == pytest.approx(-0.5)
    assert trials(0.0, start=0.0).share_lost == 0.0
    assert trials(-3.0, start=-2.0).share_lost == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("best", "blind", "answered", "unanswered"),
    [
        (1.83, math.inf, True, True),  # by 8.5%: learnt, whatever else is known
        (1.83, 1.5, True, True),  # a blind answer is not found yet
        (1.83, 1.8, False, False),  # by 8.5%, and it was
        (1.97, math.inf, True, False),  # by 1.5%: a sweep's word is needed where nothing else tells
        (1.99, math.inf, False, False),
        (1.97, 1.98, True, False),  # below equal shares by 0.5%
        (1.97, 2.0, True, True),
        (1.97, 1.97, False, False),  # down to them, and no farther: the last layer settled
        (1.97, 1.9, False, False),
        (1.97, 2.5, True, True),  # it began below them: the start counts
        (1.995, 2.5, False, False),
    ],
)
def test_a_faint_fall_is_learning_where_it_ends_below_a_blind_answer(best, blind, answered, unanswered):
    found = replace(trials(1.999, best, 2.5), blind=BlindAnswer(blind, "", blind))
    assert found.shows_learning(answered=True) is answered
    assert found.shows_learning(answered=False) is unanswered


@pytest.mark.parametrize(("best", "learnt"), [(1.83, True), (1.9, False)])
def test_chance_refuses_a_fall_that_is_faint_or_has_no_sweep_beside_it(best, learnt):
    blind = BlindAnswer(1.99, "", 1.99)
    found = trials(1.999, best, 2.5)
    found = replace(found, blind=blind, beaten={found.best: False})
    assert found.shows_learning(answered=True) is learnt
    assert found.shows_learning(answered=False) is False


def test_a_loss_that_comes_down_to_equal_shares_is_told_with_its_level():
    settled = replace(
        trials(2.34, 2.313, 2.34, start=2.34),
        blind=BlindAnswer(2.3026, "a model that always answers the shares of the classes", 2.3026),
    )
    assert settled.little_in_words("loss") == (
        "In 100 steps at constant rates the loss came from 2.34 to 2.31 at best, which is not clearly below "
        "the 2.3 that a model that always answers the shares of the classes has: nothing was learnt that "
        "tells rates apart."
    )
    assert "fell by 0.9% at most, too little" in trials(2.0, 1.982).little_in_words("loss")
    known = replace(settled, start=0.0007, losses={0.1: 0.0005, 1.0: math.inf})
    assert "came from 0.0007 to 0.0005 at best, where" in known.little_in_words("loss")
    assert "chance" not in known.little_in_words("loss")


def test_the_best_rate_has_turned_where_a_higher_one_was_tried():
    assert trials(1.5, 1.0, math.inf).turned
    assert not trials(1.5, 1.0).turned


class Climb:
    """What `first_rate` looks at of a line."""

    def __init__(self, climb):
        self.climb = climb


def test_the_first_rate_is_that_of_the_sweeps_or_lies_below_the_climb():
    assert first_rate(0.3, Climb((1.0, 5.0)), None) == 0.3
    assert first_rate(None, Climb((1.0, 5.0)), None) == pytest.approx(0.2)
    assert first_rate(None, Climb(None), None) is None
    assert first_rate(None, Climb(None), 10.0) == 10
    assert first_rate(0.3, Climb(None), 10.0) == 0.3


def on_a_plateau(*, own_step=False, progress=None, criterion=None):
    """The range test of six narrow layers with momentum: for some hundred steps next to nothing is learnt."""
    torch.manual_seed(0)
    widths = [8, *[16] * 6, 1]
    layers = [each for pair in pairwise(widths) for each in (nn.Linear(*pair), nn.ReLU())][:-1]
    model = nn.Sequential(*layers)
    x = torch.randn(600, 8, generator=torch.Generator().manual_seed(1))
    loader = DataLoader(TensorDataset(x, x[:, :1].sin() * x[:, 1:2]), batch_size=32, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    if not own_step:
        return range_test(model, optimizer, criterion or nn.SmoothL1Loss(), loader, progress=progress)

    def step(batch):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss

    return range_test(model, optimizer, None, loader, step=step)


def falling_to_the_end():
    """The range test of a line that wants a slope of 30 and gets there slowly at a rate of 10."""
    torch.manual_seed(0)
    model = nn.Linear(1, 1, bias=False)
    x = torch.randn(600, 1, generator=torch.Generator().manual_seed(1)) / 30
    loader = DataLoader(TensorDataset(x, 30 * x), batch_size=32, shuffle=True)
    return range_test(model, torch.optim.SGD(model.parameters(), lr=0.1), nn.MSELoss(), loader)


def test_where_the_loss_falls_to_a_high_end_the_runs_begin_there_and_a_best_one_there_is_no_answer():
    found = falling_to_the_end()
    assert found.reading.shape is Shape.FALLS_TO_END
    assert found.suggestion is None
    assert list(found.reading.trials.losses) == pytest.approx([10 / FACTOR, 10])
    lowest = found.reading.trials.losses[found.reading.trials.best]
    end = f"Of 2 runs of 100 steps at constant rates the one at 10 ended lowest, at {lowest:.3g}."
    assert f"{end} Raise end_lr" in found.verdict


def test_where_a_lower_rate_is_better_than_the_end_it_is_the_answer(monkeypatch):
    def lowest_at_one(curve, start):
        return start * (0.5 + abs(math.log10(curve.lrs[0])))

    monkeypatch.setattr(trial_runs, "last_loss", lowest_at_one)
    found = falling_to_the_end()
    assert found.reading.shape is Shape.FALLS_TO_END
    assert list(found.reading.trials.losses) == pytest.approx([1 / FACTOR, 1, FACTOR, 10])
    assert found.suggestion.lr == pytest.approx(0.5, rel=0.005)
    assert found.suggestion.rule == "trials"


def test_where_no_run_falls_the_answer_of_the_sweeps_is_not_suggested(monkeypatch):
    def risen(curve, start):
        return start + 1

    assert on_a_plateau().suggestion.rule == "trials"
    monkeypatch.setattr(trial_runs, "last_loss", risen)
    found = on_a_plateau()
    assert any(lr is not None for lr in found.repeats.lrs)
    assert found.suggestion is None
    assert found.reading.shape is Shape.FLAT
    assert "In 200 steps at constant rates the loss fell by 0.0% at most" in found.verdict
    assert "give it ten times the num_steps" in found.verdict
    assert found.content["trials"]["steps"] == found.reading.trials.steps == 200


def test_where_runs_at_constant_rates_decided_record_picture_and_screen_say_so():
    found = on_a_plateau()
    record, reading = found.content, found.reading
    assert record["suggestion"]["rule"] == record["measured"]["rule"] == "trials"
    assert record["shape"] == "weak"
    assert next(iter(record["rules"].items())) == ("trials", found.suggestion.lr)
    count = len(reading.trials.losses)
    page = range_page(found.curve, reading, "a net", found.repeats)
    assert page.title == f"a net, sweep 2 of 2, {count} runs at constant rates decided"
    turned = HeldOutRun(0.1, 40, {0: 2.0, 100: 1.0, 200: 1.5}, {100: 0.0, 200: 0.0})
    held = range_page(found.curve, replace(reading, held_out=turned), "a net")
    assert held.title == f"a net, {count} runs at constant rates and samples held out decided"
    points = [each for each in range_panel(found.curve, reading).layers if isinstance(each, Points)]
    assert VERMILLION not in [each.colour for each in points]  # the line was not what was read
    lines = shown(range_lines(reading, found.repeats, [], measured=record["measured"]))
    text = "\n".join(line.text for line in lines)
    why = r"In \d+ steps the loss fell by [\w.% ]+ before it turned"
    assert re.search(rf"{why}, so {count} runs at constant rates decided\.", text)
    worth = record["measured"]
    assert worth["rule"] == "trials"
    assert f"On {worth['tasks']} small tasks runs at constant rates decided too, and their answers" in text
    assert re.search(rf"^\* trials +{found.suggestion.lr:g}  training at constant rates$", text, re.MULTILINE)


def test_the_progress_line_of_a_run_ends_with_the_loss_that_decides(capsys):
    found = on_a_plateau(progress=True)
    lines = re.findall(r"lr (\S+), ended at a loss of (\S+), in ", capsys.readouterr().err)
    ends = [end for runs in found.reading.trials.lengths for end in runs.losses.items()]
    assert sorted(lines) == sorted((rate_text(lr), rate_text(loss)) for lr, loss in ends)


def test_the_verdict_says_where_the_runs_that_decide_have_learnt_little(monkeypatch):
    def hardly(curve, start):
        return start * (0.97 + abs(math.log10(curve.lrs[0] / 0.1)) / 1000)

    monkeypatch.setattr(trial_runs, "last_loss", hardly)
    found = on_a_plateau()
    assert found.suggestion.rule == "trials"
    assert "In 200 steps the loss fell by 3.0% at best: the model leaves a plateau later" in found.verdict


def test_with_a_step_of_ones_own_it_is_said_that_no_runs_follow_a_weak_sweep():
    found = on_a_plateau(own_step=True)
    assert found.reading.trials is None
    assert "Runs at constant rates would follow, since in " in found.verdict
    assert found.verdict.endswith("the best rate may lie many times higher.")


def in_small_batches(batch_size, **others):
    """The range test of a small network that tells two classes apart, which no batch of a few shows alone."""
    torch.manual_seed(0)
    x = torch.randn(2000, 20, generator=torch.Generator().manual_seed(1))
    data = TensorDataset(x, (x[:, :5].sum(1) > 0).long())
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(data, batch_size, shuffle=True, generator=torch.Generator().manual_seed(2))
    return range_test(model, optimizer, nn.CrossEntropyLoss(), loader, **others)


def test_where_batches_disagree_runs_at_constant_rates_decide_without_a_slower_sweep():
    found = in_small_batches(8)
    trials = found.reading.trials
    assert found.repeats is None
    assert next(iter(trials.losses)) < found.rules["centre"]
    assert found.suggestion.rule == "trials"
    assert found.suggestion.lr < found.rules["centre"]
    why = r"What \d+ steps do to the loss differs from batch to batch by \d+% of its mean"
    assert re.fullmatch(rf"{why}, so {len(trials.losses)} runs at constant rates decided\.", found.verdict)


def test_where_batches_agree_the_sweep_stands():
    found = in_small_batches(64)
    assert found.reading.trials is None
    assert found.suggestion.rule == "centre"


@pytest.mark.parametrize("others", [{"repeats": 1}, {"rule": "steepest"}])
def test_where_no_runs_may_follow_batches_that_disagree_the_verdict_says_what_it_means(others):
    found = in_small_batches(8, **others)
    assert found.reading.trials is None
    assert found.verdict.endswith(": a training may need a rate several times lower. lrfind verify tells.")


def test_a_loss_that_settles_at_the_mean_of_the_targets_is_not_learning():
    found = on_a_plateau(criterion=nn.MSELoss())
    assert found.suggestion is None
    assert found.reading.trials.share_lost > LEARNT
    assert "that a model that always answers the mean of the targets has: nothing was learnt" in found.verdict


def test_a_regression_of_noise_is_warned_of_though_its_loss_falls():
    stream = torch.Generator().manual_seed(1)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    noise = [(torch.randn(64, 20, generator=stream), torch.randn(64, 1, generator=stream)) for _ in range(60)]
    found = range_test(model, optimizer, nn.MSELoss(), noise, repeats=1)
    assert found.suggestion is not None
    assert "a model that always answers the mean of the targets" in found.reading.no_learning
    assert found.warnings == (found.reading.no_learning,)
