"""Other options of the optimizer group, composed as Hydra would have composed the config with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from lrfind.config.targets import check_targets
from lrfind.config.validate import nearest
from lrfind.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.config.schema import TaskConfig

Config = TypeVar("Config", bound="TaskConfig")

KEY = "compare.optimizers"


def with_optimizers(config: Config, names: Sequence[str], command: str) -> dict[str, Config]:
    """The config once for each optimizer, as `optimizer=NAME` on the command line would have made it.

    Overrides of single keys (`optimizer.weight_decay=1e-4`) are meant for all of them, and so must be keys of
    all of them.

    Args:
        config: Validated.
        names: Options of the optimizer group.
        command: Name of the primary config.

    Raises:
        ConfigError: There is no such option, it lacks a value, or it lacks a key that an override sets.
    """
    return {name: replace(config, optimizer=_checked(config, name, command)) for name in names}


def _checked(config: TaskConfig, name: str, command: str) -> dict[str, Any]:
    node = _composed(name, command)
    problems = check_targets(replace(config, optimizer=node))
    if problems:
        raise ConfigError(*problems)
    return node


def _composed(name: str, command: str) -> dict[str, Any]:
    from hydra import compose, initialize_config_module
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import ConfigCompositionException, MissingConfigException
    from omegaconf import OmegaConf

    given = list(HydraConfig.get().overrides.task) if HydraConfig.initialized() else []
    kept = [override for override in given if override.lstrip("+~").startswith(("optimizer.", "experiment="))]
    # The other groups do not matter here; what they may leave open (model=custom) is not asked for.
    overrides = [*kept, f"optimizer={name}"]
    try:
        if GlobalHydra.instance().is_initialized():
            composed = compose(config_name=command, overrides=overrides)
        else:
            with initialize_config_module("lrfind.configs", version_base="1.3"):
                composed = compose(config_name=command, overrides=overrides)
    except MissingConfigException as error:
        known = sorted(error.options or [])
        raise ConfigError(
            f"{KEY}: {name} is no optimizer.{nearest(name, known)} It is one of {', '.join(known)}."
        ) from error
    except ConfigCompositionException as error:
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"{KEY}: {name} cannot be composed with {' '.join(kept) or 'that'}: {reason} "
            "Overrides of the optimizer are meant for all that are compared: leave out what one of them does "
            "not know."
        ) from error
    missing = sorted(key for key in OmegaConf.missing_keys(composed) if key.startswith("optimizer."))
    if missing:
        raise ConfigError(f"{KEY}: {name} leaves {', '.join(missing)} open; give it as {missing[0]}=VALUE.")
    node = OmegaConf.to_container(composed.optimizer, resolve=True)
    assert isinstance(node, dict)
    return {str(key): value for key, value in node.items()}
