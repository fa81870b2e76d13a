"""What Hydra could not compose, said so that the next try succeeds."""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING, Any

from lrfind.config.validate import nearest
from lrfind.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lrfind.errors import UserError


def explained(error: Exception, command: str, arguments: Sequence[str]) -> UserError | None:
    """What went wrong before the job, as a message; None where it is no mistake of the user."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    # Hydra checks some of what it is given with plain exceptions.
    if isinstance(error, (HydraException, OmegaConfBaseException, ValueError, TypeError, AssertionError)):
        return composition_error(error, command, arguments)
    if type(error).__module__.startswith("yaml"):
        return ConfigError(f"A config file is not valid YAML: {' '.join(str(error).split())}")
    if isinstance(error, OSError) and not isinstance(error, (ConnectionError, TimeoutError)):
        where = error.filename or "The run directory"
        return OutputError(
            f"{where}: the run directory cannot be made: {error.strerror or error}. Choose another with "
            "hydra.run.dir=FOLDER."
        )
    return None


def launcher_error(error: Exception, launcher: str | None) -> UserError | None:
    """What went wrong while another engine ran the jobs of a multirun; None where none did.

    A job tells of its own errors: what arrives here is that of the engine, which cannot be reached, or has
    lost the process of a job.

    Args:
        error: What the launcher raised.
        launcher: Its name; None where there is no multirun.
    """
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if launcher in (None, "basic") or isinstance(error, (HydraException, OmegaConfBaseException)):
        return None
    return ConfigError(
        f"hydra/launcher={launcher} gave up: {type(error).__name__}: {_one_line(error).rstrip('.')}. Jobs "
        "that had ended are kept. Where the process of a job was killed, the machine may have run out of "
        "memory: run fewer jobs at a time."
    )


def composition_error(error: Exception, command: str, arguments: Sequence[str]) -> ConfigError:
    """The message for an error of Hydra or OmegaConf while the config was composed."""
    from hydra.errors import MissingConfigException, OverrideParseException

    if isinstance(error, OverrideParseException):
        return ConfigError(
            f"{error.override!r} is no override: write KEY=VALUE, such as batch_size=32, and quote what the "
            f"shell or YAML would take apart, such as 'trust=[mypackage]'. ({_one_line(error)})"
        )
    if isinstance(error, MissingConfigException):
        return _missing(error)
    key = re.search(r"Could not (?:override|append|delete)[^']*'([^']+)'", str(error))
    if key is not None:
        name = key[1].split("=")[0].lstrip("+~")
        known = list(_known_keys(command, arguments))
        if name in known:
            return ConfigError(f"{name} cannot be set as given: {_one_line(error)}")
        return ConfigError(
            f"{name} is no key of lrfind {command}.{nearest(name, known)} "
            f"(lrfind {command} --cfg job shows all keys; +{name}=... adds one that a class of yours takes.)"
        )
    return ConfigError(_one_line(error))


def _missing(error: Any) -> ConfigError:
    """A group option, or a config file, that does not exist."""
    group, _, option = (error.missing_cfg_file or "").rpartition("/")
    options = error.options
    if group and options:
        return ConfigError(
            f"{group}={option} is not known.{nearest(option, options)} {group} is one of "
            f"{', '.join(sorted(options))}."
        )
    return ConfigError(_one_line(error))


def _known_keys(command: str, arguments: Sequence[str]) -> Iterator[str]:
    """Dotted keys of the command's config, with the groups chosen as in the arguments where they exist."""
    from hydra import compose, initialize_config_module
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    chosen = [a for a in arguments if re.fullmatch(r"[a-z/]+=[A-Za-z0-9_]+", a)]
    for overrides in (chosen, []):
        GlobalHydra.instance().clear()
        try:
            with initialize_config_module("lrfind.configs", version_base="1.3"):
                composed = compose(config_name=command, overrides=overrides)
                groups = ("model", "data", "optimizer", "criterion", "experiment")
                return iter([*groups, *_flat(OmegaConf.to_container(composed), "")])
        except Exception:
            continue
    return iter(())


def _flat(node: Any, prefix: str) -> Iterator[str]:
    for key, value in node.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")


def _one_line(error: Exception) -> str:
    """Its text in one line; of one without a text the line of code that raised it."""
    said = " ".join(str(error).split())
    if said:
        return said
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}: {frames[-1].line}" if frames else ""
    return f"{type(error).__name__}{place}"
