"""`lrfind` on several ranks: the curve of one process, one message and one exit code however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.processes import Run
from tests.two_ranks import ROOT, SECONDS, numbers, run_script

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="two ranks are forked")

SHORT = ["ranks=2", "device=cpu", "range.repeats=1", "range.num_steps=12"]

NET = """
import os, time, torch
calls = 0
class Net(torch.nn.Linear):
    def __init__(self, act=""):
        super().__init__(64, 10)
        self.act = act
    def forward(self, x):
        global calls
        calls += 1
        rank = os.environ["RANK"]
        if calls == 10 and self.act == "fail" and rank == "1":
            raise ValueError("no such luck")
        if calls == 10 and self.act == "hang" and rank == "1":
            time.sleep(600)
        if self.act == "wait":
            time.sleep(0.02)
            if calls == 10:
                with open(f"pid{rank}.part", "w") as stream:
                    stream.write(str(os.getpid()))
                os.rename(f"pid{rank}.part", f"pid{rank}")
        return super().forward(x.flatten(1))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What two ranks, and one process, have found, by scenario."""
    folder = tmp_path_factory.mktemp("ranks")
    run_script("tests.cli.rank_scenarios", folder)
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in ("0", "1", "alone")}


@pytest.mark.parametrize("how", ["ddp", "fsdp"])
@pytest.mark.parametrize("name", ["sgd", "adamw", "accumulated", "stream"])
def test_two_ranks_find_what_one_process_finds_on_batches_twice_as_large(found, how, name):
    first, second, one = found["0"][f"{how} {name}"], found["1"][f"{how} {name}"], found["alone"][name]
    assert first == second
    assert first["lr"] == one["lr"]
    assert (first["lr"] is None) is (name == "stream")  # too few steps for a rate, and enough to compare
    assert first["columns"] == one["columns"]
    for column in ("lr", "loss", "smoothed_loss", "start_loss"):
        assert_allclose(numbers(first, column), numbers(one, column), rtol=1e-5)


@pytest.mark.parametrize("how", ["ddp", "fsdp"])
@pytest.mark.parametrize("name", ["verify", "refine", "refine read", "refine restart"])
def test_short_runs_on_two_ranks_are_those_of_one_process(found, how, name):
    """Each rate begins where the one before it began: what a step changes is put back on every rank."""
    first, second, one = found["0"][f"{how} {name}"], found["1"][f"{how} {name}"], found["alone"][name]
    assert first == second
    assert first["lr"] == one["lr"]
    assert first["verdict"] == one["verdict"]
    assert first["columns"] == one["columns"]
    assert len(first["rows"]) == len(one["rows"])
    # Further up than the rate that is suggested rounding grows from step to step.
    calm = np.array(numbers(one, "lr")) <= (one["lr"] or np.inf)
    for column in {"lr", "loss", "held_out_loss"}.intersection(one["columns"]):
        here, there = (np.array(numbers(each, column)) for each in (first, one))
        assert_allclose(here[calm], there[calm], rtol=1e-5)
        assert_allclose(here, there, rtol=1e-2)


def test_a_nan_on_one_rank_ends_both_in_the_same_step(found):
    first, second = found["0"]["nan"], found["1"]["nan"]
    assert first == second
    assert first["status"] == "nonfinite"
    assert first["lr"] is None


@pytest.fixture
def net(own):
    return ["model=custom", f"model._target_={own('net', NET)}.Net", "trust=[net]"]


def test_the_record_names_the_ranks_and_stdout_is_that_of_rank_0_alone(lrfind, found):
    ran = lrfind("--json", *SHORT, "range.num_steps=60", "distributed=fsdp")
    assert ran.code == 0, ran.err
    assert ran.record["suggestion"]["lr"] == found["alone"]["sgd"]["lr"]
    assert json.loads(ran.out) == ran.record
    assert ran.record["ranks"] == {"count": 2, "distributed": "fsdp", "global_batch_size": 128}
    assert ran.record["config"]["ranks"] == 2
    assert sorted(path.name for path in ran.folder.iterdir()) == [
        ".hydra",
        "range.csv",
        "range.json",
        "range.png",
    ]
    assert len(ran.rows) == ran.record["steps"]


def test_what_fails_on_another_rank_is_said_once(lrfind, net):
    ran = lrfind(*SHORT, *net, "+model.act=fail")
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.count("lrfind: error: ") == 1
    assert "rank 1: model: raised ValueError: no such luck" in ran.err
    assert "> " in ran.err  # the line of net.py that raised it
    assert not list(ran.folder.glob("range.*"))


def test_a_rank_that_hangs_is_waited_for_no_longer_than_the_timeout(lrfind, net, monkeypatch):
    monkeypatch.setenv("LRFIND_RANKS_TIMEOUT", "3")
    ran = lrfind(*SHORT, *net, "+model.act=hang")
    assert ran.code == 2
    assert ran.err.count("lrfind: error: ") == 1
    assert "another rank has not been heard of for 3 s" in ran.err


def test_parameters_that_take_no_part_are_told(lrfind, own):
    source = NET.replace("self.act = act", "self.act, self.more = act, torch.nn.Linear(3, 3)")
    ran = lrfind(*SHORT, "model=custom", f"model._target_={own('net', source)}.Net", "trust=[net]")
    assert ran.code == 2
    assert "leave them out, or use distributed=fsdp" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["refine", "ranks=2", "refine.strategy=stacked"], "use refine.strategy=auto"),
        (["refine", "ranks=2", "distributed=fsdp", "refine.resume=there"], "leave refine.resume out"),
        (["refine", "ranks=2", "device=cpu", "refine.resume=there"], "refine.resume=there is no directory"),
        (["verify", "ranks=2", "verify.resume=there"], "ranks=2: verify.resume goes on with the runs of"),
        (["compare", "ranks=2"], "ranks=2: compare works in one process so far"),
        (["schedule", "schedule.lr=0.1", "ranks=2"], "ranks=2: schedule works in one process so far"),
        (
            ["ranks=2", "model=lightning", "model._target_=torch.nn.Linear"],
            "ranks=2: model=lightning works in one",
        ),
        (["ranks=2", "compile=true"], "ranks=2: a compiled model works in one process"),
        (["ranks=2", "range.groups=each"], "ranks=2: groups are swept one by one in one process so far"),
        (["ranks=2", "device=cuda:1"], "device=cuda:1 is one: use device=cuda"),
        (["ranks=2", "device=cpu", "distributed=fsdp", "precision=fp16"], "use precision=bf16 or"),
        (["ranks=2", "distributed=fsdp", "channels_last=true"], "use channels_last=false or distributed=ddp"),
        (["ranks=0"], "ranks must be at least 1, got 0."),
        (["ranks=2", "distributed=deepspeed"], "distributed must be one of auto, ddp, fsdp"),
    ],
)
def test_what_does_not_work_on_ranks_is_said_before_anything_is_started(lrfind, words, said):
    ran = lrfind(*words)
    assert ran.code == 2
    assert said in ran.err
    assert not list(ran.folder.glob("*.csv"))


def test_the_jobs_of_a_multirun_have_one_process_each(lrfind, tmp_path):
    ran = lrfind("-m", "ranks=2", "seed=0,1", f"hydra.sweep.dir={tmp_path / 'many'}")
    assert ran.code == 2
    assert "ranks=2: the jobs of a multirun (-m) work in one process each" in ran.err


def test_a_global_batch_must_fit_the_data(lrfind):
    ran = lrfind(*SHORT, "batch_size=1000")
    assert ran.code == 2
    assert "batch_size=1000 on each of 2 ranks is more than data=digits can fill" in ran.err
    assert "Choose batch_size=898 or less" in ran.err


@pytest.fixture
def devices(request):
    """What `device=` is for two ranks: the CPU, or two GPUs where there are; LRFIND_DEVICE=cpu rehearses."""
    if request.param == "cpu" or os.environ.get("LRFIND_DEVICE") == "cpu":
        return "cpu"
    import torch

    if torch.cuda.device_count() < 2:
        pytest.skip("needs two GPUs; LRFIND_DEVICE=cpu rehearses it on the CPU")
    return "cuda"


TWO_GPUS = pytest.param("gpus", marks=pytest.mark.gpu)


@pytest.mark.parametrize("devices", [TWO_GPUS], indirect=True)
@pytest.mark.parametrize("how", ["ddp", "fsdp"])
@pytest.mark.parametrize("words", [[], ["optimizer=adamw", "clip_grad_norm=0.5", "range.end_lr=0.1"]])
def test_two_gpus_find_what_one_finds(lrfind, devices, how, words):
    common = [f"device={devices}", "range.repeats=1", *words]
    one = lrfind(*common, "batch_size=128", folder="one")
    two = lrfind(*common, "ranks=2", f"distributed={how}", folder="two")
    assert (one.code, two.code) == (0, 0), two.err
    assert two.record["suggestion"]["lr"] == pytest.approx(one.record["suggestion"]["lr"], rel=1e-2)
    for column in ("loss", "start_loss"):
        losses = [[float(row[column]) for row in ran.rows] for ran in (one, two)]
        assert_allclose(*losses, rtol=1e-4)  # kernels differ by the size of a batch


@pytest.mark.parametrize("devices", ["cpu", TWO_GPUS], indirect=True)
@pytest.mark.parametrize(
    ("number", "whose", "code", "said"),
    [
        (signal.SIGINT, "all", 130, "Interrupted after"),
        (signal.SIGKILL, "1", 2, "rank 1 was ended by SIGKILL, so the run was given up."),
        (signal.SIGKILL, "0", -signal.SIGKILL, ""),
    ],
)
def test_a_signal_ends_all_ranks_and_is_told_once(tmp_path, number, whose, code, said, devices):
    (tmp_path / "net.py").write_text(NET)
    words = ["ranks=2", f"device={devices}", "model=custom", "model._target_=net.Net", "trust=[net]",
             "+model.act=wait", "range.num_steps=5000", "hydra.run.dir=run"]  # fmt: skip
    run = Run(words, tmp_path, group=True)
    ranks = [tmp_path / f"pid{rank}" for rank in (0, 1)]
    try:
        run.until(lambda: all(each.exists() for each in ranks), SECONDS)
        assert run.process.is_alive(), run.said
        if whose == "all":  # as Ctrl-C in a terminal
            os.killpg(run.process.pid, number)
        else:
            os.kill(int(ranks[int(whose)].read_text()), number)
        assert run.end() == code, run.said
        assert run.said.count(said) == 1 or not said
        assert "Traceback" not in run.said
        others = int(ranks[1].read_text())
        deadline = time.monotonic() + 20
        while is_alive(others):
            assert time.monotonic() < deadline, "rank 1 is left"
            time.sleep(0.05)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(run.process.pid, signal.SIGKILL)
    written = {path.name for path in (tmp_path / "run").glob("range.*")}
    assert written == ({"range.csv", "range.json", "range.png"} if code == 130 else set())
    if code == 130:
        record = json.loads((tmp_path / "run" / "range.json").read_text())
        assert record["status"] == "interrupted"
        assert len((tmp_path / "run" / "range.csv").read_text().splitlines()) == record["steps"] + 1


def is_alive(pid):
    """Whether a process runs; one that has ended and that nobody has asked for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_torchrun_starts_the_ranks_of_one_run(tmp_path):
    words = ["--json", "device=cpu", "range.repeats=1", "range.num_steps=12"]
    run = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d",
         "--rdzv-endpoint", "localhost:0", "-m", "lrfind", *words, "hydra.run.dir=run"],
        cwd=tmp_path, text=True, capture_output=True, timeout=SECONDS, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    record = json.loads(run.stdout)
    assert run.returncode == (1 if record["suggestion"] is None else 0), (
        run.stderr
    )  # torchrun knows no others
    assert record["ranks"]["count"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_timeout_must_be_a_time(lrfind, monkeypatch):
    monkeypatch.setenv("LRFIND_RANKS_TIMEOUT", "soon")
    ran = lrfind("ranks=2", "device=cpu")
    assert ran.code == 2
    assert "LRFIND_RANKS_TIMEOUT must be a number of seconds greater than 0, got 'soon'." in ran.err


@pytest.mark.parametrize(("started", "asked"), [(2, 3), (1, 2)])
def test_torchrun_and_ranks_must_agree(lrfind, monkeypatch, started, asked):
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "RANK": "0", "WORLD_SIZE": str(started)}.items():
        monkeypatch.setenv(name, value)
    ran = lrfind(f"ranks={asked}")
    assert ran.code == 2
    assert f"ranks={asked} contradicts torchrun, which has started {started}" in ran.err
