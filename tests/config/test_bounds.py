"""What a value must satisfy beyond its type."""

import math

import pytest

from lrfind.config.bounds import problems_of
from lrfind.range_test.config import RangeConfig, ValidationSettings
from lrfind.range_test.ladder import Spacing
from tests.toy_configs import a_config


def config(*, validation=None, range_=None, **task):
    settings = {"num_steps": 100, "validation": ValidationSettings(**(validation or {}))}
    return a_config(RangeConfig, range_={**settings, **(range_ or {})}, **task)


@pytest.mark.parametrize(
    "task",
    [
        {},
        {"device": "auto"},
        {"device": "cuda"},
        {"device": "cuda:11"},
        {"device": "mps"},
        {"seed": 2**32 - 1},
        {"num_workers": 0},
        {"clip_grad_norm": 1e-9},
        {"batch_size": 1},
        {"range_": {"num_steps": 2}},
        {"range_": {"start_lr": 0.0, "spacing": Spacing.LINEAR}},
        {"range_": {"beta": 0.0}},
        {"range_": {"beta": 0.9999999}},
        {"range_": {"stop_factor": None}},
        {"range_": {"stop_factor": 1.0001}},
        {"range_": {"skip_start": 0, "skip_end": 0}},
        {"validation": {"samples": 0, "every": 1}},
    ],
)
def test_a_value_at_the_edge_of_what_is_right_has_no_problem(task):
    assert problems_of(config(**task)) == []


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        ({"device": "gpu"}, "device must be auto, cpu, cuda, cuda:N or mps, got 'gpu'."),
        ({"device": "cuda:"}, "device must be auto, cpu, cuda, cuda:N or mps, got 'cuda:'."),
        ({"device": "cpu\n"}, "device must be auto, cpu, cuda, cuda:N or mps, got 'cpu\\n'."),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0."),
        ({"accumulation_steps": 0}, "accumulation_steps must be at least 1, got 0."),
        ({"seed": -1}, "seed must be at least 0, got -1."),
        ({"seed": 2**32}, "seed must be below 2^32, which is what NumPy takes, got 4294967296."),
        ({"num_workers": -1}, "num_workers must be at least 0, got -1."),
        ({"clip_grad_norm": 0.0}, "clip_grad_norm must be greater than 0 and finite, or null, got 0."),
        ({"clip_grad_norm": math.nan}, "clip_grad_norm must be greater than 0 and finite, or null, got nan."),
        ({"range_": {"num_steps": 1}}, "range.num_steps must be at least 2, got 1."),
        (
            {"range_": {"start_lr": 0.0}},
            "range.start_lr must be greater than 0 on a geometric ladder, got 0.",
        ),
        (
            {"range_": {"start_lr": -1.0, "spacing": Spacing.LINEAR}},
            "range.start_lr must be 0 or greater on a linear ladder, got -1.",
        ),
        (
            {"range_": {"start_lr": 10.0}},
            "range.end_lr must be greater than range.start_lr, got start 10 and end 10.",
        ),
        ({"range_": {"start_lr": math.nan}}, "range.start_lr must be finite, got nan."),
        ({"range_": {"start_lr": math.inf}}, "range.start_lr must be finite, got inf."),
        ({"range_": {"start_lr": -math.inf}}, "range.start_lr must be finite, got -inf."),
        ({"range_": {"end_lr": math.inf}}, "range.end_lr must be finite, got inf."),
        ({"range_": {"end_lr": math.nan}}, "range.end_lr must be finite, got nan."),
        ({"range_": {"beta": 1.0}}, "range.beta must be at least 0 and below 1, got 1."),
        ({"range_": {"beta": -0.1}}, "range.beta must be at least 0 and below 1, got -0.1."),
        ({"range_": {"beta": math.nan}}, "range.beta must be at least 0 and below 1, got nan."),
        (
            {"range_": {"stop_factor": 1.0}},
            "range.stop_factor must be greater than 1, or null for never, got 1.",
        ),
        (
            {"range_": {"stop_factor": math.nan}},
            "range.stop_factor must be greater than 1, or null for never, got nan.",
        ),
        ({"range_": {"skip_start": -1}}, "range.skip_start must be at least 0, got -1."),
        ({"range_": {"skip_end": -1}}, "range.skip_end must be at least 0, got -1."),
        ({"validation": {"samples": -1}}, "range.validation.samples must be at least 0, got -1."),
        ({"validation": {"every": 0}}, "range.validation.every must be at least 1, got 0."),
    ],
)
def test_a_value_outside_its_range_is_named_with_the_range(task, problem):
    assert problems_of(config(**task)) == [problem]


def test_every_problem_is_said():
    problems = problems_of(config(batch_size=0, device="x", range_={"num_steps": 0, "beta": 2.0}))
    assert [problem.split()[0] for problem in problems] == [
        "device",
        "batch_size",
        "range.num_steps",
        "range.beta",
    ]
