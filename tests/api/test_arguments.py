"""What a caller in Python reads names arguments, never keys."""

import inspect
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import lrfind
from lrfind.api.arguments import in_arguments

KEY = re.compile(r"(?<![.\w])(?:range|refine)\.(\w+)")
ROOMS = Path(lrfind.__file__).parent


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("Raise range.end_lr.", "Raise end_lr."),
        ("as if range.paired=false", "as if paired=False"),
        ("range.skip_start=null and range.skip_end=3", "skip_start=None and skip_end=3"),
        ("(refine.read=train)", "(read=BATCHES)"),
        ("see range.csv of lrfind.range_test.run", "see range.csv of lrfind.range_test.run"),
    ],
)
def test_keys_become_arguments_and_names_of_files_stay(said, read):
    assert in_arguments(said) == read


@pytest.mark.parametrize(
    ("verdict", "function"),
    [("range_test/verdict.py", lrfind.range_test), ("refine/verdict.py", lrfind.refine)],
)
def test_every_key_of_a_verdict_is_an_argument_of_the_function(verdict, function):
    named = set(KEY.findall((ROOMS / verdict).read_text()))
    assert named
    assert named <= set(inspect.signature(function).parameters)


def test_the_verdict_on_a_flat_curve_names_the_argument_to_raise():
    model = nn.Linear(2, 1)
    loader = [(torch.zeros(4, 2), torch.zeros(4, 1))]
    result = lrfind.range_test(
        model,
        torch.optim.SGD(model.parameters(), lr=0.1),
        lambda outputs, target: (outputs * 0).mean() + 1,
        loader,
    )
    assert "Raise end_lr" in result.verdict
    assert result.content["verdict"] == result.verdict
