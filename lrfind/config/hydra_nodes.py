"""What Hydra itself is told by a config, checked before Hydra acts on it.

The nodes under `hydra` name classes, too: callbacks, loggers, a launcher and a sweeper, which Hydra makes
before the command sees its config. They may name what is Hydra's, ours, or an installed plugin's; anything
else is code of whoever wrote the file, and runs only where the user trusts its package.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.experimental import callbacks
from hydra.experimental.callback import Callback
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lrfind.config.targets import REFERENCE, is_inside, named_targets, reference_problems

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from omegaconf import DictConfig

OURS = (
    "lrfind.cli.multirun.MultirunSummary",  # which every command line has
    "lrfind.trackers.MLflow",
    "lrfind.trackers.TensorBoard",
    "lrfind.trackers.WandB",
)
"""Our own callbacks."""

_BUILT = ("callbacks", "launcher", "sweeper")
"""Nodes that Hydra makes objects of."""

_LOGGING = ("hydra_logging", "job_logging")
"""Nodes that go to `logging.config.dictConfig`."""

_LOGGERS = {
    *("logging.StreamHandler", "logging.FileHandler", "logging.NullHandler", "logging.Formatter"),
    "colorlog.ColoredFormatter",  # hydra-colorlog's
}
_STREAMS = {"ext://sys.stdout", "ext://sys.stderr"}
_LOG_FOLDERS = ("${hydra.runtime.output_dir}/", "${hydra.sweep.dir}/")

_SHELL = {
    "setup",
    "setup_commands",
    "initialization_commands",
    "python",
    "srun_args",
    "additional_parameters",
}
"""Options of launchers that a shell is given."""


def hydra_problems(composed: DictConfig, *, trust: Sequence[str], words: Sequence[str] = ()) -> list[str]:
    """Problems with the `hydra` node of a config, one paragraph each.

    The references of the config are not resolved yet; `words` are the overrides of the command line, which
    are the user's own.
    """
    problems = []
    for name in _BUILT:
        problems += _built_problems(composed, f"hydra.{name}", trust)
    for name in _LOGGING:
        node = OmegaConf.select(composed, f"hydra.{name}")
        if OmegaConf.is_config(node):
            plain = OmegaConf.to_container(node, resolve=False)
            problems += _logging_problems(plain, f"hydra.{name}", trust)
    problems += _environment_problems(composed, words)
    problems += _job_problems(composed)
    return problems


def _built_problems(composed: DictConfig, key: str, trust: Sequence[str]) -> list[str]:
    node = OmegaConf.select(composed, key)
    if not OmegaConf.is_config(node):
        return []
    try:
        plain: Any = OmegaConf.to_container(node, resolve=True)
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0]
        return [f"{key}: a reference in it cannot be followed, so that it cannot be checked: {reason}."]
    problems = reference_problems(plain, key)
    for where, name in named_targets(plain, key):
        if not (isinstance(name, str) and (name in _known_targets() or _is_plugin(name))):
            problems += _unless_trusted(where, name, trust)
    if key == "hydra.launcher" and not is_inside("hydra_plugins", *trust):
        problems += [
            f"{key}.{option} is not trusted: it goes to a shell. If you know what it does, say so with "
            "trust=[hydra_plugins]."
            for option in sorted(_SHELL & plain.keys())
            if plain[option] and plain[option] != _own_options(plain.get("_target_")).get(option)
        ]
    return problems


def _known_targets() -> set[str]:
    """Every name in the configs that Hydra and its plugins bring."""
    return {
        *OURS,
        *(str(name) for _, name in named_targets(_stored(ConfigStore.instance().repo["hydra"]), "")),
    }


def _own_options(target: object) -> dict[str, Any]:
    """The options of a launcher as its plugin brings them."""
    for node in _stored(ConfigStore.instance().repo["hydra"].get("launcher", {})).values():
        if isinstance(node, dict) and node.get("_target_") == target:
            return node
    return {}


def _stored(entry: Any) -> Any:
    """What the store of configs holds at any depth, in plain containers."""
    if isinstance(entry, dict):
        return {name: _stored(value) for name, value in entry.items()}
    node = entry.node
    return OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else {}


def _is_plugin(name: str) -> bool:
    """Whether a name is that of a callback or a plugin in Hydra itself or in an installed plugin."""
    if any(name == _full_name(plugin) for plugin in Plugins.instance().discover()):
        return True
    module, _, last = name.rpartition(".")
    if module != callbacks.__name__ and not is_inside(module, "hydra_plugins"):
        return False
    # A plugin's modules were imported when Hydra looked for plugins; none is imported for a config's sake.
    found = getattr(sys.modules.get(module), last, None)
    return inspect.isclass(found) and issubclass(found, Callback) and _full_name(found) == name


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _logging_problems(node: Any, key: str, trust: Sequence[str]) -> Iterator[str]:
    """Problems with a config of loggers, whose texts may name code in several ways."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from _logging_problems(item, f"{key}[{index}]", trust)
        return
    if not isinstance(node, dict):
        yield from _logging_text_problems(node, key, trust)
        return
    for name, value in node.items():
        inner = f"{key}.{name}"
        if name == "filename" and isinstance(value, str) and _in_the_run_directory(value):
            continue
        if name in ("()", "class") and value not in _LOGGERS:
            yield from _unless_trusted(inner, value, trust)
        elif name == "filename" and not is_inside("logging", *trust):
            yield (
                f"{inner}={value} is not trusted: a log of a config file's choice goes to the run directory, "
                f"{_LOG_FOLDERS[0]}NAME. If that is where you want it, say so with trust=[logging]."
            )
        else:
            yield from _logging_problems(value, inner, trust)


def _logging_text_problems(text: Any, key: str, trust: Sequence[str]) -> Iterator[str]:
    if not isinstance(text, str):
        return
    scheme, _, name = text.partition("://")
    if REFERENCE in text and not is_inside("logging", *trust):
        yield f"{key} may hold no reference, as what it leads to cannot be checked, got {text!r}."
    elif name and scheme == "ext" and text not in _STREAMS:
        yield from _unless_trusted(key, name, trust)


def _in_the_run_directory(path: str) -> bool:
    """Whether a path as written leads to a file of the run directory itself."""
    folder = next((folder for folder in _LOG_FOLDERS if path.startswith(folder)), None)
    if folder is None:
        # Hydra's own debugging log, beside the command.
        return path == "hydra-${hydra.job.name}.log"
    rest = path.removeprefix(folder).replace("${hydra.job.name}", "")
    return REFERENCE not in rest and "/" not in rest and "\\" not in rest and ".." not in rest


def _environment_problems(composed: DictConfig, words: Sequence[str]) -> list[str]:
    """Variables of the environment that a file sets: compilers and imports take orders from those."""
    named = OmegaConf.select(composed, "hydra.job.env_set") or {}
    copied = OmegaConf.select(composed, "hydra.job.env_copy") or []
    if any(word.lstrip("+").startswith("hydra.job.env_set=") for word in words):
        return []
    own = {word.lstrip("+").partition("=")[0] for word in words}
    return [
        f"hydra.job.env_set.{name} in a config file is not trusted: what runs later may take it for an order."
        f" If you want it, say so on the command line: +hydra.job.env_set.{name}=VALUE."
        for name in named
        if f"hydra.job.env_set.{name}" not in own and name not in copied
    ]


def _job_problems(composed: DictConfig) -> Iterator[str]:
    """What leads around the other checks: a name that is a path, and overrides of a sweeper."""
    name = str(OmegaConf.select(composed, "hydra.job.name", throw_on_missing=False) or "")
    if "/" in name or "\\" in name or REFERENCE in name:
        yield f"hydra.job.name must be a plain name, as a log is called by it, got {name!r}."
    for key in OmegaConf.select(composed, "hydra.sweeper.params") or {}:
        if str(key).lstrip("+~").startswith("hydra"):
            yield f"hydra.sweeper.params.{key}: a sweep may not go over the config of Hydra itself."


def _unless_trusted(key: str, name: Any, trust: Sequence[str]) -> list[str]:
    if not isinstance(name, str) or "__" in name:
        return [f"{key} must be the dotted name of a class or function, got {name!r}."]
    if is_inside(name, *trust):
        return []
    package = name.split(".")[0]
    return [
        f"{key}={name} is not trusted: it is neither Hydra's, nor lrfind's, nor an installed plugin's. If "
        f"{package} is code that you want to run, say so with trust=[{package}]."
    ]
