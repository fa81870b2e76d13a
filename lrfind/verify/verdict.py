"""What a search around a rate shows, in plain language, and the suggestion that is made of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lrfind.report.formatting import counted, told_apart
from lrfind.suggestion import Suggestion, rate_text, rounded
from lrfind.verify.candidates import Role
from lrfind.verify.judge import judge
from lrfind.verify.plan import horizon_text

if TYPE_CHECKING:
    from lrfind.verify.candidates import Trials
    from lrfind.verify.config import VerifySettings
    from lrfind.verify.judge import Judgement
    from lrfind.verify.target import Checked


_ONE_SEED = "the noise of one seed is unknown"


@dataclass(frozen=True, slots=True)
class VerifyVerdict:
    """What is told.

    Attributes:
        suggestion: The rate to take, or, of runs that were cut off, the one that was suggested to be checked;
            None where there is none.
        verdict: Whether the checked rate holds, which does, what became of the pinned one, and what to do.
        refusal: Why the pinned rate is not sensible; None where it is, or there is none.
    """

    suggestion: Suggestion | None
    verdict: str
    refusal: str | None


def concluded(
    settings: VerifySettings, checked: Checked, trials: Trials | None, *, interrupted: bool
) -> tuple[Judgement | None, VerifyVerdict]:
    """What the runs show; there is no judgement where there were none, or they were cut off."""
    if trials is None or interrupted:
        return None, VerifyVerdict(checked.suggestion, _cut_off(checked, trials), None)
    index = trials.index([checked.role])
    assert index is not None
    judgement = judge(
        trials.lrs,
        trials.finals,
        trials.starts,
        checked=index,
        margin=settings.margin,
        pinned=trials.index([Role.PINNED]),
        left=[rate for rate in range(len(trials.lrs)) if trials.is_left(rate)],
    )
    if judgement.holds and trials.ahead is not None:
        judgement = replace(judgement, holds=None)
    return judgement, conclude(trials, judgement, before=checked.steps)


def _cut_off(checked: Checked, trials: Trials | None) -> str:
    """That the rate is not judged, and which that is."""
    if checked.lr is None or checked.interrupted:
        return checked.verdict or "Interrupted: too early to judge the rate."
    when = "before the first run"
    if trials is not None:
        when = f"after {trials.steps + checked.steps:,} of at most {trials.budget:,} steps"
    said = f"Interrupted {when}: too early to judge {rate_text(checked.lr)}"
    return f"{said}, which {checked.whose} suggested." if checked.suggestion and checked.whose else f"{said}."


def conclude(trials: Trials, judgement: Judgement, *, before: int = 0) -> VerifyVerdict:
    """Says what a judgement means.

    Args:
        trials: What was judged.
        judgement: What it says of all that came to an end.
        before: Training steps that a range test took.
    """
    told = _Teller(trials, judgement, before)
    refusal = told.refusal()
    said = (told.checked(), told.hardly(), told.edge(), told.spent(), told.noise(), refusal or told.pinned())
    verdict = " ".join(filter(None, said))
    return VerifyVerdict(told.suggestion(), verdict, refusal)


class _Teller:
    """Finds the words for a judgement."""

    def __init__(self, trials: Trials, judgement: Judgement, before: int) -> None:
        self._judged = judgement
        self._trials = trials
        self._lrs = [rate_text(lr) for lr in trials.lrs.tolist()]
        self._steps = trials.steps + before

    def suggestion(self) -> Suggestion | None:
        """The rate to take: the best, with those that cannot be told from it."""
        judged = self._judged
        index = judged.recommended
        if index is None:
            return None
        ended = f"ended lowest of the {len(self._lrs)} rates tried"
        if len(self._lrs) == 1:
            ended = "is the only rate tried, and ended lower than it began"
        elif self._alone:
            ended = f"is {self._lowest}, and ended lower than it began"
        elif left := len(self._trials.left):
            ended += f" ({left} of them {'was' if left == 1 else 'were'} left before the end)"
        return Suggestion(
            lr=self._trials.candidates[index].lr,
            low=rounded(judged.low),
            high=rounded(judged.high),
            rule="verify",
            reason=f"{self._lrs[index]} {ended}{self._when(index)}. {self._interval()}",
        )

    def checked(self) -> str:
        """Whether the checked rate holds, and which does."""
        judged, checked = self._judged, self._judged.checked
        roles, whose = self._trials.candidates[checked].roles, self._trials.whose
        name = f"The rate of {whose}" if Role.SUGGESTION in roles and whose else "The given rate"
        name = "The optimizer's rate" if Role.CONFIG in roles else name
        if not math.isfinite(judged.start):
            return (
                "Nothing can be said: the held-out loss was not finite before any update. Look for NaN in "
                "the data or a loss outside its domain (log of 0), or try precision=fp32."
            )
        if judged.recommended is None:
            return self._no_rate()
        said = f"{self._lrs[checked]} {self._ended(checked)}"
        if judged.holds:
            return f"{name} holds: {said}{self._when(checked)}, {self._no_better()}"
        best, ahead = judged.recommended, self._trials.ahead
        if judged.holds is None and judged.seeds[checked] and ahead is not None:
            return (
                f"{name} is not judged: {said}{self._when(checked)}, and {rate_text(ahead[0])} was lower "
                f"already, at {ahead[1]:.3g}, when the budget was spent; more verify.budget would tell which "
                "is better."
            )
        if judged.holds is None:
            return (
                f"{name} is not judged: {said}, not behind the best, and was not trained to its end: the "
                f"budget was spent. {self._lrs[best]} was, and {self._ended(best)}{self._when(best)}; more "
                "verify.budget would tell which is better."
            )
        return (
            f"{name} does not hold: {said}{self._when(checked)}. {self._lrs[best]} does: it "
            f"{self._ended(best)}, {self._lowest}"
            f"{self._gap(checked, best, 'and better')}."
        )

    def hardly(self) -> str:
        """That no rate lowered the loss by much."""
        judged, trials = self._judged, self._trials
        if not judged.learnt_hardly or judged.recommended is None:
            return ""
        before, after = told_apart(judged.start, judged.start - judged.drop)
        return (
            f"Hardly anything is learnt in {counted(trials.num_steps, 'step')} at any rate tried: the "
            f"held-out loss falls from {before} to {after} at best, which tells little of the rates; more "
            f"verify.steps{' and verify.budget' if trials.spent else ''} would."
        )

    def edge(self) -> str:
        """That the best rate is the last that was tried on one side."""
        best, last, spent = self._judged.recommended, len(self._lrs) - 1, self._trials.spent
        if best is None or 0 < best < last:
            return ""
        if not last:
            return "More verify.budget would try others." if spent else ""
        word, further = ("highest", "higher") if best else ("lowest", "lower")
        said = f"{self._lrs[best]} is the {word} rate tried; {further} ones were not tried"
        return f"{said}, more verify.budget would." if spent else f"{said}."

    def spent(self) -> str:
        """That there were not enough steps for all that was to be tried."""
        judged = self._judged
        if not self._trials.spent or judged.recommended is None:
            return ""
        budget, run = self._trials.budget, self._trials.num_steps
        left = budget - self._steps
        said = f"The search ended with its budget, after {self._steps:,} of {budget:,} steps"
        if left >= run:
            # Only of a further seed more than one run is asked for: nothing is told by a rate alone.
            said += f": what is left does not pay for two rates on another seed, which take {2 * run:,}"
        return f"{said}."

    def noise(self) -> str:
        """That one seed leaves the noise unknown, where it is not told of the pinned rate."""
        judged, best = self._judged, self._judged.recommended
        if best is None or judged.seeds[best] != 1 or not (self._trials.spent or not judged.holds):
            return ""
        if _ONE_SEED in (self.refusal() or ""):
            return ""
        return f"{self._lrs[best]} was trained on one seed, whose noise is not known."

    def refusal(self) -> str | None:
        """Why the pinned rate is not sensible."""
        judged = self._judged
        if judged.sensible is not False or judged.pinned is None:
            return None
        said = (
            f"verify.lr={self._lrs[judged.pinned]} is no longer a sensible learning rate for this task: it "
            f"{self._ended(judged.pinned)}{self._when(judged.pinned)}"
        )
        best = judged.recommended
        if best is None:
            return f"{said}, and no other rate that was tried can be recommended in its place."
        there = self._lrs[best]
        said += f", and {there} ends at {judged.means[best]:.3g}"
        said += self._gap(judged.pinned, best, "worse", noise=True)
        return f"{said}. Pin {there} instead."

    def pinned(self) -> str:
        """That the pinned rate is sensible; nothing where there is none, or nothing can be said."""
        judged = self._judged
        best = judged.recommended
        if judged.pinned is None or best is None:
            return ""
        said = f"verify.lr={self._lrs[judged.pinned]} is sensible"
        if best == judged.pinned:
            return f"{said}: no rate ends lower."
        if judged.learnt_hardly:
            return f"{said}, as far as that can be told."
        gap = float(judged.worse_by[judged.pinned])
        said += (
            f": it {self._ended(judged.pinned)}, {'worse' if gap >= 0 else 'better'} than "
            f"{self._lrs[best]} by {abs(gap):.1%} of the drop"
        )
        if judged.pinned_in_doubt:
            return f"{said} in the mean, but the seeds do not agree on it. {self._more_seeds()}"
        return f"{said}; verify.margin={judged.margin:g} allows {judged.margin:.0%}."

    def _no_rate(self) -> str:
        """That none of the rates can be recommended, and what would help."""
        judged, trials = self._judged, self._trials
        tried = f"the {len(self._lrs)} rates from {self._lrs[0]} to {self._lrs[-1]}"
        if len(self._lrs) == 1:
            tried = f"the one rate, {self._lrs[0]},"
        more = "The budget is spent: raise verify.budget to let the search go on." if trials.spent else ""
        if judged.best is not None:
            best = judged.best
            return (
                f"No rate can be recommended: of {tried} {self._lrs[best]} ends lowest, but "
                f"{self._ended(best)}{self._when(best)}. {more}".rstrip()
            )
        if judged.diverged[judged.checked] and (judged.diverged > 0).all():
            said = f"No rate can be recommended: {tried} all diverged{self._when(judged.checked)}."
            return f"{said} {more}".rstrip()
        return (
            f"Nothing can be said: within {trials.num_steps:,} steps none of {tried} brought the held-out "
            f"loss below the {judged.start:.3g} it began at. Raise verify.steps"
            f"{' and verify.budget' if trials.spent else ''}. A model that is trained already has nowhere to "
            "fall."
        )

    @property
    def _alone(self) -> bool:
        """Whether of several rates one alone came to its end."""
        return len(self._lrs) > 1 and int((self._judged.seeds > 0).sum()) == 1

    @property
    def _lowest(self) -> str:
        """What the best rate is among those that were tried."""
        if self._alone:
            return f"the only one of the {len(self._lrs)} rates tried that was trained to its end"
        return f"the lowest of the {len(self._lrs)} rates tried"

    def _no_better(self) -> str:
        """That no other rate is clearly better than the checked one."""
        judged, best = self._judged, self._judged.best
        assert best is not None
        if best == judged.checked:
            return "the only rate tried." if len(self._lrs) == 1 else f"{self._lowest}."
        gap = float(judged.worse_by[judged.checked])
        said = f"and the best of the others, {self._lrs[best]}, is better"
        if judged.learnt_hardly:
            return f"{said} by next to nothing."
        said += f" by {gap:.1%} of the drop"
        if judged.doubtful:
            return f"{said} in the mean, but the seeds do not agree on it. {self._more_seeds()}"
        said += f", within verify.margin={judged.margin:g}"
        lr = self._trials.candidates[judged.checked].lr
        if not judged.low <= lr <= judged.high:
            return f"{said}, but beyond the rates that cannot be told from it."
        return f"{said}."

    def _more_seeds(self) -> str:
        return "Raise verify.seeds and verify.budget to tell."

    def _interval(self) -> str:
        """Which rates cannot be told from the best."""
        judged = self._judged
        best = judged.recommended
        assert best is not None
        low, high = rate_text(judged.low), rate_text(judged.high)
        if low == high:
            return ""
        return f"From {low} to {high} no rate can be told from it {self._on_seeds(best)}."

    def _on_seeds(self, best: int) -> str:
        """On how many seeds the rates of the interval were compared with the best."""
        lrs, known = self._trials.lrs, ~np.isnan(self._trials.finals)
        inside = (lrs >= self._judged.low) & (lrs <= self._judged.high)
        common = (known & known[:, [best]]).sum(axis=0)[inside & known.any(axis=0)]
        most, least = int(common.max()), int(common.min())
        if most == 1:
            return "on one seed"
        between = "or" if most == least + 1 else "to"
        return f"on {most} seeds" if most == least else f"on {least} {between} {most} seeds"

    def _gap(self, one: int, other: int, word: str, *, noise: bool = False) -> str:
        """By how much one rate ends above another; nothing where that was not measured, or is nothing.

        Args:
            one: The higher.
            other: The lower, the recommended one.
            word: What the one is, or the other.
            noise: Say it of one seed too, which `noise` does otherwise.
        """
        judged = self._judged
        if judged.diverged[one] or math.isnan(judged.worse_by[one]) or judged.learnt_hardly:
            return ""
        gap = float(judged.worse_by[one] - judged.worse_by[other])
        seeds = min(int(judged.seeds[one]), int(judged.seeds[other]))
        beyond = " and beyond the noise of the seeds" if seeds > 1 else ""
        if seeds == 1 and (noise or judged.seeds[other] > 1):
            beyond = f"; {_ONE_SEED}"
        return (
            f", {word} by {gap:.0%} of the drop (verify.margin={judged.margin:g} allows {judged.margin:.0%})"
            f"{beyond}"
        )

    def _ended(self, index: int) -> str:
        judged = self._judged
        times, seeds = int(judged.diverged[index]), int(judged.seeds[index])
        if seeds == 0:
            trials = self._trials
            return (
                f"was {trials.short(index)} of {trials.num_steps:,} steps {horizon_text(trials.schedule)}"
                f"{'' if trials.is_left(index) else ', far behind the best'}"
            )
        if times == 0:
            return f"ends at a held-out loss of {judged.means[index]:.3g}"
        return "diverged" if times == seeds else f"diverged on {times} of {seeds} seeds"

    def _when(self, index: int) -> str:
        """Over how many steps and seeds a rate came to that, and along which schedule."""
        judged, trials = self._judged, self._trials
        count = int(judged.seeds[index])
        seeds = f"mean over {count} seeds" if count > 1 else "one seed"
        when = "within" if judged.diverged[index] else "after"
        if count == 0:
            return ""
        return (
            f" {when} {counted(trials.num_steps, 'step')} {horizon_text(trials.schedule)} ({seeds}; "
            f"{judged.start:.3g} before training)"
        )
