"""`lrfind COMMAND --help`: every key with its default, in 80 columns, from the config itself."""

import json
import re
import subprocess
import sys

import pytest
from omegaconf import OmegaConf

from lrfind.cli.commands import COMMANDS, keys_of_command
from lrfind.cli.help import help_of
from lrfind.cli.main import main
from lrfind.config.reference import options_with, spelled


@pytest.mark.parametrize("command", COMMANDS)
def test_every_key_stands_there_with_its_default(capfd, command):
    assert main([command, "--help"]) == 0
    text = capfd.readouterr().out
    assert text == help_of(command)
    assert max(map(len, text.splitlines())) <= 80
    for key in keys_of_command(command):
        if key.name.startswith(f"{command}.") or "." not in key.name:
            assert f"\n  {key.name}=" in text
            assert key.meaning
    assert all(example in text for example in COMMANDS[command].examples)
    assert text.count("lrfind") >= 5
    assert not re.search(r"\b(try|from)_\b|None|TRY_", text)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_defaults_are_those_that_hydra_composes(capfd, command):
    assert main([command, "--cfg", "job"]) == 0
    composed = OmegaConf.create(capfd.readouterr().out)
    for key in keys_of_command(command):
        plain = OmegaConf.select(composed, key.name)
        value = OmegaConf.to_container(plain) if OmegaConf.is_config(plain) else plain
        if isinstance(value, float):
            assert float(key.default) == value, key.name
        else:
            assert key.default == spelled(value), key.name


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_have_keys_of_the_command_by_their_present_names(command):
    own = rf"\b({command}\.\w+)="
    used = {key for example in COMMANDS[command].examples for key in re.findall(own, example)}
    assert used <= {key.name for key in keys_of_command(command) if "called before" not in key.meaning}


def test_the_help_of_all_commands_is_still_that_of_none(capfd):
    assert main(["--help"]) == 0
    text = capfd.readouterr().out
    for command in COMMANDS:
        assert f"lrfind {command}" in text or f"[{command}]" in text


def test_an_example_of_each_command_composes(capfd):
    for command, about in COMMANDS.items():
        words = about.examples[0].replace("'", "").replace("DIR", "x").split()[1:]
        assert main([*words, "--cfg", "job"]) == 0, command
        capfd.readouterr()


def test_it_loads_neither_torch_nor_hydra():
    code = (
        "import json, sys; from lrfind.cli.main import main; main(['refine', '--help']); "
        "sys.stderr.write(json.dumps([m for m in ('torch', 'hydra', 'omegaconf', 'matplotlib', 'rich') "
        "if m in sys.modules]))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ran.stderr) == []


def test_the_options_that_have_a_key_are_known():
    assert options_with("optimizer.momentum") == ["momentum", "nesterov", "rmsprop", "sgd"]
    assert options_with("range.num_steps") == []
    assert options_with("model") == []
