"""What Hydra could not compose, said so that the next try succeeds."""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING, Any

from lrfind.cli.commands import COMMANDS
from lrfind.cli.flags import MULTIRUN
from lrfind.cli.overrides import GROUPS, OF_EVERY_DATA_SET
from lrfind.cli.unknown import nearest_keys, option_for, owners_of
from lrfind.cli.unreadable import several_values, unreadable
from lrfind.config.validate import nearest
from lrfind.errors import ConfigError, OutputError, extra_missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lrfind.errors import UserError


def explained(error: Exception, command: str, arguments: Sequence[str]) -> UserError | None:
    """What went wrong before the job, as a message; None where it is no mistake of the user."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    if isinstance(error, UnicodeDecodeError):
        return ConfigError(f"{_file_read(error)} is no text in UTF-8, as YAML is: {error.reason}.")
    # Hydra checks some of what it is given with plain exceptions.
    if isinstance(error, (HydraException, OmegaConfBaseException, ValueError, TypeError, AssertionError)):
        return composition_error(error, command, arguments)
    if type(error).__module__.startswith("yaml"):
        return ConfigError(f"A config file is not valid YAML: {' '.join(str(error).split())}")
    if isinstance(error, OSError) and not isinstance(error, (ConnectionError, TimeoutError)):
        where = f"{error.filename}: the" if error.filename else "The"
        key = "hydra.sweep.dir" if set(MULTIRUN) & set(arguments) else "hydra.run.dir"
        return OutputError(
            f"{where} run directory cannot be made: {error.strerror or error}. Choose another with "
            f"{key}=FOLDER."
        )
    return None


def _file_read(error: Exception) -> str:
    """The config file that Hydra was reading: its error does not name it."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    paths = (frame.f_locals.get("full_path") for frame in reversed(frames))
    return str(next((path for path in paths if path), "a config file"))


def launcher_error(error: Exception, launcher: str | None) -> UserError | None:
    """What went wrong while another engine ran the jobs of a multirun; None where none did.

    A job tells of its own errors: what arrives here is that of the engine, which cannot be reached, or has
    lost the process of a job.
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
        return ConfigError(unreadable(str(error.override), command))
    if several := re.match(r"Ambiguous value for argument '(.*)'\n", str(error)):
        return ConfigError(several_values(several[1]))
    if isinstance(error, MissingConfigException):
        return _missing(error)
    key = re.search(r"Could not (?:override|append|delete)[^']*'([^']+)'", str(error))
    if key is not None:
        name = key[1].split("=")[0].lstrip("+~")
        known = list(_known_keys(command, arguments))
        if "already at" in str(error):
            return ConfigError(f"{name} is there already: write {name}=VALUE without the plus sign.")
        if name in known and "delete" in key[0]:
            return ConfigError(_not_deleted(error, name))
        if name in (*GROUPS, "experiment") and "No match in the defaults list" in str(error):
            return ConfigError(
                f"{name} cannot be chosen on top of a config that spells it out, as the saved one of a run "
                "does: set single keys, KEY=VALUE, or leave that config out and type the words of the run, "
                "which are in the overrides.yaml beside it."
            )
        if name in known:
            return ConfigError(f"{name} cannot be set as given: {_one_line(error)}")
        owners = owners_of(name, command)
        meant = owners or _meant(_instead(name, known, arguments), known)
        return ConfigError(
            f"{name} is no key of lrfind {command}{_with_option(name, arguments) if owners else ''}.{meant} "
            f"(lrfind {command} --help shows its keys{_addition(name)}.)"
        )
    if merged := re.match(r"Error merging override ([^=]*)=(.*)", str(error), re.DOTALL):
        name, reason = merged[1].lstrip("+"), _reason(error)
        return ConfigError(
            f"{name} cannot be set to {merged[2]!r}{reason}. lrfind {command} --help shows what it takes."
        )
    if folder := re.search(r"Additional config directory '([^']*)' not found", str(error)):
        return ConfigError(f"--config-dir: there is no folder {folder[1]}. Give the folder of the configs.")
    nothing = [word for word in arguments if re.fullmatch(r"[a-z/_]+=(null|None|~)", word)]
    if nothing and "Config group override must be" in str(error):
        group = nothing[0].partition("=")[0]
        needed = (
            "cannot be left out, give" if group in GROUPS else "takes no null: leave the word out, or give"
        )
        return ConfigError(f"{nothing[0]}: {group} {needed} one of its options, {group}=NAME.")
    place = getattr(error, "full_key", None)
    if place:  # OmegaConf tells of the key, and of types of its own, in lines below
        return ConfigError(f"{place}: {str(error).strip().splitlines()[0].rstrip('.')}.")
    return ConfigError(_one_line(error))


def _reason(error: Exception) -> str:
    """Why a value does not go where it should, as OmegaConf says it, in a clause; or nothing."""
    if error.__cause__ is None:
        return ""
    said = str(error.__cause__).strip().splitlines()
    return f": {said[0].rstrip('.')}" if said else ""


def _not_deleted(error: Exception, name: str) -> str:
    """Why a key is not taken out: Hydra knows none that is null, and none of another value."""
    if other := re.search(r"The value of '[^']*' is (.*) and not (.*)\.", str(error)):
        return f"~{name}={other[2]}: {name} is {other[1]}. ~{name} takes it out whatever it is."
    return f"~{name}: {name} is null, so there is nothing to take out; {name}=VALUE sets it."


_EXTRAS = {"joblib": "joblib", "submitit_local": "submitit", "submitit_slurm": "submitit", "ray": "ray"}
"""The extra that brings each launcher."""


def _missing(error: Any) -> ConfigError:
    """A group option, or a config file, that does not exist."""
    missing = error.missing_cfg_file or ""
    # A path in place of an option begins with a slash, too.
    group, _, option = missing.partition("//") if "//" in missing else missing.rpartition("/")
    options = error.options
    if "//" in missing:
        return ConfigError(
            f"{group}=/{option} is no option of {group}."
            + (f" Pictures in a folder: data=imagefolder data.root=/{option}." if group == "data" else "")
        )
    if group == "hydra/launcher" and option in _EXTRAS:
        package = f"no hydra-{_EXTRAS[option]}-launcher"
        return ConfigError(extra_missing(f"{group}={option}", _EXTRAS[option], package))
    if group in GROUPS and "." in option and all(map(str.isidentifier, option.split("."))):
        package = option.partition(".")[0]
        trust = "" if package in ("torch", "torchvision", "lrfind") else f" 'trust=[{package}]'"
        return ConfigError(
            f"{group}={option} is no option of {group}. A class or a function is named by {group}=custom "
            f"{group}._target_={option}{trust}."
        )
    if group and options:
        return ConfigError(
            f"{group}={option} is not known.{nearest(option, options)} {group} is one of "
            f"{', '.join(sorted(options))}.{_MORE.get(group, '')}"
        )
    own = f"nor among lrfind's own, which are {', '.join(COMMANDS)}"
    if inside := re.match(r"In '([^']*)': Could not \w+ '([^']*)'", str(error)):
        file, other = inside.groups()
        return ConfigError(
            f"{file}.yaml names {other} in its defaults, and there is no {other}.yaml beside it, {own}."
        )
    if alone := re.match(r"Cannot find primary config '([^']*)'", str(error)):
        return ConfigError(
            f"--config-name {alone[1]}: there is no {alone[1]}.yaml in the folder of --config-dir, {own}."
        )
    return ConfigError(_one_line(error))


_MORE = {
    "model": " Others by their name there: model=torchvision model.name=NAME, model=timm model.name=NAME.",
    "data": " Data of your own: data=imagefolder data.root=FOLDER, or data=custom.",
}
"""What else a group takes."""


def _with_option(name: str, arguments: Sequence[str]) -> str:
    """The option of its group that was chosen, where one was."""
    group = name.partition(".")[0]
    chosen = [word for word in arguments if word.startswith(f"{group}=")]
    return f" with {chosen[-1]}" if chosen else ""


def _addition(name: str) -> str:
    """How a key is added that no config has, where a class can take it."""
    if name.partition(".")[0] not in GROUPS or "." not in name:
        return ""
    return f", --cfg job those of what is chosen; +{name}=... adds one that a class of yours takes"


def _instead(name: str, known: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """What may be meant by a key that nobody knows."""
    values = [word.partition("=")[2] for word in arguments if word.lstrip("+").startswith(f"{name}=")]
    if option := option_for(name, *values[-1:] or [""]):
        return [option]
    return nearest_keys(name, known)


def _meant(keys: Sequence[str], known: Sequence[str]) -> str:
    """The question whether these were meant; of a key of another option of its group, of which."""
    if not keys:
        return ""
    others = "" if keys[0] in known else owners_of(keys[0], "")
    return f" Did you mean {' or '.join(keys)}?{others}"


def _known_keys(command: str, arguments: Sequence[str]) -> Iterator[str]:
    """Dotted keys of the command's config, with the groups chosen as in the arguments where they exist."""
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    from lrfind.config.compose import composed_config

    chosen = [a for a in arguments if re.fullmatch(r"[a-z/]+=[A-Za-z0-9_]+", a)]
    for overrides in (chosen, []):
        GlobalHydra.instance().clear()
        try:
            composed = composed_config(command, overrides)
            keys = _flat(OmegaConf.to_container(composed), "")
            return iter([*GROUPS, "experiment", *keys, *OF_EVERY_DATA_SET])
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
