"""Rounds and parts of rounds in plain values, as the state of a sweep that can go on holds them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lrfind.refine.results import RoundPlan, RoundResult, SeedResult
from lrfind.refine.segments import Segment, exact, plain, rungs
from lrfind.report.shape import anything, columns, fields, flag, items, mapping, number, one_of, text, whole
from lrfind.suggestion import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def plan_as_plain(plan: RoundPlan) -> dict[str, Any]:
    """A plan as JSON says it."""
    segments = [[plain(s.start), plain(s.stop), plain(s.step), s.iterations] for s in plan.segments]
    return {"segments": segments, "reason": plan.reason, "kind": plan.kind}


def plan_from_plain(saved: Mapping[str, Any]) -> RoundPlan:
    """The plan that `plan_as_plain` wrote."""
    segments = tuple(Segment(exact(a), exact(b), exact(c), n) for a, b, c, n in saved["segments"])
    return RoundPlan(segments, saved["reason"], saved["kind"])


def track_as_plain(track: SeedResult) -> dict[str, Any]:
    """A track as JSON says it."""
    losses = [list(losses) for losses in track.losses]
    return {"level": track.level, "losses": losses, "dropped": list(track.dropped)}


def track_from_plain(saved: Mapping[str, Any]) -> SeedResult:
    """The track that `track_as_plain` wrote."""
    losses = tuple(tuple(losses) for losses in saved["losses"])
    return SeedResult(saved["level"], losses, tuple(saved["dropped"]))


def round_as_plain(measured: RoundResult) -> dict[str, Any]:
    """A round as JSON says it."""
    return {
        "plan": plan_as_plain(measured.plan),
        "tracks": [track_as_plain(track) for track in measured.tracks],
        "status": measured.status.value,
        "restarted": measured.restarted,
    }


def round_from_plain(saved: Mapping[str, Any]) -> RoundResult:
    """The round that `round_as_plain` wrote."""
    tracks = tuple(track_from_plain(track) for track in saved["tracks"])
    status = Status(saved["status"])
    return RoundResult(plan_from_plain(saved["plan"]), tracks, status, restarted=saved["restarted"])


_SEED_RESULT = fields(level=number(), losses=items(items(number())), dropped=items(flag))
_STATUS = one_of(*(status.value for status in Status))
_ROUND = fields(
    plan=fields(
        segments=items(columns(text, text, text, whole(1)), least=1),
        reason=text,
        kind=one_of("table", "fine", "closing", "given"),
    ),
    tracks=items(_SEED_RESULT, least=1),
    status=_STATUS,
    restarted=flag,
)
_FORMS = {
    "continued": fields(side_by_side=flag, record=flag, reason=text),
    "restarted": fields(strategy=one_of("sequential", "stacked")),
}
_ABOUT = fields(
    config=mapping(anything),
    rounds=items(_ROUND),
    others=items(_ROUND),
    part=fields(
        kind=one_of(*_FORMS),
        tracks=items(_SEED_RESULT),
        statuses=items(_STATUS),
        tapes=items(_SEED_RESULT),
        batches=whole(),
        form=mapping(anything),
    ),
    steps=whole(),
)


def check_about(about: Any, *, seeds: int) -> None:
    """Whether what is told of a sweep is what `Ledger.save` tells, of so many seeds.

    Raises:
        ValueError: It is not; the message names the first place.
    """
    _ABOUT(about, "about")
    part = about["part"]
    _FORMS[part["kind"]](part["form"], "about.part.form")
    for measured in [*about["rounds"], *about["others"]]:
        _check_round(round_from_plain(measured), seeds)
    done, under_way = len(part["tracks"]), len(part["tapes"])
    stacked = part["form"].get("side_by_side") is True
    if part["kind"] == "restarted":
        fits = under_way == 0 and 0 < done <= seeds
    elif stacked:
        fits = done == 0 and under_way == seeds
    else:
        fits = under_way == 1 and done < seeds and len(part["statuses"]) == done
    if not fits:
        raise ValueError("about.part is of another number of seeds")


def check_under_way(part: Part, lengths: Sequence[int]) -> None:
    """Whether the part under way is one of a round of rates held for so many iterations.

    Raises:
        ValueError: It is not.
    """
    for track in [*part.tracks, *part.tapes]:
        _check_lengths(track, lengths, restarted=part.kind == "restarted")
    iterations = {sum(map(len, tape.losses)) for tape in part.tapes if not _ended(tape)}
    if len(iterations) > 1:
        raise ValueError("its seeds do not stand at the same iteration")
    if iterations and (max(iterations) == 0) != (part.batches == 0):
        raise ValueError("the batches drawn are not those of the losses measured")


def _check_round(measured: RoundResult, seeds: int) -> None:
    if len(measured.tracks) > seeds:
        raise ValueError("a round is of more seeds")
    lengths = [iterations for _, _, iterations in rungs(measured.plan.segments)]
    for track in measured.tracks:
        _check_lengths(track, lengths, restarted=measured.restarted)


def _ended(track: SeedResult) -> bool:
    """Whether its last loss, which ends it, is not finite."""
    return bool(track.losses and track.losses[-1]) and not math.isfinite(track.losses[-1][-1])


def _check_lengths(track: SeedResult, lengths: Sequence[int], *, restarted: bool) -> None:
    counts = [len(losses) for losses in track.losses]
    fits = len(counts) <= len(lengths) and all(
        # A rate of its own start that diverged has an infinite loss more.
        0 < count <= length + restarted
        for count, length in zip(counts, lengths, strict=False)
    )
    # Trained from rate to rate, only the last may be cut off, or end with a loss that is not finite.
    if fits and not restarted and counts:
        before = [loss for losses in track.losses for loss in losses][:-1]
        fits = counts[:-1] == list(lengths[: len(counts) - 1]) and all(map(math.isfinite, before))
    if not fits:
        raise ValueError("losses were measured that its rates do not have")


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a round that is under way.

    Attributes:
        kind: `continued` or `restarted`.
        tracks: The seeds that are finished.
        statuses: Why each of them ended.
        tapes: What the seeds under way have measured: of one, or of all where they are trained side by side.
        batches: Batches that each of these has drawn.
        form: How the round is measured, side by side or not, so that it goes on in the same way.
    """

    kind: str
    tracks: Sequence[SeedResult] = ()
    statuses: Sequence[Status] = ()
    tapes: Sequence[SeedResult] = ()
    batches: int = 0
    form: Mapping[str, Any] = field(default_factory=dict)


def part_as_plain(part: Part) -> dict[str, Any]:
    """The part as JSON says it."""
    return {
        "kind": part.kind,
        "tracks": [track_as_plain(track) for track in part.tracks],
        "statuses": [status.value for status in part.statuses],
        "tapes": [track_as_plain(track) for track in part.tapes],
        "batches": part.batches,
        "form": dict(part.form),
    }


def part_from_plain(saved: Mapping[str, Any]) -> Part:
    """The part that `part_as_plain` wrote.

    Raises:
        ValueError: It is none.
    """
    try:
        return Part(
            kind=saved["kind"],
            tracks=[track_from_plain(track) for track in saved["tracks"]],
            statuses=[Status(status) for status in saved["statuses"]],
            tapes=[track_from_plain(track) for track in saved["tapes"]],
            batches=saved["batches"],
            form=saved["form"],
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"it was saved by another version of lrfind ({error} is missing)") from error
