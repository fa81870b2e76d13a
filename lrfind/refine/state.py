"""Rounds and parts of rounds in plain values, as the state of a sweep that can go on holds them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, is_dataclass
from dataclasses import fields as fields_of
from typing import TYPE_CHECKING, Any

from lrfind.refine.results import RoundPlan, RoundResult, SeedResult
from lrfind.refine.segments import Segment, exact, plain, rungs
from lrfind.report.shape import anything, columns, fields, flag, items, mapping, number, one_of, text, whole
from lrfind.suggestion import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def as_plain(value: Any) -> Any:
    """A round, or a part of one, as JSON says it: dataclasses as mappings, their segments as columns."""
    if isinstance(value, Segment):
        return [plain(value.start), plain(value.stop), plain(value.step), value.iterations]
    if is_dataclass(value):
        return {each.name: as_plain(getattr(value, each.name)) for each in fields_of(value)}
    if isinstance(value, Status):
        return value.value
    # Numbers stand for themselves, and of losses there may be many.
    if isinstance(value, (list, tuple)) and value and not isinstance(value[0], (int, float)):
        return [as_plain(each) for each in value]
    return value


def round_from_plain(saved: Mapping[str, Any]) -> RoundResult:
    """The round that `as_plain` wrote."""
    plan = saved["plan"]
    segments = tuple(Segment(exact(a), exact(b), exact(c), n) for a, b, c, n in plan["segments"])
    return RoundResult(
        RoundPlan(segments, plan["reason"], plan["kind"]),
        tuple(_track_from_plain(track) for track in saved["tracks"]),
        Status(saved["status"]),
        restarted=saved["restarted"],
    )


def _track_from_plain(saved: Mapping[str, Any]) -> SeedResult:
    losses = tuple(tuple(losses) for losses in saved["losses"])
    return SeedResult(saved["level"], losses, tuple(saved["dropped"]))


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
    """Raises a ValueError unless the part is one of a round of rates held for so many iterations."""
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


def part_from_plain(saved: Mapping[str, Any]) -> Part:
    """The part that `as_plain` wrote."""
    return Part(
        kind=saved["kind"],
        tracks=[_track_from_plain(track) for track in saved["tracks"]],
        statuses=[Status(status) for status in saved["statuses"]],
        tapes=[_track_from_plain(track) for track in saved["tapes"]],
        batches=saved["batches"],
        form=saved["form"],
    )
