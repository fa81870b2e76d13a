"""Other options of the optimizer group, composed as Hydra would have composed the config with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from lrfind.config.targets import check_targets
from lrfind.config.validate import nearest
from lrfind.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omegaconf import DictConfig

    from lrfind.config.schema import TaskConfig

Config = TypeVar("Config", bound="TaskConfig")


def with_optimizers(config: Config, names: Sequence[str], *, command: str, key: str) -> dict[str, Config]:
    """The config once for each optimizer, as `optimizer=NAME` on the command line would have made it.

    Overrides of single keys (`optimizer.weight_decay=1e-4`) are meant for all of them, and so must be keys of
    all of them.

    Raises:
        ConfigError: There is no such option, it lacks a value, or it lacks a key that an override sets.
    """
    found = {}
    for name in names:
        found[name] = replace(config, optimizer=_optimizer(name, command, key))
        problems = check_targets(found[name])
        if problems:
            raise ConfigError(*problems)
    return found


def _optimizer(name: str, command: str, key: str) -> dict[str, Any]:
    """The optimizer group with an option of it and with the overrides that were given."""
    from hydra.errors import ConfigCompositionException, MissingConfigException
    from omegaconf import OmegaConf

    kept = _overrides()
    try:
        composed = composed_config(command, [*kept, f"optimizer={name}"])
    except MissingConfigException as error:
        known = sorted(error.options or [])
        raise ConfigError(
            f"{key}: {name} is no optimizer.{nearest(name, known)} It is one of {', '.join(known)}."
        ) from error
    except ConfigCompositionException as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"{key}: {name} cannot be composed with {' '.join(kept) or 'that'}: {reason} "
            "Overrides of the optimizer are meant for all that are compared: leave out what one of them does "
            "not know."
        ) from error
    missing = sorted(each for each in OmegaConf.missing_keys(composed) if each.startswith("optimizer."))
    if missing:
        raise ConfigError(f"{key}: {name} leaves {', '.join(missing)} open; give it as {missing[0]}=VALUE.")
    node = OmegaConf.to_container(composed.optimizer, resolve=True)
    assert isinstance(node, dict)
    return {str(each): value for each, value in node.items()}


def _overrides() -> list[str]:
    """The overrides of this run that concern the optimizer.

    The other groups do not matter here; what they may leave open (model=custom) is not asked for.
    """
    from hydra.core.hydra_config import HydraConfig

    given = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    return [each for each in given if each.lstrip("+~").startswith(("optimizer.", "experiment="))]


def composed_config(command: str, overrides: list[str]) -> DictConfig:
    """The config of a command with these overrides, as Hydra composes it where it runs, or else by itself."""
    from hydra import compose, initialize_config_module
    from hydra.core.global_hydra import GlobalHydra

    if GlobalHydra.instance().is_initialized():
        return compose(config_name=command, overrides=overrides)
    with initialize_config_module("lrfind.configs", version_base="1.3"):
        return compose(config_name=command, overrides=overrides)
