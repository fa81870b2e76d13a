"""What a schedule's picture, its CSV and the screen show, in numbers and words."""

import csv
import json

import numpy as np
import pytest

from lrfind.errors import ConfigError
from lrfind.plotting.panel import Label, Line
from lrfind.report.load import earlier_run
from lrfind.schedule.peak import Peak
from lrfind.schedule.plot import TOGETHER, schedule_page
from lrfind.schedule.report import schedule_csv, schedule_lines, schedule_verdict, table_steps
from lrfind.schedules.policy import Policy
from lrfind.schedules.schedule import ScheduleTable, schedule
from lrfind.suggestion import Suggestion
from tests.panels import assert_readable, of
from tests.screen import shown

GIVEN = Suggestion(0.1, 0.1, 0.1, "given", "Given as schedule.lr.")


def courses(*names, num_steps=300, lr=0.1):
    return [ScheduleTable.of(schedule(name, lr=lr, num_steps=num_steps)) for name in names]


ALL = courses(*Policy)


def test_csv_has_a_row_a_step_policy_after_policy_and_reads_back_to_the_last_bit():
    text = schedule_csv(courses("step", "exp"))
    rows = list(csv.DictReader(text.splitlines()))
    assert list(rows[0]) == ["policy", "step", "lr"]
    assert [row["policy"] for row in rows] == ["step"] * 301 + ["exp"] * 301
    assert [int(row["step"]) for row in rows] == [*range(301), *range(301)]
    plan = schedule("exp", lr=0.1, num_steps=300)
    assert [float(row["lr"]) for row in rows[301:]] == [plan.rate(i) for i in range(301)]


def test_csv_has_a_momentum_only_where_it_moves():
    rows = list(csv.DictReader(schedule_csv(courses("one_cycle", "step")).splitlines()))
    assert list(rows[0]) == ["policy", "step", "lr", "momentum"]
    assert (rows[0]["momentum"], rows[301]["momentum"]) == ("0.95", "")


def test_the_screen_shows_the_chapters_table_and_code_that_can_be_pasted():
    text = [line.text for line in shown(schedule_lines(courses("step"), Peak(GIVEN), []))]
    assert text[0] == "Peak learning rate: 0.1"
    assert text[2].split() == ["at", "step", "0", "50", "100", "150", "200", "250", "300"]
    assert text[3].split() == ["step", "0.1", "0.09", "0.081", "0.0729", "0.06561", "0.05905", "0.05314"]
    assert "scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=50, gamma=0.9)" in text


def test_the_screen_says_where_the_rate_comes_from_and_the_momentum():
    found = Suggestion(0.4, 0.06, 0.5, "gugger", "Because.")
    text = "\n".join(
        line.text
        for line in shown(schedule_lines(courses("step", "one_cycle"), Peak(found, "suggested by x"), []))
    )
    assert "earning rate: 0.4, suggested by x (bracket 0.06 to 0.5)" in text
    assert "momentum" in text
    assert "0.95" in text


def test_the_screen_names_each_peak_that_is_another_and_says_which_has_none():
    found = Suggestion(0.4, 0.3, 0.5, "centre", "Because.")
    named = Peak(found, "suggested by x", named={"cosine": 0.8, "one_cycle": 0.8})
    policies = [Policy.FIXED, Policy.COSINE, Policy.ONE_CYCLE]
    assert named.text(policies) == "0.4, 0.8 for cosine and one_cycle"
    assert named.origin(policies) == "suggested by x (bracket 0.3 to 0.5, 0.6 to 1 for cosine and one_cycle)"
    assert named.origin([Policy.COSINE]) == "suggested by x (bracket 0.6 to 1; 0.4 for a constant rate)"
    assert named.text([Policy.COSINE]) == "0.8"
    assert named.of(Policy.FIXED) == found
    peak = named.of(Policy.COSINE)
    assert (peak.lr, peak.low, peak.high) == (0.8, 0.6, 1.0)
    assert peak.reason.startswith("2 times the suggestion of 0.4 for a constant rate")
    assert Peak(found, "suggested by x").origin(policies) == (
        "suggested by x (bracket 0.3 to 0.5); no peak of cosine or one_cycle was measured for it: 0.4 is used"
    )
    assert Peak(GIVEN).origin(policies) == ""


@pytest.mark.parametrize(("num_steps", "wanted"), [(1, [0, 1]), (4, [0, 1, 2, 3, 4]), (6000, None)])
def test_the_table_has_a_handful_of_steps_from_the_first_to_the_last(num_steps, wanted):
    steps = table_steps(num_steps)
    assert steps == (wanted or list(range(0, 6001, 1000)))


def test_the_verdict_says_what_each_rate_does():
    said = schedule_verdict(courses("fixed", "step", "cosine", "cyclic"))
    assert said == (
        "Over 300 steps: fixed stays at 0.1; step falls from 0.1 to 0.0531; cosine rises from 0.001 to 0.1 "
        "at step 30, then falls to 0; cyclic goes between 0.025 and 0.1."
    )
    assert schedule_verdict(courses("step", num_steps=1)).startswith("Over 1 step: ")


def test_a_few_policies_share_a_panel_and_a_key_says_what_they_are_made_of():
    page = schedule_page(courses("step", "cosine"), Peak(GIVEN, "suggested by lrfind range for mlp"))
    (panel,) = page.panels
    step, cosine = of(panel, Line)
    assert cosine.x.tolist() == list(range(301))
    assert cosine.y.tolist() == courses("cosine")[0].rates.tolist()
    assert (step.stairs, cosine.stairs) == (True, False)
    assert step.colour != cosine.colour
    assert [(placed.entry.text, placed.entry.sample) for placed in page.entries] == [
        ("step: step_size 50, gamma 0.9", step),
        ("cosine: warmup_steps 30, start_factor 0.01, eta_min 0", cosine),
    ]
    assert page.title == (
        "Learning-rate policies step and cosine, 300 steps, peak 0.1\nPeak suggested by lrfind range for mlp"
    )


def test_a_rate_that_is_held_has_no_stub_at_the_last_step():
    (panel,) = schedule_page(courses("step"), Peak(GIVEN)).panels
    (line,) = of(panel, Line)
    rates = ALL[1].rates
    assert rates[300] < rates[299]
    assert line.y.tolist() == [*rates[:300].tolist(), rates[299]]
    assert line.x[-1] == 300


def test_the_momentum_has_a_panel_of_its_own_in_the_colour_of_its_policy():
    rates, momenta = schedule_page(courses("step", "one_cycle"), Peak(GIVEN)).panels
    assert momenta.y.label == "momentum"
    (line,) = of(momenta, Line)
    assert line.colour == of(rates, Line)[1].colour
    assert line.y.tolist() == ALL[list(Policy).index(Policy.ONE_CYCLE)].momenta.tolist()


def test_among_many_panels_that_of_the_momentum_has_an_axis_and_ticks_of_its_own():
    page = schedule_page(ALL, Peak(GIVEN))
    momentum, last = page.panels[-1], page.panels[-2]
    assert momentum.y.tick_labels == ("0.85", "0.90", "0.95")
    assert momentum.y.limits == pytest.approx((0.847, 0.953))
    assert set(last.y.tick_labels) == {""}
    (_, beside), (_, own) = page.frames[-2:]
    assert own[0] - (beside[0] + beside[2]) > 0.05


def test_many_policies_have_a_panel_each_on_the_same_axes():
    page = schedule_page(ALL, Peak(GIVEN))
    written = [[label.text for label in of(panel, Label)] for panel in page.panels]
    assert [texts[0] for texts in written] == [*(p.value for p in Policy), "one_cycle: momentum"]
    assert page.title == "11 learning-rate policies, 300 steps, peak 0.1"
    assert {panel.y.limits for panel in page.panels[:-1]} == {page.panels[0].y.limits}
    assert written[1][1] == "step_size 50, gamma 0.9"
    assert all(len(note) <= 36 for _, *notes in written for note in notes)


def test_a_factor_just_below_one_is_not_written_as_one():
    page = schedule_page(courses("exp", num_steps=1_000_000), Peak(GIVEN))
    assert page.entries[0].entry.text == f"exp: gamma {0.01**1e-6:.9g}"


@pytest.mark.parametrize("count", [1, 2, TOGETHER, TOGETHER + 1, 11])
@pytest.mark.parametrize("num_steps", [4, 300])
def test_any_number_of_policies_can_be_drawn(count, num_steps):
    names = [policy.value for policy in Policy][::-1][:count]
    page = schedule_page(courses(*names, num_steps=num_steps), Peak(GIVEN, "suggested by x"))
    assert_readable(page)
    boxes = [box for _, box in page.frames]
    assert all(x >= 0 and x + w <= 1 and y >= 0 and y + h <= 1 for x, y, w, h in boxes)
    assert len(set(boxes)) == len(boxes)


def test_of_very_many_steps_some_are_drawn_from_the_first_to_the_last():
    (line,) = of(schedule_page(courses("poly", num_steps=50_000), Peak(GIVEN)).panels[0], Line)
    assert len(line.x) <= 3000
    assert (line.x[0], line.x[-1]) == (0, 50_000)
    assert np.all(np.diff(line.x) > 0)


RECORD = {
    "command": "range",
    "verdict": "Flat.",
    "suggestion": {"lr": 0.4, "low": 0.06, "high": 0.5, "rule": "gugger", "reason": "Because."},
    "config": {
        "model": {"_target_": "lrfind.tasks.models.torchvision_model", "name": "resnet50"},
        "data": {"_target_": "lrfind.tasks.data.digits"},
        "optimizer": {"_target_": "torch.optim.SGD"},
        "batch_size": 64,
    },
}


def left(folder, name="range.json", **changes):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({**RECORD, **changes}))
    return folder


def test_a_rate_is_taken_from_the_folder_of_a_run_or_from_its_record(tmp_path):
    folder = left(tmp_path / "run")
    found = earlier_run(str(folder), "schedule.from")
    assert found == earlier_run(str(folder / "range.json"), "schedule.from")
    assert found.suggestion == Suggestion(0.4, 0.06, 0.5, "gugger", "Because.")
    assert found.peaks == {}
    raised = left(tmp_path / "raised", peaks=[{"policy": "cosine", "lr": 0.8, "factor": 2.0}])
    assert earlier_run(str(raised), "k").peaks == {"cosine": 0.8}
    along = {"peaks": [], "judged_after": {"steps": 300, "schedule": "wsd"}}
    assert earlier_run(str(left(tmp_path / "along", "verify.json", **along)), "k").peaks == {"wsd": 0.4}
    assert (found.command, found.task) == ("range", "resnet50 on digits, SGD, batch size 64")
    ours = RECORD["config"] | {"model": {"_target_": "lrfind.tasks.models.mlp"}, "batch_size": 32}
    ours["optimizer"] = ours["optimizer"] | {"lr": 0.3}  # which is moved
    said = "was made with another model (resnet50 there, mlp here), batch_size (64 there, 32 here)"
    assert found.other_task(ours) == said
    assert found.other_task(RECORD["config"]) == ""
    assert earlier_run(str(left(tmp_path / "other", "refine.json", config={})), "k").task == ""


def test_a_record_from_python_tells_what_was_trained_by_itself(tmp_path):
    trained = "Net, AdamW, batch size 32"
    record = {"task": trained, "config": {"range_test": {"num_steps": 60}}}
    found = earlier_run(str(left(tmp_path / "run", **record)), "k")
    assert found.task == trained
    assert found.other_task(RECORD["config"]) == f"was made in Python ({trained})"


def test_of_a_comparison_it_is_said_whose_rate_is_suggested(tmp_path):
    plan = {"optimizers": ["sgd", "adam"], "batch_sizes": [32, 64]}
    lrs = {("sgd", 32): 0.2, ("sgd", 64): 0.4, ("adam", 32): 0.4, ("adam", 64): None}
    cells = [
        {"optimizer": name, "batch_size": size, "best": lr and {"lr": lr}} for (name, size), lr in lrs.items()
    ]
    record = {
        "command": "compare",
        "config": RECORD["config"] | {"compare": plan},
        "comparison": {"cells": cells},
        "suggestion": RECORD["suggestion"]
        | {"reason": "Of the 2 rates with adam at batch size 32 it is best."},
    }
    found = earlier_run(str(left(tmp_path / "run", "compare.json", **record)), "k")
    assert found.task == "resnet50 on digits, adam (of sgd and adam), batch size 32 (of 32 and 64)"
    assert (
        found.other_task(RECORD["config"])
        == "was made with another optimizer (adam there, SGD here), batch_size (32 there, 64 here)"
    )
    same = RECORD["config"] | {"optimizer": {"_target_": "torch.optim.Adam"}, "batch_size": 32}
    assert found.other_task(same) == ""
    record["suggestion"] = RECORD["suggestion"]  # whose reason does not tell the two apart
    unknown = earlier_run(str(left(tmp_path / "unknown", "compare.json", **record)), "k")
    assert unknown.task == "resnet50 on digits, sgd and adam, batch sizes 32 and 64"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"suggestion": {"lr": 0.1}}, "is not one of lrfind's"),
        ({"suggestion": {**RECORD["suggestion"], "low": -1}}, "must be greater than 0 and finite"),
        ({"peaks": [{"policy": "cosine"}]}, "the peaks in"),
        ({"peaks": [{"policy": "cosine", "lr": -1}]}, "must be greater than 0 and finite"),
    ],
)
def test_a_record_without_a_usable_rate_is_refused(tmp_path, changes, said):
    with pytest.raises(ConfigError, match=r"schedule\.from: .*range\.json") as caught:
        earlier_run(str(left(tmp_path / "run", **changes)), "schedule.from")
    assert said in str(caught.value)


def test_a_run_that_suggested_nothing_is_read_and_says_why(tmp_path):
    found = earlier_run(str(left(tmp_path / "run", suggestion=None)), "schedule.from")
    assert (found.suggestion, found.verdict) == (None, "Flat.")


def test_what_is_no_run_is_refused_in_words(tmp_path):
    left(tmp_path / "two")
    left(tmp_path / "two", "refine.json")
    (tmp_path / "empty").mkdir()
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "text.json").write_text("step,lr")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for name, said in (
        ("absent", "is not there: give the run directory"),
        ("empty", "holds no record of a run"),
        ("two", "holds range.json and refine.json: name the one that is meant"),
        ("list.json", "is no record of lrfind"),
        ("text.json", "is no JSON record of lrfind"),
        ("binary.json", "is no JSON record of lrfind"),
    ):
        with pytest.raises(ConfigError, match=said):
            earlier_run(str(tmp_path / name), "schedule.from")


@pytest.mark.parametrize(
    ("config", "lacks"),
    [
        ({"optimizer": {"_target_": "torch.optim.SGD", "momentum": 0.0}}, True),
        ({"optimizer": {"_target_": "torch.optim.Adagrad"}}, True),
        ({"optimizer": {"_target_": "torch.optim.SGD", "momentum": 0.9}}, False),
        ({"optimizer": {"_target_": "torch.optim.Adam"}}, False),
        ({"optimizer": {"_target_": "torch.optim.SGD"}, "compare": {"optimizers": ["sgd", "adam"]}}, False),
        ({"optimizer": "sgd"}, False),
        ({}, False),
    ],
)
def test_an_earlier_run_tells_whether_its_optimizer_has_no_momentum(tmp_path, config, lacks):
    folder = left(tmp_path / "run", config=config)
    assert earlier_run(str(folder), "schedule.from").lacks_momentum is lacks


def test_of_rates_that_cycle_it_is_said_between_which_and_the_suggestion_is_called_no_peak():
    found = Peak(Suggestion(0.4, 0.3, 0.5, "centre", "Because."), "suggested by x")
    tables = [ScheduleTable.of(schedule("cyclic", lr=0.4, num_steps=12, base_lr=0.3, max_lr=0.5))]
    (first, *_) = shown(schedule_lines(tables, found, []))
    assert first.text.startswith("Learning rate: 0.4, suggested by x")
    assert first.text.endswith("; cyclic goes between 0.3 and 0.5")
    assert ", rate 0.4\nRate suggested by x" in schedule_page(tables, found).title
    given = [line.text for line in shown(schedule_lines(courses("cyclic"), Peak(GIVEN), []))]
    assert given[0] == "Peak learning rate: 0.1; cyclic goes between 0.025 and 0.1"
