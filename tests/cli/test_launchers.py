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


JOBS = ["-m", "-q", *FEW, "batch_size=16,100000,64", "hydra.sweep.dir=sweep"]


@pytest.fixture(scope="module")
def without_launcher(tmp_path_factory):
    """What the jobs print and leave in the process itself."""
    folder = tmp_path_factory.mktemp("here")
    code, run = lrfind(JOBS, folder)
    return code, run.stdout, run.stderr, (folder / "sweep/multirun.csv").read_bytes()


@pytest.mark.parametrize("name", LAUNCHERS)
def test_the_rates_are_printed_in_the_order_of_the_jobs_and_the_errors_too(name, without_launcher, tmp_path):
    code, run = lrfind([*JOBS, f"hydra/launcher={name}"], tmp_path)
    left = (tmp_path / "sweep/multirun.csv").read_bytes()
    assert (code, run.stdout, run.stderr, left) == without_launcher
    assert code == 2


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


TASK = ["model=mlp", "model.hidden_sizes=[4]", "batch_size=256", "seed=3"]
COMMANDS = {
    "compare": [
        *("compare", "compare.lrs=[0.03,0.3]", "compare.samples=2000", "compare.seeds=2"),
        *("compare.batch_sizes=[64,256]", "compare.readings=2", "compare.stacked=false"),
    ],
    "schedule_try": [
        *("schedule", "--try", "schedule.lr=0.1", "schedule.num_steps=20", "schedule.seeds=2"),
        *("schedule.policy=[step,one_cycle]", "optimizer=momentum"),
    ],
    "refine": [
        *("refine", "refine.restart=true", "refine.rounds=2", "refine.seeds=3", "refine.strategy=sequential"),
        "refine.segments=[{start: 0.1, stop: 0.3, step: 0.1, iterations: 4}]",
    ],
    "range": ["range", "range.num_steps=30", "range.repeats=3"],
    "verify": ["verify", "0.1", "verify.steps=20", "verify.seeds=2"],
}
"""Commands with independent runs, by the name of their table."""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """What each command leaves without a launcher."""
    tables = {}

    def run(name):
        if name not in tables:
            cwd = tmp_path_factory.mktemp(name)
            code, run = lrfind([*COMMANDS[name], *TASK, "hydra.run.dir=run"], cwd)
            assert code in (0, 3), run.stderr
            tables[name] = (code, (cwd / "run" / f"{name}.csv").read_bytes())
        return tables[name]

    return run


@pytest.mark.parametrize(
    ("name", "command"),
    [
        pytest.param(*each.values, command, marks=[*each.marks, *([] if quick else [pytest.mark.slow])])
        for each, command, quick in [
            (LAUNCHERS[0], "compare", True),
            (LAUNCHERS[0], "schedule_try", False),
            (LAUNCHERS[0], "refine", False),
            (LAUNCHERS[0], "range", False),
            (LAUNCHERS[0], "verify", False),
            (LAUNCHERS[1], "compare", False),
            (LAUNCHERS[1], "verify", False),
        ]
    ],
)
def test_the_runs_of_a_command_give_the_same_table_wherever_they_are_done(name, command, here, tmp_path):
    words = [*COMMANDS[command], *TASK, f"hydra/launcher={name}", "hydra.run.dir=run"]
    code, run = lrfind(words, tmp_path)
    assert (code, (tmp_path / "run" / f"{command}.csv").read_bytes()) == here(command), run.stderr
    assert not list((tmp_path / "run").glob("cells/[0-9]*"))


DYING = """
import os, sys, torch
from pathlib import Path

def net(num_outputs=None, times=1):
    died = sorted(Path.cwd().glob("died*"))
    if sys.argv[0] != "lrfind" and len(died) < times:  # in a process of the launcher
        Path(f"died{len(died)}").touch()
        os.kill(os.getpid(), 9)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))
"""


@pytest.mark.parametrize(("times", "expected"), [(1, 0), pytest.param(2, 2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", LAUNCHERS[:1])
def test_a_run_that_is_killed_is_begun_once_again_and_then_told(name, times, expected, tmp_path):
    (tmp_path / "dying.py").write_text(DYING)
    words = [*COMMANDS["compare"], "model=custom", "model._target_=dying.net", "trust=[dying]", "-q"]
    words += [f"+model.times={times}", f"hydra/launcher={name}", "hydra.launcher.n_jobs=2"]
    words += ["hydra.run.dir=run", "compare.seeds=1", "compare.batch_sizes=[64]"]
    code, run = lrfind(words, tmp_path)
    assert code == expected, run.stderr
    if expected:
        assert "gave up; 1 of 1 runs did not come to their end, though begun 2 times" in run.stderr
        assert "Traceback" not in run.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", LAUNCHERS[:1])
def test_a_command_without_independent_runs_says_that_the_launcher_has_nothing_to_do(name, tmp_path):
    code, run = lrfind([*FEW, "range.repeats=1", f"hydra/launcher={name}"], tmp_path)
    assert code in (0, 3)
    assert f"hydra/launcher={name} was given nothing to do" in run.stderr
