"""`from lrfind import range_test`, on plain PyTorch objects."""

import copy
import json
import re

import pytest
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import UserError, range_test
from tests.records import check_record


@pytest.fixture
def parts():
    torch.manual_seed(0)
    x = torch.randn(256, 6)
    y = (x.sum(1) > 0).long()
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.3)
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    return model, optimizer, nn.CrossEntropyLoss(), loader


def test_contract_call_suggests_and_writes(parts, tmp_path):
    result = range_test(*parts, start_lr=1e-7, end_lr=10, num_steps=100)
    assert result.suggestion is not None
    assert 1e-7 < result.suggestion.lr < 10
    assert result.curve.lrs[0] == 1e-7
    result.to_csv(tmp_path / "a.csv")
    result.to_json(tmp_path / "a.json")
    figure = result.plot(tmp_path / "a.png")
    own = Figure()
    axes = own.subplots()
    assert result.plot(tmp_path / "own.png", ax=axes) is own
    assert axes.get_xlim() == figure.axes[0].get_xlim()
    assert "batches" in [text.get_text() for text in axes.get_legend().get_texts()]
    assert (tmp_path / "own.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == len(result.curve) + 1
    assert json.loads((tmp_path / "a.json").read_text())["suggestion"]["lr"] == result.suggestion.lr
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert figure.axes[0].get_xscale() == "log"
    assert "Sequential, Adam, batch size 32" in "".join(t.get_text() for t in figure.texts)


def test_record_keeps_to_the_schema(parts, tmp_path):
    range_test(*parts, num_steps=20).to_json(tmp_path / "a.json")
    record = json.loads((tmp_path / "a.json").read_text())
    check_record(record)
    assert record["command"] == "range"


def test_everything_is_as_it_was_and_training_goes_on_as_without_the_test(parts):
    def train(model, optimizer, criterion, loader, steps=12):
        torch.manual_seed(7)
        model.train()
        batches = iter(loader)
        for _ in range(steps):
            try:
                x, y = next(batches)
            except StopIteration:
                batches = iter(loader)
                x, y = next(batches)
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
        return [p.detach().clone() for p in model.parameters()]

    model, optimizer, criterion, loader = parts
    train(*parts)
    twin = copy.deepcopy((model, optimizer))
    twin[1].param_groups[0]["params"] = list(twin[0].parameters())
    twin[1].state.clear()
    for (_, state), p in zip(optimizer.state.items(), twin[0].parameters(), strict=True):
        twin[1].state[p] = copy.deepcopy(state)
    range_test(*parts, num_steps=40)
    after = train(*parts)
    expected = train(twin[0], twin[1], criterion, loader)
    assert all(torch.equal(a, b) for a, b in zip(after, expected, strict=True))


def test_exception_in_the_model_leaves_everything_as_it_was(parts):
    model, optimizer, criterion, loader = parts
    before = copy.deepcopy(model.state_dict())

    def forward(model, batch):
        forward.calls += 1
        if forward.calls == 9:
            raise RuntimeError("mine")
        return model(batch[0])

    forward.calls = 0
    with pytest.raises(RuntimeError, match="mine"):
        range_test(model, optimizer, criterion, loader, forward=forward)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert optimizer.state == {}
    assert optimizer.param_groups[0]["lr"] == 0.3


def test_interrupt_is_raised_again_after_putting_back(parts):
    def on_step(step):
        if step.index == 6:
            raise KeyboardInterrupt

    before = copy.deepcopy(parts[0].state_dict())
    with pytest.raises(KeyboardInterrupt):
        range_test(*parts, on_step=on_step)
    assert all(torch.equal(before[k], v) for k, v in parts[0].state_dict().items())


def test_any_iterable_of_batches_and_a_loss_of_the_models_own(parts):
    model, optimizer, _, loader = parts
    batches = [{"x": x, "y": y} for x, y in loader]

    def forward(model, batch):
        return nn.functional.cross_entropy(model(batch["x"]), batch["y"])

    result = range_test(model, optimizer, None, batches, forward=forward, num_steps=30)
    assert len(result.curve) == 30


def test_generator_that_ends_says_after_how_many_batches(parts):
    model, optimizer, criterion, loader = parts
    with pytest.raises(UserError, match="the loader ended after 8 batches and gave nothing"):
        range_test(model, optimizer, criterion, (batch for batch in loader))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_steps": 1}, "at least 2 steps, got 1"),
        ({"start_lr": 2.0, "end_lr": 1.0}, "start 2.0 is not below end 1.0"),
        ({"beta": 1.0}, "beta must be at least 0 and below 1, got 1.0"),
        ({"spacing": "cubic"}, "spacing must be one of geometric, linear, got 'cubic'"),
        ({"rule": "magic"}, "rule must be one of"),
        ({"stop_factor": 0.5}, "stop_factor must be greater than 1"),
        ({"start_lr": "1e-5"}, "a ladder is made of numbers"),
        ({"beta": "a"}, "beta must be at least 0 and below 1, got 'a'"),
        ({"skip_start": 1.5}, "skip_start must be a whole number of at least 0, got 1.5"),
        ({"validation": []}, "validation holds no batch"),
        ({"accumulation_steps": 0}, "accumulation_steps must be a whole number of at least 1"),
    ],
)
def test_bad_arguments_are_value_errors_that_name_them(parts, arguments, message):
    with pytest.raises(ValueError, match=message):
        range_test(*parts, **arguments)


def test_optimizer_of_another_model_is_refused(parts):
    model, _, criterion, loader = parts
    other = torch.optim.SGD(nn.Linear(2, 2).parameters(), lr=1)
    with pytest.raises(UserError, match="made for another model"):
        range_test(model, other, criterion, loader)


def test_repeats_are_read_together_and_leave_everything_as_it_was():
    torch.manual_seed(0)
    data = TensorDataset(torch.randn(300, 6), torch.randn(300, 1))
    loader = DataLoader(data, batch_size=10, shuffle=True)
    model = nn.Sequential(nn.Linear(6, 1), nn.Dropout(0.1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    before = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    result = range_test(model, optimizer, nn.MSELoss(), loader, repeats=3)
    assert torch.equal(torch.get_rng_state(), before[1])
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), before[0].values(), strict=True)
    )
    curves = result.repeats.curves
    assert len(curves) == 3
    assert curves[0].losses[0] != curves[1].losses[0]  # another order
    assert result.content["steps"] == sum(len(curve) for curve in curves)
    assert result.content["repeats"]["factor"] >= 1
    assert result.content["repeats"]["reason"] is None
    for repeats in (0, "often"):
        with pytest.raises(UserError, match="repeats must be"):
            range_test(model, optimizer, nn.MSELoss(), loader, repeats=repeats)


def noise(count=300):
    """A regression with nothing to learn."""
    torch.manual_seed(1)
    return TensorDataset(torch.randn(count, 6), torch.randn(count, 1))


def nothing_to_unlearn():
    """A model that starts at the best that there is on such data."""
    model = nn.Linear(6, 1)
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_weak_sweep_is_followed_by_a_slower_one(shuffle):
    model = nothing_to_unlearn()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(noise(), batch_size=4, shuffle=shuffle)
    told = []
    result = range_test(model, optimizer, nn.MSELoss(), loader, end_lr=0.1, on_step=told.append)
    first, second = result.repeats.curves
    assert len(first) == 60 < len(second)
    assert first.lrs[1] / first.lrs[0] == pytest.approx((second.lrs[1] / second.lrs[0]) ** 3, rel=0.05)
    assert result.repeats.reason
    assert result.content["repeats"]["reason"] == result.repeats.reason
    assert result.content["repeats"]["factor"] is None
    trials = result.reading.trials
    assert result.content["steps"] == 60 + len(second) + (0 if trials is None else trials.taken)
    assert f"steps={result.content['steps']}, " in repr(result)
    indices = [step.index for step in told]
    assert indices[: 60 + len(second)] == [*range(60), *range(len(second))]
    assert set(indices[60 + len(second) :]) <= set(range(200))


def test_where_only_first_answers_are_unlearnt_verdict_and_picture_say_that_nothing_is_shown_to_be_learnt():
    torch.manual_seed(0)
    model = nn.Linear(3, 4)
    model.bias.data[0] = 4.0
    labels = torch.arange(256) % 4
    sets = {False: torch.zeros(256, 3), True: nn.functional.one_hot(labels, 4)[:, :3].float()}
    for learns, x in sets.items():
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loader = DataLoader(TensorDataset(x, labels), batch_size=32, shuffle=True)
        result = range_test(model, optimizer, nn.CrossEntropyLoss(), loader)
        assert result.suggestion is not None
        assert ("a model that always answers the shares of the classes" in result.verdict) != learns
        picture = " ".join(text.get_text() for text in result.plot().texts)
        assert ("these steps do not show that anything is learnt" in picture.replace("\n", " ")) != learns


def test_an_on_step_that_is_no_function_is_refused():
    model = nothing_to_unlearn()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(UserError, match="on_step must be a function that takes a step, or None, got 5"):
        range_test(model, optimizer, nn.MSELoss(), DataLoader(noise(), batch_size=4), on_step=5)


def test_an_iterator_is_swept_once_and_the_verdict_says_what_would_follow():
    model = nothing_to_unlearn()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(noise(), batch_size=4)
    result = range_test(model, optimizer, nn.MSELoss(), iter(list(loader)[:60]), end_lr=0.1)
    assert result.repeats is None
    assert len(result.curve) == 60
    said = " More would follow, since in 60 steps the loss "
    assert said in result.verdict
    assert result.content["verdict"] == result.verdict
    assert said not in range_test(model, optimizer, nn.MSELoss(), loader, end_lr=0.1, repeats=1).verdict


def test_the_iterator_of_a_loader_is_warned_of_in_words_of_the_loader():
    model = nothing_to_unlearn()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = DataLoader(noise(), batch_size=4, shuffle=True)
    with pytest.warns(
        UserWarning, match="^the loader is an iterator, as iter.*Give the DataLoader itself"
    ) as said:
        range_test(model, optimizer, nn.MSELoss(), iter(loader), num_steps=10)
    assert [each.filename for each in said] == [__file__]  # the line that called it, and none of ours


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("mclo", "optimizer must be a torch.optim.Optimizer, got a CrossEntropyLoss: was it swapped"),
        ("omcl", "model must be a torch.nn.Module, got a SGD"),
        (
            "molc",
            "criterion must be a loss that .* where the model or forward returns it, got a list: was it",
        ),
        ("mocc", "loader must be an iterable of batches, such as a DataLoader, got a CrossEntropyLoss"),
    ],
)
def test_an_argument_in_the_place_of_another_is_named(order, said):
    model = nn.Linear(2, 2)
    given = {"m": model, "o": torch.optim.SGD(model.parameters(), lr=0.1), "c": nn.CrossEntropyLoss(),
             "l": [(torch.zeros(1, 2), torch.zeros(1, dtype=torch.long))]}  # fmt: skip
    with pytest.raises(UserError, match=said):
        range_test(*(given[each] for each in order))


@pytest.mark.parametrize(
    ("number", "given", "said"),
    [
        (0, nn.Linear, "model is the class Linear itself: pass an instance, Linear(...)."),
        (1, torch.optim.SGD, "the class SGD itself: pass an instance, SGD(model.parameters(), lr=...)."),
        (2, nn.MSELoss, "criterion is the class MSELoss itself: pass an instance, MSELoss()."),
    ],
)
def test_a_class_in_place_of_an_object_of_it_is_refused(number, given, said):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    arguments = [model, optimizer, nn.MSELoss(), [(torch.zeros(1, 2), torch.zeros(1, 2))]]
    arguments[number] = given
    with pytest.raises(UserError, match=re.escape(said)):
        range_test(*arguments)


class Batches(torch.utils.data.Dataset):
    """Its items are batches."""

    def __getitem__(self, index):
        if index == 3:
            raise IndexError
        return torch.ones(4, 6), torch.zeros(4, 1)

    def __len__(self):
        return 3


@pytest.mark.parametrize("options", [{}, {"batch_size": 4}])
def test_a_data_set_without_a_loader_is_refused_and_one_of_batches_goes_through_a_loader(options):
    model = nn.Linear(6, 1)
    given = (model, torch.optim.SGD(model.parameters(), lr=0.1), nn.MSELoss())
    for dataset in (noise(), Batches()):
        with pytest.raises(UserError, match=r"^loader is a Dataset.*wrap it in a DataLoader"):
            range_test(*given, dataset, **options)
    assert len(range_test(*given, DataLoader(Batches(), batch_size=None), num_steps=10, repeats=1).lrs) > 2


def shifted(targets, **options):
    """A range test of a network with SGD, whose targets lie about a level."""
    torch.manual_seed(0)
    x = torch.randn(512, 8)
    loader = DataLoader(TensorDataset(x, targets + 100 * torch.sin(x[:, :1])), batch_size=64, shuffle=True)
    model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return range_test(model, optimizer, nn.MSELoss(), loader, **options)


def test_targets_far_from_0_are_to_be_standardised_and_not_met_with_lower_rates():
    found = shifted(10_000.0)
    assert found.suggestion is None
    assert "standardise inputs and targets" in found.verdict
    assert "start_lr" not in found.verdict
    # A ladder that begins far above the default one may be at fault itself.
    assert "Lower start_lr" in shifted(10_000.0, start_lr=1.0).verdict
