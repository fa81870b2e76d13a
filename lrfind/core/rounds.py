"""Coarse to fine: what a round showed, the next round's rates, when to stop, and the answer.

Source: ai-edu, chapter 12.3.2: everything the curve was still falling at is too small; go on from there with
a finer step; close in on the rates around the turn; take a smaller value than the lowest point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.core.curve import Status
from lrfind.core.segments import around, below, by_table, evenly, exact, nearest, rungs
from lrfind.core.suggest import Suggestion, rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from lrfind.core.segments import Segments

    Floats = NDArray[np.float64]

MOST_ROUNDS = 6
"""Rounds after which the search ends where it is."""

AS_GOOD = 0.05
"""Share of a round's fall within which a loss is as good as the lowest, as it is within twice its noise."""

WIDE = 2.0
"""Rates that differ by more than this factor and are equally good do not locate a turn."""

MOST_FINE_RATES = 40
"""Rates of a finer round: the chapter's second one, 0.4 to 1.1, has the step 0.02."""

SIGNIFICANT = 4.0
"""Standard deviations of the noise that make a fall."""

HIGHEST, LOWEST = 1e3, 1e-9
"""Rates beyond which nothing is looked for."""

RULE = "safer"
"""Name of the rule that makes the suggestion."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The rates of one round and why they are these.

    Attributes:
        segments: The rates, rising.
        reason: Why, in a sentence.
        kind: `table` (coarse), `fine` (a finer step over a stretch), `closing` (about one rate) or `given`.
    """

    segments: Segments
    reason: str
    kind: str = "given"

    @property
    def span(self) -> tuple[float, float]:
        """The first and the last rate."""
        return self.segments[0].rates[0], self.segments[-1].rates[-1]

    @property
    def iterations(self) -> int:
        """Iterations over all rates."""
        return sum(iterations for _, _, iterations in rungs(self.segments))


@dataclass(frozen=True, slots=True)
class Track:
    """What one seed measured in a round.

    Attributes:
        level: The loss before the first update; NaN where it is not known.
        losses: For each rate reached, in order, the losses of its iterations.
    """

    level: float
    losses: tuple[tuple[float, ...], ...]

    def at_rates(self) -> Floats:
        """One loss a rate, shape (rates reached,): the mean over the second half of its iterations."""
        return np.array([_settled(losses) for losses in self.losses], dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One round as it was measured.

    Attributes:
        plan: What was planned.
        tracks: One a seed.
        status: Why the round ended.
        restarted: Whether every rate began from the same start, rather than where the one before it ended.
    """

    plan: Plan
    tracks: tuple[Track, ...]
    status: Status = Status.COMPLETED
    restarted: bool = False

    @property
    def lrs(self) -> Floats:
        """The rates reached by any seed, shape (rates,)."""
        reached = max((len(track.losses) for track in self.tracks), default=0)
        return np.array([lr for _, lr, _ in rungs(self.plan.segments)[:reached]], dtype=np.float64)

    @property
    def by_seed(self) -> Floats:
        """One loss a seed and rate, shape (seeds, rates); NaN where a seed did not get so far."""
        lrs = self.lrs
        table = np.full((len(self.tracks), len(lrs)), np.nan)
        for row, track in zip(table, self.tracks, strict=True):
            row[: len(track.losses)] = track.at_rates()
        return table

    @property
    def losses(self) -> Floats:
        """The mean over the seeds at each rate, shape (rates,); not finite where that of one seed is not."""
        return _over_seeds(self.by_seed)

    @property
    def spread(self) -> Floats | None:
        """The standard deviation over the seeds at each rate, shape (rates,); None for a single seed."""
        if len(self.tracks) < 2:
            return None
        with np.errstate(invalid="ignore", over="ignore"):
            deviations: Floats = self.by_seed.std(axis=0, ddof=1)
        return deviations

    @property
    def level(self) -> float:
        """The mean loss before the first update."""
        levels = [track.level for track in self.tracks]
        return math.fsum(levels) / len(levels) if levels and all(map(math.isfinite, levels)) else math.nan


@dataclass(frozen=True, slots=True)
class Valley:
    """Where a round was lowest, and the rates that were as good.

    Attributes:
        lowest: The rate at the lowest loss.
        loss: That loss.
        low: The first rate as good as the lowest.
        high: The last one.
        falling: The last rate at which the loss was still falling; `low` where there is none.
        beyond: The first rate after `high`; `high` where there is none.
        at_start: Whether the first rate of the round is the lowest.
        at_end: Whether the last planned rate was as good as the lowest, and only those just before it were.
        learned: Whether the loss fell at all, by more than its noise.
    """

    lowest: float
    loss: float
    low: float
    high: float
    falling: float
    beyond: float
    at_start: bool
    at_end: bool
    learned: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What all rounds together say.

    Attributes:
        suggestion: The rate, its bracket and why; None where there is none.
        rules: The lowest point of the last round, and the safer value.
        verdict: What the rounds show, in plain language.
    """

    suggestion: Suggestion | None
    rules: dict[str, float | None]
    verdict: str


def valley(measured: Measured) -> Valley | None:
    """Reads a round by its running median of three, which takes away a single lucky or unlucky rate.

    Rates from the first loss that is not finite on are not read. None where there is no finite loss.
    """
    losses, lrs = measured.losses, measured.lrs
    bad = np.flatnonzero(~np.isfinite(losses))
    ended = len(bad) > 0
    if ended:
        losses, lrs = losses[: bad[0]], lrs[: bad[0]]
    if len(losses) == 0:
        return None
    seen = _median_of_three(losses)
    noise = _noise(losses, measured.spread, len(measured.tracks))
    near = int(np.argmin(seen))
    around_it = slice(max(near - 1, 0), near + 2)
    # The median takes a dip of a single rate away, and with it the very bottom of a sharp valley.
    lowest = around_it.start + int(np.argmin(losses[around_it]))
    loss = float(losses[lowest])
    bottom = float(seen[near])
    within = max(AS_GOOD * (float(seen[: near + 1].max()) - bottom), 2 * noise)
    low = high = lowest
    while low > 0 and seen[low - 1] <= bottom + within:
        low -= 1
    while high < len(seen) - 1 and seen[high + 1] <= bottom + within:
        high += 1
    level = measured.level if math.isfinite(measured.level) else float(losses[0])
    last = len(seen) - 1
    planned = len(rungs(measured.plan.segments))
    return Valley(
        lowest=float(lrs[lowest]),
        loss=loss,
        low=float(lrs[low]),
        high=float(lrs[high]),
        falling=float(lrs[max(low - 1, 0)]),
        beyond=float(lrs[min(high + 1, last)]),
        at_start=lowest == 0 and last > 0,
        at_end=high == last and lrs[high] <= WIDE * lrs[low] and not ended and len(lrs) == planned,
        learned=level - bottom > max(SIGNIFICANT * noise, 1e-6 * abs(level)),
    )


def follow(rounds: Sequence[Measured], *, iterations: int) -> Plan | None:
    """The round that follows from those measured, or None where the search ends.

    Args:
        rounds: At least one, in order.
        iterations: How long each of its rates is held.
    """
    last = rounds[-1]
    first_lr, last_lr = last.plan.span
    seen = valley(last)
    if seen is None:
        if not math.isfinite(last.level):
            return None
        return _lower(first_lr, iterations, f"The loss was not finite at {first_lr:g} already")
    if not seen.learned:
        if last.plan.kind == "closing":
            return None
        if last.status is Status.NONFINITE or seen.high < last_lr:
            return _lower(first_lr, iterations, "The loss never fell before it rose")
        return _higher(last_lr, iterations, f"No rate up to {last_lr:g} moved the loss")
    if last.plan.kind == "closing":
        # An earlier round has seen the turn; a rate that the user named may be off by more.
        if len(rounds) > 1 or not (seen.at_start or seen.at_end):
            return None
        side = (
            f"rising from its first rate, {first_lr:g}" if seen.at_start else f"still as low at {last_lr:g}"
        )
        return Plan(
            around(seen.lowest, iterations),
            f"The loss was {side}, the end of the round: close in around its lowest point, {seen.lowest:g}.",
            "closing",
        )
    if seen.at_end:
        return _higher(last_lr, iterations, f"The loss was still falling at {last_lr:g}")
    if seen.at_start:
        return _lower(first_lr, iterations, f"The loss was lowest at the first rate, {first_lr:g}")
    if last.plan.kind != "fine" and seen.high > WIDE * seen.low and seen.beyond > seen.falling:
        return Plan(
            evenly(seen.falling, seen.beyond, iterations, most=MOST_FINE_RATES),
            f"The loss was still falling at {seen.falling:g}, so all rates up to it are too small, and from "
            f"{seen.low:g} to {seen.high:g} one is as good as another: go on from {seen.falling:g} with a "
            "finer step.",
            "fine",
        )
    centre = float(nearest(exact(seen.lowest)))
    return Plan(
        around(seen.lowest, iterations),
        f"The loss turned at about {seen.lowest:g}: close in around {centre:g}.",
        "closing",
    )


def explore(
    measure: Callable[[Plan], Measured],
    given: Sequence[Plan],
    *,
    limit: int | None,
    iterations: int,
    before: Sequence[Measured] = (),
) -> Iterator[list[Measured]]:
    """Measures round after round, and gives all rounds so far after each.

    Args:
        measure: Measures one round.
        given: The rounds that are known from the start, at least one.
        limit: Number of rounds; None: those that are given where there are several, else as many as the rule
            asks for, at most `MOST_ROUNDS`.
        iterations: How long rates of derived rounds are held.
        before: Rounds that are measured already.
    """
    rounds = list(before)
    while True:
        plan = _next(rounds, given, limit, iterations)
        if plan is None:
            return
        rounds.append(measure(plan))
        yield list(rounds)
        if rounds[-1].status is Status.INTERRUPTED:
            return


def conclude(rounds: Sequence[Measured], *, interrupted: bool = False) -> Answer:
    """The answer of the last round: a smaller value than its lowest point, the safer one.

    Half a step of the table below the lowest point (0.75 for 0.8), but no rate at which the loss was still
    falling.
    """
    nothing: dict[str, float | None] = {"lowest": None, RULE: None}
    if interrupted or not rounds or rounds[-1].status is Status.INTERRUPTED:
        reached = f" in round {len(rounds)}, at a rate of {rounds[-1].lrs[-1]:g}" if _any(rounds) else ""
        return Answer(None, nothing, f"Interrupted{reached}: too early to read a rate from it.")
    last = rounds[-1]
    first_lr, last_lr = last.plan.span
    seen = valley(last)
    number = f"Round {len(rounds)}"
    if seen is None:
        if not math.isfinite(last.level):
            what = "look for NaN in the data, a loss outside its domain (log of 0), or try precision=fp32"
            return Answer(None, nothing, f"The loss was not finite from the start: {what}.")
        advice = "give refine.segments that start lower, by a factor of 100 or more"
        return Answer(None, nothing, f"{number}: the loss was not finite at {first_lr:g} already; {advice}.")
    if not seen.learned:
        return Answer(
            None,
            nothing,
            f"{number}: no rate from {first_lr:g} to {last_lr:g} lowered the loss by more than its noise. "
            "Hold each rate longer (refine.iterations, or iterations in refine.segments), take a larger "
            "batch_size, or read the loss on more samples (refine.read=train).",
        )
    answer = max(seen.low, _half_a_step_down(seen.lowest))
    lr, low, high = rounded(answer), rounded(seen.low), rounded(seen.high)
    why = "half a step of the table below" if answer > seen.low else "where the fall ends"
    if lr == rounded(seen.lowest):
        reason = f"The loss was lowest at {lr:g}, and still falling at all smaller rates."
    else:
        reason = f"The loss was lowest at {seen.lowest:g}; {lr:g}, {why}, is the safer value."
    reason += f" The loss is as good from {low:g} to {high:g}. It is meant for training at a constant rate."
    suggestion = Suggestion(lr=lr, low=min(low, lr), high=max(high, lr), rule=RULE, reason=reason)
    rules: dict[str, float | None] = {"lowest": rounded(seen.lowest), RULE: lr}
    return Answer(suggestion, rules, f"{number} {_told(seen, last, first_lr)}")


def _told(seen: Valley, last: Measured, first_lr: float) -> str:
    said = f"was lowest at {seen.lowest:g}, with a loss of {seen.loss:.3g}, {last.level:.3g} at the start"
    if seen.at_end:
        return f"{said}; that is its last rate, and a larger one may be better still."
    if seen.at_start:
        return f"{said}; that is its first rate, and a smaller one may be better still."
    bad = ~np.isfinite(last.losses)
    if bad.any():
        return f"{said}; at {last.lrs[bad][0]:g} it was no longer finite."
    return f"{said}, and as good from {seen.low:g} to {seen.high:g}."


def _next(
    rounds: Sequence[Measured], given: Sequence[Plan], limit: int | None, iterations: int
) -> Plan | None:
    count = len(rounds)
    if limit is None:
        limit = len(given) if len(given) > 1 else MOST_ROUNDS
    if count >= limit:
        return None
    return given[count] if count < len(given) else follow(rounds, iterations=iterations)


def _higher(last_lr: float, iterations: int, why: str) -> Plan | None:
    start = exact(last_lr)
    unit = start.scaleb(-start.adjusted()).to_integral_value(rounding="ROUND_FLOOR") + 1
    above = float(unit.scaleb(start.adjusted()))
    if above > HIGHEST:
        return None
    return Plan(
        by_table(above, 10 * above, iterations),
        f"{why}: all of these are too small, go on above them, from {above:g} to {10 * above:g}.",
        "table",
    )


def _lower(first_lr: float, iterations: int, why: str) -> Plan | None:
    top = nearest(exact(first_lr))
    bottom = float(top / 100)
    if bottom < LOWEST:
        return None
    return Plan(
        by_table(bottom, float(top), iterations),
        f"{why}: all of these are too large, go on below them, from {bottom:g} to {float(top):g}.",
        "table",
    )


def _half_a_step_down(lr: float) -> float:
    near = nearest(exact(lr))
    return float(exact(lr) - (near - exact(below(float(near)))) / 2)


def _settled(losses: Sequence[float]) -> float:
    later = losses[len(losses) // 2 :]
    if not all(map(math.isfinite, losses)):
        return math.nan
    return math.fsum(later) / len(later) if later else math.nan


def _over_seeds(by_seed: Floats) -> Floats:
    with np.errstate(invalid="ignore", over="ignore"):
        return by_seed.mean(axis=0) if len(by_seed) else np.empty(0)


def _median_of_three(values: Floats) -> Floats:
    """Monotone stretches stay as they are; the ends, too."""
    if len(values) < 3:
        return values.copy()
    middle = np.median(np.stack([values[:-2], values[1:-1], values[2:]]), axis=0)
    return np.concatenate([values[:1], middle, values[-1:]])


def _noise(losses: Floats, spread: Floats | None, seeds: int) -> float:
    """Standard deviation of a loss about a smooth curve: from its second differences, or over the seeds."""
    noise = 0.0
    if len(losses) >= 5:
        bends = losses[2:] - 2 * losses[1:-1] + losses[:-2]
        noise = 1.4826 * float(np.median(np.abs(bends))) / math.sqrt(6)
    if spread is not None:
        known = spread[: len(losses)]
        noise = max(noise, float(np.median(known)) / math.sqrt(seeds))
    return noise


def _any(rounds: Sequence[Measured]) -> bool:
    return bool(rounds) and len(rounds[-1].lrs) > 0
