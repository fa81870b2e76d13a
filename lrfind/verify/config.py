"""The config of `lrfind verify`, and what its values must satisfy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from lrfind.config.bounds import Bound, at_least, positive_rate, samples_or_null
from lrfind.range_test.config import RangeConfig
from lrfind.schedules.schedule import policy_of
from lrfind.verify.candidates import near
from lrfind.verify.plan import CONSTANT, DEFAULT_STEPS, epochs_of

_MARGIN = Bound(
    "must be greater than 0 and below 1: it is a share of the drop in loss, got {:g}.",
    lambda share: 0 < share < 1,
)
_LENGTH = Bound(
    "must be a whole number of at least 1, or epochs: 'verify.steps=3 epochs', got {!r}.",
    lambda steps: steps >= 1 if isinstance(steps, int) else epochs_of(steps) is not None,
)


@dataclass(kw_only=True, slots=True)
class VerifySettings:
    """A search around a learning rate, judged after as many steps as one means to train for.

    A field that ends in an underscore is a key without it: `from` is a word of Python.
    """

    lr: Annotated[float | None, positive_rate()] = None
    """The rate that a project has pinned: is it still sensible? None: there is none."""
    around: Annotated[float | None, positive_rate()] = None
    """The rate to check in place of the range test's suggestion; None: the suggestion."""
    from_: str | None = None
    """Run directory, or record, of a range test or a sweep whose suggestion is checked; None: run a test."""
    steps: Annotated[int | str, _LENGTH] = DEFAULT_STEPS
    """Steps after which a rate is judged, or `3 epochs`: as long as the training that it is meant for."""
    num_steps: Annotated[int | None, at_least(1)] = None
    """What `steps` was called before; None: `steps` counts."""
    schedule: str = CONSTANT
    """What the rate does meanwhile: `constant`, or a policy of `schedule` with the rate as its peak."""
    budget: Annotated[int | None, at_least(1)] = None
    """The most training steps in all, a range test included; None: that of the range test and eight runs."""
    seeds: Annotated[int, at_least(1)] = 3
    """The most seeds, counted on from `seed`; within a seed all rates share start and batches."""
    held_out: Annotated[float | None, samples_or_null()] = None
    """Samples set apart, or a share below 1; None: a fifth, at most 2,000."""
    margin: Annotated[float, _MARGIN] = 0.1
    """How much worse a rate may be, as a share of the drop from the initial to the best final loss."""
    resume: str | None = None
    """Run directory of a search on a launcher that was cut off and is to go on."""

    @property
    def trains_pinned(self) -> bool:
        """Whether the pinned rate takes a run of its own, as far as that is known before a range test."""
        return self.lr is not None and (self.around is None or not near(self.lr, self.around))

    def problems(self) -> list[str]:
        """What is wrong with values that are each right by themselves."""
        problems = []
        if self.around is not None and self.from_ is not None:
            problems.append(
                "verify.around and verify.from both name the rate to check: give one of them (the rate of "
                "lrfind verify LR is verify.around)."
            )
        if self.num_steps is not None and self.steps not in (DEFAULT_STEPS, self.num_steps):
            problems.append(
                f"verify.steps={self.steps} and verify.num_steps={self.num_steps}, its former name, both say "
                "when a rate is judged: leave out verify.num_steps."
            )
        if self.schedule != CONSTANT:
            try:
                policy_of(self.schedule)
            except ValueError as error:
                problems.append(f"verify.schedule={self.schedule}: {error} Or {CONSTANT}, the default.")
        return problems


@dataclass(kw_only=True, slots=True)
class VerifyConfig(RangeConfig):
    """The config of `lrfind verify`: that of the range test, and the search around its answer."""

    verify: VerifySettings
    """The search."""

    def problems(self) -> list[str]:
        """What is wrong between the settings and the task."""
        return self.seed_problems("verify.seeds", self.verify.seeds)
