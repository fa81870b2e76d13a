"""What is said of each rate of a search: how it ended, when, and how far apart two of them are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lrfind.report.formatting import counted
from lrfind.statistics import paired_noise
from lrfind.suggestion import rate_text
from lrfind.verify.plan import horizon_text

if TYPE_CHECKING:
    from lrfind.verify.candidates import Trials
    from lrfind.verify.judge import Judgement

NO_SPREAD = "with one seed no spread is known"
"""Why the margin alone decides."""

IN_DOUBT = " in the mean, but the seeds do not agree on it. Raise verify.seeds and verify.budget to tell."
"""What is said of a difference beyond the margin, but within the noise."""


class RateWords:
    """The words for what became of each rate.

    Attributes:
        trials: What was measured.
        judged: What it says of all that came to an end.
        names: Each rate as it is spelled.
    """

    def __init__(self, trials: Trials, judged: Judgement) -> None:
        self.trials = trials
        self.judged = judged
        self.names = [rate_text(lr) for lr in trials.lrs.tolist()]

    @property
    def lowest(self) -> str:
        """What the best rate is among those that were tried."""
        if len(self.names) == 1:
            return "the only rate tried"
        if self.judged.is_alone:
            return f"the only one of the {len(self.names)} rates tried that was trained to its end"
        return f"the lowest of {self.rivals}"

    @property
    def rivals(self) -> str:
        """Those that the best rate ended lowest of; means over other seeds may be lower than its own."""
        judged, best, tried = self.judged, self.judged.best, f"the {len(self.names)} rates tried"
        assert best is not None
        lower = np.flatnonzero(judged.means < judged.means[best])
        if not lower.size:
            return tried
        if (judged.worse_by[lower] >= 0).all():
            return f"{tried} on the seeds that they share"
        return f"{tried} but for those of fewer seeds"  # which must be better by more

    @property
    def on_the_way(self) -> str:
        """Up to where a best rate that alone came to its end was compared, and what would tell more."""
        others = [stop for i, stop in enumerate(self.trials.stops.tolist()) if i != self.judged.best]
        if not others:
            return "there is nothing to compare it with."
        more = "verify.budget" if self.trials.spent else "verify.seeds"
        return (
            f"it was compared with the others only on the way, up to step {max(others):,}; more {more} would "
            "tell."
        )

    def ended(self, index: int) -> str:
        """What became of a rate: `ends at a held-out loss of 0.2`."""
        judged, trials = self.judged, self.trials
        times, seeds = int(judged.diverged[index]), int(judged.seeds[index])
        if seeds == 0:
            return (
                f"was {trials.short(index)} of {trials.num_steps:,} steps {horizon_text(trials.schedule)}"
                f"{', not' if trials.is_left(index) else ','} behind the best"
            )
        if times == 0:
            return f"ends at a held-out loss of {rate_text(judged.means[index])}"
        return "diverged" if times == seeds else f"diverged on {times} of {seeds} seeds"

    def when(self, index: int) -> str:
        """Over how many steps and seeds a rate came to that, and along which schedule."""
        judged, trials = self.judged, self.trials
        count = int(judged.seeds[index])
        if count == 0:
            return ""
        seeds = f"mean over {count} seeds" if count > 1 else "one seed"
        return (
            f" {'within' if judged.diverged[index] else 'after'} {counted(trials.num_steps, 'step')} "
            f"{horizon_text(trials.schedule)} ({seeds}; {rate_text(judged.start)} before training)"
        )

    def gap(self, one: int, other: int, word: str) -> str:
        """By how much one rate ends clearly above another; nothing where that was not measured.

        Args:
            one: The higher.
            other: The lower, the recommended one.
            word: What the one is, or the other.
        """
        judged = self.judged
        if judged.diverged[one] or math.isnan(judged.worse_by[one]):
            return ""
        share = float(judged.worse_by[one] - judged.worse_by[other])
        apart = self.trials.finals[:, one] - self.trials.finals[:, other]
        apart = apart[np.isfinite(apart)]
        noise = " and beyond the noise of the seeds"
        if self.has_no_spread(one, other):
            noise = f"; {NO_SPREAD}"
        elif len(apart) and apart.mean() <= paired_noise(apart):
            noise = " on every seed"
        margin = judged.margin
        return f", {word} by {share:.0%} of the drop (verify.margin={margin:g} allows {margin:.0%}){noise}"

    def has_no_spread(self, one: int, other: int) -> bool:
        """Whether there is one seed alone to compare two rates on."""
        return min(int(self.judged.seeds[one]), int(self.judged.seeds[other])) == 1
