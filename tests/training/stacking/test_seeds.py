"""Several seeds side by side, against each of them alone."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, RMSprop

from lrfind.errors import ConfigError
from lrfind.refine.continued import Reading, along, continued
from lrfind.refine.loss_log import LossLog
from lrfind.suggestion import Status
from lrfind.training import state as checkpoint
from lrfind.training.objective import Objective
from lrfind.training.stacking.autotune import form_of_seeds
from lrfind.training.stacking.seeds import StackedSeeds
from lrfind.training.stacking.strategy import Strategy
from lrfind.training.step import StepOptions
from lrfind.training.task import Task

CPU = torch.device("cpu")
RUNGS = [(0.05, 3), (0.1, 2), (0.2, 2)]
OPTIMIZERS = {
    "sgd": (SGD, {}),
    "nesterov": (SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "adam": (Adam, {"amsgrad": True}),
    "adamw": (AdamW, {}),
}


def regression(dtype):
    return nn.Sequential(nn.Linear(3, 4), nn.Sigmoid(), nn.Linear(4, 1)).to(dtype), nn.MSELoss()


def classifier(dtype):
    layers = [nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(8, 3), nn.LogSoftmax(1)]
    return nn.Sequential(*layers).to(dtype), nn.NLLLoss()


def batches_of(seed, name, dtype):
    draw = torch.Generator().manual_seed(seed)
    while True:
        if name == "regression":
            yield torch.randn(5, 3, generator=draw).to(dtype), torch.randn(5, 1, generator=draw).to(dtype)
        else:
            x = torch.randn(5, 1, 4, 4, generator=draw).to(dtype)
            yield x, torch.randint(0, 3, (5,), generator=draw)


def tasks(count, *, name="regression", optimizer="sgd", dtype=torch.float64, **options):
    made = []
    kind, settings = OPTIMIZERS[optimizer]
    for seed in range(count):
        torch.manual_seed(seed)
        model, criterion = {"regression": regression, "classifier": classifier}[name](dtype)
        moved = kind(
            [{"params": model[0].parameters(), "lr": 0.02}, {"params": list(model.parameters())[2:]}],
            lr=0.1,
            **settings,
        )
        stream = batches_of(seed, name, dtype)
        made.append(Task(Objective(model, criterion), moved, stream, CPU, StepOptions(**options)))
    return made


def alone(made, reading, rungs=RUNGS):
    tapes = [LossLog() for _ in made]
    ended = [
        continued(task, rungs, reading=reading, tape=tape) for task, tape in zip(made, tapes, strict=True)
    ]
    return tapes, ended


def together(made, reading, *, record, rungs=RUNGS, **more):
    tapes = [LossLog() for _ in made]
    ended = along(StackedSeeds(made, record=record), rungs, reading=reading, tapes=tapes, **more)
    return tapes, ended


def flat(tape):
    return [tape.level, *itertools.chain(*tape.losses)]


@pytest.mark.parametrize("record", [False, True], ids=["computed", "recorded"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ["regression", "classifier"])
@pytest.mark.parametrize("options", [{}, {"accumulation_steps": 2, "clip_grad_norm": 0.1}], ids=str)
def test_seeds_side_by_side_are_as_each_alone_in_float64(record, optimizer, name, options):
    reading = Reading(2, list(itertools.islice(batches_of(9, name, torch.float64), 2)))
    how = {"name": name, "optimizer": optimizer} | options
    (ours, ended), (theirs, _) = (
        together(tasks(3, **how), reading, record=record),
        alone(tasks(3, **how), reading),
    )
    assert ended == [Status.COMPLETED] * 3
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(flat(one), flat(other), rtol=1e-8, atol=1e-8)
    assert len({tape.losses[-1][-1] for tape in ours}) == 3


@pytest.mark.parametrize("record", [False, True])
def test_seeds_side_by_side_are_as_each_alone_in_float32_within_its_precision(record):
    ours, _ = together(tasks(3, dtype=torch.float32), Reading(2), record=record)
    theirs, _ = alone(tasks(3, dtype=torch.float32), Reading(2))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(flat(one), flat(other), rtol=1e-5)


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("bad", [0, 2])
def test_a_seed_that_diverges_leaves_and_the_others_go_on_unharmed(record, bad):
    def made():
        found = tasks(3)
        with torch.no_grad():
            found[bad].objective.model[2].bias.fill_(1e160)  # whose gradient is finite, and next loss is not
        return found

    reading = Reading()
    tapes, ended = together(made(), reading, record=record)
    theirs, _ = alone(made(), reading)
    assert [status is Status.NONFINITE for status in ended] == [seed == bad for seed in range(3)]
    assert tapes[bad].losses == theirs[bad].losses == [[math.inf]]
    for seed in {0, 1, 2} - {bad}:
        np.testing.assert_allclose(flat(tapes[seed]), flat(theirs[seed]), rtol=1e-8)


def test_a_seed_that_begins_at_no_finite_loss_takes_no_step():
    made = tasks(2)
    with torch.no_grad():
        made[0].objective.model[0].bias.fill_(math.nan)
    reading = Reading(1, [next(batches_of(9, "regression", torch.float64))])
    tapes, ended = together(made, reading, record=False)
    assert ended == [Status.NONFINITE, Status.COMPLETED]
    assert [tape.iterations for tape in tapes] == [0, 7]


def test_when_no_seed_is_left_the_round_ends():
    made = tasks(2)
    with torch.no_grad():
        for task in made:
            task.objective.model[0].bias.fill_(math.nan)
    told = []
    tapes, ended = together(made, Reading(), record=False, on_iteration=lambda p, _: told.append(p))
    assert ended == [Status.NONFINITE] * 2
    assert [tape.iterations for tape in tapes] == [1, 1]
    assert told == []


def test_an_interrupt_keeps_what_every_seed_has_measured():
    def interrupt(point, catch_up):
        if point.index == 3:
            raise KeyboardInterrupt

    tapes, ended = together(tasks(2), Reading(), record=True, on_iteration=interrupt)
    assert ended == [Status.INTERRUPTED] * 2
    assert [[len(losses) for losses in tape.losses] for tape in tapes] == [[3, 1]] * 2


@pytest.mark.parametrize("record", [False, True])
@pytest.mark.parametrize("optimizer", ["nesterov", "adam"])
def test_a_stack_put_back_into_a_new_one_goes_on_to_the_last_bit(record, optimizer):
    how = {"optimizer": optimizer, "dtype": torch.float32}

    def made():
        found = tasks(3, **how)
        with torch.no_grad():
            found[1].objective.model[0].bias.fill_(math.nan)  # it is out before the state is taken
        return found

    whole, _ = together(made(), Reading(), record=record)
    stacked, tapes, kept = StackedSeeds(made(), record=record), [LossLog() for _ in range(3)], []

    def stop(point, catch_up):
        if point.index == 3:
            kept.append(checkpoint.packed_values(stacked.state(), about={"round": 1}))
            raise KeyboardInterrupt

    along(stacked, RUNGS, reading=Reading(), tapes=tapes, on_iteration=stop)
    again = tasks(3, **how)
    for task in again:
        for _ in range(4):
            next(task.batches)
    other = StackedSeeds(again, record=record)
    other.load(checkpoint.values_of(kept[0], CPU))
    assert checkpoint.about(kept[0]) == {"round": 1}
    assert other.inside == [0, 2]
    along(other, RUNGS, reading=Reading(), tapes=tapes)
    assert [tape.losses for tape in (tapes[0], tapes[2])] == [tape.losses for tape in (whole[0], whole[2])]


def test_the_state_of_another_model_is_refused():
    state = StackedSeeds(tasks(2, name="classifier"), record=False).state()
    with pytest.raises(ValueError, match="another model's state"):
        StackedSeeds(tasks(2), record=False).load(state)


def test_weights_that_are_not_trained_and_differ_are_each_seeds_own():
    def made():
        found = tasks(2)
        for task in found:
            task.objective.model[0].requires_grad_(False)
        return found

    reading = Reading(1, [next(batches_of(9, "regression", torch.float64))])
    ours, _ = together(made(), reading, record=True)
    theirs, _ = alone(made(), reading)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(flat(one), flat(other), rtol=1e-8)


def test_the_models_of_the_tasks_stay_as_they_were():
    made = tasks(2)
    before = [[p.clone() for p in t.objective.model.parameters()] for t in made]
    form_of_seeds(made, 0.1, count=2, steps=10**6, strategy=Strategy.AUTO)
    together(made, Reading(), record=True)
    for task, values in zip(made, before, strict=True):
        for p, value in zip(task.objective.model.parameters(), values, strict=True):
            assert torch.equal(p, value)


def test_the_choice_says_why_and_a_forced_one_says_why_not():
    assert not form_of_seeds(tasks(2), 0.1, count=2, steps=10**6, strategy=Strategy.SEQUENTIAL).stacked
    assert (
        "not worth stacking" in form_of_seeds(tasks(2), 0.1, count=2, steps=5, strategy=Strategy.AUTO).reason
    )
    forced = form_of_seeds(tasks(2), 0.1, count=2, steps=5, strategy=Strategy.STACKED)
    assert forced.stacked
    assert forced.record
    only = itertools.chain(tasks(1), (pytest.fail("asked for") for _ in range(1)))
    assert "not worth" in form_of_seeds(only, 0.1, count=2, steps=5, strategy=Strategy.AUTO).reason
    small = form_of_seeds(tasks(4), 0.1, count=4, steps=10**6, strategy=Strategy.AUTO)
    assert small.stacked
    assert "small enough for that to be faster" in small.reason


class Counting(nn.Module):
    """Its loss depends on a buffer that moves."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1).double()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def forward(self, x):
        self.count += 1
        return self.layer(x)


class Odd(nn.Module):
    """Every other call is another function."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 1).double()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return self.layer(x) * (self.calls % 2)


@pytest.mark.parametrize(
    ("model", "kind", "reason"),
    [
        (lambda: nn.Linear(3, 1).double(), RMSprop, "the optimizer is RMSprop"),
        (lambda: nn.Sequential(nn.Linear(3, 1), nn.Dropout(0.5)).double(), SGD, "Dropout draws random"),
        (Counting, SGD, "buffers that change in training"),
        (Odd, SGD, "come out differently when stacked"),
    ],
)
def test_what_cannot_be_stacked_falls_back_and_is_refused_where_it_is_asked_for(model, kind, reason):
    def made():
        found = []
        for seed in range(8):
            own = model()
            stream = batches_of(seed, "regression", torch.float64)
            found.append(Task(Objective(own, nn.MSELoss()), kind(own.parameters(), lr=0.1), stream, CPU))
        return found

    form = form_of_seeds(made(), 0.01, count=8, steps=10**6, strategy=Strategy.AUTO)
    assert not form.stacked
    assert reason in form.reason
    with pytest.raises(ConfigError, match="cannot be trained side by side"):
        form_of_seeds(made(), 0.01, count=8, steps=10**6, strategy=Strategy.STACKED)
