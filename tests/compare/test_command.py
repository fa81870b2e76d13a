"""`lrfind compare` from the command line: what it prints, writes and returns."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lrfind.compare import checkpoint as compare_state
from lrfind.compare import job as compare_run
from lrfind.compare import plan as compare_plan
from lrfind.compare import run as comparing
from tests.records import check_record
from tests.toy_tasks import HOLES

ROOT = Path(__file__).parents[2]
SHORT = ("compare.lrs=[0.05,0.2]", "compare.epochs=1", "compare.seeds=2", "compare.stacked=false")
SLOW = """
import itertools, time, torch
calls = itertools.count(1)  # not an attribute of the class: that would be put back with the model
class Net(torch.nn.Linear):
    def __init__(self): super().__init__(64, 10)
    def forward(self, x):
        if next(calls) == 30: open("training", "w").close()
        time.sleep(0.01)
        return super().forward(x.flatten(1))
"""
STREAM = """
import torch
class Endless(torch.utils.data.IterableDataset):
    def __iter__(self):
        generator = torch.Generator().manual_seed(0)
        while True:
            x = torch.randn(4, generator=generator)
            yield x, (x.sum() > 0).long()
def net(): return torch.nn.Linear(4, 2)
"""


@pytest.mark.picture
def test_two_rates_at_two_batch_sizes_leave_the_files_and_the_advice(lrfind):
    ran = lrfind("compare", *SHORT, "compare.batch_sizes=[16,64]")
    assert ran.code == 0, ran.err
    assert {p.name for p in ran.folder.iterdir()} == {
        "compare.csv", "compare.json", "compare.png", "compare_scaling.png", ".hydra"
    }  # fmt: skip
    check_record(ran.record)
    assert ran.record["command"] == "compare"
    assert list(ran.rows[0]) == ["batch_size", "lr", "seed", "epoch", "step", "samples", "loss", "accuracy"]
    keys = [(r["batch_size"], r["lr"], r["seed"]) for r in ran.rows]
    assert keys == [(b, lr, s) for b in ("16", "64") for lr in ("0.05", "0.2") for s in ("0", "1")]
    # Both batch sizes see all of the 1,617 samples that are not held out, to within a batch.
    assert {(r["batch_size"], r["samples"]) for r in ran.rows} == {("16", "1616"), ("64", "1600")}
    assert ran.record["steps"] == sum(int(r["step"]) for r in ran.rows)
    assert "2 rates x 2 batch sizes x 2 seeds x 1 epoch, about" in ran.err
    assert "is the highest rate tried" in ran.out
    assert f"Suggested learning rate: {ran.record['suggestion']['lr']:g}" in ran.out


def test_quiet_prints_the_best_rate_of_the_configured_batch_size_and_json_the_record(lrfind):
    quiet = lrfind("compare", "-q", *SHORT, "compare.batch_sizes=[16,64]", "compare.seeds=1")
    assert quiet.out == f"{quiet.record['suggestion']['lr']!r}\n"
    assert "at batch size 64" in quiet.record["suggestion"]["reason"]
    record = lrfind("compare", "--json", *SHORT, "compare.seeds=1", folder="other")
    assert record.out == (record.folder / "compare.json").read_text()


def test_rates_of_auto_lie_around_what_the_range_test_suggests(lrfind):
    ran = lrfind("compare", "compare.epochs=1", "compare.seeds=1", "compare.num_lrs=3", "compare.factor=3")
    assert ran.code == 0, ran.err
    said = re.search(
        r"batch size 64: a range test suggests (\S+); tried are (\S+), (\S+), (\S+)\.\n", ran.err
    )
    centre, *tried = (float(each) for each in said.groups())
    assert tried == pytest.approx([centre / 3, centre, centre * 3], rel=0.01)
    assert [float(r["lr"]) for r in ran.rows] == tried


def test_rates_of_auto_are_of_each_batch_size_and_of_one_grid(lrfind):
    ran = lrfind(
        "compare", "compare.epochs=1", "compare.seeds=1", "compare.num_lrs=3", "compare.factor=1.2",
        "compare.batch_sizes=[4,64]", "range.num_steps=100",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    first, *grid, second = map(
        float,
        re.search(
            r"suggests (\S+); tried are (\S+), (\S+), (\S+)\.\n(?:.*\n)*?.*suggests (\S+);", ran.err
        ).groups(),
    )
    assert grid == pytest.approx([first / 1.2, first, first * 1.2], rel=0.01)
    tried = [float(lr) for lr in dict.fromkeys(r["lr"] for r in ran.rows if r["batch_size"] == "64")]
    assert tried[1] == pytest.approx(second, rel=0.1)
    shift = math.log(tried[1] / first, 1.2)
    assert shift == pytest.approx(round(shift), abs=0.05)
    assert ", of the grid of batch size 4 those nearest to it.\n" in ran.err


def test_optimizers_are_an_axis_with_rates_of_their_own(lrfind):
    ran = lrfind(
        "compare", "compare.optimizers=[sgd,adam]", "compare.epochs=1", "compare.seeds=1",
        "compare.num_lrs=2", "optimizer.weight_decay=1e-4",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert list(ran.rows[0])[:3] == ["optimizer", "batch_size", "lr"]
    rates = {o: {float(r["lr"]) for r in ran.rows if r["optimizer"] == o} for o in ("sgd", "adam")}
    assert max(rates["adam"]) < min(rates["sgd"])
    assert [cell["optimizer"] for cell in ran.record["comparison"]["cells"]] == ["sgd", "adam"]
    check_record(ran.record)


def test_one_and_two_processes_give_the_same_csv_bit_for_bit(lrfind):
    words = ("compare", *SHORT, "compare.batch_sizes=[32,64]", "num_workers=0")
    one = lrfind(*words, "compare.processes=1", folder="one")
    two = lrfind(*words, "compare.processes=2", folder="two")
    assert (one.code, two.code) == (0, 0), two.err
    assert (one.folder / "compare.csv").read_bytes() == (two.folder / "compare.csv").read_bytes()
    assert "(2 at a time)" in two.err


def test_seeds_are_paired_each_begins_alike_at_every_rate(lrfind):
    ran = lrfind("compare", "-q", "compare.lrs=[1e-12,2e-12]", *SHORT[1:], "compare.batch_sizes=[16,64]")
    losses = {seed: {round(float(r["loss"]), 5) for r in ran.rows if r["seed"] == seed} for seed in "01"}
    assert all(len(found) == 1 for found in losses.values())
    assert losses["0"] != losses["1"]


def test_a_rate_that_diverges_is_dropped_and_the_others_are_compared(lrfind):
    ran = lrfind("compare", "compare.lrs=[0.1,1e6]", *SHORT[1:])
    assert ran.code == 0
    assert {r["lr"] for r in ran.rows} == {"0.1"}
    assert [rate["diverged"] for rate in ran.record["comparison"]["cells"][0]["rates"]] == [0, 2]
    gone = lrfind("compare", "compare.lrs=[1e6,1e7]", *SHORT[1:], folder="gone")
    assert gone.code == 3
    assert gone.record["suggestion"] is None
    assert gone.record["status"] == "diverged"
    assert "Every rate diverged" in gone.err


def test_a_regression_is_judged_by_its_loss(lrfind):
    words = ("compare", "model=curve_mlp", "data=curve", "compare.lrs=[0.1,0.5]", "compare.epochs=5")
    ran = lrfind(*words, *SHORT[2:])
    assert ran.code == 0, ran.err
    assert ran.record["comparison"]["judge"] == "loss"
    assert "accuracy" not in ran.rows[0]
    check_record(ran.record)


def test_data_without_an_end_are_compared_by_samples(lrfind, own):
    own("endless", STREAM)
    words = ("compare", "data=custom", "data._target_=endless.Endless", "model=custom", "trust=[endless]",
             "model._target_=endless.net", "compare.lrs=[0.1,0.5]", "compare.seeds=1")  # fmt: skip
    ran = lrfind(*words, "compare.samples=640", "compare.held_out=100", "compare.batch_sizes=[8,16]")
    assert ran.code == 0, ran.err
    assert {r["epoch"] for r in ran.rows} == {""}
    assert [r["samples"] for r in ran.rows[:10]] == [str(64 * j) for j in range(1, 11)]
    assert "samples cannot be kept out of data=Endless" in ran.record["warnings"][0]
    refused = lrfind(*words, "compare.held_out=100", folder="epochs")
    assert refused.code == 2
    assert "give compare.samples=100000" in refused.err
    refused = lrfind(*words, "compare.samples=640", folder="share")
    assert refused.code == 2
    assert "compare.held_out=0.1 is a share" in refused.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare.lrs=[]"], "compare.lrs must hold a rate at least"),
        (["compare.lrs=[0.1,-1]"], "compare.lrs must be finite numbers greater than 0, got -1"),
        (["compare.lrs=[0.1,0.1]"], "compare.lrs must differ"),
        (["compare.lrs=automatic"], "compare.lrs must be auto or a list such as [0.1,0.3], got 'automatic'"),
        (["compare.lrs=0.1"], "compare.lrs must be a list, such as [0.1,0.3], or a word, got 0.1"),
        (["compare.batch_sizes=[0]"], "compare.batch_sizes must be whole numbers of at least 1"),
        (
            ["compare.batch_sizes=[16,5000]"],
            "5000 (of compare.batch_sizes) leaves none of the 1797 samples of data=digits to read a held-out "
            "loss on. A batch size of 1617 or less leaves 180.",
        ),
        (["compare.epochs=0"], "compare.epochs must be greater than 0, got 0"),
        (["compare.epochs=null"], "compare.epochs or compare.samples must say how long to train"),
        (["compare.epochs=0.01"], "compare.readings=1 is more than the steps"),
        (["compare.held_out=1.5"], "compare.held_out must be a share between 0 and 1, or a whole number"),
        (["compare.held_out=0"], "compare.held_out must be"),
        (["compare.held_out=5000"], "compare.held_out=5000 leaves less than one batch of batch_size=64"),
        (["compare.optimizers=[sgd,adamm]"], "compare.optimizers: adamm is no optimizer. Did you mean adam"),
        (["compare.optimizers=[]"], "compare.optimizers must name one optimizer or more"),
        (["compare.optimizers=[custom]"], "custom leaves optimizer._target_ open"),
        (["compare.optimizers=[sgd,adam]", "optimizer.momentum=0.5"], "adam cannot be composed with"),
        (["batch_size=1797"], "batch_size=1797 leaves none of the 1797 samples"),
        (
            ["compare.batch_sizes=[8,1500]", "compare.held_out=300"],
            "held_out=300 leaves less than one batch of 1500 (of compare.batch_sizes) of the 1797 samples",
        ),
        (["range.repeats=often"], "range.repeats must be auto or a whole number of at least 1, got often"),
        (["compare.seeds=0"], "compare.seeds must be at least 1, got 0"),
        (["compare.factor=1"], "compare.factor must be greater than 1"),
        (["compare.judge=speed"], "compare.judge must be one of accuracy, loss or null"),
        (["compare.judge=accuracy", "data=curve", "model=curve_mlp"], "needs one score a class"),
        (["compare.resume=nowhere"], "compare.resume=nowhere is no directory"),
        (["compare.resume=."], "compare.resume=. cannot go on: it holds no saved state"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_what_cannot_be_compared_ends_in_one_clear_paragraph(lrfind, words, message):
    ran = lrfind("compare", "compare.seeds=1", *words)
    assert ran.code == 2
    assert message in ran.err
    assert ran.err.count("lrfind: error:") == 1
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_a_comparison_goes_on_where_it_was_cut_off_and_comes_to_the_same(lrfind, monkeypatch):
    words = ("compare", "-q", *SHORT, "compare.batch_sizes=[32,64]")
    whole = lrfind(*words, folder="whole")
    trained = compare_run.Trainer.__call__
    count = 0

    def stop(self, job, say):
        nonlocal count
        count += 1
        if count == 3:
            say(compare_run.Reading(0, 0, 1.5, 0.25))
            raise KeyboardInterrupt
        return trained(self, job, say)

    monkeypatch.setattr(comparing.Trainer, "__call__", stop)
    cut = lrfind(*words, folder="cut")
    assert cut.code == 130
    assert cut.out == ""
    assert cut.record["status"] == "interrupted"
    assert cut.record["comparison"]["runs"] == {"planned": 4, "finished": 2}
    check_record(cut.record)
    assert len(cut.rows) == 2 * 2 + 1
    assert (cut.folder / compare_state.NAME).exists()
    assert (cut.folder / "compare.png").exists()

    monkeypatch.setattr(comparing.Trainer, "__call__", trained)
    other = lrfind(*words, "seed=7", f"compare.resume={cut.folder}", folder="another")
    assert other.code == 2
    assert "is another experiment: seed was 0 there and is 7 here" in other.err
    loud = [word for word in words if word != "-q"]
    resumed = lrfind(*loud, f"compare.resume={cut.folder}", folder="resumed")
    assert resumed.code == 0, resumed.err
    assert "2 runs taken over from before" in resumed.err
    assert (resumed.folder / "compare.csv").read_bytes() == (whole.folder / "compare.csv").read_bytes()
    assert resumed.record["suggestion"]["lr"] == float(whole.out)
    assert not (resumed.folder / compare_state.NAME).exists()


def test_rates_at_which_nothing_is_learnt_end_without_a_suggestion(lrfind):
    ran = lrfind("compare", "compare.lrs=[1e-9,1e-8]", *SHORT[1:])
    assert ran.code == 3
    assert "No rate learnt anything in 1 epoch of training: the held-out loss ends at 2.3" in ran.err
    assert (ran.record["status"], ran.record["suggestion"]) == ("completed", None)
    check_record(ran.record)
    assert re.search(r"64 +none +nothing learnt", ran.out)


def stop(*words, **named):
    raise KeyboardInterrupt


def test_ctrl_c_after_the_announcement_leaves_files_and_a_state_to_go_on_with(lrfind, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(comparing.Study, "_announce", stop)
        cut = lrfind("compare", "-q", *SHORT, folder="cut")
    assert cut.code == 130, cut.err
    check_record(cut.record)
    assert cut.record["comparison"]["runs"] == {"planned": 2, "finished": 0}
    assert (cut.folder / "compare.png").exists()
    assert (cut.folder / compare_state.NAME).exists()


def test_ctrl_c_while_rates_are_looked_for_keeps_those_that_were_found(lrfind, monkeypatch):
    words = ("compare", "-q", "compare.num_lrs=2", "compare.batch_sizes=[32,64]", *SHORT[1:])
    run_range_test = compare_plan.run_range_test
    sizes = []

    def counted(open_task, settings, observer):
        with open_task(0) as task:
            sizes.append(len(next(task.afresh())[0]))
        return stop() if sizes == [32, 64] else run_range_test(open_task, settings, observer)

    monkeypatch.setattr(compare_plan, "run_range_test", counted)
    cut = lrfind(*words, folder="cut")
    assert cut.code == 130, cut.err
    assert cut.record["comparison"]["runs"] == {"planned": 4, "finished": 0}
    _, found, _ = compare_state.read_state(cut.folder / compare_state.NAME)
    assert list(found["lrs"]) == ["SGD 32"]
    resumed = lrfind(*words, f"compare.resume={cut.folder}", folder="resumed")
    assert resumed.code == 0, resumed.err
    assert sizes == [32, 64, 64]


def test_ctrl_c_before_anything_was_found_can_be_gone_on_with_too(lrfind, monkeypatch):
    words = ("compare", "-q", "compare.num_lrs=2", *SHORT[1:])
    with monkeypatch.context() as patched:
        patched.setattr(compare_plan, "run_range_test", stop)
        cut = lrfind(*words, folder="cut")
    assert cut.code == 130, cut.err
    assert "compare.resume with this run directory goes on" in cut.err
    assert lrfind(*words, f"compare.resume={cut.folder}", folder="resumed").code == 0


def test_data_that_hold_nan_are_blamed_and_not_the_rates(lrfind, own):
    own("holes", HOLES)
    ran = lrfind(
        "compare", "model=custom", "model._target_=holes.net", "data=custom", "data._target_=holes.data",
        "trust=[holes]", "batch_size=8", "compare.held_out=20", *SHORT,
    )  # fmt: skip
    assert ran.code == 3
    assert "the loss was not finite before any update. Look for NaN in the data" in ran.record["verdict"]
    assert "lower ones" not in ran.out + ran.err


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_sigterm_ends_every_process_and_leaves_what_was_measured(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    words = ["compare", "-q", "model=custom", "model._target_=slow.Net", "trust=[slow]", "hydra.run.dir=run",
             "compare.lrs=[0.1,0.2]", "compare.readings=100", "compare.epochs=20",
             "compare.processes=2"]  # fmt: skip
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [sys.executable, "-m", "lrfind", *words], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    deadline = time.monotonic() + 90
    # So many calls are made in the runs alone, not in the trials before them.
    while not (tmp_path / "training").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)  # would wait for workers that hold its stderr
    assert process.returncode == 143, err
    assert (out, "Traceback" in err) == ("", False)
    record = json.loads((tmp_path / "run" / "compare.json").read_text())
    assert record["status"] == "interrupted"
    rows = (tmp_path / "run" / "compare.csv").read_text().splitlines()
    assert rows[0].startswith("batch_size,lr,seed,epoch,step")
    assert len(rows) > 1


def test_real_digits_in_the_textbooks_network(lrfind, shared_data):
    ran = lrfind(
        "compare", "experiment=textbook_batch_size", f"data.root={shared_data / 'mnist'}",
        "compare.samples=6400", "compare.readings=2", "compare.seeds=1", "compare.lrs=[0.1,0.5]",
        "compare.held_out=1000",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert len(ran.rows) == 3 * 2 * 2
    assert {(r["batch_size"], r["step"]) for r in ran.rows} == {
        ("16", "200"), ("16", "400"), ("32", "100"), ("32", "200"), ("128", "25"), ("128", "50")
    }  # fmt: skip
    best = max(float(r["accuracy"]) for r in ran.rows)
    assert best > 0.6
