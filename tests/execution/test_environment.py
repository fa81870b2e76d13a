"""What torchrun's environment tells, and what a rank leaves in its own."""

import os

import pytest

from lrfind.cli.main import main
from lrfind.execution.environment import environment_of, launched_ranks, local_rank


@pytest.fixture
def torchrun(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    return monkeypatch


def test_ranks_are_those_of_torchrun_alone(torchrun):
    assert launched_ranks() == (0, 2)
    torchrun.delenv("TORCHELASTIC_RUN_ID")
    assert launched_ranks() == (0, 1)


def test_a_rank_is_told_what_torchrun_would_tell_it_and_nothing_is_left(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "9")
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with environment_of(1, 2):
        assert [os.environ[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")] == ["1", "2", "2"]
        assert local_rank() == 1
        assert launched_ranks() == (0, 1)  # those alone that torchrun has started
    assert os.environ["WORLD_SIZE"] == "9"
    assert "LOCAL_RANK" not in os.environ


def test_help_is_shown_on_ranks_too(torchrun, capfd):
    assert main(["--help"]) == 0
    assert "lrfind" in capfd.readouterr().out
