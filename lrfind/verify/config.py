"""The config of `lrfind verify`, and what its values must satisfy."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lrfind.config.schema import RangeConfig


@dataclass(kw_only=True, slots=True)
class VerifySettings:
    """Short runs around a learning rate.

    A field that ends in an underscore is a key without it: `from` is a word of Python.
    """

    lr: float | None
    """The rate that a project has pinned: is it still sensible? None: there is none."""
    around: float | None
    """The rate to check in place of the range test's suggestion; None: the suggestion."""
    from_: str | None
    """Run directory, or record, of a range test or a sweep whose suggestion is checked; None: run a test."""
    num_steps: int
    """Steps each rate is trained for."""
    seeds: int
    """Number of seeds, counted on from `seed`; within a seed all rates share start and batches."""
    held_out: float | None
    """Samples set apart, or a share below 1; None: a fifth, at most 2,000."""
    margin: float
    """How much worse a rate may be, as a share of the drop from the initial to the best final loss."""


@dataclass(kw_only=True, slots=True)
class VerifyConfig(RangeConfig):
    """The config of `lrfind verify`: that of the range test, and the runs that check its answer."""

    verify: VerifySettings
    """The short runs."""


def problems_of_verify(config: VerifyConfig) -> list[str]:
    """All that is wrong with the settings, a sentence or two each."""
    settings = config.verify
    problems = []
    for key, rate in (("verify.lr", settings.lr), ("verify.around", settings.around)):
        if rate is not None and not 0 < rate < math.inf:
            problems.append(f"{key} must be greater than 0 and finite, got {rate:g}.")
    if settings.around is not None and settings.from_ is not None:
        problems.append(
            "verify.around and verify.from both name the rate to check: give one of them (the rate of "
            "lrfind verify LR is verify.around)."
        )
    for key, count in (("verify.num_steps", settings.num_steps), ("verify.seeds", settings.seeds)):
        if count < 1:
            problems.append(f"{key} must be at least 1, got {count}.")
    if config.seed + settings.seeds > 2**32:
        problems.append("verify.seeds counts on from seed, and must stay below 2^32.")
    held_out = settings.held_out
    if held_out is not None and not (
        0 < held_out < 1 or (1 <= held_out < math.inf and held_out.is_integer())
    ):
        problems.append(
            "verify.held_out must be a number of samples, a share between 0 and 1, or null for a fifth, got "
            f"{held_out:g}."
        )
    if not 0 < settings.margin < 1:
        problems.append(
            "verify.margin must be greater than 0 and below 1: it is a share of the drop in loss, got "
            f"{settings.margin:g}."
        )
    return problems
