"""What short runs around a rate show, in plain language, and the suggestion that is made of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrfind.suggestion import Suggestion, rounded
from lrfind.verify.candidates import FACTOR, Role
from lrfind.verify.judge import judge

if TYPE_CHECKING:
    from lrfind.verify.candidates import Trials
    from lrfind.verify.config import VerifySettings
    from lrfind.verify.judge import Judgement
    from lrfind.verify.target import Checked

_FAR = 100.0
"""How far below the lowest rate to look where all of them are too high."""


@dataclass(frozen=True, slots=True)
class VerifyVerdict:
    """What is told.

    Attributes:
        suggestion: The rate to take; None where there is none.
        verdict: Whether the checked rate holds, what became of the pinned one, and what to do.
        refusal: Why the pinned rate is not sensible; None where it is, or there is none.
    """

    suggestion: Suggestion | None
    verdict: str
    refusal: str | None


def concluded(
    settings: VerifySettings, checked: Checked, trials: Trials | None, *, interrupted: bool
) -> tuple[Judgement | None, VerifyVerdict]:
    """What the runs show; there is no judgement where there were none, or they were cut off."""
    if trials is None:
        return None, VerifyVerdict(None, checked.verdict, None)
    if interrupted:
        planned = len(trials.candidates) * settings.seeds * settings.num_steps
        said = f"Interrupted after {trials.steps:,} of {planned:,} steps: too early to judge the rate."
        return None, VerifyVerdict(None, said, None)
    index = trials.index([checked.role])
    assert index is not None
    judgement = judge(
        trials.finals,
        trials.starts,
        checked=index,
        margin=settings.margin,
        pinned=trials.index([Role.PINNED]),
    )
    return judgement, conclude(trials, judgement, checked.suggestion)


def conclude(trials: Trials, judgement: Judgement, suggestion: Suggestion | None) -> VerifyVerdict:
    """Says what a judgement means.

    Args:
        trials: What was judged.
        judgement: Of the whole seeds of it.
        suggestion: The one that was checked, where a range test or a sweep made it.
    """
    told = _Teller(trials, judgement)
    refusal = told.refusal()
    verdict = " ".join(filter(None, (told.checked(), refusal or told.pinned())))
    return VerifyVerdict(told.suggestion(suggestion), verdict, refusal)


class _Teller:
    """Finds the words for a judgement."""

    def __init__(self, trials: Trials, judgement: Judgement) -> None:
        self._judged = judgement
        self._lrs = trials.lrs.tolist()
        self._roles = [candidate.roles for candidate in trials.candidates]
        self._num_steps = trials.num_steps
        self._seeds = len(trials.finals)

    def suggestion(self, before: Suggestion | None) -> Suggestion | None:
        """The rate to take: what was checked where it holds, else what was measured to be better."""
        judged = self._judged
        index = judged.recommended
        if index is None or (index == judged.checked and before is not None):
            return None if index is None else before
        low, high = (self._lrs[i] for i in judged.bracket(index))
        lr = self._lrs[index]
        chosen = "the one that was checked" if index == judged.checked else "the best of them"
        those = f"those from {low:g} to {high:g} end" if low < high else f"only {lr:g} ends"
        reason = (
            f"Of the {len(self._lrs)} rates tried, {those} within {judged.margin:.0%} of the drop of the "
            f"best; {lr:g} is {chosen}. {self._after}"
        )
        return Suggestion(lr=lr, low=low, high=high, rule="verify", reason=reason)

    def checked(self) -> str:
        """Whether the checked rate holds."""
        judged = self._judged
        suggested = Role.SUGGESTION in self._roles[judged.checked]
        name = "The suggestion" if suggested else "The rate"
        lr, ended = self._lrs[judged.checked], self._ended(judged.checked)
        if not math.isfinite(judged.start):
            return (
                "Nothing can be said: the held-out loss was not finite before any update. Look for NaN in "
                "the data or a loss outside its domain (log of 0), or try precision=fp32."
            )
        if judged.holds is None:
            return (
                f"Nothing can be said: within {self._num_steps} steps no rate that was tried brought the "
                f"held-out loss below the {judged.start:.3g} it began at. Raise verify.num_steps, or check "
                "another rate: lrfind verify LR. A model that is trained already has nowhere to fall."
            )
        if judged.holds:
            return f"{name} holds: {lr:g} {ended}{self._over(judged.checked)}, {self._no_better()}"
        if judged.recommended is None:
            return (
                f"{name} does not hold: {lr:g} {ended}, and no other rate that was tried can be recommended. "
                f"{self._elsewhere()}"
            )
        better = judged.recommended
        there = f"{self._lrs[better]:g}"
        gap = self._gap(judged.checked, better, "better")
        return (
            f"{name} does not hold: {lr:g} {ended}{self._over(judged.checked)}, and {there}"
            f"{self._beside(better)} ends at {judged.means[better]:.3g}{gap}. Try {there}, and check around "
            f"it: lrfind verify {there}."
        )

    def refusal(self) -> str | None:
        """Why the pinned rate is not sensible."""
        judged = self._judged
        if judged.sensible is not False or judged.pinned is None:
            return None
        said = (
            f"verify.lr={self._lrs[judged.pinned]:g} is no longer a sensible learning rate for this task: it "
            f"{self._ended(judged.pinned)}{self._over(judged.pinned)}"
        )
        better = judged.recommended
        if better is None:
            return f"{said}, and no other rate that was tried can be recommended in its place."
        there = f"{self._lrs[better]:g}"
        said += f", and {there} ends at {judged.means[better]:.3g}"
        said += self._gap(judged.pinned, better, "worse")
        return f"{said}. Pin {there} instead."

    def pinned(self) -> str:
        """That the pinned rate is sensible; nothing where there is none, or nothing can be said."""
        judged = self._judged
        better = judged.recommended
        if judged.pinned is None or better is None:
            return ""
        said = f"verify.lr={self._lrs[judged.pinned]:g} is sensible"
        if better == judged.pinned:
            return f"{said}."
        gap = float(judged.worse_by[judged.pinned] - judged.worse_by[better])
        said += (
            f": it {self._ended(judged.pinned)}, {'worse' if gap >= 0 else 'better'} than "
            f"{self._lrs[better]:g} by {abs(gap):.1%} of the drop"
        )
        if judged.pinned_in_doubt:
            return f"{said} in the mean, but the seeds do not agree on it. Raise verify.seeds to tell."
        return f"{said}; verify.margin={judged.margin:g} allows {judged.margin:.0%}."

    def _elsewhere(self) -> str:
        """Where to look if the checked rate diverged and none of the others can be recommended."""
        judged = self._judged
        checked = self._lrs[judged.checked]
        idle = [lr for lr, gone in zip(self._lrs, judged.diverged, strict=True) if lr < checked and not gone]
        if not idle:
            return f"Try far smaller ones: lrfind verify {rounded(self._lrs[0] / _FAR):g}."
        between = rounded(math.sqrt(idle[-1] * checked))
        return (
            f"{idle[-1]:g} did not diverge, but within {self._num_steps} steps it lowered the loss by no "
            f"more than the margin. Try one between, lrfind verify {between:g}, or raise verify.num_steps."
        )

    def _no_better(self) -> str:
        """That no other rate is clearly better than the checked one."""
        judged = self._judged
        best = judged.best
        assert best is not None
        if best == judged.checked:
            return f"the lowest of the {len(self._lrs)} rates tried."
        gap = f"{float(judged.worse_by[judged.checked]):.1%} of the drop"
        said = f"and the best of the others, {self._lrs[best]:g}, is better by {gap}"
        if judged.doubtful:
            return f"{said} in the mean, but the seeds do not agree on it. Raise verify.seeds to tell."
        if judged.diverged[best]:
            return f"{said}, though it diverged on {judged.diverged[best]} of {self._seeds} seeds."
        return f"{said}, within verify.margin={judged.margin:g}."

    def _gap(self, one: int, other: int, word: str) -> str:
        """By how much one rate ends above another; nothing where it diverged."""
        judged = self._judged
        if judged.diverged[one]:
            return ""
        gap = float(judged.worse_by[one] - judged.worse_by[other])
        noise = " and beyond the noise of the seeds" if self._seeds > 1 else "; the noise of one is unknown"
        return (
            f", {word} by {gap:.0%} of the drop (verify.margin={judged.margin:g} allows {judged.margin:.0%})"
            f"{noise}"
        )

    def _ended(self, index: int) -> str:
        times = int(self._judged.diverged[index])
        if times == 0:
            return f"ends at a held-out loss of {self._judged.means[index]:.3g}"
        return "diverged" if times == self._seeds else f"diverged on {times} of {self._seeds} seeds"

    def _over(self, index: int) -> str:
        """Over how many steps and seeds a rate came to that."""
        seeds = f"mean over {self._seeds} seeds" if self._seeds > 1 else "one seed"
        when = "within" if self._judged.diverged[index] else "after"
        return f" {when} {self._num_steps} steps ({seeds}; {self._judged.start:.3g} before training)"

    @property
    def _after(self) -> str:
        seeds = f"in the mean over {self._seeds} seeds" if self._seeds > 1 else "on one seed"
        return f"That is after {self._num_steps} steps at a constant rate, {seeds}."

    def _beside(self, index: int) -> str:
        names = {
            Role.HIGHER: f" ({FACTOR:g} times it)",
            Role.LOWER: " (a third of it)",
            Role.CONFIG: " (the optimizer's, in the config)",
            Role.PINNED: " (verify.lr)",
        }
        return next((names[role] for role in self._roles[index] if role in names), "")
