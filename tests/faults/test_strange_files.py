"""Files of a stranger's: what they tell Hydra, and whom they trust, counts only where the user says so."""

import sys
from functools import cache

import pytest
import yaml

CANARY = """
import logging
import pathlib

fired = []

def fire(*args, **kwargs):
    fired.append((args, kwargs))
    return logging.NullHandler()

class Net:
    pass
"""

SHORT = ["range.num_steps=6", "batch_size=256", "device=cpu"]


@pytest.fixture
def canary(own, monkeypatch, tmp_path):
    """A module in the working directory, which can be imported as with `python -m lrfind`."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("LRFIND_TRUST", raising=False)
    yield own("canary", CANARY)
    sys.modules.pop("canary", None)


@pytest.fixture
def stranger(lrfind, tmp_path):
    """Writes the config of a run as a stranger might have changed it, and runs `lrfind` on it."""
    whole = lrfind(*SHORT, "--cfg", "job").out  # what a run writes to .hydra/config.yaml

    def run(changes, *words):
        config = yaml.safe_load(whole)
        config.update(yaml.safe_load(changes))
        folder = tmp_path / "theirs" / ".hydra"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        return lrfind("--config-dir", str(folder), "--config-name", "config", *words)

    return run


FIRING = {
    "callback": "hydra: {callbacks: {theirs: {_target_: canary.fire}}}",
    "callback within a callback": "hydra: {callbacks: {theirs: {_target_: hydra.experimental.callbacks."
    "LogJobReturnCallback, x: {_target_: canary.fire}}}}",
    "caller of Hydra's": "hydra: {callbacks: {theirs: {_target_: hydra.utils.call, config: "
    "{_target_: canary.fire}}}}",
    "escaped reference": "hydra: {callbacks: {theirs: {_target_: hydra.experimental.callbacks."
    "LogJobReturnCallback, x: '\\${oc.create:{_target_: canary.fire}}'}}}",
    "reference to another key": "{theirs: {_target_: canary.fire}, "
    "hydra: {callbacks: {theirs: '${theirs}'}}}",
    "handler by factory": "hydra: {job_logging: {version: 1, handlers: {x: {'()': canary.fire}}, "
    "root: {handlers: [x]}}}",
    "handler by class": "hydra: {job_logging: {version: 1, handlers: {x: {class: canary.fire}}, "
    "root: {handlers: [x]}}}",
    "formatter by class": "hydra: {hydra_logging: {version: 1, formatters: {x: {class: canary.fire}}, "
    "root: {handlers: []}}}",
    "object by name": "hydra: {job_logging: {version: 1, filters: {x: {'()': logging.Filter, "
    "name: 'ext://canary.fired'}}}}",
    "logging by reference": "{theirs: {x: {'()': canary.fire}}, "
    "hydra: {job_logging: {version: 1, handlers: '${theirs}'}}}",
    "log elsewhere": "hydra: {job_logging: {version: 1, handlers: {x: {class: logging.FileHandler, "
    "filename: elsewhere.log}}, root: {handlers: [x]}}}",
    "log elsewhere by the name": "hydra: {job: {name: ../../elsewhere}, job_logging: {version: 1, "
    "handlers: {x: {class: logging.FileHandler, "
    "filename: '${hydra.runtime.output_dir}/${hydra.job.name}.log'}}}}",
    "environment": "hydra: {job: {env_set: {CXX: 'sh -c true'}}}",
    "search path": "hydra: {searchpath: ['pkg://canary']}",
}


@pytest.mark.parametrize("changes", FIRING.values(), ids=FIRING)
def test_what_a_file_tells_hydra_is_refused_before_hydra_acts_on_it(stranger, canary, changes, tmp_path):
    ran = stranger(changes)
    assert ran.code == 2, ran.err
    assert "Traceback" not in ran.err
    assert ran.err.startswith("lrfind: error: hydra.") or "is no key of this command" in ran.err, ran.err
    assert "canary" not in sys.modules
    assert not ran.folder.exists()
    assert not list(tmp_path.rglob("elsewhere.log"))


@pytest.mark.parametrize("node", ["sweeper", "launcher"])
def test_sweepers_and_launchers_of_a_file_are_refused_too(stranger, canary, node):
    ran = stranger(f"hydra: {{{node}: {{_target_: canary.fire}}}}", "-m", "seed=0,1")
    assert ran.code == 2
    assert f"hydra.{node}._target_=canary.fire is not trusted" in ran.err
    assert "trust=[canary]" in ran.err
    assert "canary" not in sys.modules


def test_a_sweep_of_a_file_does_not_go_over_hydras_own_config(stranger, canary):
    ran = stranger("hydra: {sweeper: {params: {'+hydra.job.env_set.CXX': 'sh'}}}", "-m", "seed=0,1")
    assert ran.code == 2
    assert "hydra.sweeper.params.+hydra.job.env_set.CXX" in ran.err


def test_a_callback_that_is_trusted_on_the_command_line_runs(stranger, canary):
    changes = "hydra: {callbacks: {theirs: {_target_: canary.fire}}}"
    with pytest.warns(UserWarning, match="Callback NullHandler"):
        assert stranger(changes, "trust=[canary]").code in (0, 3)
    assert sys.modules["canary"].fired == [((), {})]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Hydra leaves its log open
@pytest.mark.parametrize(
    "changes",
    [
        "hydra: {callbacks: {theirs: {_target_: hydra.experimental.callbacks.LogJobReturnCallback}}}",
        "hydra: {job_logging: {version: 1, formatters: {x: {format: '%(message)s'}}, handlers: {x: {class: "
        "logging.FileHandler, formatter: x, filename: '${hydra.runtime.output_dir}/${hydra.job.name}.log'}}, "
        "root: {handlers: [x]}}}",
        "hydra: {sweep: {dir: elsewhere}}",
    ],
    ids=["callback", "log", "directory"],
)
def test_what_is_hydras_own_is_taken_from_a_file(stranger, canary, changes):
    ran = stranger(changes)
    assert ran.code in (0, 3), ran.err


def test_variables_of_the_environment_on_the_command_line_are_the_users_own(lrfind):
    ran = lrfind(*SHORT, "+hydra.job.env_set.LRFIND_TEST=1")
    assert ran.code in (0, 3), ran.err


def test_a_file_does_not_trust_itself(stranger, canary):
    changes = "{model: {_target_: canary.Net}, trust: [canary, other]}"
    ran = stranger(changes)
    assert ran.code == 2
    assert ran.err.startswith(
        "lrfind: error: trust=[canary] stands in a config file, where it does not count"
    )
    assert "add 'trust=[canary]' to the command line" in ran.err
    assert "canary" not in sys.modules
    for words in (["trust=[canary]"], ["++trust=[canary]"], ["trust=['canary']"]):
        assert "must make a torch.nn.Module, and made a Net" in stranger(changes, *words).err
    assert sys.modules["canary"]


def test_trust_may_stand_in_the_environment(stranger, canary, monkeypatch):
    changes = "{model: {_target_: canary.Net}, trust: [canary]}"
    monkeypatch.setenv("LRFIND_TRUST", " other, canary ")
    assert "must make a torch.nn.Module, and made a Net" in stranger(changes).err
    assert "must make a torch.nn.Module, and made a Net" in stranger("model: {_target_: canary.Net}").err
    monkeypatch.setenv("LRFIND_TRUST", "")
    assert "trust=[canary] stands in a config file" in stranger(changes).err


@pytest.mark.parametrize(
    "changes",
    [
        "hydra: {overrides: {task: ['trust=[canary]']}}",
        "hydra: {sweeper: {params: {trust: '[canary]'}}}",
        "trust: '${model.packages}'",
    ],
    ids=["overrides", "sweep", "reference"],
)
def test_no_way_around_it_trusts_a_file(stranger, canary, changes):
    whole = {"model": {"_target_": "canary.Net", "packages": ["canary"]}, **yaml.safe_load(changes)}
    for words in ([], ["-m", "seed=0"]):
        assert stranger(yaml.safe_dump(whole), *words).code == 2
        assert "canary" not in sys.modules


def test_trust_that_nothing_needs_is_left_alone(stranger, canary):
    ran = stranger("trust: [canary]")
    assert ran.code in (0, 3), ran.err
    assert ran.record["config"]["trust"] == []


def test_a_pickled_config_is_not_loaded_without_trust(lrfind, tmp_path):
    (tmp_path / "config.pickle").write_bytes(b"cos\nsystem\n(S'touch fired'\ntR.")
    for flag in ("--experimental-rerun", "--exp"):
        ran = lrfind(flag, str(tmp_path / "config.pickle"))
        assert ran.code == 2
        assert ran.err.startswith("lrfind: error: --experimental-rerun is not trusted: it unpickles its file")
        assert not (tmp_path / "fired").exists()


def test_hydra_writes_its_config_through_no_link(lrfind, tmp_path):
    for name in ("config.yaml", "hydra.yaml", "overrides.yaml"):
        (tmp_path / name).write_text("theirs")
    (tmp_path / "run" / ".hydra").mkdir(parents=True)
    for name in ("config.yaml", "overrides.yaml"):
        (tmp_path / "run" / ".hydra" / name).symlink_to(tmp_path / name)
    assert lrfind(*SHORT).code in (0, 3)
    assert yaml.safe_load((tmp_path / "run" / ".hydra" / "config.yaml").read_text())["batch_size"] == 256
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".hydra").symlink_to(tmp_path)
    assert lrfind(*SHORT, folder="other").code in (0, 3)
    for name in ("config.yaml", "hydra.yaml", "overrides.yaml"):
        assert (tmp_path / name).read_text() == "theirs"


def test_mnist_as_an_old_torchvision_kept_it_is_not_unpickled(lrfind, tmp_path):
    processed = tmp_path / "data" / "MNIST" / "processed"
    processed.mkdir(parents=True)
    for name in ("training.pt", "test.pt"):
        (processed / name).write_bytes(b"cos\nsystem\n(S'touch fired'\ntR.")
    words = ["data=mnist", f"data.root={tmp_path / 'data'}", "data.download=true"]
    ran = lrfind(*SHORT, *words)
    assert ran.code == 2
    assert "as an old torchvision kept it, which is not read" in ran.err
    theirs = ["data=custom", "data._target_=torchvision.datasets.MNIST", f"+data.root={tmp_path / 'data'}"]
    assert lrfind(*SHORT, *theirs).code == 2
    assert not (tmp_path / "fired").exists()


def test_the_data_sets_that_unpickle_are_the_ones_that_need_trust():
    """Torchvision's source is searched, so that a new version does not bring another unnoticed."""
    import inspect
    import re

    from torchvision import datasets

    from lrfind.config.targets import UNPICKLING

    checked = {"CIFAR10", "CIFAR100"}  # hold what they unpickle against its sum
    loads = re.compile(r"pickle\.load|weights_only=False|allow_pickle=True")

    @cache  # finding the source of a class takes long, and all of them have bases in common
    def unpickles(kind):
        return kind.__module__ != "builtins" and loads.search(inspect.getsource(kind)) is not None

    unpickling = {
        name
        for name in dir(datasets)
        if inspect.isclass(kind := getattr(datasets, name)) and kind.__module__.startswith("torchvision.")
        if any(map(unpickles, kind.__mro__))
    } - checked
    assert unpickling <= {name.rpartition(".")[2] for name in UNPICKLING}
