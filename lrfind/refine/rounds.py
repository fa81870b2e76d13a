"""Coarse to fine: what a round showed, the next round's rates, and when to stop.

Source: ai-edu, chapter 12.3.2: everything the curve was still falling at is too small; go on from there with
a finer step; close in on the rates around the turn.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lrfind.refine.minimum import WIDE, valley
from lrfind.refine.results import RoundPlan
from lrfind.refine.segments import around, by_table, evenly, exact, nearest
from lrfind.suggestion import Status, rate_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lrfind.refine.minimum import Minimum
    from lrfind.refine.results import RoundResult

MOST_ROUNDS = 6
"""Rounds after which the search ends where it is."""

MOST_FINE_RATES = 40
"""Rates of a finer round: the chapter's second one, 0.4 to 1.1, has the step 0.02."""

WIDER = 10
"""Factor to each side of a rate that the user named within which the turn is looked for if not beside it."""

HIGHEST, LOWEST = 1e3, 1e-9
"""Rates beyond which nothing is looked for."""


def next_round(rounds: Sequence[RoundResult], *, iterations: int) -> RoundPlan | None:
    """The round that follows from those measured, or None where the search ends.

    No round is measured twice: it begins at the same weights with the same batches, and would show the same.
    """
    plan = _following(rounds, iterations)
    if plan is None or any(plan.segments == measured.plan.segments for measured in rounds):
        return None
    return plan


def _following(rounds: Sequence[RoundResult], iterations: int) -> RoundPlan | None:
    last = rounds[-1]
    first_lr, last_lr = last.plan.span
    if not last.whole.any():
        return None
    seen = valley(last)
    if seen is None:
        if not math.isfinite(last.level):
            return None
        why = f"The loss was not finite at {rate_text(first_lr)} already"
        return _lower(first_lr, iterations, why)
    if not seen.learned:
        if last.plan.kind == "closing":
            return _wider(last, "no rate of it lowered the loss", iterations) if len(rounds) == 1 else None
        if seen.rises:
            return _lower(first_lr, iterations, "The loss rose from the first rate on")
        if not all(map(_fruitless, rounds)):
            why = f"No rate from {rate_text(first_lr)} on lowered the loss, as smaller ones did"
            return _lower(first_lr, iterations, why)
        if seen.rose and seen.slight:
            return None  # the smaller rates moved nothing, and still smaller ones will not
        if seen.rose:
            return _lower(first_lr, iterations, "The loss fell by no more than its noise before it rose")
        return _higher(last_lr, iterations, f"No rate up to {rate_text(last_lr)} moved the loss")
    if last.plan.kind == "closing":
        # An earlier round has seen the turn; a rate that the user named may be off by more.
        if len(rounds) > 1:
            return None
        if seen.at_start:
            return _wider(last, f"the loss was lowest at its first rate, {rate_text(first_lr)}", iterations)
        if seen.at_end:
            return _wider(
                last, f"the loss was still as low at its last rate, {rate_text(last_lr)}", iterations
            )
        return _finer(last, seen, iterations)
    if seen.at_end:
        why = f"The loss was still falling at {rate_text(last_lr)}"
        if any(_too_large(each) and each.plan.span[0] >= last_lr for each in rounds):
            return _closing(seen.lowest, iterations, f"{why}, and no higher rate did better")
        return _higher(last_lr, iterations, why)
    if seen.at_start:
        return _lower(first_lr, iterations, f"The loss was lowest at the first rate, {rate_text(first_lr)}")
    if last.plan.kind != "fine" and seen.high > WIDE * seen.low and seen.beyond > seen.falling:
        return RoundPlan(
            evenly(seen.falling, seen.beyond, iterations, most=MOST_FINE_RATES),
            f"The loss was still falling at {rate_text(seen.falling)}, so all rates up to it are "
            "too small, and from "
            f"{rate_text(seen.low)} to {rate_text(seen.high)} one is as good as another: go on "
            f"from {rate_text(seen.falling)} with a "
            "finer step.",
            "fine",
        )
    return _closing(seen.lowest, iterations, f"The loss turned at about {rate_text(seen.lowest)}")


def _closing(lr: float, iterations: int, why: str) -> RoundPlan:
    centre, segments = float(nearest(exact(lr))), around(lr, iterations)
    low, high = rate_text(float(segments[0].start)), rate_text(float(segments[-1].stop))
    near = f"{rate_text(centre)} by smaller steps, between its neighbours in the table, {low} and {high}"
    return RoundPlan(segments, f"{why}: look around {near}.", "closing")


def _fruitless(measured: RoundResult) -> bool:
    """Whether no rate of a round lowered the loss."""
    seen = valley(measured)
    return seen is None or not seen.learned


def _too_large(measured: RoundResult) -> bool:
    """Whether the rates of a round are all too large: none lowered the loss, or the first did best."""
    seen = valley(measured)
    return seen is None or not seen.learned or seen.at_start


def _wider(named: RoundResult, why: str, iterations: int) -> RoundPlan | None:
    """The rates of the table far to both sides of a closing round that does not hold the turn."""
    first_lr, last_lr = named.plan.span
    centre = nearest(exact(math.sqrt(first_lr * last_lr)))
    low, high = centre / WIDER, centre * WIDER
    if float(low) < LOWEST or float(high) > HIGHEST:
        return None
    return RoundPlan(
        by_table(float(low), float(high), iterations),
        f"The turn is not inside: {why}; look further to both sides, from {rate_text(float(low))} "
        f"to {rate_text(float(high))}.",
        "table",
    )


def _finer(named: RoundResult, seen: Minimum, iterations: int) -> RoundPlan | None:
    """The stretch of a closing round that holds the turn, by a finer step; None where that is most of it."""
    first_lr, last_lr = named.plan.span
    if seen.beyond <= seen.falling or seen.beyond - seen.falling > (last_lr - first_lr) / 2:
        return None
    return RoundPlan(
        evenly(seen.falling, seen.beyond, iterations, most=MOST_FINE_RATES),
        f"The turn is inside, between {rate_text(seen.falling)} and {rate_text(seen.beyond)}: look "
        "there with a finer step.",
        "closing",
    )


def run_rounds(
    measure: Callable[[RoundPlan], RoundResult],
    given: Sequence[RoundPlan],
    *,
    limit: int | None,
    iterations: int,
    before: Sequence[RoundResult] = (),
) -> Iterator[list[RoundResult]]:
    """Measures round after round, and gives all rounds so far after each.

    `given` are known from the start, at least one, and `before` are measured already. `limit` is the number
    of rounds; None: those that are given where there are several, else as many as the rule asks for, at most
    `MOST_ROUNDS`.
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


def _next(
    rounds: Sequence[RoundResult], given: Sequence[RoundPlan], limit: int | None, iterations: int
) -> RoundPlan | None:
    count = len(rounds)
    if limit is None:
        limit = len(given) if len(given) > 1 else MOST_ROUNDS
    if count >= limit:
        return None
    return given[count] if count < len(given) else next_round(rounds, iterations=iterations)


def _higher(last_lr: float, iterations: int, why: str) -> RoundPlan | None:
    start = exact(last_lr)
    unit = start.scaleb(-start.adjusted()).to_integral_value(rounding="ROUND_FLOOR") + 1
    above = float(unit.scaleb(start.adjusted()))
    if above > HIGHEST:
        return None
    return RoundPlan(
        by_table(above, 10 * above, iterations),
        f"{why}: all of these are too small, go on above them, from {rate_text(above)} to "
        f"{rate_text(10 * above)}.",
        "table",
    )


def _lower(first_lr: float, iterations: int, why: str) -> RoundPlan | None:
    top = nearest(exact(first_lr))
    bottom = float(top / 100)
    if bottom < LOWEST:
        return None
    return RoundPlan(
        by_table(bottom, float(top), iterations),
        f"{why}: all of these are too large, go on below them, from {rate_text(bottom)} to "
        f"{rate_text(float(top))}.",
        "table",
    )
