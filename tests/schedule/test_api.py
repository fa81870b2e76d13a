"""`from lrfind import try_policies`: what `lrfind schedule --try` measures, on objects of one's own."""

import json

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from lrfind import UserError, policies, try_policies
from lrfind.schedule.config import ScheduleConfig
from tests.own_tasks import Bowl, Built
from tests.records import check_record

NAMES = ("fixed", "linear", "one_cycle")


def planned(*names, lr=0.5, num_steps=20):
    return [policies.schedule(name, lr=lr, num_steps=num_steps) for name in names]


def on_bowl(schedules, **options):
    model = Bowl()
    loader = DataLoader(TensorDataset(torch.zeros(40, 1, dtype=torch.float64)), batch_size=4, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    held_out = [next(iter(loader))]
    return model, try_policies(model, optimizer, None, loader, held_out, schedules, **{"seeds": 2} | options)


def test_the_losses_are_those_of_the_closed_form_and_all_is_put_back(tmp_path):
    schedules = planned("fixed", "linear")
    model, found = on_bowl(schedules)
    for schedule, outcome in zip(schedules, found.outcomes, strict=True):
        weight = 1.0
        for step in range(20):
            weight *= 1 - schedule.rate(step)
        assert outcome.loss == pytest.approx(0.5 * weight**2, rel=1e-12)
        assert outcome.loss_spread == 0
    assert (found.best, found.suggestion) == ("fixed", None)
    assert model.w.item() == 1.0
    check_record(found.content)
    found.to_csv(tmp_path / "a.csv")
    found.to_json(tmp_path / "a.json")
    assert found.plot(tmp_path / "a.png").axes
    assert "best='fixed'" in repr(found)


def test_a_trial_has_no_rate_to_apply_and_says_what_follows_a_schedule():
    _, found = on_bowl(planned("fixed", "linear"), readings=1)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    with pytest.raises(UserError, match=r"policies\.scheduler\(optimizer, schedule\) .* the one of fixed"):
        found.apply(optimizer)
    _, nothing = on_bowl(planned("fixed", "linear", lr=1e-9), readings=1)
    with pytest.raises(UserError, match=r"none of them was best\. Nothing was learnt in 20 steps"):
        nothing.apply(optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_batches_are_of_the_size_that_is_given():
    seen = set()

    def forward(model, batch):
        seen.add(len(batch[0]))
        return model(*batch)

    _, found = on_bowl(planned("fixed", "linear"), forward=forward, batch_size=10, readings=1)
    assert seen == {10, 4}  # of training, and what is held out
    assert found.content["config"]["try_policies"]["batch_size"] == 10
    with pytest.raises(UserError, match="batch_size=50 cannot be had: the loader draws 40 samples an epoch"):
        on_bowl(planned("fixed", "linear"), batch_size=50)


def test_the_command_says_the_same_of_the_same_task(lrfind, tmp_path):
    words = ("schedule.num_steps=20", "schedule.policy=[fixed,linear,one_cycle]", "schedule.lr=0.2",
             "schedule.seeds=1", "schedule.readings=4", "schedule.held_out=200", "schedule.try=true",
             "optimizer=momentum")  # fmt: skip
    ran = lrfind("schedule", *words)
    assert ran.code == 0, ran.err
    own = Built("schedule", *words, held_out=200, schema=ScheduleConfig)
    found = try_policies(*own.arguments, own.held_out, planned(*NAMES, lr=0.2), seeds=1, readings=4)
    found.to_csv(tmp_path / "own.csv")
    assert (tmp_path / "own.csv").read_text() == (ran.folder / "schedule_try.csv").read_text()
    assert found.content["tried"] == json.loads((ran.folder / "schedule.json").read_text())["tried"]
    assert found.tried.measures_accuracy
    figure = found.plot()
    axes = figure.subplots()
    assert found.plot(ax=axes) is figure


def test_steps_are_told_and_an_interrupt_is_passed_on_with_all_put_back():
    told = []
    on_bowl(planned("fixed", "linear"), on_step=told.append)
    assert [step.index for step in told] == list(range(2 * 2 * 20))
    assert (told[0].policy, told[-1].policy, told[-1].seed) == ("fixed", "linear", 1)

    def stop(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        on_bowl(planned("fixed", "linear"), on_step=stop)


@pytest.mark.parametrize(
    ("schedules", "options", "said"),
    [
        (planned("fixed"), {}, "two or more"),
        (planned("fixed", "fixed"), {}, "different policies, got fixed, fixed"),
        ([*planned("fixed"), *planned("linear", num_steps=7)], {}, "the same number of steps"),
        (["fixed", "cosine"], {}, "schedules must be a list of schedules, got 'fixed': each is made"),
        ("cosine", {}, "a list of schedules, got 'cosine'"),
        (planned("fixed")[0], {}, "a list of schedules, got Schedule"),
        (planned("fixed", "linear"), {"on_step": 5}, "on_step must be a function that takes a step"),
        (planned("fixed", "linear"), {"seeds": 0}, "seeds must be a whole number of at least 1, got 0"),
        (planned("fixed", "linear"), {"readings": 21}, "readings must be at most the 20 steps"),
    ],
)
def test_bad_arguments_are_named(schedules, options, said):
    with pytest.raises(UserError, match=said):
        on_bowl(schedules, **options)
