"""The config of `lrfind verify`, and what its values must satisfy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lrfind.config.bounds import Bound, at_least, positive_rate, samples_or_null
from lrfind.range_test.config import RangeConfig

_MARGIN = Bound(
    "must be greater than 0 and below 1: it is a share of the drop in loss, got {:g}.",
    lambda share: 0 < share < 1,
)


@dataclass(kw_only=True, slots=True)
class VerifySettings:
    """Short runs around a learning rate.

    A field that ends in an underscore is a key without it: `from` is a word of Python.
    """

    lr: Annotated[float | None, positive_rate()]
    """The rate that a project has pinned: is it still sensible? None: there is none."""
    around: Annotated[float | None, positive_rate()]
    """The rate to check in place of the range test's suggestion; None: the suggestion."""
    from_: str | None
    """Run directory, or record, of a range test or a sweep whose suggestion is checked; None: run a test."""
    num_steps: Annotated[int, at_least(1)]
    """Steps each rate is trained for."""
    seeds: Annotated[int, at_least(1)]
    """Number of seeds, counted on from `seed`; within a seed all rates share start and batches."""
    held_out: Annotated[float | None, samples_or_null()]
    """Samples set apart, or a share below 1; None: a fifth, at most 2,000."""
    margin: Annotated[float, _MARGIN]
    """How much worse a rate may be, as a share of the drop from the initial to the best final loss."""

    def problems(self) -> list[str]:
        """What is wrong with values that are each right by themselves."""
        if self.around is None or self.from_ is None:
            return []
        return [
            "verify.around and verify.from both name the rate to check: give one of them (the rate of "
            "lrfind verify LR is verify.around)."
        ]


@dataclass(kw_only=True, slots=True)
class VerifyConfig(RangeConfig):
    """The config of `lrfind verify`: that of the range test, and the runs that check its answer."""

    verify: VerifySettings
    """The short runs."""

    def problems(self) -> list[str]:
        """What is wrong between the settings and the task."""
        return self.seed_problems("verify.seeds", self.verify.seeds)
