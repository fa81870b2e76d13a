"""Rounds and parts of rounds in plain values, as the state of a sweep that can go on holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lrfind.refine.results import RoundPlan, RoundResult, SeedResult
from lrfind.refine.segments import Segment, exact, plain
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
    return {"level": track.level, "losses": [list(losses) for losses in track.losses]}


def track_from_plain(saved: Mapping[str, Any]) -> SeedResult:
    """The track that `track_as_plain` wrote."""
    return SeedResult(saved["level"], tuple(tuple(losses) for losses in saved["losses"]))


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
