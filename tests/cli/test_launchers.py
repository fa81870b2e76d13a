"""Multirun on the launchers of Hydra: the same as without, told in the order of the jobs."""

import csv
import importlib.util
import json
import os
import signal
import subprocess
import sys

import pytest

FEW = ["range.num_steps=40"]


def launcher(name):
    package = f"hydra_plugins.hydra_{name.partition('_')[0]}_launcher"
    installed = importlib.util.find_spec("hydra_plugins") and importlib.util.find_spec(package)
    reason = f"hydra-{name.partition('_')[0]}-launcher is not installed"
    return pytest.param(name, marks=pytest.mark.skipif(not installed, reason=reason))


LAUNCHERS = [launcher("joblib"), launcher("submitit_local")]


def lrfind(words, cwd, **environment):
    """Runs it as the shell does: what a launcher leaves running ends with its process."""
    given = {**os.environ, "NO_COLOR": "1", **environment}
    command = [sys.executable, "-m", "lrfind", *words]
    run = subprocess.run(
        command, cwd=cwd, env=given, capture_output=True, text=True, timeout=300, check=False
    )
    return run.returncode, run


def rows(folder):
    with (folder / "multirun.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("name", LAUNCHERS)
def test_the_rates_are_printed_in_the_order_of_the_jobs_and_the_errors_too(name, tmp_path):
    words = ["-m", "-q", *FEW, "batch_size=16,100000,64"]
    code, here = lrfind([*words, "hydra.sweep.dir=here"], tmp_path)
    assert code == 2
    code, there = lrfind([*words, f"hydra/launcher={name}", "hydra.sweep.dir=there"], tmp_path)
    assert code == 2
    assert (there.stdout, there.stderr) == (here.stdout, here.stderr)
    csvs = [(tmp_path / folder / "multirun.csv").read_bytes() for folder in ("here", "there")]
    assert csvs[0] == csvs[1]


@pytest.mark.parametrize("name", LAUNCHERS[:1])
def test_records_are_printed_one_after_another(name, tmp_path):
    words = ["-m", "--json", *FEW, "seed=0,1", f"hydra/launcher={name}", "hydra.sweep.dir=sweep"]
    code, run = lrfind(words, tmp_path)
    assert code == 0, run.stderr
    first, second = run.stdout.split("}\n{")
    assert json.loads(first + "}")["seed"] == 0
    assert json.loads("{" + second)["seed"] == 1


@pytest.mark.parametrize("name", LAUNCHERS)
def test_a_worker_that_is_killed_is_told_and_the_other_jobs_are_kept(name, tmp_path):
    (tmp_path / "deadly.py").write_text(
        "import os, torch\n\ndef net(num_outputs=None, die=False):\n"
        f"    if die:\n        os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
        "    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))\n"
    )
    words = [
        *("-m", "-q", *FEW, "model=custom", "model._target_=deadly.net", "trust=[deadly]"),
        *("+model.die=false,true", f"hydra/launcher={name}", "hydra.sweep.dir=sweep"),
    ]
    code, run = lrfind(words, tmp_path, PYTHONPATH=str(tmp_path))
    assert code == 2, run.stderr
    assert f"hydra/launcher={name} gave up: " in run.stderr
    assert "Traceback" not in run.stderr
    assert rows(tmp_path / "sweep")[1]["status"] == "unfinished"
