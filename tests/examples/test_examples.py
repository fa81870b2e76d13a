"""Every example runs as its README says, from the folder that it says."""

import base64
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.processes import Run

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


def run(*command, cwd=ROOT, code=0):
    """The command's stdout; it must end with that code."""
    scripts = str(Path(sys.executable).parent)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout


def run_script(folder, script, *words):
    """The stdout of a script, run from the checkout in a process that has imported torch already."""
    forked = Run(words, ROOT, program=script, logs=folder)
    assert forked.end() == 0, forked.said
    return forked.shown


def test_the_table_of_examples_names_every_folder():
    named = re.findall(r"^\| `(\w+)/`", (EXAMPLES / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())


def test_a_plain_training_script_finds_its_rate_and_learns():
    said = run(sys.executable, "examples/pytorch/train.py", "--epochs", "30")
    rate = float(re.search(r"^learning rate (\S+)$", said, re.MULTILINE)[1])
    assert 0.003 < rate < 1
    assert float(re.search(r"([\d.]+)% of the held-out points are right", said)[1]) > 95


def test_a_plain_training_script_takes_a_rate(tmp_path):
    said = run_script(tmp_path, "examples/pytorch/train.py", "--lr", "1e-6", "--epochs", "1")
    assert "learning rate" not in said
    assert float(re.search(r"([\d.]+)% of", said)[1]) < 75


def test_a_model_and_data_of_ones_own_from_the_shell(tmp_path):
    folder = EXAMPLES / "own_model"
    said = run(
        *("lrfind", "--json", "--config-dir", "config", "experiment=spirals", "trust=[spirals]"),
        f"hydra.run.dir={tmp_path}",
        cwd=folder,
    )
    record = json.loads(said)
    assert record["config"]["model"]["_target_"] == "spirals.Net"
    assert 1e-4 < record["suggestion"]["lr"] < 0.3


@pytest.mark.parametrize(("lr", "code", "word"), [("0.3", 0, "still right"), ("5", 4, "")])
def test_a_ci_job_passes_with_a_good_rate_and_fails_with_a_bad_one(lr, code, word):
    if shutil.which("sh") is None:
        pytest.skip("there is no sh here")
    few = ["verify.num_steps=60", "verify.seeds=2"]
    assert word in run("sh", "examples/ci/check_learning_rate.sh", lr, *few, code=code)


def pictures(folder, classes=3, each=16):
    """Pictures in folders: noise about a colour a class."""
    from PIL import Image

    noise = np.random.default_rng(0)
    for label in range(classes):
        (folder / f"class{label}").mkdir(parents=True)
        colour = np.eye(3)[label] * 120 + 60
        for i in range(each):
            pixels = np.clip(colour + noise.normal(0, 40, (40, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"class{label}" / f"{i}.png")
    return folder


def check_fine_tuning(logs, folder, size):
    said = run_script(
        *(logs, "examples/fine_tuning/finetune.py", str(folder)),
        *("--steps", "20", "--size", str(size), "--batch-size", "16"),
    )
    backbone, head = (float(re.search(rf"^{name}: (\S+)$", said, re.MULTILINE)[1]) for name in GROUPS)
    assert head == pytest.approx(10 * backbone, rel=0.01)
    start, end = map(float, re.search(r"loss (\S+) at the start, (\S+) at the end", said).groups())
    assert end < start


GROUPS = ("backbone", "head")


def test_fine_tuning_on_made_pictures(tmp_path):
    check_fine_tuning(tmp_path, pictures(tmp_path / "pictures"), size=32)


@pytest.mark.slow
def test_fine_tuning_on_dogs(tmp_path, shared_data):
    check_fine_tuning(tmp_path, shared_data / "dogbreed" / "train", size=64)


def test_the_notebook_runs_and_shows_the_picture_the_bar_and_the_rate(tmp_path):
    for package in ("nbconvert", "ipykernel"):
        pytest.importorskip(package, reason=f"{package} runs a notebook, and is not installed")
    source = EXAMPLES / "notebook" / "learning_rate.ipynb"
    out = tmp_path / "run.ipynb"
    run(
        *(sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", str(source)),
        *("--output", str(out), "--ExecutePreprocessor.kernel_name=python3"),
        cwd=tmp_path,
    )
    cells = [cell for cell in json.loads(out.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]
    shown = cells[1]["outputs"]
    bars = ["".join(each["data"]["text/plain"]) for each in shown if each["output_type"] == "display_data"]
    assert any("step" in bar and " in " in bar for bar in bars)
    (html,) = [
        "".join(each["data"]["text/html"]) for each in shown if each["output_type"] == "execute_result"
    ]
    picture = base64.b64decode(re.search(r"base64,([^\"]+)\"", html)[1])
    assert picture.startswith(b"\x89PNG")
    rate = float("".join(cells[-1]["outputs"][0]["data"]["text/plain"]))
    assert f"<b>{rate:g}</b>" in html
