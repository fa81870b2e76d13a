"""What torchrun's environment tells, and what the command line says there."""

import pytest

from lrfind.cli.main import main
from lrfind.execution.launch import launched_ranks


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


@pytest.mark.parametrize(("rank", "code"), [("0", 2), ("1", 0)])
def test_the_command_line_refuses_several_ranks_and_writes_nothing(torchrun, capfd, tmp_path, rank, code):
    torchrun.setenv("RANK", rank)
    torchrun.chdir(tmp_path)
    assert main(["range", f"hydra.run.dir={tmp_path / 'run'}"]) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert ("torchrun has started 2 ranks" in err) is (rank == "0")
    assert list(tmp_path.iterdir()) == []


def test_help_is_shown_on_ranks_too(torchrun, capfd):
    assert main(["--help"]) == 0
    assert "lrfind" in capfd.readouterr().out
