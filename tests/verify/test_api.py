"""`from lrfind import verify`: what the command says of the same task, on objects of one's own."""

import itertools

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from lrfind import Suggestion, UserError, range_test, verify
from lrfind.verify.config import VerifyConfig
from tests.own_tasks import Bowl, Built
from tests.records import check_record


def on_bowl(**options):
    model = Bowl()
    loader = DataLoader(TensorDataset(torch.zeros(40, 1, dtype=torch.float64)), batch_size=4, shuffle=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    words = {"steps": 10, "seeds": 2} | options
    return model, verify(model, optimizer, None, loader, [next(iter(loader))], **words)


def test_the_losses_are_those_of_the_closed_form_and_all_is_put_back(tmp_path):
    model, found = on_bowl(around=0.3, steps=2)
    ended = {run["lr"]: run["loss"] for run in found.content["runs"] if run["loss"] is not None}
    assert {0.3, 0.6} <= {run["lr"] for run in found.content["runs"]}
    for lr, loss in ended.items():
        assert loss == pytest.approx(0.5 * (1 - lr) ** 4, rel=1e-12)
    assert found.content["judged_after"] == {"steps": 2, "schedule": "constant"}
    assert found.content["steps"] <= found.content["budget"]["steps"] == 16
    assert not found.holds
    assert found.suggestion.lr == 0.6
    assert model.w.item() == 1.0
    check_record(found.content)
    found.to_csv(tmp_path / "verify.csv")
    found.to_json(tmp_path / "verify.json")
    assert found.plot(tmp_path / "verify.png").axes
    rows = (tmp_path / "verify.csv").read_text().splitlines()[1:]
    assert sum(row.split(",")[3] != "" for row in rows) == found.content["steps"]
    assert repr(found).startswith("VerifyResult(lr=0.6, checked=0.3, holds=False, ")
    assert "verify." not in found.verdict


def test_targets_far_from_0_are_judged_by_what_lies_below_their_mean():
    inputs = torch.linspace(-1, 1, 8)[:, None]
    batch = (inputs, 100 + inputs)
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    words = {"around": 0.02, "steps": 20, "seeds": 1}
    found = verify(model, optimizer, torch.nn.MSELoss(), [batch], [batch], **words)
    content = found.content
    check_record(content)
    assert content["mean_loss"] == pytest.approx(3 / 7, rel=1e-4)  # of 2 * (1 + 9 + 25 + 49) / 49 / 8
    best = min(run["loss"] for run in content["runs"] if run["loss"] is not None)
    assert content["drop"] == pytest.approx(content["mean_loss"] - best)
    assert content["start_loss"] > 9000
    assert found.holds is False


def test_what_the_command_warns_of_stands_in_the_result_too():
    _, found = on_bowl(around=0.3, lr=0.31, steps=2, seeds=1)
    (warning,) = found.warnings
    assert found.content["warnings"] == [warning]
    assert warning.startswith("The pinned rate, 0.31, is trained for the one to check, 0.3, too:")
    _, little = on_bowl(steps=100, seeds=1, budget=160)
    assert little.warnings[-1].startswith("budget=160 holds less than two runs beside the range test.")
    assert on_bowl(around=0.3, steps=2)[1].warnings == ()


def test_the_command_says_the_same_of_the_same_task(lrfind, tmp_path):
    words = ("verify.steps=15", "model.hidden_sizes=[8]", "verify.held_out=200")
    ran = lrfind("verify", "0.1", *words, "verify.seeds=1")
    assert ran.code == 0, ran.err
    own = Built("verify", *words, held_out=200, schema=VerifyConfig)
    found = verify(*own.arguments, own.held_out, around=0.1, steps=15, seeds=1)
    found.to_csv(tmp_path / "own.csv")
    assert (tmp_path / "own.csv").read_text() == (ran.folder / "verify.csv").read_text()
    assert found.content["runs"] == ran.record["runs"]
    assert found.verdict == ran.record["verdict"].replace("verify.margin", "margin")
    assert found.holds == ran.record["holds"]
    assert found.content["held_out_samples"] == 200


def test_what_is_checked_may_be_a_suggestion_a_result_or_what_a_range_test_finds(lrfind):
    ran = lrfind("verify", "verify.steps=5", "verify.seeds=1", "verify.held_out=100")
    own = Built("verify", held_out=100, schema=VerifyConfig)
    words = {"steps": 5, "seeds": 1}
    given = Suggestion(0.02, 0.01, 0.04, "mine", "I say so.")
    found = verify(*own.arguments, own.held_out, around=given, **words)
    assert found.content["checked"] == {"lr": 0.02, "source": "the suggestion given as around"}
    result = range_test(*own.arguments)
    of_result = verify(*own.arguments, own.held_out, around=result, **words)
    of_none = verify(*own.arguments, own.held_out, **words)
    assert of_none.content["runs"] == of_result.content["runs"]
    assert of_none.content["rules"] == result.rules
    assert of_none.content["checked"]["source"] == ran.record["checked"]["source"] == "the range test"


def test_steps_are_told_and_an_exception_is_passed_on_with_all_put_back():
    told = []
    on_bowl(around=0.3, on_step=told.append)
    assert [step.index for step in told] == list(range(len(told)))
    assert len(told) <= 80
    assert {step.total for step in told} == {80}
    assert {step.lr for step in told} >= {0.3, 0.6}

    def stop(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        on_bowl(around=0.3, on_step=stop)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"margin": 2.0}, "margin must be greater than 0 and below 1"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"around": -1.0}, "around must be greater than 0 and finite"),
        ({"seeds": "10"}, "an argument is of a wrong type"),
    ],
)
def test_bad_arguments_are_named(options, said):
    with pytest.raises(UserError, match=said):
        on_bowl(**({"around": 0.3} | options))


def test_an_iterator_is_refused_for_it_gives_no_two_rates_the_same_batches():
    model = Bowl()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batches = itertools.repeat((torch.zeros(1),))
    with pytest.raises(UserError, match="the loader is an iterator, which gives each batch once"):
        verify(model, optimizer, None, batches, [(torch.zeros(1),)], around=0.1)


def test_held_out_batches_are_needed():
    model = Bowl()
    with pytest.raises(UserError, match="held_out holds no batch"):
        verify(model, torch.optim.SGD(model.parameters(), lr=0.1), None, [(torch.zeros(1),)], [])


def test_along_a_schedule_a_result_gives_the_peak_it_names_and_a_bare_suggestion_itself():
    own = Built("verify", held_out=100, schema=VerifyConfig)
    result = range_test(*own.arguments)
    words = {"steps": 5, "seeds": 1, "budget": 5, "schedule": "one_cycle"}
    of_result = verify(*own.arguments, own.held_out, around=result, **words)
    (peak,) = [each["lr"] for each in result.content["peaks"] if each["policy"] == "one_cycle"]
    assert of_result.content["checked"] == {
        "lr": peak,
        "source": "the suggestion given as around, as the peak of one_cycle",
    }
    bare = verify(*own.arguments, own.held_out, around=result.suggestion, **words)
    assert bare.content["checked"]["lr"] == result.suggestion.lr


def test_where_a_rate_to_check_is_missing_a_caller_is_told_what_is_checked_in_his_own_words(caplog):
    model = Bowl()
    still = torch.optim.SGD([model.w], lr=0.1)
    held_out = [(torch.zeros(1, dtype=torch.float64),)]
    flat = range_test(model, still, None, held_out, start_lr=1e-12, end_lr=1e-10)
    assert flat.suggestion is None
    found = verify(model, still, None, held_out, held_out, around=flat, lr=0.2, steps=5, seeds=1)
    said = "the result given as around suggested no learning rate, so the search begins at lr=0.2."
    assert [record.message for record in caplog.records] == [said]
    assert found.warnings == (said,)
    assert found.content["checked"]["source"] == "given as lr (the result given as around suggested none)"


def test_a_number_of_samples_to_hold_out_is_refused_in_words():
    model = Bowl()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for given in (100, None):
        with pytest.raises(UserError, match=f"held_out must be batches, got {given}: in Python it takes"):
            verify(model, optimizer, None, [torch.zeros(1)], held_out=given)
