"""Configs are composed once, and are what Hydra makes of the same words when it composes them twice."""

import pytest
import yaml
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.core.utils import setup_globals
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import OmegaConf

from lrfind.config.hydra_loader import CheckedConfigLoader

CONFIGS = "pkg://lrfind.configs"


def loader(place=CONFIGS):
    setup_globals()
    return CheckedConfigLoader(
        create_config_search_path(place), trust=[], words=[], explain=lambda error: error
    )


def asked_twice(checked, name, words, mode):
    """As `hydra.main` does where no config names a mode."""
    words = list(words)
    assert checked.load_configuration(name, words, RunMode.MULTIRUN, True, False).hydra.mode is None
    words.append(f"hydra.mode={mode.name}")
    return checked.load_configuration(name, words, mode)


@pytest.fixture
def composed(monkeypatch):
    """The overrides of every config that is composed."""
    found = []
    real = ConfigLoaderImpl.load_configuration

    def load(self, config_name, overrides, *args):
        found.append(list(overrides))
        return real(self, config_name, overrides, *args)

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", load)
    return found


@pytest.mark.parametrize(
    ("name", "words", "mode"),
    [
        ("range", ["hydra.job.chdir=false", "range.num_steps=30"], RunMode.RUN),
        ("refine", ["experiment=textbook_refine", "hydra/job_logging=none"], RunMode.RUN),
        ("range", ["seed=0,1", "hydra.sweep.dir=many"], RunMode.MULTIRUN),
    ],
)
def test_a_config_is_composed_once_and_the_same(composed, name, words, mode):
    found = asked_twice(loader(), name, words, mode)
    assert len(composed) == 1
    plain = ConfigLoaderImpl(create_config_search_path(CONFIGS))
    expected = plain.load_configuration(name, [*words, f"hydra.mode={mode.name}"], mode)
    assert found.hydra.mode is expected.hydra.mode is mode
    assert OmegaConf.to_yaml(found) == OmegaConf.to_yaml(expected)


def test_other_words_are_composed_anew(composed):
    checked = loader()
    asked_twice(checked, "range", ["seed=1"], RunMode.RUN)
    found = checked.load_configuration("range", ["seed=2", "hydra.mode=RUN"], RunMode.RUN)
    assert found.seed == 2
    assert len(composed) == 2


def test_several_values_are_refused_without_a_multirun():
    with pytest.raises(ConfigCompositionException, match="add --multirun"):
        asked_twice(loader(), "range", ["seed=0,1"], RunMode.RUN)


def test_a_group_that_nobody_chose_is_refused(tmp_path):
    (tmp_path / "own.yaml").write_text("defaults:\n- model: ???\n- _self_\n")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("width: 3\n")
    with pytest.raises(ConfigCompositionException, match="You must specify 'model'"):
        asked_twice(loader(f"file://{tmp_path}"), "own", [], RunMode.RUN)


def test_a_command_composes_one_config(lrfind, composed):
    ran = lrfind("-q", "range.num_steps=20", "range.repeats=1")
    assert ran.code in (0, 3)
    assert len(composed) == 1
    written = yaml.safe_load((ran.folder / ".hydra" / "hydra.yaml").read_text())
    assert written["hydra"]["mode"] == "RUN"
    assert written["hydra"]["overrides"]["hydra"][-1] == "hydra.mode=RUN"
