import inspect
import math

import pytest
import torch

from lrfind.errors import ConfigError
from lrfind.tasks.optimizer_arguments import check_arguments


def check(name, target=None, **arguments):
    function = getattr(torch.optim, name)
    node = {"_target_": target or f"torch.optim.{name}", **arguments}
    check_arguments(node, inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("Adam", {"betas": 0.9}, "betas must be a list of 2 numbers of at least 0 and below 1, such as"),
        ("Adam", {"betas": [0.9]}, "such as [0.9,0.999], got [0.9]."),
        ("Adam", {"betas": [0.9, 1.5]}, "got [0.9, 1.5]."),
        ("Adam", {"betas": [0.9, "x"]}, "got [0.9, 'x']."),
        ("Adam", {"betas": None}, "got null."),
        ("Adam", {"amsgrad": "abc"}, "optimizer.amsgrad must be true or false, got 'abc'."),
        ("SGD", {"momentum": 1}, "optimizer.momentum must be a number of at least 0 and below 1, got 1."),
        ("SGD", {"momentum": math.nan}, "below 1, got nan."),
        ("SGD", {"lr": None}, "optimizer.lr must be a finite number of at least 0, got null."),
        ("SGD", {"lr": True}, "of at least 0, got True."),
        ("SGD", {"weight_decay": math.inf}, "of at least 0, got inf."),
        ("SGD", {"nesterov": 1}, "optimizer.nesterov must be true or false, got 1."),
        ("Adafactor", {"eps": [None, -1.0]}, "a list of 2 numbers, such as [null,0.001], got [None, -1.0]."),
        ("Adafactor", {"beta2_decay": "x"}, "optimizer.beta2_decay must be a finite number, got 'x'."),
    ],
)
def test_an_argument_that_torch_cannot_use_is_named(name, arguments, message):
    with pytest.raises(ConfigError) as caught:
        check(name, **arguments)
    assert str(caught.value).startswith("optimizer.")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("SGD", {"lr": 0, "momentum": 0.9, "nesterov": True, "foreach": None}),
        ("Adam", {"betas": [0, 0.999], "weight_decay": 1, "amsgrad": True, "fused": True}),
        ("Adafactor", {"eps": [None, 0.001], "beta2_decay": -0.5}),
        ("Muon", {"ns_coefficients": [3.0, -4.0, 2.0]}),
        ("RMSprop", {"alpha": 1.0}),
        ("Rprop", {"step_sizes": [1e-6, 50]}),
        ("LBFGS", {"max_iter": 5, "line_search_fn": "strong_wolfe"}),
    ],
)
def test_what_torch_takes_is_taken(name, arguments):
    check(name, **arguments)


def test_of_other_optimizers_the_rate_alone_is_known():
    check("SGD", "mine.SGD", momentum=[1, 2], nesterov="never")
    for arguments in ({"lr": "x"}, {"lr": math.inf}, {"momentum": math.nan}):
        with pytest.raises(ConfigError):
            check("SGD", "mine.SGD", **arguments)
