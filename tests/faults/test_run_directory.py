"""One run at a time in a directory, nothing of dead ones, and old results keep the config they came from."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lrfind.cli.run_directory import LOCK
from lrfind.report.files import remove_abandoned
from tests.processes import SMALL_REFINE, Kill, Run, lrfind

SMALL = ["range", "-q", "model=mlp", "model.hidden_sizes=[4]", "range.num_steps=12", "hydra.run.dir=run"]
SLOW = [*SMALL_REFINE, "refine.segments=[{start: 0.1, stop: 0.2, step: 0.1, iterations: 1000000}]"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def config(folder):
    return (folder / ".hydra" / "overrides.yaml").read_text()


def dead_pid():
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_second_run_in_a_directory_is_refused_and_a_dead_one_holds_nothing(tmp_path):
    first = Run([*SLOW, "hydra.run.dir=run"], tmp_path).until((tmp_path / "run/refine.state.npz").exists)
    before = config(tmp_path / "run")
    code, second = lrfind(SMALL, tmp_path)
    assert code == 2
    assert second.said.startswith("lrfind: error: hydra.run.dir=run is in use by another lrfind (process ")
    assert str(first.process.pid) in second.said
    assert "choose another folder with hydra.run.dir=FOLDER." in second.said
    assert "Traceback" not in second.said
    assert config(tmp_path / "run") == before
    first.send(signal.SIGKILL)
    assert first.end() == -signal.SIGKILL
    part = tmp_path / "run" / f".lrfind-{first.process.pid}-00ff.part"
    part.touch()
    code, third = lrfind(SMALL, tmp_path)
    assert code in (0, 3), third.said
    assert (tmp_path / "run" / "range.json").exists()
    assert not part.exists()
    assert not (tmp_path / "run" / LOCK).exists()


def test_what_a_dead_writer_had_begun_is_removed_and_what_one_writes_is_not(tmp_path):
    dead = tmp_path / f".lrfind-{dead_pid()}-0123456789abcdef.part"
    living = tmp_path / f".lrfind-{os.getpid()}-0123456789abcdef.part"
    older, other = tmp_path / ".lrfind-0123456789abcdef.part", tmp_path / "mine.part"
    for path in (dead, living, older, other):
        path.touch()
    remove_abandoned(tmp_path)
    assert names(tmp_path) == sorted([living.name, older.name, other.name])
    os.utime(older, (0, 0))  # as an older version names them, on whichever machine
    remove_abandoned(tmp_path)
    assert names(tmp_path) == sorted([living.name, other.name])
    remove_abandoned(tmp_path / "absent")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run directory with results."""
    cwd = tmp_path_factory.mktemp("finished")
    code, run = lrfind(SMALL, cwd)
    assert code in (0, 3), run.said
    return cwd / "run"


def rerun(finished, cwd, *words, **kwargs):
    shutil.copytree(finished, cwd / "run")
    return lrfind([*SMALL, *words], cwd, **kwargs)


def test_a_rerun_that_fails_leaves_results_and_config_as_they_were(finished, tmp_path):
    code, run = rerun(finished, tmp_path, "seed=7", "optimizer.lr=-1")
    assert code == 2, run.said
    assert names(tmp_path / "run") == names(finished)
    for path in (path for path in finished.rglob("*") if path.is_file()):
        assert (tmp_path / "run" / path.relative_to(finished)).read_bytes() == path.read_bytes(), path
    code, run = lrfind([*SMALL, "seed=7"], tmp_path)  # one that succeeds takes their place
    assert code in (0, 3), run.said
    assert "seed=7" in config(tmp_path / "run")
    assert json.loads((tmp_path / "run/range.json").read_text())["seed"] == 7
    assert names(tmp_path / "run") == names(finished)


@pytest.mark.parametrize(
    "kill",
    [
        Kill("lrfind.range_test.command", "run"),
        pytest.param(Kill("lrfind.report.output", "write_whole"), marks=pytest.mark.slow),
        pytest.param(Kill("lrfind.cli.run_directory", "RunDirectory._keep_apart"), marks=pytest.mark.slow),
    ],
    ids=lambda kill: kill.name,
)
def test_a_rerun_that_is_killed_leaves_results_and_config_as_they_were(finished, tmp_path, kill):
    code, _ = rerun(finished, tmp_path, "seed=7", kill=kill)
    assert code == -signal.SIGKILL
    if kill.name != "RunDirectory._keep_apart":
        assert config(tmp_path / "run") == config(finished)
    # What is left of it goes with the next one, even one that fails.
    code, run = lrfind([*SMALL, "optimizer.lr=-1"], tmp_path)
    assert code == 2, run.said
    assert config(tmp_path / "run") == config(finished)
    assert names(tmp_path / "run") == names(finished)


def test_a_directory_that_cannot_be_locked_is_told_as_before(tmp_path):
    (tmp_path / "run").write_text("a file")
    code, run = lrfind(SMALL, tmp_path)
    assert code == 2
    assert "the run directory cannot be made" in run.said


@pytest.mark.slow
def test_two_multiruns_in_one_directory_do_not_mix(tmp_path):
    words = ["-m", *SMALL[:-1], "hydra.sweep.dir=sweep"]
    first = Run([*SLOW, "-m", "hydra.sweep.dir=sweep"], tmp_path)
    first.until((Path(tmp_path) / "sweep/0/refine.state.npz").exists)
    code, second = lrfind([*words, "seed=1,2"], tmp_path)
    assert code == 2
    assert "hydra.sweep.dir=sweep is in use by another lrfind" in second.said
    first.send(signal.SIGTERM)
    assert first.end() == 143


def test_a_run_that_is_refused_leaves_no_folder_that_was_not_there_before(tmp_path):
    code, run = lrfind([*SMALL[:-1], "hydra.run.dir=new/deep/run", "optimizer.lr=-1"], tmp_path)
    assert code == 2, run.said
    assert not (tmp_path / "new").exists()
    (tmp_path / "mine").mkdir()
    code, run = lrfind([*SMALL[:-1], "hydra.run.dir=mine", "optimizer.lr=-1"], tmp_path)
    assert code == 2, run.said
    assert (tmp_path / "mine").is_dir()
