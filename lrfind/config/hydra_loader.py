"""Hydra's loader of configs, with what they tell Hydra checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from lrfind.config.hydra_nodes import hydra_problems
from lrfind.config.targets import is_inside
from lrfind.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hydra._internal.config_repository import CachingConfigRepository
    from hydra.core.config_search_path import ConfigSearchPath
    from hydra.core.override_parser.types import Override
    from hydra.types import RunMode
    from omegaconf import DictConfig

_KNOWN = ("hydra", "hydra_plugins", "lrfind")
"""Packages whose configs any file may put on the search path."""


class CheckedConfigLoader(ConfigLoaderImpl):
    """Hydra's loader of configs, which gives away none whose `hydra` node names what nobody trusts.

    It also loads the configs of a multirun's jobs, in whatever process those run.
    """

    def __init__(
        self,
        config_search_path: ConfigSearchPath,
        *,
        trust: Sequence[str],
        words: Sequence[str],
        explain: Callable[[Exception], Exception],
    ) -> None:
        super().__init__(config_search_path=config_search_path)
        self._trust = list(trust)
        self._words = list(words)
        self._explain = explain
        self._mode_read: tuple[str | None, list[str], DictConfig] | None = None

    def load_configuration(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """The composed config."""
        read, self._mode_read = self._mode_read, None
        *words, last = overrides or [""]
        if read is not None and (config_name, words) == read[:2] and last == f"hydra.mode={run_mode.name}":
            parsed = OverridesParser.create().parse_overrides(overrides)
            self.validate_sweep_overrides_legal(parsed, run_mode, from_shell)
            return _in_mode(read[2], run_mode)
        composed = super().load_configuration(
            config_name, overrides, run_mode, from_shell, validate_sweep_overrides
        )
        if problems := hydra_problems(composed, trust=self._trust, words=self._words):
            raise ConfigError(*problems)
        choices = composed.hydra.runtime.choices
        chosen = not any(OmegaConf.is_missing(choices, group) for group in choices)
        if chosen and not validate_sweep_overrides:
            self._mode_read = config_name, list(overrides), composed
        return composed

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """The config of a job of a multirun; one that cannot be composed says why, and nothing else."""
        try:
            return self.load_job(master_config, sweep_overrides)
        except (HydraException, OmegaConfBaseException) as error:
            refused = self.load_job(master_config, [])
            with open_dict(refused):
                for key in list(refused):
                    if key != "hydra":
                        del refused[key]
                refused.refused = str(self._explain(error))
                refused.hydra.overrides.task = list(sweep_overrides)
                refused.hydra.job.override_dirname = ",".join(sweep_overrides)
            return refused

    def load_job(self, master_config: DictConfig, overrides: list[str]) -> DictConfig:
        """The config of a job of a multirun."""
        return super().load_sweep_config(master_config, overrides)

    def _process_config_searchpath(
        self, config_name: str | None, parsed_overrides: list[Override], repo: CachingConfigRepository
    ) -> None:
        # A package on the search path is imported to look into it, long before the config is composed.
        loaded = None if config_name is None else repo.load_config(config_path=config_name)
        if loaded is not None and OmegaConf.is_dict(loaded.config):
            for place in OmegaConf.select(loaded.config, "hydra.searchpath") or ():
                package = str(place).removeprefix("pkg://").replace("/", ".")
                known = (*_KNOWN, *self._trust)
                if str(place).startswith("pkg://") and not is_inside(package, *known):
                    raise ConfigError(
                        f"hydra.searchpath: {place} in a config file is not trusted: a package is imported "
                        f"to be looked into. If {package} is code that you want to run, say so with "
                        f"trust=[{package}]."
                    )
        super()._process_config_searchpath(config_name, parsed_overrides, repo)


def _in_mode(composed: DictConfig, mode: RunMode) -> DictConfig:
    """A config as it is composed with `hydra.mode=...` as its last override.

    Hydra would compose every config twice: to see whether it names a mode itself, and then, where it does
    not, with one. Composing takes a tenth of a second and more.
    """
    composed.hydra.mode = mode
    composed.hydra.overrides.hydra.append(f"hydra.mode={mode.name}")
    return composed


def require_a_job(
    check: Callable[[DictConfig], None], sweeper: Any, batch: Sequence[Sequence[str]], *, whole: bool
) -> None:
    """In place of a sweeper's own check of its jobs: at least one of them can be run, as far as is known.

    What is wrong with all jobs alike is so said once; what is wrong with some, or otherwise, each says.

    It is the `whole` of them where no others are to come, which can be used.

    Raises:
        HydraException: None can be composed; why the first cannot.
        ConfigError: None can be used, all for the same reason.
    """
    errors: list[Exception] = []
    for overrides in batch:
        try:
            composed = sweeper.hydra_context.config_loader.load_job(sweeper.config, list(overrides))
            check(OmegaConf.masked_copy(composed, [key for key in composed if key != "hydra"]))
        except (HydraException, OmegaConfBaseException, ConfigError) as error:
            errors.append(error)
        else:
            return
    of_configs = [error for error in errors if isinstance(error, ConfigError)]
    alike = whole and len(of_configs) == len(errors) and len(set(map(str, of_configs))) == 1
    if alike or (errors and not of_configs):
        raise errors[0]
