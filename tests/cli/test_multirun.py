"""Multirun: each job stands for itself, and all are summed up."""

import csv
import math
import re

import pytest

from lrfind.cli.main import main
from lrfind.cli.multirun import dealt_device
from lrfind.cli.overrides import ordered

FEW = "range.num_steps=40"


@pytest.fixture
def multirun(capfd, tmp_path, monkeypatch, pictures_drawn_alone):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        capfd.readouterr()
        code = main([*words, FEW, f"hydra.sweep.dir={tmp_path / 'sweep'}"])
        out, err = capfd.readouterr()
        with (tmp_path / "sweep" / "multirun.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        return code, out, err, rows

    return run


def test_it_goes_on_after_a_failure_says_it_at_once_and_sums_up(multirun):
    code, out, err, rows = multirun("-m", "-q", "batch_size=16,100000,64")
    assert code == 2
    assert len(out.splitlines()) == 2
    assert "job 1 (batch_size=100000" in err
    assert [row["status"] == "failed" for row in rows] == [False, True, False]
    assert "batch_size=100000 is more than" in rows[1]["message"]
    assert [float(row["lr"]) for row in rows if row["lr"]] == [float(line) for line in out.splitlines()]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["objective=los", "seed=0,1"], "objective must be one of lr, loss, got 'los'. Did you mean loss?"),
        (["ranks=2", "seed=0,1"], "ranks=2: the jobs of a multirun (-m) work in one process each so far"),
        (["batch_size=-1", "seed=0,1"], "batch_size must be at least 1, got -1."),
    ],
)
def test_what_is_wrong_with_all_jobs_is_said_once_before_any_is_begun(capfd, tmp_path, words, said):
    code = main(["-m", *words, f"hydra.sweep.dir={tmp_path / 'sweep'}"])
    out, err = capfd.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith(f"lrfind: error: {said}")
    assert err.count("lrfind: error") == 1


def test_what_is_wrong_with_each_job_in_its_own_way_is_said_by_each(multirun):
    code, _, err, rows = multirun("-m", "batch_size=0,-1")
    assert code == 2
    assert "job 0 (batch_size=0, range.num_steps=40): batch_size must be at least 1, got 0." in err
    assert "job 1 (batch_size=-1, range.num_steps=40): batch_size must be at least 1, got -1." in err
    assert [row["status"] for row in rows] == ["failed", "failed"]


def test_a_job_of_a_batch_of_its_own_ends_no_other(multirun):
    code, _, err, rows = multirun("-m", "-q", "batch_size=0,256", "hydra.sweeper.max_batch_size=1")
    assert code == 2
    assert "batch_size must be at least 1, got 0." in err
    assert [row["status"] == "failed" for row in rows] == [True, False]


def test_a_job_that_refers_to_what_hydra_knows_later_is_begun(multirun):
    code, _, err, rows = multirun("-m", "-q", "seed=${hydra:job.num}", "batch_size=16,32")
    assert code in (0, 3), err
    assert len(rows) == 2


def test_a_quiet_job_without_an_answer_is_told_with_its_name(multirun):
    code, out, err, _ = multirun("-m", "-q", "range.end_lr=1e-4,10", "range.repeats=1")
    assert code == 3
    assert len(out.splitlines()) == 1
    assert err.startswith("lrfind: error: job 0 (range.end_lr=0.0001")
    assert err.count("no learning rate can be suggested") == 1


def test_the_loss_that_a_sweeper_is_given_is_in_the_table_and_infinite_without_an_answer(multirun):
    words = ["-m", "-q", "objective=loss", "range.end_lr=1e-4,10", "range.repeats=1"]
    _, _, _, rows = multirun(*words, "batch_size=64,100000")
    assert list(rows[0])[-3:] == ["high", "loss", "message"]
    losses = [float(row["loss"]) for row in rows]
    assert [math.isinf(loss) for loss in losses] == [True, True, False, True]
    assert 0 < losses[2] < 2.4  # below the loss of ten classes by chance
    code, out, _, _ = multirun("-m", "objective=loss", "seed=0,1")
    assert code == 0
    assert "status" in out
    assert re.search(r"job +seed +status +loss +lr +bracket", out)


def test_jobs_that_all_suggest_end_in_0_and_the_flag_may_stand_anywhere(multirun):
    code, _, _, rows = multirun("seed=0,1", "-m", "batch_size=32", "-q")
    assert code == 0
    assert len(rows) == 2


def test_a_job_that_succeeds_now_is_no_longer_listed_as_failed(multirun):
    assert multirun("-m", "-q", "batch_size=100000")[0] == 2
    code, _, _, rows = multirun("-m", "-q", "batch_size=32")
    assert code == 0
    assert [row["status"] for row in rows] != ["failed"]


def test_deeper_job_folders_are_found(multirun):
    code, _, _, rows = multirun(
        "-m", "-q", "batch_size=100000,50000", "hydra.sweep.subdir=a/${hydra.job.num}"
    )
    assert code == 2
    assert [row["job"] for row in rows] == ["a/0", "a/1"]


def test_a_multirun_of_a_repeated_config_is_summed_up_too(multirun, tmp_path, capfd):
    assert main(["-q", FEW, f"hydra.run.dir={tmp_path / 'first'}"]) == 0
    code, _, _, rows = multirun(
        "-m", "-q", "--config-dir", str(tmp_path / "first" / ".hydra"), "--config-name", "config",
        "batch_size=100000",
    )  # fmt: skip
    assert code == 2
    assert len(rows) == 1


def test_a_defect_in_one_job_leaves_the_others_and_the_summary(multirun, monkeypatch):
    from lrfind.range_test import firm_answer as sweeping

    read, calls = sweeping.read, []

    def broken_once(curve, *, rule):
        calls.append(1)
        if len(calls) == 1:
            return None
        return read(curve, rule=rule)

    monkeypatch.setattr(sweeping, "read", broken_once)
    code, out, err, rows = multirun("-m", "-q", "seed=0,1")
    assert code == 1
    assert len(out.splitlines()) == 1
    assert "Traceback" in err
    assert rows[0]["message"].startswith("A defect of lrfind: AttributeError")


def test_an_option_that_does_not_exist_fails_its_own_job_alone(multirun):
    code, out, err, rows = multirun("-m", "-q", "model=mlp,resnet_50")
    assert code == 2
    assert "job 1 (model=resnet_50" in err
    assert "Did you mean resnet50" in err
    assert [row["status"] for row in rows] == ["healthy", "failed"]
    assert [row["model"] for row in rows] == ["mlp", "resnet_50"]
    assert float(out) == float(rows[0]["lr"])


def test_where_no_job_can_be_composed_nothing_is_begun(capfd, tmp_path):
    sweep = tmp_path / "sweep"
    code = main(["-m", "model=resnet_50,resnet_51", f"hydra.sweep.dir={sweep}"])
    _, err = capfd.readouterr()
    assert code == 2
    assert err.startswith("lrfind: error: model=resnet_50 is not known.")
    assert len(err.splitlines()) == 1
    assert not list(sweep.glob("0"))
    assert not (sweep / "multirun.csv").exists()


@pytest.mark.picture
def test_each_job_has_a_heading_and_all_of_them_a_table_and_a_picture(multirun, tmp_path):
    _, out, err, _ = multirun("-m", "seed=0,1")
    assert out.startswith("job 0 (seed=0, range.num_steps=40)\n")
    assert "\n\njob 1 (seed=1, range.num_steps=40)\n" in out
    table = out[out.rindex("\n\n") :].split("\n")[2:]
    assert table[0].split() == ["job", "seed", "status", "lr", "bracket"]
    assert [line.split()[:3] for line in table[1:3]] == [["0", "0", "healthy"], ["1", "1", "healthy"]]
    assert (tmp_path / "sweep" / "multirun.png").read_bytes().startswith(b"\x89PNG")
    assert "multirun.png" in err


def test_a_multirun_that_is_interrupted_keeps_what_is_there(multirun, tmp_path, monkeypatch):
    from lrfind.range_test import sweeps as sweeping

    swept, calls = sweeping.sweep_task, []

    def stopped(*args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return swept(*args)

    monkeypatch.setattr(sweeping, "sweep_task", stopped)
    code, out, err, rows = multirun("-m", "range.repeats=1", "seed=0,1,2")
    assert code == 130
    assert out.count("Suggested learning rate: ") == 1
    assert "seed=1, range.num_steps=40): It did not come to its end, and wrote no results." in err
    assert "1 of 3 jobs came to an end, 1 with a learning rate; 1 was not begun; summary: " in err
    assert [row["status"] for row in rows] == ["healthy", "unfinished"]
    assert not (tmp_path / "sweep" / ".lrfind-jobs").exists()


def test_jobs_that_are_not_run_again_or_fail_keep_the_config_of_their_results(multirun, tmp_path):
    def overrides(job):
        return (tmp_path / "sweep" / job / ".hydra" / "overrides.yaml").read_text()

    multirun("-m", "-q", "seed=0,1,2")
    code, _, _, rows = multirun("-m", "-q", "batch_size=32,100000")
    assert code == 2
    assert [row["batch_size"] for row in rows] == ["32", "100000"]
    assert "batch_size=32" in overrides("0")
    assert "seed=1" in overrides("1")
    assert "seed=2" in overrides("2")
    assert {path.name for path in (tmp_path / "sweep" / "1").glob(".hydra*")} == {".hydra"}


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("auto", ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda", ["cuda:0", "cuda:1", "cuda:0"]),
        ("cpu", ["cpu"] * 3),
    ],
)
def test_the_gpus_of_a_machine_are_dealt_out(device, expected):
    assert [dealt_device(device, number, 2) for number in range(3)] == expected
    assert [dealt_device(device, number, 1) for number in range(3)] == [device] * 3


@pytest.mark.parametrize(
    "words",
    [
        ["model=cnn", "--cfg", "job"],
        ["--cfg", "job", "model=cnn"],
        ["model=cnn", "--cfg", "job", "--resolve"],
        ["--info", "config", "model=cnn"],
        ["model=cnn", "--info", "config"],
    ],
    ids=" ".join,
)
def test_hydras_flags_work_on_either_side_of_an_override(capfd, words):
    assert main(words) == 0
    assert "lrfind.tasks.models.cnn" in capfd.readouterr().out


def test_overrides_come_first_ours_last_among_them_and_flags_keep_their_values():
    words = ordered(["a=1", "--config-dir", "D=E", "b=2", "-m", "--info", "config", "~c"])
    assert words[:3] == ["a=1", "b=2", "~c"]
    assert words[-5:] == ["--config-dir", "D=E", "-m", "--info", "config"]
    assert "hydra/job_logging=none" in words[3:-5]
    kept = ordered(["hydra/job_logging=default"])
    assert kept[0] == "hydra/job_logging=default"
    assert "hydra/job_logging=none" not in kept
