"""`lrfind schedule` from the command line: what it prints, writes and returns."""

import json
import os
import re
import signal
from pathlib import Path

import pytest

from lrfind.cli.main import main
from lrfind.schedules.policy import Policy
from tests.records import check_record

CHAPTER = ("schedule.policy=step", "schedule.lr=0.1", "schedule.gamma=0.9", "schedule.step_size=50",
           "schedule.num_steps=300")  # fmt: skip


def rates(ran, policy):
    return [float(row["lr"]) for row in ran.rows if row["policy"] == policy]


@pytest.mark.picture
def test_the_chapters_table(lrfind):
    ran = lrfind("schedule", *CHAPTER)
    assert ran.code == 0, ran.err
    assert ran.err == ""
    wanted = [0.1, 0.09, 0.081, 0.0729, 0.06561, 0.059049, 0.0531441]
    assert rates(ran, "step")[::50] == pytest.approx(wanted, rel=1e-14)
    assert len(ran.rows) == 301
    assert list(ran.rows[0]) == ["policy", "step", "lr"]
    names = {p.name for p in ran.folder.iterdir()}
    assert names == {"schedule.csv", "schedule.json", "schedule.png", ".hydra"}
    assert (ran.folder / "schedule.png").read_bytes().startswith(b"\x89PNG")
    check_record(ran.record)
    assert ran.record["command"] == "schedule"
    assert ran.record["suggestion"]["lr"] == 0.1
    assert ran.record["steps"] == 0
    assert ran.record["config"]["schedule"]["from"] is None
    (policy,) = ran.record["policies"]
    assert policy["parameters"] == {"step_size": 50, "gamma": 0.9}
    assert policy["code"] in ran.out


def test_all_policies_with_the_code_that_gives_each_ones_rates(lrfind):
    import torch

    ran = lrfind("schedule", "schedule.policy=all", "schedule.lr=0.1", "schedule.num_steps=120")
    assert ran.code == 0, ran.err
    check_record(ran.record)
    assert [policy["policy"] for policy in ran.record["policies"]] == [policy.value for policy in Policy]
    for policy in ran.record["policies"]:
        assert policy["code"] in ran.out
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
        names = {"torch": torch, "optimizer": optimizer}
        exec(policy["code"], names)
        rows = [row for row in ran.rows if row["policy"] == policy["policy"]]
        for row in rows[:-1]:
            assert optimizer.param_groups[0]["lr"] == pytest.approx(float(row["lr"]), rel=1e-12, abs=1e-15)
            if row["momentum"]:
                momentum = optimizer.param_groups[0]["momentum"]
                assert momentum == pytest.approx(float(row["momentum"]), rel=1e-12)
            optimizer.step()
            names["scheduler"].step()
        assert bool(rows[0]["momentum"]) == (policy["policy"] == "one_cycle")


def test_several_policies_share_the_parameters_they_take(lrfind):
    ran = lrfind("schedule", "schedule.policy=[exp,step]", "schedule.lr=1", "schedule.gamma=0.5",
                 "schedule.step_size=2", "schedule.num_steps=4")  # fmt: skip
    assert ran.code == 0, ran.err
    assert rates(ran, "exp") == [1, 0.5, 0.25, 0.125, 0.0625]
    assert rates(ran, "step") == [1, 1, 0.5, 0.5, 0.25]


def test_quiet_prints_the_peak_and_json_the_record(lrfind):
    assert lrfind("schedule", "-q", *CHAPTER).out == "0.1\n"
    ran = lrfind("schedule", "--json", *CHAPTER, folder="other")
    assert ran.out == (ran.folder / "schedule.json").read_text()


@pytest.mark.parametrize("command", ["range", "refine"])
def test_a_run_gives_its_rate_and_its_bracket(lrfind, tmp_path, command):
    short = {"range": ["range.num_steps=40"], "refine": ["refine.rounds=1"]}[command]
    earlier = lrfind(command, "-q", *short, folder="earlier")
    assert earlier.code == 0, earlier.err
    found = earlier.record["suggestion"]
    words = ("schedule", "schedule.policy=[poly,cyclic]", "schedule.num_steps=60")
    ran = lrfind(*words, "schedule.from=earlier")
    assert ran.code == 0, ran.err
    assert rates(ran, "poly")[0] == found["lr"]
    assert min(rates(ran, "cyclic")) == pytest.approx(found["low"])
    assert max(rates(ran, "cyclic")) == pytest.approx(found["high"])
    assert {key: ran.record["suggestion"][key] for key in ("lr", "low", "high", "rule")} == {
        key: found[key] for key in ("lr", "low", "high", "rule")
    }
    assert f"suggested by lrfind {command} for mlp on digits, SGD, batch size 64" in ran.out
    record = lrfind(*words, f"schedule.from=earlier/{command}.json", folder="same")
    assert (record.folder / "schedule.csv").read_bytes() == (ran.folder / "schedule.csv").read_bytes()


def test_a_policy_begins_with_the_peak_that_the_run_names_for_it(lrfind):
    earlier = lrfind("-q", folder="earlier").record
    found, peaks = earlier["suggestion"], {peak["policy"]: peak["lr"] for peak in earlier["peaks"]}
    words = ("schedule", "schedule.num_steps=60", "schedule.from=earlier")
    ran = lrfind(*words, "schedule.policy=[step,cosine,one_cycle]")
    assert ran.code == 0, ran.err
    assert {each["policy"]: each["lr"] for each in ran.record["policies"]} == {"step": found["lr"], **peaks}
    assert found["lr"] < max(rates(ran, "cosine")) == peaks["cosine"] <= 2.01 * found["lr"]
    assert f"{found['lr']:g}, {peaks['cosine']:g} for cosine and one_cycle" in ran.out
    assert ran.record["suggestion"]["lr"] == found["lr"]
    alone = lrfind(*words, "schedule.policy=cosine", "-q", folder="alone")
    assert alone.out == f"{peaks['cosine']!r}\n"
    given = lrfind("schedule", "schedule.policy=cosine", f"schedule.lr={found['lr']}", "-q", folder="given")
    assert max(rates(given, "cosine")) == found["lr"]
    lrfind("-q", "range.horizon=3000", folder="longer")
    longer = lrfind("schedule", "schedule.policy=cosine", "schedule.from=longer", folder="of_longer")
    assert "no peak of cosine was measured for it" in " ".join(longer.out.split())
    trial = lrfind("schedule", "--try", "schedule.policy=cosine", "schedule.num_steps=10", "schedule.seeds=1",
                   folder="trial")  # fmt: skip
    assert {each["policy"]: each["lr"] for each in trial.record["tried"]} == {
        "fixed": found["lr"],
        "cosine": pytest.approx(peaks["cosine"]),
    }
    assert f"suggests {found['lr']:g}, {peaks['cosine']:g} for cosine." in " ".join(trial.err.split())


def test_a_rate_that_was_searched_along_a_schedule_is_told_to_be_its_peak(lrfind, tmp_path):
    suggestion = {"lr": 0.6, "low": 0.4, "high": 0.9, "rule": "verify", "reason": "It ended lowest."}
    record = {"command": "verify", "verdict": "", "suggestion": suggestion}
    record["judged_after"] = {"steps": 300, "schedule": "cosine"}
    (tmp_path / "verify.json").write_text(json.dumps(record))
    ran = lrfind("schedule", "schedule.policy=step", f"schedule.from={tmp_path / 'verify.json'}")
    assert "0.6, suggested by lrfind verify, as the peak of cosine (bracket 0.4 to 0.9)" in ran.out


@pytest.mark.parametrize(("optimizer", "moved"), [("sgd", False), ("momentum", True)])
def test_one_cycle_moves_the_momentum_only_of_an_optimizer_that_has_one(lrfind, optimizer, moved):
    import torch

    lrfind("-q", "range.num_steps=40", f"optimizer={optimizer}", folder="earlier")
    ran = lrfind("schedule", "schedule.policy=one_cycle", "schedule.num_steps=60", "schedule.from=earlier")
    assert ran.code == 0, ran.err
    (policy,) = ran.record["policies"]
    made = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9 if moved else 0.0)
    exec(policy["code"], {"torch": torch, "optimizer": made})
    assert made.param_groups[0]["momentum"] == (0.95 if moved else 0)
    assert ("momentum" in ran.rows[0]) == moved
    assert policy["code"] in ran.out
    assert ("leaves the momentum alone" in " ".join(ran.err.split())) != moved
    assert ("warnings" in ran.record) != moved
    assert ("add cycle_momentum=False" in ran.out) == moved


def test_a_schedule_is_repeated_from_its_folder(lrfind, tmp_path):
    ran = lrfind("schedule", *CHAPTER)
    again = lrfind("schedule", "--config-dir", str(ran.folder / ".hydra"), "--config-name", "config",
                   folder="again")  # fmt: skip
    assert again.code == 0, again.err
    assert (again.folder / "schedule.csv").read_bytes() == (ran.folder / "schedule.csv").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], ["schedule.lr is required", "schedule.lr=0.1", "schedule.from="]),
        (
            ["schedule.policy=cyclic", "schedule.lr=0.1", "schedule.max_lr=0.5"],
            ["schedule.lr=0.1 and schedule.max_lr=0.5 both say the highest rate of cyclic: leave out"],
        ),
        (["schedule.lr=0.1", "schedule.from=x"], ["schedule.lr=0.1 and schedule.from=x", "one of them"]),
        (["schedule.from=nowhere"], ["schedule.from=nowhere is not there", "lrfind range"]),
        (["schedule.from=."], ["schedule.from=. holds no record", "range.json"]),
        (["schedule.lr=0"], ["schedule.lr must be greater than 0 and finite, got 0"]),
        (["schedule.lr=much"], ["schedule.lr must be a number or null, got 'much'"]),
        (["schedule.lr=1", "schedule.gamma=-1"], ["schedule.gamma must be greater than 0, got -1"]),
        (["schedule.lr=1", "schedule.num_steps=0"], ["schedule.num_steps must be", "from 1", "got 0"]),
        (["schedule.lr=1", "schedule.policy=stpe"], ["stpe is no policy. Did you mean step?"]),
        (["schedule.lr=1", "schedule.policy=[]"], ["schedule.policy=[]: name a policy"]),
        (["schedule.lr=1", "schedule.policy=[exp,exp]"], ["exp is named twice"]),
        (
            ["schedule.lr=1", "schedule.policy=exp,inv"],
            ["schedule.policy=exp,inv has a comma", "'schedule.policy=[exp,inv]'", "-m makes a run"],
        ),
        (["schedule.lr=1", "schedule.polic=exp"], ["schedule.polic is no key", "schedule.policy"]),
        (
            ["schedule.lr=1", "schedule.policy=multistep", "schedule.milestones=[100,50]"],
            ["schedule.milestones must be whole numbers that rise", "got [100, 50]"],
        ),
        (
            ["schedule.lr=1", "schedule.policy=multistep", "schedule.milestones=[100,400]"],
            ["schedule.milestones must not lie beyond schedule.num_steps=300, got 400"],
        ),
        (
            ["schedule.lr=1", "schedule.policy=cosine", "schedule.warmup_steps=301"],
            ["schedule.warmup_steps must be less than schedule.num_steps=300, got 301"],
        ),
        (
            ["schedule.lr=1", "schedule.policy=cyclic", "schedule.base_lr=2"],
            ["schedule.base_lr must be below schedule.max_lr=1, got 2"],
        ),
        (
            ["schedule.lr=1", "schedule.policy=cosine", "schedule.gamma=0.9"],
            ["schedule.gamma belongs to step, multistep, exp, inv", "schedule.policy is cosine"],
        ),
        (["schedule.lr=1", "model=resnet5"], ["model=resnet5 is not known"]),
    ],
    ids=lambda value: " ".join(value) if value and "=" in value[0] else "",
)
def test_refused(lrfind, words, said):
    ran = lrfind("schedule", *words)
    assert ran.code == 2, ran.err
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert ran.err.startswith("lrfind: error: ")
    for part in said:
        assert part in ran.err
    assert not (ran.folder / "schedule.json").exists()


def test_numbers_that_do_not_go_with_an_earlier_runs_rate_are_refused(lrfind):
    earlier = lrfind("-q", "range.num_steps=40", folder="earlier")
    assert earlier.code == 0
    ran = lrfind("schedule", "schedule.policy=cosine", "schedule.eta_min=5", "schedule.from=earlier")
    assert ran.code == 2
    assert "schedule.eta_min must be below the peak, schedule.lr=" in ran.err


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_leaves_no_half_file(lrfind, monkeypatch, number, code):
    from lrfind.schedules.schedule import Schedule

    before = Schedule.rate

    def stopped(self, i):
        if i == 1000:
            os.kill(os.getpid(), number)
        return before(self, i)

    monkeypatch.setattr(Schedule, "rate", stopped)
    ran = lrfind("schedule", "schedule.lr=0.1", "schedule.num_steps=100000")
    assert ran.code == code
    assert ran.out == ""
    assert not list(ran.folder.glob("schedule.*"))


def test_every_combination_of_a_multirun_is_summed_up(lrfind, tmp_path):
    ran = lrfind("schedule", "-m", "schedule.policy=step,exp", "schedule.lr=0.1", "hydra.sweep.dir=sweep")
    assert ran.code == 0, ran.err
    lines = (tmp_path / "sweep" / "multirun.csv").read_text().splitlines()
    assert len(lines) == 3
    assert all(",completed,0.1," in line for line in lines[1:])


def test_help_lists_it_and_the_config_of_each_key_says_what_null_is(capfd):
    assert main(["schedule", "--help"]) == 0
    assert re.search(r"(?m)^lrfind schedule \[--try\] \[OVERRIDE", capfd.readouterr().out)
    import lrfind.configs

    text = (Path(lrfind.configs.__path__[0]) / "schedule.yaml").read_text()
    assert all("#" in line for line in text.splitlines() if ": null" in line and "experiment" not in line)


def test_a_run_that_suggested_nothing_gives_no_peak(lrfind, tmp_path):
    record = {"command": "range", "suggestion": None, "verdict": "Flat.", "rules": {}, "config": {}}
    (tmp_path / "range.json").write_text(json.dumps(record))
    ran = lrfind("schedule", f"schedule.from={tmp_path}")
    assert ran.code == 2
    assert "suggests no learning rate; its record says why. Give a rate of your own, schedule.lr=" in ran.err
    assert "Flat." not in ran.err
