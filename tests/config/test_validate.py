"""From a composed config to a dataclass: everything that is wrong is said, by its dotted key."""

import copy
import dataclasses
import math
import re
from typing import Any

import pytest
from omegaconf import OmegaConf

from lrfind.config.schema import Precision
from lrfind.config.validate import nearest, validated
from lrfind.errors import ConfigError
from lrfind.range_test.config import Metric, RangeConfig, RangeSettings
from lrfind.range_test.ladder import Spacing
from lrfind.range_test.reading import Rule

GOOD = {
    "model": {"_target_": "torch.nn.Linear", "in_features": 4, "out_features": 2},
    "data": {"_target_": "lrfind.tasks.data.digits"},
    "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.1},
    "criterion": {"_target_": "torch.nn.MSELoss"},
    "device": "cpu",
    "seed": 0,
    "precision": "fp32",
    "channels_last": False,
    "compile": False,
    "batch_size": 64,
    "num_workers": None,
    "accumulation_steps": 1,
    "clip_grad_norm": None,
    "deterministic": False,
    "trust": [],
    "range": {
        "start_lr": 1e-5,
        "end_lr": 10.0,
        "num_steps": 100,
        "spacing": "geometric",
        "beta": 0.98,
        "stop_factor": 4.0,
        "paired": True,
        "repeats": 1,
        "skip_start": None,
        "skip_end": None,
        "metric": "loss",
        "single_batch": False,
        "validation": {"samples": 0, "every": 10},
        "rule": "steepest",
    },
}


def composed(**changes):
    """The good config with dotted keys set."""
    config = OmegaConf.create(copy.deepcopy(GOOD))
    for key, value in changes.items():
        OmegaConf.update(config, key.replace("__", "."), value, force_add=True)
    return config


@dataclasses.dataclass(kw_only=True)
class Odd:
    from_: str | None
    anything: Any


def test_a_key_that_is_a_word_of_python_is_a_field_with_an_underscore(monkeypatch):
    monkeypatch.setattr("lrfind.config.validate.check_targets", lambda config: [])
    assert validated(OmegaConf.create({"from": 3, "anything": [1]}), Odd) == Odd(from_="3", anything=[1])
    with pytest.raises(ConfigError, match="from is missing"):
        validated(OmegaConf.create({"anything": 1}), Odd)
    with pytest.raises(ConfigError, match=r"from_ is no key of this command\. Did you mean from\?"):
        validated(OmegaConf.create({"from_": "x", "anything": 1}), Odd)


def passed(**changes):
    return validated(composed(**changes), RangeConfig)


def refused(**changes):
    """The message that a changed config is refused with."""
    with pytest.raises(ConfigError, match=r"\S") as caught:
        passed(**changes)
    return str(caught.value)


def test_a_good_config_is_a_dataclass_of_plain_python():
    config = passed()
    assert isinstance(config, RangeConfig)
    assert config.range.num_steps == 100
    assert config.precision is Precision.FP32
    assert config.range.spacing is Spacing.GEOMETRIC
    assert config.range.metric is Metric.LOSS
    assert type(config.model) is dict
    assert type(config.trust) is list


def test_the_configs_that_are_shipped_pass():
    from hydra import compose, initialize_config_module

    with initialize_config_module("lrfind.configs", version_base="1.3"):
        for model in ("mlp", "cnn", "curve_mlp", "resnet18"):
            config = validated(compose("range", overrides=[f"model={model}"]), RangeConfig)
            assert config.model["_target_"].startswith("lrfind.tasks.models.")
        for optimizer in (
            "sgd",
            "momentum",
            "nesterov",
            "adam",
            "adamw",
            "nadam",
            "radam",
            "rmsprop",
            "adagrad",
        ):
            config = validated(compose("range", overrides=[f"optimizer={optimizer}"]), RangeConfig)
            assert config.optimizer["_target_"].startswith("torch.optim.")


def test_a_custom_group_without_its_target_says_what_to_give():
    from hydra import compose, initialize_config_module

    with (
        initialize_config_module("lrfind.configs", version_base="1.3"),
        pytest.raises(ConfigError, match=r"model\._target_ is required: give it as model\._target_=.*trust="),
    ):
        validated(compose("range", overrides=["model=custom"]), RangeConfig)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(1e3, 1000), (100.0, 100), ("200", 200), (2, 2)],
    ids=["1e3", "100.0", "'200'", "2"],
)
def test_a_whole_number_may_be_written_as_a_float_or_a_text(given, expected):
    steps = passed(range__num_steps=given).range.num_steps
    assert (type(steps), steps) == (int, expected)


@pytest.mark.parametrize("given", [1, "1", "1e0"])
def test_a_number_may_be_written_as_a_whole_one(given):
    rate = passed(range__end_lr=given).range.end_lr
    assert (type(rate), rate) == (float, 1.0)


@pytest.mark.parametrize("rule", list(Rule))
def test_an_enum_is_given_by_its_value(rule):
    assert passed(range__rule=rule.value).range.rule is rule
    assert passed(range__rule=rule.value.upper()).range.rule is rule


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("batch_size", "many", "batch_size must be a whole number or null, got 'many'."),
        ("batch_size", 1.5, "batch_size must be a whole number or null, got 1.5."),
        ("batch_size", True, "batch_size must be a whole number or null, got True."),
        ("seed", None, "seed must be a whole number, got null."),
        ("batch_size", math.inf, "batch_size must be a whole number or null, got inf."),
        ("batch_size", math.nan, "batch_size must be a whole number or null, got nan."),
        ("batch_size", [64], "batch_size must be a whole number or null, got [64]."),
        ("num_workers", "two", "num_workers must be a whole number or null, got 'two'."),
        ("clip_grad_norm", "x", "clip_grad_norm must be a number or null, got 'x'."),
        ("compile", "perhaps", "compile must be true or false, got 'perhaps'."),
        ("device", ["cpu"], "device must be a text, got ['cpu']."),
        ("precision", "fp8", "precision must be one of fp32, bf16, fp16, got 'fp8'."),
        ("range.spacing", "log", "range.spacing must be one of geometric, linear, got 'log'."),
        ("range.beta", "high", "range.beta must be a number, got 'high'."),
        ("range.beta", False, "range.beta must be a number, got False."),
        ("range.rule", None, "range.rule must be one of centre"),
        ("range.validation", 7, "must be a group of keys, such as range.validation.samples=VALUE, got 7."),
        ("range", None, "range must be a group of keys, such as range.start_lr=VALUE, got null."),
        ("trust", "mypackage", "trust must be a list of names in brackets, got 'mypackage'."),
        ("trust", [1], "trust must be a list of names"),
        ("model", "resnet", "model must be a group of keys, got 'resnet'."),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_what_it_must_be(key, value, message):
    config = copy.deepcopy(GOOD)
    node = config
    *groups, last = key.split(".")
    for group in groups:
        node = node[group]
    node[last] = value
    with pytest.raises(ConfigError, match=re.escape(message)):
        validated(OmegaConf.create(config), RangeConfig)


@pytest.mark.parametrize(
    ("key", "close"),
    [("batchsize", "batch_size"), ("range__num_step", "num_steps"), ("range__validation__sample", "samples")],
)
def test_an_unknown_key_is_named_with_the_nearest_right_one(key, close):
    message = refused(**{key: 1})
    assert f"{key.replace('__', '.')} is no key of this command. Did you mean {close}" in message


def test_an_unknown_key_near_nothing_gets_no_guess():
    assert refused(zzz=1) == "zzz is no key of this command."
    assert nearest("zzz", ["batch_size"]) == ""


def test_a_missing_key_is_named():
    config = composed()
    del config.seed
    del config.device
    with pytest.raises(ConfigError, match=r"device is missing: give it as device=VALUE\.\nseed is missing: "):
        validated(config, RangeConfig)


def test_a_key_of_the_range_test_that_is_left_out_has_its_default():
    config = composed()
    del config.range.num_steps
    assert validated(config, RangeConfig).range.num_steps == RangeSettings().num_steps


def test_a_required_value_that_was_not_given_is_named():
    assert refused(range__end_lr="???") == "range.end_lr is required: give it as range.end_lr=VALUE."


def test_an_interpolation_that_leads_nowhere_is_named():
    assert "range.end_lr" in refused(range__end_lr="${nowhere}")


def test_every_wrong_type_and_key_is_said_at_once():
    lines = refused(batch_size="x", range__beta="y", range__rul="z", compile="w").splitlines()
    assert {line.split()[0] for line in lines} == {"compile", "batch_size", "range.beta", "range.rul"}


def test_every_wrong_range_and_target_is_said_at_once():
    lines = refused(batch_size=0, seed=-1, range__num_steps=1, **{"model._target_": "os.system"}).splitlines()
    assert {line.split()[0].split("=")[0] for line in lines} == {
        "batch_size",
        "seed",
        "range.num_steps",
        "model._target_",
    }


def test_the_composed_config_is_not_changed():
    config = composed()
    before = OmegaConf.to_container(config)
    validated(config, RangeConfig)
    assert OmegaConf.to_container(config) == before
