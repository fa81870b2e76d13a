"""Every command on a GPU, from the command line: it ends well, there, and with the answer of the CPU.

LRFIND_DEVICE=cpu runs the same tests on the CPU, so that what fails on a GPU fails for the GPU's sake.
"""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.gpu, pytest.mark.picture]

ROOT = Path(__file__).parents[2]
RANGE = ("range.num_steps=30",)
REFINE = ("refine.rounds=1", "refine.segments=[{start: 0.1, stop: 0.5, step: 0.1, iterations: 3}]")
COMPARE = ("compare.lrs=[0.05,0.2]", "compare.epochs=1", "compare.seeds=2")
RUNS = {
    "range": RANGE,
    "range, unpaired, accuracy": (*RANGE, "range.paired=false", "range.metric=accuracy"),
    "range, validation, accumulation, clipping": (
        *RANGE, "range.validation.samples=200", "accumulation_steps=2", "clip_grad_norm=1",
    ),
    "range, several": (*RANGE, "range.repeats=2"),
    "range, in channels_last": (*RANGE, "model=cnn", "channels_last=true"),
    "refine, continued": ("refine", *REFINE),
    "refine, continued and stacked": ("refine", *REFINE, "refine.seeds=3", "refine.strategy=stacked"),
    "refine, restarted": ("refine", *REFINE, "refine.restart=true", "refine.strategy=sequential"),
    "refine, restarted and stacked": ("refine", *REFINE, "refine.restart=true", "refine.strategy=stacked"),
    "refine, halving": ("refine", *REFINE, "refine.restart=true", "refine.halving=true", "refine.read=train"),
    "verify": ("verify", *RANGE, "verify.steps=20", "verify.seeds=2"),
    "compare": ("compare", *COMPARE, "compare.stacked=false"),
    "compare, stacked": ("compare", *COMPARE, "compare.stacked=true"),
    "compare, two processes": ("compare", *COMPARE, "compare.processes=2"),
    "schedule --try": (
        "schedule", "--try", "schedule.policy=[step,one_cycle]", "schedule.lr=0.1", "schedule.num_steps=30",
        "schedule.seeds=2", "schedule.readings=3",
    ),
}  # fmt: skip

FULL = """
import torch
class Net(torch.nn.Linear):
    def __init__(self):
        super().__init__(64, 10)
        self.kept = []
    def forward(self, x):
        nbytes = 2**30 if x.is_cuda else 2**60
        for _ in range(10_000):
            self.kept.append(torch.empty(nbytes, dtype=torch.uint8, device=x.device))
        return super().forward(x.flatten(1))
"""
LONG = """
import torch
class Net(torch.nn.Linear):
    calls = 0
    def __init__(self): super().__init__(64, 10)
    def forward(self, x):
        Net.calls += 1
        if Net.calls == 100: open("training", "w").close()
        return super().forward(x.flatten(1))
"""


@pytest.mark.parametrize("name", RUNS)
def test_every_command_ends_well_and_says_where_it_ran(lrfind, gpu, name):
    ran = lrfind(*RUNS[name], f"device={gpu}")
    assert ran.code == 0, ran.err
    assert ran.record["device"] == gpu
    assert ran.rows
    assert (ran.folder / f"{ran.command}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("paired", ["true", "false"])
def test_half_precision_finds_about_the_rate_of_full_precision(lrfind, gpu, precision, paired):
    words = (f"device={gpu}", f"range.paired={paired}")
    full = lrfind(*words)
    half = lrfind(*words, f"precision={precision}", folder="half")
    assert (full.code, half.code) == (0, 0), half.err
    found, expected = half.record["suggestion"]["lr"], full.record["suggestion"]["lr"]
    assert abs(math.log(found / expected)) < math.log(2)


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_a_compiled_model_finds_the_rate_of_the_uncompiled_one(lrfind, gpu, model):
    if gpu == "cpu":
        pytest.skip("compilation on the CPU takes a compiler and minutes")
    plain = lrfind(f"device={gpu}", f"model={model}")
    compiled = lrfind(f"device={gpu}", f"model={model}", "compile=true", folder="compiled")
    assert compiled.code == 0, compiled.err
    found, expected = compiled.record["suggestion"]["lr"], plain.record["suggestion"]["lr"]
    assert found == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("model", ["mlp", "cnn"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_answer_is_that_of_the_cpu_on_the_same_batches(lrfind, gpu, model, optimizer):
    words = (f"model={model}", f"optimizer={optimizer}")
    here = lrfind(*words, "device=cpu")
    there = lrfind(*words, f"device={gpu}", folder="there")
    assert (here.code, there.code) == (0, 0), there.err
    first = [float(ran.rows[0]["loss"]) for ran in (here, there)]
    assert first[1] == pytest.approx(first[0], rel=1e-3)  # the same weights and the same batch
    lrs = [ran.record["suggestion"]["lr"] for ran in (here, there)]
    assert lrs[1] == pytest.approx(lrs[0], rel=0.05)


@pytest.mark.parametrize("command", ["range", "refine"])
def test_memory_that_runs_out_ends_with_its_message_and_code(lrfind, own, gpu, command):
    own("full", FULL)
    ran = lrfind(command, "model=custom", "model._target_=full.Net", "trust=[full]", f"device={gpu}")
    assert ran.code == 2, ran.err
    assert "batch_size: the device ran out of memory" in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""
    after = lrfind(f"device={gpu}", *RANGE, folder="after")  # and the memory is there again
    assert after.code == 0, after.err


def test_an_interrupt_writes_what_was_measured(tmp_path, gpu):
    (tmp_path / "long.py").write_text(LONG)
    words = ["-q", "model=custom", "model._target_=long.Net", "trust=[long]", "range.num_steps=1000000",
             "range.end_lr=1e-4", f"device={gpu}", "hydra.run.dir=run"]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "lrfind", *words], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (tmp_path / "training").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert (out, "Traceback" in err) == ("", False)
    record = json.loads((tmp_path / "run" / "range.json").read_text())
    assert (record["status"], record["device"]) == ("interrupted", gpu)
    rows = (tmp_path / "run" / "range.csv").read_text().splitlines()
    assert len(rows) == record["steps"] + 1 > 30


@pytest.mark.parametrize("words", [("model=mnist_mlp", "data=mnist"), ("model=cnn", "data=mnist")])
def test_mnist_has_the_answer_of_the_cpu(lrfind, gpu, shared_data, words):
    words = (*words, f"data.root={shared_data / 'mnist'}")
    here = lrfind(*words, "device=cpu")
    there = lrfind(*words, f"device={gpu}", folder="there")
    assert (here.code, there.code) == (0, 0), there.err
    lrs = [ran.record["suggestion"]["lr"] for ran in (here, there)]
    assert lrs[1] == pytest.approx(lrs[0], rel=0.05)
