"""The wheel holds every YAML, and the installed command works far from the checkout."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-q",
        "-w",
        str(folder),
    ]
    try:
        import setuptools
    except ImportError:
        pytest.skip("setuptools is not installed here, and fetching it needs a network")
    del setuptools
    # From a copy, since a build leaves a folder beside the sources.
    copy = folder / "checkout"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("lrfind", "configs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([*build, str(copy)], check=True)
    return next(folder.glob("*.whl"))


def test_wheel_holds_every_yaml_and_every_data_file(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    yamls = {f"lrfind/configs/{p.relative_to(ROOT / 'configs')}" for p in (ROOT / "configs").rglob("*.yaml")}
    assert len(yamls) > 20
    assert yamls <= names
    assert {"lrfind/tasks/data/optdigits.npz", "lrfind/report/record.schema.json", "lrfind/py.typed"} <= names


def test_wheel_holds_every_module(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(p.relative_to(ROOT)) for p in (ROOT / "lrfind").rglob("*.py")}
    assert modules <= names
    assert not [name for name in names if name.startswith("tests/")]


def test_installed_command_works_far_from_the_checkout(wheel, tmp_path):
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    far = tmp_path / "far"
    far.mkdir()
    run = subprocess.run(
        [sys.executable, "-m", "lrfind", "-q", "range.num_steps=30"],
        cwd=far, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert float(run.stdout) > 0
    assert {p.name for p in far.glob("outputs/*/*/range.*")} == {"range.csv", "range.json", "range.png"}
