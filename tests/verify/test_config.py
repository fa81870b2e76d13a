"""What the settings of `lrfind verify` must satisfy, and how its keys are spelled."""

import dataclasses
import math

import pytest

from lrfind.config.bounds import problems_of
from lrfind.errors import ConfigError
from lrfind.range_test.config import RangeSettings
from lrfind.report.record import plain
from lrfind.verify.config import VerifyConfig, VerifySettings
from lrfind.verify.plan import plan_of
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
        ({"steps": 100}, "verify.steps=100 and verify.num_steps=200, its former name, both say when a rate"),
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


def plan(budget=None, *, repeats="auto", schedule="constant", has_range_test=True, **settings):
    settings = VerifySettings(budget=budget, schedule=schedule, **settings)
    return plan_of(settings, RangeSettings(repeats=repeats) if has_range_test else None, per_epoch=None)


@pytest.mark.parametrize(
    ("settings", "smallest"),
    [
        ({}, 60 + 300),
        ({"steps": 100}, 60 + 100),
        ({"repeats": 3}, 180 + 300),
        ({"lr": 0.1}, 60 + 600),
        ({"has_range_test": False}, 300),
        ({"has_range_test": False, "around": 0.1, "lr": 0.2}, 600),
        # The pinned rate is so near that one run does for both.
        ({"has_range_test": False, "around": 0.1, "lr": 0.105}, 300),
    ],
)
def test_the_smallest_budget_holds_a_sweep_and_a_run_and_none_below_it_is_taken(settings, smallest):
    least = plan(smallest, **settings)
    runs = 2 if settings.get("lr") and smallest != 300 else 1
    assert least.budget - least.range_steps == runs * least.num_steps
    with pytest.raises(ConfigError, match=f"The smallest that would do is {smallest}; a search takes"):
        plan(smallest - 1, **settings)


def test_of_a_small_budget_the_range_test_is_allowed_what_a_run_leaves():
    assert [plan(budget).range_steps for budget in (360, 400, 479, 480, 5000, None)] == [
        60, 100, 179, 180, 180, 180,
    ]  # fmt: skip
    assert plan().budget == 180 + 8 * 300
    assert plan(500, repeats=3).range_steps == 180


@pytest.mark.parametrize(
    ("settings", "enough"),
    [
        ({}, 660),
        ({"lr": 0.1}, 960),
        ({"has_range_test": False}, 0),
        ({"schedule": "one_cycle"}, 0),
    ],
)
def test_a_search_pays_from_two_runs_beside_the_range_test_on(settings, enough):
    assert plan(**settings).enough == enough
