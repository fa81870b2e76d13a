"""Configs for tests of what their values must satisfy: no data are read for them, and nothing is built."""

from typing import Any

from lrfind.config.schema import Precision
from lrfind.range_test.config import RangeSettings

TASK: dict[str, Any] = {
    "model": {},
    "data": {},
    "optimizer": {},
    "criterion": {},
    "device": "cpu",
    "seed": 0,
    "precision": Precision.FP32,
    "channels_last": False,
    "compile": False,
    "batch_size": 64,
    "num_workers": None,
    "threads": "auto",
    "accumulation_steps": 1,
    "clip_grad_norm": None,
    "deterministic": False,
}
"""The fields of a `TaskConfig`."""


def a_config(schema, *, range_=None, **fields):
    """A config of a command with a range test, its defaults changed by `range_`."""
    return schema(**{**TASK, "range": RangeSettings(**(range_ or {})), **fields})
