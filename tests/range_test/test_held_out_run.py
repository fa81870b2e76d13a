"""A run with samples held out: when it is made, where its loss turns, what that makes of the rate."""

import math
import re
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import range_test
from lrfind.api.caller import Caller
from lrfind.plotting.panel import Line, Marker
from lrfind.range_test.config import RangeSettings
from lrfind.range_test.curve import Curve
from lrfind.range_test.held_out_plot import held_out_row
from lrfind.range_test.held_out_run import (
    EVERY,
    LEAST_STEPS,
    PASSES,
    STEPS,
    HeldOutRun,
    passes,
    with_unseen_overfitting,
)
from lrfind.range_test.plot import range_page, range_panel
from lrfind.range_test.report import range_lines, range_record
from lrfind.range_test.shape import Shape
from lrfind.range_test.slower_sweep import NOTHING_LEFT, PLATEAU
from lrfind.report.record import plain
from lrfind.suggestion import Status, Suggestion
from tests.records import check_record
from tests.screen import shown

SUGGESTION = Suggestion(0.03, 0.01, 0.09, "centre", "The middle.")
LADDER = 1e-9, 10.0


def run(*losses, training=0.0, every=50):
    """A run that was read every so many steps."""
    read = {every * i: loss for i, loss in enumerate(losses)}
    return HeldOutRun(0.03, 40, read, dict.fromkeys(list(read)[1:], training))


@pytest.mark.parametrize(
    ("losses", "turned", "factor"),
    [
        ((2.0, 1.5, 1.2, 1.1, 1.0), False, 1.0),
        ((2.0, 1.0, 1.04, 1.02, 1.04), False, 1.0),  # risen by less than a twentieth of the fall
        ((2.0, 1.0, 1.1, 1.2, 1.3), True, 50 / 300),
        ((2.0, 1.2, 1.1, 1.0, 1.06), True, 150 / 300),
        ((2.0, 1.0, math.inf, math.inf, math.inf), True, 50 / 300),
        ((2.0, 2.1, 2.2, 2.3, 2.4), False, 1.0),  # nothing was learnt, so nothing tells where to go
        ((-1.0, -2.0, -1.5), True, 50 / 300),
    ],
)
def test_the_rate_is_lowered_until_the_loss_turns_at_the_end_of_a_training(losses, turned, factor):
    found = run(*losses)
    assert (found.turned, found.factor) == (turned, pytest.approx(factor))
    revised = found.revise(SUGGESTION, LADDER)
    assert (revised.lr, revised.low, revised.high) == pytest.approx(
        (0.03 * factor, 0.01 * factor, 0.09 * factor), rel=0.005
    )
    assert revised.rule == "centre"
    assert (revised == SUGGESTION) == (factor == 1)


def test_where_the_loss_only_rose_at_higher_rates_the_answer_is_below_the_first_of_them():
    rose = [replace(run(2.0, 2.5, 3.0), lr=lr) for lr in (0.03, 0.03 / 12)]
    found = replace(run(2.0, 1.5, 1.2, 1.1, 1.0), lr=0.03 / 144)
    for each in reversed(rose):
        found = replace(found, before=(each, *found.before))
    assert found.higher == (0.03, 0.03 / 12)
    assert found.factor == pytest.approx(1 / 144)
    assert found.revise(SUGGESTION, LADDER).lr == pytest.approx(0.03 / 144, rel=0.005)
    assert found.revise(SUGGESTION, LADDER).reason == (
        "0.000208 is 0.0069 times the 0.03 that the curve shows: at 0.03 and 0.0025 the loss of samples held "
        "out only rises. The middle."
    )
    turned = replace(found, losses=run(2.0, 1.0, 1.5).losses)
    assert turned.factor == pytest.approx(1 / 144 * 50 / 300)
    assert (
        "only rises; at 0.000208 it turned after 50 steps, and it is to turn at the end of a training of "
        in (turned.revise(replace(SUGGESTION, rule="trials"), LADDER).reason)
    )
    rose = replace(found, losses=run(2.0, 2.5, 3.0).losses)
    assert "only rises, as at 0.03 and 0.0025 before, from 2 to 3: the model gets worse" in rose.in_words


def test_where_the_loss_ends_lower_at_higher_rates_the_answer_is_as_much_higher():
    first, second = run(2.0, 1.9, 1.8), replace(run(2.0, 1.8, 1.6), lr=0.095)
    found = replace(run(2.0, 1.5, 1.2), lr=0.3).following(second.following(first))
    assert found.before == (first, second)
    assert (found.lower, found.higher, found.first) == ((0.03, 0.095), (), 0.03)
    assert found.factor == pytest.approx(10)
    revised = found.revise(SUGGESTION, LADDER)
    assert (revised.lr, revised.low, revised.high) == (0.3, 0.1, 0.9)
    assert revised.reason == (
        "0.3 is 10 times the 0.03 that the curve shows: at 0.03 and 0.095 the loss of samples held out ends "
        "higher than at 0.3. The middle."
    )
    assert found.revise(SUGGESTION, (1e-5, 0.5)).high == 0.5
    turned = replace(found, losses=run(2.0, 1.0, 1.2).losses)
    assert turned.revise(SUGGESTION, LADDER).reason == (
        "0.05 is 1.7 times the 0.03 that the curve shows: at 0.03 and 0.095 the loss of samples held out "
        "ends higher than at 0.3; at 0.3 it turned after 50 steps, and it is to turn at the end of a "
        "training of 300: 50/300 of 0.3. The middle."
    )
    too_high = replace(run(2.0, math.inf), lr=0.95)
    found = replace(found, after=too_high)
    assert found.others == (first, second, too_high)
    assert found.in_words.endswith(
        "It ends at 1.2, and no lower at other rates: 1.8 at 0.03, 1.6 at 0.095 and not finite at 0.95."
    )
    row = held_out_row(replace(found, samples=2000), 0.6).panels[0]
    assert "samples held out, at 0.03, 0.095 and 0.95" in [each.name for each in row.named]
    assert any("2,000 samples" in getattr(each, "text", "") for each in row.layers)
    alone = replace(first, after=replace(first, lr=0.095), samples=2000).in_words
    assert "the loss of 2,000 samples held out falls from 2 to 1.8" in alone
    assert alone.endswith("It ends at 1.8, and no lower at another rate: 1.8 at 0.095.")


def test_no_rate_is_tried_again_at_which_the_loss_only_rose():
    assert run(2.0, 1.0).next_higher == pytest.approx(0.03 * math.sqrt(10))
    found = replace(run(2.0, 1.0), before=(replace(run(2.0, 3.0), lr=0.09),))
    assert math.isinf(found.next_higher)


def test_the_rate_after_one_at_which_the_loss_only_rises_is_as_if_it_had_turned_at_the_first_reading():
    assert run(2.0, 2.5).next_lower == pytest.approx(0.03 * 25 / 300)


def test_no_rate_is_lower_than_the_least():
    revised = run(2.0, 1.0, 1.5).revise(SUGGESTION, (0.004, 10.0))
    assert (revised.lr, revised.low, revised.high) == pytest.approx((0.005, 0.004, 0.015))


def test_the_words_say_what_the_loss_did():
    assert run(2.0, 1.0, 1.5).in_words == (
        "In 100 steps at 0.03 the loss of 40 samples held out falls from 2 to 1, reached after 50, and rises "
        "to 1.5 again: the model learns its samples by heart."
    )
    assert run(2.0, 1.5, 1.2, 1.1, 1.0).in_words.endswith("falls from 2 to 1 and does not turn.")
    assert run(2.0, 1.5, 1.2, 1.0).in_words.endswith("falls from 2 to 1, as that of the batches does.")
    said = run(2.0, 2.5, 3.0).in_words
    assert "only rises, from 2 to 3: the model learns its samples by heart" in said
    assert "The rate is left as the curve shows it" in said
    reason = run(2.0, 1.0, 1.5).revise(SUGGESTION, LADDER).reason
    assert reason.startswith(
        "0.005 is 0.17 times the 0.03 that the curve shows: at that rate the loss of samples"
    )
    assert reason.endswith(
        "turned after 50 steps, and it is to turn at the end of a training of 300: 50/300 of it. The middle."
    )


@pytest.mark.parametrize(
    ("losses", "training", "gap", "ended"),
    [
        ((2.0, 1.8, 1.6, 1.4), 0.5, 1 / 1.5, False),
        ((2.0, 1.8, 1.6, 1.5), 1.52, 0.03 / 0.5, True),  # less than a tenth, and 150 steps
        ((2.0, 1.8, 1.5), 1.6, 0.1, False),  # 100 steps are too few
        ((2.0, 1.5, 1.2, 1.1, 1.0), 0.1, 0.95 / 1.9, True),  # 200 are enough
        ((2.0, 2.0, 2.1, 2.2), 2.1, math.inf, False),  # nothing is learnt
    ],
)
def test_it_ends_where_the_batches_are_known_no_better_than_other_samples(losses, training, gap, ended):
    found = run(*losses, training=training)
    assert found.gap == pytest.approx(gap, abs=1e-9)
    assert found.ended == ended


def test_a_rise_where_the_batches_are_known_no_better_than_other_samples_is_no_turn():
    assert not run(2.0, 1.5, 1.2, 1.25, training=1.2).turned
    assert run(2.0, 1.5, 1.2, 1.25, training=0.5).turned


def test_a_training_meets_every_sample_as_often_as_it_has_epochs():
    curve = Curve(np.ones(1), np.ones(1), np.ones(1), Status.COMPLETED, 1)
    assert passes(replace(curve, epoch_steps=7.5)) == pytest.approx(40)
    assert passes(curve) == 0


def by_heart(*, batch_size=8, samples=64, loader=None, **arguments):
    """The range test of a wide network on few samples and much noise, which it learns by heart."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 1))
    x, y = torch.randn(samples, 10), torch.randn(samples, 1)
    y += x[:, :1]
    loader = loader or DataLoader(TensorDataset(x, y), batch_size=batch_size, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters())
    before = [each.clone() for each in model.parameters()], torch.get_rng_state()
    found = range_test(model, optimizer, nn.MSELoss(), loader, **arguments)
    assert all(map(torch.equal, before[0], model.parameters()))
    assert torch.equal(before[1], torch.get_rng_state())
    assert not optimizer.state
    return found


def test_where_samples_are_learnt_by_heart_the_rate_is_lowered_and_everything_says_so():
    found = by_heart()
    held_out, record = found.reading.held_out, found.content
    assert held_out.turned
    assert held_out.samples == 13  # a fifth
    assert list(held_out.losses) == list(range(0, STEPS + 1, EVERY))
    assert held_out.lr == found.rules["centre"]
    assert found.suggestion.lr == pytest.approx(found.rules["centre"] * held_out.factor, rel=0.005)
    assert found.suggestion.low < found.suggestion.lr < found.suggestion.high
    assert record["steps"] == len(found.curve) + STEPS
    check_record(record)
    assert record["held_out"]["factor"] == held_out.factor
    assert found.verdict.endswith(held_out.in_words)
    page = range_page(found.curve, found.reading, "a net")
    row = page.parts[1].panels[0]
    batches, others = (each for each in row.layers if isinstance(each, Line))
    assert others.y.tolist() == list(held_out.losses.values())
    assert batches.y.tolist() == list(held_out.training.values())
    assert batches.x.tolist() == [step - EVERY / 2 for step in held_out.training]
    assert [each.at for each in row.layers if isinstance(each, Marker)] == [held_out.lowest_at]
    names = [each.name for each in range_panel(found.curve, found.reading).named]
    assert f"{held_out.lr:g}, as the curve shows it" in names
    text = "\n".join(line.text for line in shown(range_lines(found.reading, None, [])))
    assert f"{found.suggestion.lr:g} after the run with samples held out" in text


def trained_before(samples=64, steps=400, **arguments):
    """The range test of a network that knows its samples by heart, whose labels are half at random."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 3))
    x = torch.randn(samples, 10)
    y = torch.where(torch.rand(samples) < 0.5, x[:, :3].argmax(1), torch.randint(3, (samples,)))
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    loader = DataLoader(TensorDataset(x + 0.5 * torch.randn_like(x), y), batch_size=2, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return range_test(model, optimizer, nn.CrossEntropyLoss(), loader, **arguments)


def test_where_the_model_was_trained_before_it_is_made_however_few_the_passes_and_again_at_lower_rates():
    found = trained_before()
    held_out = found.reading.held_out
    assert passes(found.curve) < 15
    assert len(held_out.higher) == 2
    assert [held_out.higher[1], held_out.lr] == pytest.approx(
        [held_out.higher[0] / 12, held_out.higher[0] / 144]
    )
    assert found.suggestion.lr == pytest.approx(held_out.first * held_out.factor, rel=0.005)
    assert found.suggestion.low <= found.suggestion.lr <= found.suggestion.high
    others = found.content["held_out"]["others"]
    assert [each["lr"] for each in others] == [each.lr for each in held_out.others]
    check_record(found.content)
    untrained = trained_before(steps=0)
    assert untrained.reading.held_out is None
    assert [each.reading.trained_before for each in (found, untrained)] == [True, False]


def test_what_suggestions_were_measured_to_be_worth_is_not_said_of_a_model_that_was_trained_before():
    test = by_heart()
    trained = replace(test.reading, trained_before=True)
    settings = plain(RangeSettings())
    assert range_record(settings, test.reading, None)["measured"] is not None
    assert range_record(settings, trained, None)["measured"] is None


def changed_since(**arguments):
    """The range test of a network that was trained before its inputs were shifted."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
    x = torch.randn(2000, 10)
    y = x[:, :3].argmax(1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(400):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    loader = DataLoader(TensorDataset(0.7 * x + 1, y), batch_size=64, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return range_test(model, optimizer, nn.CrossEntropyLoss(), loader, **arguments)


def test_where_such_a_model_has_much_to_learn_higher_rates_are_tried_while_other_samples_fare_better():
    found = changed_since()
    held_out = found.reading.held_out
    assert found.reading.trained_before
    rates = [each.lr for each in (*held_out.before, held_out)]
    assert len(rates) > 1
    assert rates[1:] == pytest.approx([lr * math.sqrt(10) for lr in rates[:-1]])
    ends = [each.last for each in (*held_out.before, held_out)]
    assert ends == sorted(ends, reverse=True)
    assert held_out.after.lr == pytest.approx(rates[-1] * math.sqrt(10))
    assert held_out.after.last >= held_out.last
    assert {each.steps for each in held_out.others} == {held_out.steps}
    assert found.suggestion.lr == pytest.approx(rates[0] * held_out.factor, rel=0.005)
    taken = sum(each.steps for each in (*held_out.others, held_out))
    assert found.content["steps"] == len(found.curve) + taken
    grey = [each for each in held_out_row(held_out, 0.6).panels[0].layers if isinstance(each, Line)]
    assert [each.y.tolist() for each in grey[: len(held_out.others)]] == [
        list(each.losses.values()) for each in held_out.others
    ]
    check_record(found.content)


def test_of_a_model_that_knows_everything_no_plateau_is_said():
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    x = torch.randn(512, 4)
    y = (x[:, 0] > 0).long()
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[-3000.0, 0, 0, 0], [3000.0, 0, 0, 0]]))
        model.bias.zero_()
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    found = range_test(model, torch.optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), loader)
    assert found.suggestion is None
    assert found.verdict.endswith(NOTHING_LEFT)
    assert PLATEAU not in found.verdict


@pytest.mark.parametrize(
    ("margin", "shape", "knows"),
    [(5.0, Shape.FLAT, True), (3.0, Shape.FALLS_TO_END, True), (1.0, Shape.FALLS_TO_END, False)],
)
def test_a_model_that_knows_its_samples_is_not_advised_to_try_higher_rates(margin, shape, knows):
    model = nn.Linear(1, 2, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[-margin], [margin]]))
    x = torch.randn(512, 1, generator=torch.Generator().manual_seed(0)).sign()
    loader = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=32, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    found = range_test(model, optimizer, nn.CrossEntropyLoss(), loader, end_lr=1.0)
    assert found.reading.shape is shape
    assert found.verdict.endswith(NOTHING_LEFT) == knows
    assert ("Raise end_lr" in found.verdict) != knows


@pytest.mark.parametrize("how", ["frozen", "left out", "trained"])
def test_a_model_most_of_which_stays_as_it_is_was_trained_before(how, monkeypatch):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 3))
    x = torch.randn(2000, 10)
    loader = DataLoader(TensorDataset(x, x[:, :3].argmax(1)), batch_size=64, shuffle=True)
    model[0].requires_grad_(how != "frozen")
    trained = model[2].parameters() if how == "left out" else model.parameters()
    optimizer = torch.optim.SGD(trained, lr=0.1)
    told = []
    monkeypatch.setattr(Caller, "note", lambda self, text: told.append(text))
    found = range_test(model, optimizer, nn.CrossEntropyLoss(), loader)
    assert passes(found.curve) < PASSES
    assert found.reading.trained_before == (how != "trained")
    assert (found.reading.held_out is None) == (how == "trained")
    assert (found.content["measured"] is None) == (how != "trained")
    said = "the model was trained before (195 of its 899 parameters are trained now)"
    assert any(said in each for each in told) == (how != "trained")


def test_no_rate_above_the_ladder_is_tried():
    found = changed_since(end_lr=0.05)
    held_out = found.reading.held_out
    assert held_out.after is None
    assert not held_out.turned
    assert held_out.next_higher > 0.05
    assert found.suggestion.high <= 0.05


def test_where_none_is_made_for_such_a_model_the_verdict_says_what_is_left_open():
    said = (
        "The model was trained before, and no samples were held out to see what this rate makes of it: that "
        "may be many times too high or too low"
    )
    alone, held = by_heart(repeats=1), by_heart()
    assert said in with_unseen_overfitting(alone.reading, alone.curve, trained=True)
    assert said not in with_unseen_overfitting(alone.reading, alone.curve, trained=False)
    assert with_unseen_overfitting(held.reading, held.curve, trained=True) == held.reading.seen


def test_batches_that_the_caller_holds_out_are_read_in_place_of_a_fifth():
    x = torch.randn(30, 10, generator=torch.Generator().manual_seed(3))
    found = by_heart(validation=[(x, x[:, :1])])
    assert found.reading.held_out.samples == 30


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 2},  # 32 steps an epoch
        {"repeats": 1},
        {"rule": "minimum"},
        {"single_batch": True},
        {"samples": 8},  # none can be spared
        {"loader": [(torch.ones(8, 10), torch.ones(8, 1))] * 5},  # no data set is behind it
    ],
)
def test_else_no_such_run_is_made(arguments):
    found = by_heart(**arguments)
    assert found.reading.held_out is None
    assert "held_out" not in found.content


def test_where_none_is_made_on_such_data_the_verdict_says_what_is_left_open():
    said = "a training of 300 steps meets every sample 38 times, and none were held out".replace("a t", "A t")
    assert said in by_heart(repeats=1).verdict
    assert "were held out to see" not in by_heart(batch_size=2).verdict
    assert "were held out to see" not in by_heart().verdict


def test_groups_that_are_swept_alone_leave_the_same_open():
    torch.manual_seed(0)
    body, head = nn.Linear(10, 32), nn.Linear(32, 1)
    x = torch.randn(64, 10)
    loader = DataLoader(TensorDataset(x, x[:, :1]), batch_size=8, shuffle=True)
    optimizer = torch.optim.SGD([{"params": each.parameters()} for each in (body, head)], lr=0.1)
    found = range_test(nn.Sequential(body, head), optimizer, nn.MSELoss(), loader, groups="each")
    assert found.verdict.startswith("Each group alone")
    assert found.verdict.count("meets every sample 38 times, and none were held out") == 1


def test_few_samples_are_called_few():
    assert "samples held out, so few that chance counts, falls" in replace(run(2.0, 1.0), samples=13).in_words
    assert "so few" not in run(2.0, 1.0).in_words


def test_where_nothing_holds_for_other_samples_it_is_a_warning_and_no_worth_is_named(monkeypatch):
    import importlib

    made = importlib.import_module("lrfind.range_test.hold_out")
    losses = iter(range(1, 100))
    monkeypatch.setattr(made, "evaluate", lambda objective, batches: (torch.tensor(next(losses)), None))
    found = by_heart()
    assert found.reading.held_out.factor == 1
    assert found.reading.no_learning.startswith(found.reading.held_out.in_words)
    assert found.verdict.count("only rises, from 1 to 9") == 1
    assert found.content["measured"] is None
    assert "peaks" not in found.content


@dataclass
class Unreadable:
    """A task with a picture that cannot be read among those held out."""

    skipped: list[str] = field(default_factory=lambda: ["odd.jpg"])
    validation: None = None
    objective: None = None
    peers: None = None


def test_pictures_that_cannot_be_read_are_told_where_the_held_out_loss_is_not_finite_either(monkeypatch):
    import importlib

    made = importlib.import_module("lrfind.range_test.hold_out")
    monkeypatch.setattr(made, "evaluate", lambda objective, batches: (math.inf, None))
    sweeps = SimpleNamespace(
        last_task_with_held_out=lambda: nullcontext(Unreadable()), observer=Caller(), skipped={}
    )
    assert made.hold_out(sweeps, 0.1, "few samples") is None
    assert list(sweeps.skipped) == ["odd.jpg"]


def test_an_interrupt_on_the_way_leaves_what_the_sweep_shows(monkeypatch):
    import importlib

    sweeps = importlib.import_module("lrfind.range_test.sweeps")
    whole = sweeps.sweep

    def stopped(task, lrs, **others):
        if len(lrs) == EVERY:
            raise KeyboardInterrupt
        return whole(task, lrs, **others)

    monkeypatch.setattr(sweeps, "sweep", stopped)
    with pytest.raises(KeyboardInterrupt):
        by_heart()


def test_an_interrupt_leaves_the_runs_that_had_ended(monkeypatch):
    import importlib

    made = importlib.import_module("lrfind.range_test.hold_out")
    api = importlib.import_module("lrfind.api.range_test")
    read, test, calls, tests = made._read_on_the_way, api.run_range_test, [], []

    def stopped(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return read(*arguments)

    def kept(*arguments):
        tests.append(test(*arguments))
        return tests[-1]

    monkeypatch.setattr(made, "_read_on_the_way", stopped)
    monkeypatch.setattr(api, "run_range_test", kept)
    with pytest.raises(KeyboardInterrupt):
        changed_since()
    (found,) = tests
    ended = found.reading.held_out
    assert found.reading.suggestion is None
    assert (found.steps, ended.others) == (len(found.curve) + ended.steps, ())
    assert found.reading.verdict.startswith("Interrupted, after sweeps that answer ")
    assert found.reading.verdict.endswith(ended.in_words)
    assert range_record(plain(RangeSettings()), found.reading, None)["held_out"]["lr"] == ended.lr
    panels = [each.panels[0] for each in range_page(found.curve, found.reading, "a net").parts[:2]]
    assert "samples held out" in [each.name for each in panels[1].named]


def test_a_run_that_diverges_is_left_where_it_does():
    """Read as one that has turned: its loss at the end is infinite."""
    found = run(2.0, 1.0, math.inf)
    assert found.turned
    assert found.in_words.endswith("falls from 2 to 1, reached after 50; then the run diverges.")


@pytest.mark.parametrize(("words", "samples"), [((), 359), (("range.validation.samples=100",), 100)])
def test_on_the_command_line_a_fifth_is_held_out_or_what_is_set_apart_anyway(lrfind, words, samples):
    ran = lrfind("optimizer=adam", "batch_size=256", "range.num_steps=20", *words)
    assert ran.code == 0, ran.err
    found = ran.record["held_out"]
    assert found["samples"] == samples
    assert LEAST_STEPS <= found["steps"][-1] <= STEPS
    assert ran.record["steps"] == len(ran.rows) + found["steps"][-1]  # the run has no rows
    assert re.search(
        r"a training of 300 steps meets every sample \d\d times; a run of up to 200 steps", ran.err
    )
    assert f"the loss of {samples} samples held out falls from 2." in ran.out
