"""What a curve shows, and what to do about it, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lrfind.range_test.ladder import DEFAULT_END
from lrfind.range_test.shape import FEWEST_POINTS, LOST, SIGNIFICANT, VISIBLE, Shape, evidence_needed
from lrfind.range_test.slower_sweep import FAINT, why_noisy
from lrfind.range_test.smoothed_curve import STOPPED_EARLY
from lrfind.report.formatting import told_apart
from lrfind.suggestion import Status, rate_text

if TYPE_CHECKING:
    from lrfind.range_test.curve import Curve
    from lrfind.range_test.smoothed_curve import SmoothedCurve

RISEN = 0.1
"""Share of the level from which on a rise of the drawn line is spoken of."""

LOWER_START = "Lower range.start_lr, by a factor of 100 or more."
"""What is advised where the first rates are too high."""

SOON = 100.0
"""Times the first rate up to which a loss has risen near it."""

HEALTHY = "Healthy: "
"""How the verdict on a clear fall begins."""


def finding(curve: Curve, smoothed: SmoothedCurve, shape: Shape) -> tuple[str, str]:
    """What the curve shows, and what to do about it, in plain language; empty where that is nothing."""
    seen, advice = _finding(curve, smoothed, shape)
    if curve.accuracies is not None and shape in (Shape.FLAT, Shape.NEVER_FALLS, Shape.TOO_NOISY):
        advice += " An accuracy moves later than the loss: range.metric=loss shows more in as many steps."
    if curve.start_losses is not None and len(curve) and not curve.paired:
        seen += (
            " The untrained model's loss on the first batch came out differently the second time (random "
            "numbers or a state of the model's own), so the losses were read as if range.paired were false."
        )
    return seen, advice.strip()


def doubted(seen: str) -> str:
    """What a curve shows, where nothing shows that the model learns, which no fall makes healthy."""
    return seen.replace(HEALTHY, "Doubtful: ", 1)


def _finding(curve: Curve, smoothed: SmoothedCurve, shape: Shape) -> tuple[str, str]:
    steps = len(curve)
    last_lr = rate_text(curve.lrs[-1]) if steps else "none"
    what = curve.metric
    if shape is Shape.HEALTHY:
        return _healthy(curve, smoothed)
    if shape is Shape.FALLS_TO_END:
        return (
            f"The {what} fell to the end of the ladder ({last_lr}),{_fall_in_words(smoothed)}, and did not "
            "turn: the best rate may lie beyond.",
            f"Raise range.end_lr {_higher_end(curve)}, until it turns.",
        )
    if shape is Shape.FLAT and (highest := _lost_before_read(curve)) is not None:
        return (
            f"The loss shot up to {rate_text(highest)} at the first rates, which are not read, and hardly "
            "moved after that: even the first rates are too high.",
            LOWER_START,
        )
    if shape is Shape.FLAT or (shape is Shape.NEVER_FALLS and _hardly_moved(curve, smoothed)):
        return (
            f"Flat: no rate up to {last_lr} moved the loss.",
            f"Raise range.end_lr {_higher_end(curve)}; if it stays flat, the model does not learn from this "
            "data (is anything frozen, is the loss connected to the parameters?).",
        )
    if shape is Shape.BELOW_LADDER:
        return (
            "The loss fell and turned, but so near the first rate that the answer would lie below it, where "
            "nothing was tried.",
            "Lower range.start_lr, by a factor of 10 or more.",
        )
    if shape is Shape.DIVERGES_AT_ONCE:
        return f"{_rose_at_once(smoothed, what)}.", LOWER_START
    if shape is Shape.NEVER_FALLS:
        lower = ", or lower range.start_lr, as it rose near the first rates" if _rose_soon(smoothed) else ""
        return (
            f"{_no_fall(smoothed, what)}, and then rose.",
            f"Give it more range.num_steps ({max(100, 2 * steps):,} or more) or a larger batch_size to show "
            f"a fall{lower}. A model that is trained already has nowhere to fall.",
        )
    if shape is Shape.TOO_NOISY:
        return (
            f"Too noisy: from batch to batch the {what} varies by "
            f"{_share(smoothed.noise, smoothed.plateau)} of its value, more than any rate moved it.",
            "Use a larger batch_size, accumulation_steps, or more range.num_steps.",
        )
    if shape is Shape.BAD_BATCH and curve.bad_batch:
        return (
            f"The loss was not finite at step {steps - 1}, and that batch holds NaN or infinities itself, so "
            "it is not the learning rate: look for them in the data.",
            "",
        )
    if shape is Shape.BAD_BATCH:
        return (
            f"The loss was not finite at step {steps - 1}, and the untrained model has no finite loss on "
            "that batch either, so it is not the learning rate: look for NaN or infinities in the data or a "
            "loss outside its domain (log of 0); with bf16 or fp16 try precision=fp32.",
            "",
        )
    if shape is Shape.NEVER_FINITE:
        return (
            "The loss was not finite from the start, before any update: look for NaN in the data or a loss "
            "outside its domain (log of 0); with bf16 or fp16 try precision=fp32.",
            "",
        )
    if shape is Shape.INTERRUPTED:
        seen = f"Interrupted after {steps} of {curve.planned_steps} steps: too early to read a rate from it."
        return seen, ""
    if steps < curve.planned_steps:
        return (
            f"The test ended after {steps} of {curve.planned_steps} steps, before there was a curve to read: "
            "the rates rise too fast.",
            "Lower range.end_lr, or raise range.num_steps.",
        )
    lower = ", or lower range.skip_start and range.skip_end" if curve.skip_start or curve.skip_end else ""
    return (
        f"Too few steps: {steps} were taken, and what is left of them to read is {len(smoothed)}.",
        f"Raise range.num_steps (60 is the default){lower}.",
    )


def _higher_end(curve: Curve) -> str:
    """How far a ladder to whose end nothing turned is to go."""
    if curve.lrs[-1] < DEFAULT_END:
        return f"to {rate_text(DEFAULT_END)}, the default, or beyond"
    return "by a factor of 10 or more"


def _healthy(curve: Curve, smoothed: SmoothedCurve) -> tuple[str, str]:
    fall, deviation = smoothed.fall
    last_lr = rate_text(curve.lrs[-1])
    above = f"rose above its start at {rate_text(smoothed.climb[0])}" if smoothed.climb else None
    if curve.status in STOPPED_EARLY:
        # The rate that ended the test is far beyond the one from which on nothing was learnt.
        diverged = curve.status is Status.DIVERGED
        which = "" if curve.accuracies is None else "the loss "
        end = f"and {which}{'diverged' if diverged else 'was no longer finite'} at {last_lr}"
        if above:
            end = f"{above}, " + (f"and the test ended at {last_lr}" if diverged else end)
    elif above:
        end = f"and {above}"
    else:
        rose = smoothed.turned or smoothed.rise[0] > max(0.1 * fall, SIGNIFICANT * smoothed.rise[1])
        end = "and rose again after it" if rose else f"and did not clearly rise after it, up to {last_lr}"
    kind = HEALTHY if smoothed.share_lost >= FAINT else "Weak: "
    said = f"{kind}the {curve.metric} fell{_fall_in_words(smoothed, where=True)}, {end}."
    weak = (
        fall < 1.5 * SIGNIFICANT * deviation
        if smoothed.start is None
        else smoothed.evidence < 1.25 * evidence_needed(smoothed)
    )
    advice = ""
    if weak:
        said += " It is noisy, though: another seed may move the answer by a factor of a few."
        advice = "A larger batch_size or more range.num_steps would steady it."
    if (noisy := why_noisy(curve, smoothed)) is not None:
        said += f" But {noisy}: a training may need a rate several times lower."
        advice = "lrfind verify tells."
    if (highest := _lost_before_read(curve)) is not None:
        said += (
            f" But at the first rates, which are not read, the loss had shot up to {rate_text(highest)}: "
            "they are too high, and what was read is the model that they left."
        )
        advice = LOWER_START
    return said, advice


def _fall_in_words(smoothed: SmoothedCurve, *, where: bool = False) -> str:
    """From which level to which the drawn line fell; where it did not, the wider average that rules read.

    Args:
        smoothed: Of a loss that fell.
        where: Whether the rate of the lowest place is said too.
    """
    lowest, average = smoothed.lowest_drawn, ""
    start, least = smoothed.plateau, float(smoothed.drawn[lowest])
    if least >= start:
        lowest, average = smoothed.lowest, " on average over neighbouring rates"
        least = float(smoothed.values[lowest])
        start = least + smoothed.fall[0]
    high, low = told_apart(start, least)
    near = f", lowest near {rate_text(smoothed.lrs[lowest])}" if where else ""
    return f" from {high} to {low}{average}{near}"


def _lost_before_read(curve: Curve) -> float | None:
    """The highest loss of the steps that are not read, where the training was lost in them; else None.

    Where the untrained model is measured beside, every step is read.
    """
    first = curve.losses[: curve.skip_start + 1]
    if curve.start_losses is not None or len(first) < 2 or not np.isfinite(first).all():
        return None
    highest = float(first.max())
    return highest if highest - first[0] > LOST * abs(float(first[0])) else None


def _hardly_moved(curve: Curve, smoothed: SmoothedCurve) -> bool:
    """Whether the line stays where it was, to its end, the climb that ends it included."""
    if curve.status in STOPPED_EARLY:
        return False
    level, climb = smoothed.plateau, [] if smoothed.climb is None else [smoothed.climb[1]]
    return bool(np.abs(np.append(smoothed.drawn, climb) - level).max() <= VISIBLE * abs(level))


def _no_fall(smoothed: SmoothedCurve, what: str) -> str:
    """Where the drawn line went that shows no fall, and why it shows none."""
    lowest = smoothed.lowest_drawn
    high, low = told_apart(smoothed.plateau, float(smoothed.drawn[lowest]))
    if smoothed.plateau - float(smoothed.drawn[lowest]) <= VISIBLE * abs(smoothed.plateau):
        return f"The {what} never fell by more than its noise: it stayed near {rate_text(smoothed.plateau)}"
    return (
        f"The {what} fell from {high} to {low} near {rate_text(smoothed.lrs[lowest])}, but no more steadily "
        "than by chance"
    )


def _rose_soon(smoothed: SmoothedCurve) -> bool:
    """Whether the loss rose so near the first rate that those may be too high already."""
    return smoothed.climb is not None and smoothed.climb[0] < SOON * float(smoothed.lrs[0])


def _rose_at_once(smoothed: SmoothedCurve, what: str) -> str:
    """What the drawn line shows of a loss that rose at the first rates."""
    too_high = "even the first rates are too high"
    if len(smoothed) < FEWEST_POINTS:
        return f"The {what} rose from the start, within the first steps: {too_high}"
    start, lowest = smoothed.plateau, int(np.argmin(smoothed.drawn))
    if start - float(smoothed.drawn[lowest]) <= VISIBLE * abs(start):
        return f"The {what} rose from the start and never fell below it: {too_high}"
    if (smoothed.drawn[:lowest] > start + RISEN * abs(start)).any():
        high, low = told_apart(start, float(smoothed.drawn[lowest]))
        where = rate_text(smoothed.lrs[lowest])
        return (
            f"The {what} rose from the start, and fell below it ({high}) only after that, to {low} near "
            f"{where}: {too_high} for the untrained model"
        )
    return f"{_no_fall(smoothed, what)}, and rose soon: the first rates may be too high already"


def _share(noise: float, level: float) -> str:
    return f"{noise / abs(level):.0%}" if level else f"{noise:.3g}, against a level of 0"
