"""The check for a machine with a GPU, every line of it on the CPU: it shall fail for the GPU's sake alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("part", ["tests", "commands", "ranks", "bench"])
def test_every_line_of_the_gpu_check_runs_on_the_cpu(shared_data, tmp_path, part):
    log = tmp_path / "log"
    own = {"DEVICE": "cpu", "PARTS": part, "PYTHON": sys.executable, "LOG": str(log)}
    ran = subprocess.run(
        ["bash", "scripts/gpu_check.sh", str(shared_data)], cwd=ROOT, env=os.environ | own,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "everything went well" in ran.stdout
    assert "FAILED" not in ran.stdout
    least = {"tests": 2, "commands": 25, "ranks": 10, "bench": 4}[part]
    assert sum(line.startswith("ok ") for line in ran.stdout.splitlines()) >= least
