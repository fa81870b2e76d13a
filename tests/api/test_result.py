"""What every result of the Python functions can do: be shown in a notebook, become a table, be applied."""

import base64
import importlib.util
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import UserError, compare, policies, range_test, refine, try_policies, verify


@pytest.fixture(scope="module")
def result():
    """A range test of a linear model on two classes that are easily told apart."""
    torch.manual_seed(0)
    x = torch.randn(256, 6)
    batches = list(zip(x.split(32), (x.sum(1) > 0).long().split(32), strict=True))
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
    found = range_test(model, torch.optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), batches)
    assert found.suggestion is not None
    return found


@pytest.fixture(scope="module")
def nothing():
    """A range test that suggests nothing: the loss does not depend on the weights' size."""
    model = nn.Linear(2, 1)
    batches = [(torch.zeros(4, 2), torch.zeros(4, 1))]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    found = range_test(model, optimizer, lambda outputs, target: outputs.sum() * 0 + 1, batches, num_steps=20)
    assert found.suggestion is None
    return found


def test_every_function_warns_of_a_softmax_before_a_cross_entropy():
    torch.manual_seed(0)
    x = torch.randn(64, 6)
    batches = list(zip(x.split(16), (x.sum(1) > 0).long().split(16), strict=True))
    model = nn.Sequential(nn.Linear(6, 2), nn.Softmax(1))
    given = (model, torch.optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), batches)
    schedules = [policies.schedule(name, lr=0.1, num_steps=4) for name in ("fixed", "cosine")]
    results = [
        range_test(*given, num_steps=10, repeats=1),
        refine(*given, iterations=2, rounds=1),
        verify(*given, batches, lr=0.1, steps=4, seeds=1),
        compare(*given, batches, samples=64, lrs=[0.1], seeds=1, readings=2),
        try_policies(*given, batches, schedules, seeds=1),
    ]
    for found in results:
        assert sum("Leave the softmax out" in warning for warning in found.warnings) == 1


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_loader_in_the_order_of_classes_is_warned_of_once(shuffle):
    torch.manual_seed(0)
    y = torch.arange(4).repeat_interleave(64)
    x = torch.randn(256, 6) + torch.randn(4, 6)[y]
    loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=shuffle)
    model = nn.Linear(6, 4)
    given = (model, torch.optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), loader)
    results = [
        range_test(*given, num_steps=20),
        refine(*given, iterations=2, rounds=2),
        verify(*given, [(x, y)], steps=20, seeds=1),
    ]
    for found in results:
        told = [warning for warning in found.warnings if "in the order of their classes" in warning]
        assert len(told) == (not shuffle)


def test_a_notebook_shows_suggestion_verdict_and_picture(result):
    page = result._repr_html_()
    assert f"<b>{result.suggestion.lr:g}</b>" in page
    (picture,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert base64.b64decode(picture).startswith(b"\x89PNG")


def test_a_notebook_shows_the_reason_where_nothing_is_suggested(nothing):
    page = nothing._repr_html_()
    assert "<b>" not in page
    assert nothing.verdict.split(":")[0] in page


def test_rates_and_losses_are_those_of_the_curve(result):
    assert np.array_equal(result.lrs, result.curve.lrs)
    assert np.array_equal(result.losses, result.curve.losses)
    assert len(result.lrs) == len(result.losses)


def test_the_peaks_of_schedules_are_those_of_the_record(result, nothing):
    assert list(result.peaks) == ["cosine", "one_cycle"]
    assert result.peaks["cosine"] == result.content["peaks"][0]["lr"]
    assert result.suggestion.lr <= result.peaks["cosine"] <= 2 * result.suggestion.lr
    assert nothing.peaks == {}


def test_the_rate_is_applied_and_groups_keep_their_ratio(result):
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    groups = [{"params": a.parameters(), "lr": 0.3}, {"params": b.parameters(), "lr": 0.03}]
    optimizer = torch.optim.SGD(groups)
    assert result.apply(optimizer) == result.suggestion.lr
    rates = [group["lr"] for group in optimizer.param_groups]
    assert rates == pytest.approx([result.suggestion.lr, result.suggestion.lr / 10], rel=1e-12)


def test_a_scheduler_that_begins_at_0_hides_no_ratio_and_is_to_be_made_again(result):
    a, b = nn.Linear(2, 2), nn.Linear(2, 2)
    groups = [{"params": a.parameters(), "lr": 0.3}, {"params": b.parameters(), "lr": 0.03}]
    optimizer = torch.optim.SGD(groups)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: step / 10)
    assert [group["lr"] for group in optimizer.param_groups] == [0, 0]
    with pytest.warns(UserWarning, match=r"make it again, after apply\(\)") as caught:
        lr = result.apply(optimizer)
    assert caught[0].filename == __file__
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([lr, lr / 10], rel=1e-12)
    again = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    assert again.get_last_lr() == pytest.approx([lr / 2, lr / 20], rel=1e-12)


def test_nothing_is_applied_where_nothing_is_suggested(nothing):
    optimizer = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=0.3)
    with pytest.raises(UserError, match=r"there is no learning rate to apply\. "):
        nothing.apply(optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.3


def test_the_table_of_pandas_holds_the_csv(result):
    if importlib.util.find_spec("pandas") is None:
        pytest.skip("pandas is not installed")
    table = result.to_dataframe()
    assert table["lr"].tolist() == result.lrs.tolist()
    assert table["loss"].tolist() == result.losses.tolist()


def test_without_pandas_it_is_said_what_to_install(result, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(UserError, match="pip install pandas"):
        result.to_dataframe()


def test_every_result_is_one_line_when_printed(result, nothing):
    assert "\n" not in repr(result)
    assert "\n" not in repr(nothing)


def test_every_group_has_its_rate_in_python_and_one_group_is_not_spoken_of(result):
    assert result.groups == ()
    torch.manual_seed(0)
    x = torch.randn(256, 6)
    batches = list(zip(x.split(32), (x.sum(1) > 0).long().split(32), strict=True))
    model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
    slow = {"params": model[0].parameters(), "lr": 0.01, "name": "body"}
    optimizer = torch.optim.SGD([slow, {"params": model[2].parameters(), "lr": 0.1}])
    given = (model, optimizer, nn.CrossEntropyLoss(), batches)
    held_out = batches[:2]
    for found in (
        range_test(*given),
        refine(*given, rounds=1),
        verify(*given, held_out, steps=5, seeds=1),
    ):
        assert [group.name for group in found.groups] == ["body", "group 1"]
        assert [group.prefix for group in found.groups] == ["0", "2"]
        assert [group.ratio for group in found.groups] == [0.1, 1.0]
        found.apply(optimizer)
        rates = [group["lr"] for group in optimizer.param_groups]
        assert [group.lr for group in found.groups] == pytest.approx(rates, rel=1e-5)


def test_the_title_names_the_model_within_its_wrappers():
    model = nn.Sequential(nn.Linear(6, 2))
    batches = [(torch.randn(8, 6), torch.zeros(8, dtype=torch.long))]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    wrapped = nn.DataParallel(model)
    assert type(torch.compile(model)).__name__ == "OptimizedModule"  # which holds it under another name
    found = range_test(wrapped, optimizer, nn.CrossEntropyLoss(), batches, num_steps=2, repeats=1)
    assert found.title == "Sequential, SGD"


def test_the_title_says_the_momentum_as_that_of_the_command_does():
    model = nn.Linear(6, 2)
    batches = [(torch.randn(8, 6), torch.zeros(8, dtype=torch.long))]
    heavy = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    found = range_test(model, heavy, nn.CrossEntropyLoss(), batches, num_steps=2, repeats=1)
    assert found.title == "Linear, SGD (momentum 0.9, Nesterov)"
