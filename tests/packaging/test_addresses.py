"""Addresses that others have written down: in saved configs, in scripts, in tools that read records."""

import json
import re
from importlib import import_module, metadata, resources
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from lrfind.cli.commands import COMMANDS
from lrfind.cli.overrides import OWN_OVERRIDES
from lrfind.config.targets import KNOWN
from lrfind.config.validate import validated
from lrfind.tasks.build import build

SAVED = sorted((Path(__file__).parent / "saved").glob("*.yaml"))
"""`.hydra/config.yaml` of runs of version 0.1.0, as its users have them on their disks."""

CONFIGS = Path(__file__).parents[2] / "configs"

TARGET = re.compile(r"_target_: *(lrfind\.[\w.]+)")

ADDRESSES = {
    "lrfind.tasks.data": (
        "cifar10",
        "curve",
        "digits",
        "dogbreed",
        "fashion_mnist",
        "from_model",
        "imagefolder",
        "mnist",
    ),
    "lrfind.tasks.losses": ("HalfMSELoss",),
    "lrfind.tasks.optimizers": ("from_model",),
    "lrfind.tasks.models": ("cnn", "curve_mlp", "mlp", "mnist_mlp", "timm_model", "torchvision_model"),
}
"""What configs of version 0.1.0 may name: a name may be added, and none may go."""

CALLBACKS = {"lrfind.trackers.MLflow", "lrfind.trackers.TensorBoard", "lrfind.trackers.WandB"}
"""The same of Hydra's callbacks."""


def targets(path):
    return set(TARGET.findall(path.read_text()))


def resolved(address):
    module, _, name = address.rpartition(".")
    return getattr(import_module(module), name)


@pytest.mark.parametrize("address", [f"{home}.{name}" for home, names in ADDRESSES.items() for name in names])
def test_an_address_that_a_saved_config_may_name_is_there(address):
    assert callable(resolved(address))


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_the_configs_name_addresses_that_are_kept(path):
    known = {f"{home}.{name}" for home, names in ADDRESSES.items() for name in names}
    assert targets(path) <= known | CALLBACKS


@pytest.mark.parametrize("address", sorted(CALLBACKS))
def test_a_callback_that_a_config_may_name_is_there(address):
    assert callable(resolved(address))


def test_the_homes_of_the_addresses_are_trusted():
    assert set(ADDRESSES) == {
        name for names in KNOWN.values() for name in names if name.startswith("lrfind.")
    }


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_a_saved_config_still_passes_and_what_it_names_can_be_built(path):
    command = path.stem.split("_")[0]
    config = validated(OmegaConf.load(path), COMMANDS[command].config)
    assert targets(path)
    task = build(config)
    assert next(iter(task.batches)) is not None
    task.close()


def test_the_schema_of_the_record_lies_where_it_lay():
    schema = json.loads(resources.files("lrfind").joinpath("report/record.schema.json").read_text("utf-8"))
    assert "schema_version" in schema["required"]


def test_the_installed_command_leads_to_the_program():
    (entry,) = [each for each in metadata.entry_points(group="console_scripts") if each.name == "lrfind"]
    assert callable(entry.load())


def test_what_is_added_to_every_command_line_is_there():
    (address,) = [
        override.partition("_target_=")[2] for override in OWN_OVERRIDES.values() if "_target_=" in override
    ]
    assert callable(resolved(address))
