"""A rate for each group of parameters: closed forms of independent groups, what is put back and refused."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from lrfind import UserError, range_test
from lrfind.api.caller import Caller
from lrfind.range_test.config import Groups, RangeSettings
from lrfind.range_test.group_plot import each_page
from lrfind.range_test.group_sweeps import run_each_group
from lrfind.tasks.own import OwnTraining
from lrfind.tasks.own_runs import RepeatedTask, SeededTask
from tests.panels import assert_readable
from tests.records import check_record
from tests.toy_tasks import Quadratic

ONES = [torch.ones(2, dtype=torch.float64)] * 70


def parts(*curvatures, lr=0.5, **others):
    """A sum of parabolas, each a group of its own: no group knows of another's."""
    model = Quadratic(*curvatures)
    groups = [{"params": [w], "name": f"w{i}"} for i, w in enumerate(model.weights)]
    return model, torch.optim.SGD(groups, lr=lr, **others)


def swept(model, optimizer, loader=ONES, **others):
    return range_test(model, optimizer, None, loader, groups="each", **others)


@pytest.fixture(scope="module")
def each():
    return swept(*parts(1.0, 100.0))


def test_a_group_is_swept_while_the_others_train_at_what_all_together_suggest(each):
    kept = [group.lr for group in each.each.together.groups]
    for moved, (curvature, other) in enumerate([(1.0, 100.0), (100.0, 1.0)]):
        curve = each.each.alone[moved].test.curve
        w = np.cumprod(np.concatenate([[1.0], 1 - curve.lrs[:-1] * curvature]))
        v = (1 - kept[1 - moved] * other) ** np.arange(len(curve))
        assert curve.losses == pytest.approx(0.5 * (curvature * w**2 + other * v**2), rel=1e-9)
        assert curve.start_losses == pytest.approx(0.5 * (curvature + other * v**2), rel=1e-9)
        assert curve.paired


def test_the_rate_of_a_group_is_that_of_its_own_curvature(each):
    flat, steep = (group.lr for group in each.groups)
    assert flat / steep == pytest.approx(100, rel=0.2)  # rungs are 1.26 apart
    assert [group.ratio for group in each.groups] == pytest.approx([1, steep / flat], rel=1e-5)
    assert each.suggestion.lr == flat  # the highest: what -q prints
    assert each.suggestion.reason.startswith("Of w0, which has the highest rate: ")


def test_every_sweep_and_every_control_is_counted(each):
    found = each.each
    alone = sum(len(test.test.curve) for test in found.alone)
    assert found.control_steps == 2 * 60
    assert each.content["steps"] == len(found.together.curve) + alone + 2 * 60


def test_the_record_the_table_and_the_picture_have_every_group(each, tmp_path):
    check_record(each.content)
    assert [group["lr"] for group in each.content["groups"]] == [group.lr for group in each.groups]
    assert [one["group"] for one in each.content["each"]] == ["w0", "w1"]
    assert each.content["together"]["lr"] == each.each.together.reading.suggestion.lr
    each.to_csv(tmp_path / "range.csv")
    header, *rows = (tmp_path / "range.csv").read_text().splitlines()
    assert header == "group,step,lr,loss,smoothed_loss,start_loss"
    lengths = [len(each.curve), *(len(test.test.curve) for test in each.each.alone)]
    named = zip(["", "w0", "w1"], lengths, strict=True)
    assert [row.split(",")[0] for row in rows] == [name for name, n in named for _ in range(n)]
    page = each_page(each.each)
    assert_readable(page)
    headings = [layer.text for panel in page.panels for layer in panel.layers if hasattr(layer, "text")]
    assert "w1 alone, what the others learn taken out" in headings


def test_the_rates_are_applied_each_to_its_group(each):
    _, optimizer = parts(1.0, 100.0)
    assert each.apply(optimizer) == each.groups[0].lr
    assert [group["lr"] for group in optimizer.param_groups] == [group.lr for group in each.groups]
    with pytest.raises(UserError, match="has 3 groups of parameters, and there are rates for 2"):
        each.apply(parts(1.0, 2.0, 3.0)[1])


def test_a_group_that_changes_nothing_keeps_its_rate():
    found = swept(*parts(1.0, 0.0))
    used, unused = found.content["each"]
    assert used["suggestion"] is not None
    assert unused["suggestion"] is None
    kept = found.each.together.groups[1].lr
    assert found.groups[1].lr == kept
    assert f"w1 shows no rate of its own and keeps {kept:g}: " in found.verdict
    check_record(found.content)


def test_where_all_together_show_no_rate_none_is_swept_alone():
    found = swept(*parts(1.0, 2.0), start_lr=1e-9, end_lr=1e-8)
    assert found.suggestion is None
    assert found.each.alone == ()
    assert [group.lr for group in found.groups] == [None, None]
    assert found.verdict.startswith("All groups together show no rate, so none was swept alone. ")
    assert found.content["each"] == []
    check_record(found.content)
    with pytest.raises(UserError, match="there is no learning rate to apply"):
        found.apply(parts(1.0, 2.0)[1])


def network(groups=2):
    torch.manual_seed(0)
    x = torch.randn(512, 6)
    y = (x.sum(1) > 0).long()
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))
    if groups == 1:
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    else:
        given = [{"params": model[:2].parameters(), "lr": 0.001}, {"params": model[4].parameters()}]
        optimizer = torch.optim.AdamW(given, lr=0.01)
    data = torch.utils.data.TensorDataset(x, y)
    return model, optimizer, nn.CrossEntropyLoss(), torch.utils.data.DataLoader(data, 32, shuffle=True)


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_sweep_and_control_meet_the_same_batches_and_the_same_dropout(metric):
    found = range_test(*network(), groups="each", repeats=2, metric=metric)
    for alone in found.each.alone:
        assert len(alone.test.repeats.curves) == 2
        assert all(curve.paired for curve in alone.test.repeats.curves)
        if metric == "accuracy":
            assert all(curve.start_accuracies is not None for curve in alone.test.repeats.curves)
    assert "seed" in found._csv().splitlines()[0]


def test_everything_is_put_back_bitwise():
    model, optimizer, criterion, loader = network()
    loss = criterion(model(torch.randn(4, 6)), torch.tensor([0, 1, 0, 1]))
    loss.backward()
    optimizer.step()
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict())), torch.get_rng_state()
    range_test(model, optimizer, criterion, loader, groups="each")
    after = (model.state_dict(), optimizer.state_dict()), torch.get_rng_state()
    assert torch.equal(before[1], after[1])
    assert all(torch.equal(before[0][0][name], value) for name, value in after[0][0].items())
    assert [group["lr"] for group in optimizer.param_groups] == [0.001, 0.01]
    for key, state in before[0][1]["state"].items():
        assert all(torch.equal(value, after[0][1]["state"][key][name]) for name, value in state.items())


def interrupted_at(count):
    """The result of a test that is interrupted at its so many-th step."""
    model, optimizer = parts(1.0, 100.0)
    taken = 0

    def on_step(step):
        nonlocal taken
        taken += 1
        if taken == count:
            raise KeyboardInterrupt

    own = OwnTraining(model=model, optimizer=optimizer, criterion=None, loader=ONES)
    task = own.task()
    settings = RangeSettings(groups=Groups.EACH, repeats=1)
    with own.preserved(task) as start:
        tasks = RepeatedTask(task, ONES, start, times=1, single_batch=False)
        return run_each_group(tasks, SeededTask(task, ONES, start), settings, Caller(on_step))


@pytest.mark.parametrize(
    ("during", "alone", "steps"), [("control", 1, 8), ("sweep", 1, 8), ("second", 2, 8), ("together", 0, 8)]
)
def test_an_interrupt_leaves_what_was_measured_and_no_rates(each, during, alone, steps):
    whole = len(each.each.together.curve)
    first = 60 + len(each.each.alone[0].test.curve)
    begun = {"together": 0, "control": whole, "sweep": whole + 60, "second": whole + first + 60}[during]
    found = interrupted_at(begun + steps)
    assert found.interrupted
    assert found.status.value == "interrupted"
    assert found.suggestion is None
    assert len(found.alone) == alone
    assert [group.lr for group in found.groups] == [None, None]
    assert found.steps <= begun + steps
    assert found.verdict.startswith("Interrupted: ")
    each_page(found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"paired": False}, "paired=False does not go with groups=each"),
        ({"single_batch": True}, "single_batch=True does not go with groups=each"),
        ({"groups": "every"}, "groups must be one of ratio, each, got 'every'"),
    ],
)
def test_what_does_not_go_with_it_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        range_test(*network(), **({"groups": "each"} | changes))


def test_one_group_and_a_loader_that_cannot_begin_again_are_refused():
    with pytest.raises(UserError, match="needs several groups of parameters, and AdamW has one"):
        range_test(*network(groups=1), groups="each")
    model, optimizer, criterion, loader = network()
    with pytest.raises(UserError, match="the loader is an iterator"):
        range_test(model, optimizer, criterion, iter(loader), groups="each")
