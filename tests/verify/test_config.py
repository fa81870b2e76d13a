"""What the settings of `lrfind verify` must satisfy, and how its keys are spelled."""

import dataclasses
import math

import pytest

from lrfind.config.bounds import problems_of
from lrfind.report.record import plain
from lrfind.verify.config import VerifyConfig, VerifySettings
from tests.toy_configs import a_config

GOOD = VerifySettings(lr=None, around=None, from_=None, num_steps=200, seeds=3, held_out=None, margin=0.1)


def problems(*, seed=0, **settings):
    return problems_of(a_config(VerifyConfig, seed=seed, verify=dataclasses.replace(GOOD, **settings)))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"lr": 1e-12},
        {"around": 1e12, "lr": 0.1},
        {"from_": "run", "lr": 0.1},
        {"num_steps": 1, "seeds": 1},
        {"held_out": 1.0},
        {"held_out": 0.01},
        {"margin": 0.001},
        {"margin": 0.999},
        {"seed": 2**32 - 3},
    ],
)
def test_a_value_at_the_edge_of_what_is_right_has_no_problem(settings):
    assert problems(**settings) == []


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"lr": 0.0}, "verify.lr must be greater than 0 and finite, got 0."),
        ({"lr": -1.0}, "verify.lr must be greater than 0 and finite, got -1."),
        ({"around": math.nan}, "verify.around must be greater than 0 and finite, got nan."),
        ({"around": math.inf}, "verify.around must be greater than 0 and finite, got inf."),
        ({"num_steps": 0}, "verify.num_steps must be at least 1, got 0."),
        ({"seeds": 0}, "verify.seeds must be at least 1, got 0."),
        ({"seed": 2**32 - 2}, "verify.seeds counts on from seed, and must stay below 2^32."),
        ({"held_out": 0.0}, "null for a fifth, got 0."),
        ({"held_out": -3.0}, "null for a fifth, got -3."),
        ({"held_out": 1.5}, "null for a fifth, got 1.5."),
        ({"held_out": math.inf}, "null for a fifth, got inf."),
        ({"margin": 0.0}, "verify.margin must be greater than 0 and below 1: it is a share of the drop"),
        ({"margin": -0.1}, "in loss, got -0.1."),
        ({"margin": 1.0}, "in loss, got 1."),
        ({"margin": math.nan}, "in loss, got nan."),
        ({"around": 0.1, "from_": "run"}, "verify.around and verify.from both name the rate to check"),
    ],
)
def test_a_value_outside_its_range_is_named_with_the_range(settings, said):
    (problem,) = problems(**settings)
    assert said in problem


def test_a_key_that_is_a_word_of_python_is_written_as_the_user_types_it():
    assert plain(GOOD)["from"] is None
    assert "from_" not in plain(GOOD)
    assert {field.name for field in dataclasses.fields(VerifyConfig)} > {"range", "verify", "model"}
