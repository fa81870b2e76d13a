"""A config that names classes is code: however it is spelled, none may call what nobody trusted."""

import contextlib
import copy
import random
import shutil
import subprocess
import sys

import pytest
import torch
import yaml
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lrfind.config.schema import TaskConfig
from lrfind.config.validate import validated
from lrfind.errors import UserError
from lrfind.tasks.instantiate import callable_of, instantiate

CANARY = """
fired = []

def fire(*args, **kwargs):
    fired.append((args, kwargs))
    return 1

class Fire:
    def __init__(self, *args, **kwargs): fire(*args, **kwargs)

    @staticmethod
    def method(*args, **kwargs): return fire(*args, **kwargs)
"""

BASES = {
    "model": {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 1},
    "data": {"_target_": "lrfind.tasks.data.curve", "num_samples": 8},
    "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.1},
    "criterion": {"_target_": "torch.nn.MSELoss"},
}
ARGUMENT = {"model": "bias", "data": "noise", "optimizer": "momentum", "criterion": "reduction"}
NAMES = (
    *("canary.fire", "canary.Fire", "canary.Fire.method", "canary", "canary.fire.__call__"),
    *("shutil.copy", "torch.load", "torch.hub.load", "subprocess.call"),
    *(
        "torch.nn.functional.torch.hub.load",
        "lrfind.tasks.instantiate.instantiate",
        "lrfind.tasks.build.torch.load",
    ),
    *("hydra.utils.call", "hydra.utils.instantiate", "hydra.utils.get_method", "functools.partial"),
    *("torch.nn.canary.fire", "torch.nn..canary.fire", " canary.fire", "canary.fire ", "canary:fire"),
    *("builtins.open", "os.system", "posix.system", "builtins.eval", "importlib.import_module"),
)


def node(rng):
    """A node that names something outside, with the extras that steer how it is built."""
    made_of = {rng.choice(TARGET_KEYS): rng.choice([rng.choice(NAMES), *["canary.fire"] * 2])}
    for key, values in {
        "_args_": [["/etc/hostname", "/tmp/canary-copied"], [], "text", {"0": 1}],
        "_partial_": [True, False],
        "_recursive_": [True, False],
        "_convert_": ["none", "all", "object", "partial"],
        "_target": ["canary.fire"],
        "src": ["/etc/hostname"],
    }.items():
        if rng.random() < 0.15:
            made_of[key] = rng.choice(values)
    return made_of


TARGET_KEYS = ("_target_",) * 12 + ("_Target_", "_TARGET_", " _target_", "_target_ ", "_target", "＿target_")


def flow(value):
    """As the grammar of references takes it: a flow mapping on one line, plain words."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def spelled(rng, payload):
    """The node as a text that becomes it when somebody resolves it, once or more often."""
    inner = flow(payload)
    text = rng.choice([
        *["${oc.create:" + inner + "}"] * 10,
        "${oc.create: " + inner + " }",
        "${oc.create:'" + inner + "'}",
        "${oc.decode:'" + inner + "'}",
        "${oc.create:${oc.decode:'" + inner + "'}}",
        "${oc.decode:${oc.env:LRFIND_CANARY}}",
        "${oc.env:LRFIND_CANARY_REFERENCE}",
        "${oc.deprecated:optimizer.hidden}",
        "${oc.select:model.hidden}",
        "${oc.dict.values:data.hidden}",
        "${criterion.hidden}",
        "${.hidden}",
        "${..hidden}",
    ])  # fmt: skip
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        escape = rng.choice(["\\", "\\", "\\", "\\\\", "\\\\\\", "\\\\\\\\\\"])
        text = (
            text.replace("${", f"{escape}${{")
            if rng.random() < 0.5
            else text.replace("${", f"{escape}${{", 1)
        )
    return rng.choice([*[""] * 8, " ", "x"]) + text


def nested(rng, value):
    """The value where an argument may hold it."""
    for _ in range(rng.choice([0, 0, 1, 2, 3])):
        value = rng.choice([
            lambda v: [v],
            lambda v: {"inner": v},
            lambda v: {"deep": {"er": [v, v]}},
            lambda v: {"_target_": "torch.nn.ReLU", "inplace": v},
            lambda v: {"_target_": "torch.nn.Sequential", "_args_": [v]},
            lambda v: {"_target_": "torch.nn.Linear", "_partial_": True, "in_features": v},
            lambda v: {"_recursive_": False, "_args_": v},
        ])(value)  # fmt: skip
    return value


def attack(rng):
    """A file of a stranger's, in which somewhere a name outside is hidden."""
    group = rng.choice(list(BASES))
    base = copy.deepcopy(BASES[group])
    payload = node(rng)
    value = nested(rng, payload if rng.random() < 0.25 else spelled(rng, payload))
    key = rng.choice([*[ARGUMENT[group]] * 8, "_args_", "_convert_", "_partial_", "extra", "_target_"])
    if key == "_args_" and not isinstance(value, list):
        value = [value]
    base[key] = value
    file = {group: base}
    if rng.random() < 0.3:
        file[group]["hidden"] = payload
    if rng.random() < 0.3:
        file["trust"] = ["canary", "shutil", "torch", "subprocess"]
    if rng.random() < 0.05:
        file[group] = spelled(rng, payload)
    return group, yaml.safe_dump(file, allow_unicode=True)


@pytest.fixture(scope="module")
def plain():
    """What `lrfind` composes where nothing is said."""
    with initialize_config_module("lrfind.configs", version_base="1.3"):
        composed = OmegaConf.to_container(compose("range"))
        return {key: value for key, value in composed.items() if key != "range"}


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """A module that notes whatever calls it, and real functions that do the same."""
    (tmp_path / "canary.py").write_text(CANARY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("LRFIND_CANARY", "{_target_: canary.fire}")
    monkeypatch.setenv("LRFIND_CANARY_REFERENCE", "${oc.create:{_target_: canary.fire}}")
    called = []
    for owner, name in ((shutil, "copy"), (torch, "load"), (torch.hub, "load"), (subprocess, "call")):
        monkeypatch.setattr(owner, name, lambda *args, _name=name, **kwargs: called.append(_name))
    yield called
    sys.modules.pop("canary", None)


def build(plain, text, trust=()):
    """Takes a file the way the command does: composed, validated, built; whether it came so far.

    Building alone must hold, too: what is built without having been validated is checked all the same.
    """
    try:
        file = OmegaConf.create(text)
        groups = [key for key in BASES if key in file]
        composed = OmegaConf.merge(OmegaConf.create({**plain, **{key: {} for key in groups}}), file)
        composed.trust = list(trust)
        resolved = OmegaConf.to_container(composed, resolve=True)
    except OmegaConfBaseException:
        return False
    for group in groups:
        construct(group, resolved[group], list(trust))
    try:
        config = validated(composed, TaskConfig)
    except UserError:
        return False
    for group in groups:
        construct(group, getattr(config, group), config.trust)
    return True


def construct(group, node, trust):
    if not isinstance(node, dict) or "_target_" not in node:
        return
    # What a trusted class makes of arguments that are nonsense is its own affair.
    with contextlib.suppress(UserError, TypeError, ValueError, AttributeError):
        if group == "optimizer" or node.get("_partial_"):
            callable_of(group, node, trust)([torch.zeros(1, requires_grad=True)])
        else:
            instantiate(group, node, trust)


@pytest.mark.filterwarnings("ignore:size_average and reduce args")
@pytest.mark.parametrize("count", [300, pytest.param(3000, marks=pytest.mark.slow)])
def test_no_spelling_calls_what_nobody_trusted(plain, canary, count):
    rng = random.Random(20240229)
    seen: set[str] = set()
    while len(seen) < count:
        _, text = attack(rng)
        if text in seen:
            continue
        seen.add(text)
        build(plain, text)
        assert "canary" not in sys.modules, text
        assert canary == [], text


def test_the_same_files_do_call_it_where_it_is_trusted(plain, canary):
    text = "model: {_target_: torch.nn.Linear, in_features: 2, out_features: {_target_: canary.fire}}"
    assert not build(plain, text)
    assert "canary" not in sys.modules
    assert build(plain, text, trust=["canary"])
    assert len(sys.modules["canary"].fired) == 2  # once as resolved, once as validated


@pytest.mark.parametrize("group", list(BASES))
def test_an_escaped_reference_is_refused_by_its_key(plain, canary, group):
    for escape in ("\\", "\\\\\\"):
        file = {group: {**BASES[group], "hidden": [f"{escape}${{oc.create:{{_target_: canary.fire}}}}"]}}
        composed = OmegaConf.merge(plain, OmegaConf.create(yaml.safe_dump(file)))
        with pytest.raises(UserError, match=rf"^{group}\.hidden\[0\] holds '\$\{{' after its references"):
            validated(composed, TaskConfig)
    assert "canary" not in sys.modules
