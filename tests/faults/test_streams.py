"""Readers who go, disks that are full, and settings of others: what the command shows, and how it ends."""

import os
import subprocess
import sys

import pytest

from tests.processes import READER_GONE, Run


def lrfind(*words, tmp_path, shell, **environment):
    return subprocess.run(
        ["bash", "-c", f'"$0" -m lrfind "$@" {shell}', sys.executable, *words],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120,
        env={**os.environ, **environment},
    )  # fmt: skip


SHOWN = [["--info", "all"], ["--info", "defaults-tree"], ["--hydra-help"], ["--cfg", "job"]]


@pytest.mark.parametrize("words", SHOWN)
def test_a_reader_who_has_seen_enough_is_no_error(tmp_path, words):
    run = Run(words, tmp_path, out=READER_GONE)
    assert (run.end(), run.said) == (0, "")


def test_a_reader_who_has_seen_enough_is_no_error_at_the_end_of_a_process_either(tmp_path):
    ran = lrfind("--info", "all", tmp_path=tmp_path, shell="| true; exit ${PIPESTATUS[0]}")
    assert (ran.returncode, ran.stderr) == (0, "")


FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")  # noqa: PTH110


def assert_told_once(code, said):
    assert code == 2
    assert said.startswith("lrfind: error: standard output cannot be written: no space is left")
    assert said.count("\n") == 1


@FULL
@pytest.mark.parametrize("words", [["--info", "all"], ["--hydra-help"]])
def test_a_full_disk_is_told_once(tmp_path, words):
    run = Run(words, tmp_path, out="/dev/full")
    assert_told_once(run.end(), run.said)


@FULL
def test_a_full_disk_is_told_once_at_the_end_of_a_process_too(tmp_path):
    ran = lrfind("--cfg", "job", tmp_path=tmp_path, shell="> /dev/full")
    assert_told_once(ran.returncode, ran.stderr)


def test_a_backend_of_matplotlib_that_is_none_costs_no_picture(tmp_path):
    ran = lrfind(
        "-q", "range.num_steps=4", "batch_size=256", "device=cpu", "hydra.run.dir=run",
        tmp_path=tmp_path, shell="", MPLBACKEND="nonsense",
    )  # fmt: skip
    assert ran.returncode in (0, 3), ran.stderr
    assert (tmp_path / "run" / "range.png").read_bytes().startswith(b"\x89PNG")
