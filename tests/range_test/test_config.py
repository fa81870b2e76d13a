"""The defaults of the range test: `RangeSettings` holds them, and who reads something else reads the same."""

import inspect

import lrfind
from lrfind.range_test.config import RangeSettings
from lrfind.range_test.measured_regret import measured_regret
from lrfind.report.record import plain

DEFAULTS = plain(RangeSettings())


def test_the_yaml_writes_out_the_defaults():
    from hydra import compose, initialize_config_module
    from omegaconf import OmegaConf

    with initialize_config_module("lrfind.configs", version_base="1.3"):
        assert OmegaConf.to_container(compose("range").range) == DEFAULTS


def test_the_signature_of_the_python_function_writes_out_the_defaults():
    written = {
        name: parameter.default
        for name, parameter in inspect.signature(lrfind.range_test).parameters.items()
        if name in DEFAULTS and name != "validation"
    }
    assert plain(written) == {name: value for name, value in DEFAULTS.items() if name != "validation"}
    every = inspect.signature(lrfind.range_test).parameters["validation_every"].default
    assert every == DEFAULTS["validation"]["every"]


def test_the_defaults_are_what_the_benchmark_measured():
    assert measured_regret(DEFAULTS) is not None
