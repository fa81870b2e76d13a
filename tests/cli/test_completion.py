"""Completion: commands, flags and values, and never a word on stderr."""

import pytest

from lrfind.cli.commands import COMMANDS, keys_of_command
from lrfind.cli.main import main


@pytest.fixture
def offered(capfd, monkeypatch):
    """What is offered for a line that ends at the cursor."""

    def ask(line: str, shell: str = "bash") -> list[str]:
        monkeypatch.setenv("COMP_LINE", line)
        monkeypatch.setenv("COMP_POINT", str(len(line)))
        assert main(["-sc", f"query={shell}"]) == 0
        out, err = capfd.readouterr()
        assert err == ""
        return out.split() if shell != "fish" else out.strip().split("\n")

    return ask


def test_a_flag_is_completed_and_no_usage_is_printed(offered):
    assert offered("lrfind --js") == ["--json"]
    assert offered("lrfind refine --ar") == ["--around"]
    assert offered("lrfind compare --ar") == []
    assert offered("lrfind --arund 0.7 compare.st") == []
    assert offered("lrfind compare --arund compare.st") == ["compare.stacked="]
    assert offered("lrfind --cfg ") == ["job", "hydra", "all"]
    assert offered("lrfind --config-dir ") == []


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_command_is_completed(offered, shell):
    assert offered("lrfind ver", shell) == ["verify"]
    assert {"range", "refine", "range."} <= set(offered("lrfind r", shell))
    assert set(COMMANDS) <= set(offered("lrfind ", shell))
    assert offered("lrfind model=cnn ver", shell) in ([], [""])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_value_of_a_key_with_a_list_of_words_is_offered(offered, command):
    keys = [key for key in keys_of_command(command) if key.options]
    assert keys
    for key in keys:
        assert offered(f"lrfind {command} {key.name}=") == [f"{key.name}={each}" for each in key.options]


def test_the_rules_and_their_beginnings(offered):
    rules = ["centre", "steepest", "minimum", "valley", "slide", "gugger"]
    assert offered("lrfind range.rule=") == [f"range.rule={rule}" for rule in rules]
    assert offered("lrfind -q range.rule=s") == ["range.rule=steepest", "range.rule=slide"]
    assert offered("lrfind -m device=c") == ["device=cpu", "device=cuda", "device=cuda:0"]


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("range model=res", {"model=resnet18", "model=resnet50"}),
        ("verify model=res", {"model=resnet18", "model=resnet50"}),
        ("verify 0.1 --lr 0.2 model=res", {"model=resnet18", "model=resnet50"}),
        ("verify verify.st", {"verify.steps="}),
        ("schedule schedule.num_", {"schedule.num_steps="}),
        ("schedule --try schedule.read", {"schedule.readings="}),
    ],
)
def test_the_keys_and_groups_of_a_command_are_known_behind_its_words(offered, line, keys):
    assert set(offered(f"lrfind {line}")) == keys


def test_a_shell_is_still_taught_by_hydra(capfd):
    assert main(["-sc", "install=bash"]) == 0
    assert "complete -o nospace" in capfd.readouterr().out
