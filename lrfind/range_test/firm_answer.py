"""What `range.repeats=auto` makes: a sweep, and after it whatever its answer still lacks.

Where a sweep is weak a slower one follows, and where that is weak too, runs at constant rates decide; at once
where batches disagree. Where it is firm, and a training meets its samples again and again, one run at its
answer is held to other samples; where the model was trained before, that of any answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lrfind.range_test.held_out_run import PASSES, passes
from lrfind.range_test.hold_out import hold_out, hold_out_again
from lrfind.range_test.horizon import STEPS as TRAINING
from lrfind.range_test.reading import DEFAULT_RULE, Reading, read
from lrfind.range_test.shape import Shape
from lrfind.range_test.slower_sweep import (
    AUTO_SWEEPS,
    FAINT,
    PLATEAU,
    slower,
    slower_shows_more,
    still_nothing,
    why_noisy,
    why_weak,
)
from lrfind.range_test.trial_runs import first_rate, try_rates
from lrfind.range_test.trials import RULE as TRIALS
from lrfind.report.formatting import told_apart
from lrfind.suggestion import rate_text

if TYPE_CHECKING:
    from lrfind.range_test.config import RangeSettings
    from lrfind.range_test.curve import Curve
    from lrfind.range_test.sweeps import Sweeps
    from lrfind.range_test.trials import Trials


def firm_answer(sweeps: Sweeps, most_steps: int | None) -> tuple[Curve, Reading, list[str]]:
    """Sweeps a task until the answer is firm, or there is nothing more to do.

    Args:
        sweeps: Makes them.
        most_steps: As in `run_range_test`.

    Returns:
        The curve that is read, what is read, and why there is more than one sweep.
    """
    tries = most_steps is None and sweeps.can_run and sweeps.settings.rule is DEFAULT_RULE
    found, weak, reasons = _swept(sweeps, most_steps, tries=tries)
    answers = [each for each in found if each[1].suggestion is not None]
    curve, reading = (answers or found)[-1]
    trials = None
    goes_on = tries and not sweeps.interrupted
    if goes_on and weak is not None:
        trials = _tried(sweeps, reading, found[-1][1], weak)
    if sweeps.interrupted:
        followed = f"in what followed because {weak or (reasons[-1] if reasons else None)}"
        seen = _interrupted_in_words(reading, trials, followed)
        return curve, replace(reading, trials=trials, seen=seen, advice=""), reasons
    if trials is not None and weak is not None:
        reading = _with_trials(reading, trials, sweeps.settings, weak)
    if goes_on:
        reading = _with_held_out(sweeps, curve, reading)
    if not answers and reading.suggestion is None and (reasons or trials is not None):
        seen = f"{reading.seen} {still_nothing(sweeps.curves, trials)}"
        on_plateau = reading.shape in (Shape.FLAT, Shape.NEVER_FALLS) and (trials is None or trials.turned)
        reading = replace(reading, seen=seen, advice=PLATEAU if on_plateau else reading.advice)
    return curve, reading, reasons


def _swept(
    sweeps: Sweeps, most_steps: int | None, *, tries: bool
) -> tuple[list[tuple[Curve, Reading]], str | None, list[str]]:
    """The sweeps with what is read from each; why the last is weak; why each but the first was made.

    Args:
        sweeps: Makes them.
        most_steps: As in `run_range_test`.
        tries: Whether runs at constant rates can follow.
    """
    ladder_of = sweeps.settings
    reasons: list[str] = []
    found: list[tuple[Curve, Reading]] = []
    while True:
        sweeps.make(ladder_of, 1)
        found.append((sweeps.curves[-1], read(sweeps.curves[-1], rule=sweeps.settings.rule)))
        curve, reading = found[-1]
        weak = why_weak(curve, reading, trained=sweeps.begins_low)
        if weak is None and tries and reading.suggestion is not None:
            return found, why_noisy(curve, reading.smoothed), reasons
        if weak is None or sweeps.interrupted or len(found) == AUTO_SWEEPS:
            return found, weak, reasons
        if not slower_shows_more(reading):
            return found, weak, reasons
        ladder_of = slower(ladder_of, reading)
        if most_steps is not None and sweeps.steps + ladder_of.num_steps > most_steps:
            return found, weak, reasons
        reasons.append(weak)
        count, start = ladder_of.num_steps, rate_text(ladder_of.start_lr)
        sweeps.observer.note(f"{weak}; a slower sweep, {count:,} steps from {start}.")


def _tried(sweeps: Sweeps, reading: Reading, last: Reading, weak: str) -> Trials | None:
    """Runs at constant rates, from the answer of the sweeps or from what the last one leaves to begin at.

    Args:
        sweeps: Makes them.
        reading: Of the last sweep that has an answer.
        last: Of the last sweep.
        weak: Why that is weak.
    """
    lr = None if reading.suggestion is None else reading.suggestion.lr
    end = None if slower_shows_more(last) else sweeps.settings.end_lr
    first = first_rate(lr, last.smoothed, end)
    return None if first is None else try_rates(sweeps, first, last.smoothed.plateau, weak)


def _with_held_out(sweeps: Sweeps, curve: Curve, reading: Reading) -> Reading:
    """What was read, and what a run at its answer makes of that which is read on samples held out.

    It is made where a training meets its samples again and again, and where the model was trained before: a
    rate can lower the loss of the batches and make that model worse than it was, or be far too low.
    """
    suggestion, trained = reading.suggestion, sweeps.trained_before
    again = reading.trials is None and passes(curve) >= PASSES
    if suggestion is None or curve.accuracies is not None or not (trained or again):
        return reading
    why = f"a training of {TRAINING} steps meets every sample {passes(curve):.0f} times"
    if sweeps.begins_low:
        start, blind = told_apart(reading.smoothed.plateau, sweeps.blind[-1].loss)
        why = f"the model was trained before (its loss is {start}, and {sweeps.blind[-1].what} has {blind})"
    elif trained:
        now, every = sweeps.parameters
        why = f"the model was trained before ({now:,} of its {every:,} parameters are trained now)"
    run = (hold_out_again if trained else hold_out)(sweeps, suggestion.lr, why)
    if sweeps.interrupted:
        followed = f"in what followed as {why}"
        seen = _interrupted_in_words(reading, reading.trials, followed)
        if run is not None and run.learns:
            seen = f"{seen} {run.in_words}"
        return replace(reading, held_out=run, seen=seen, advice="")
    if run is None:
        return reading
    revised = run.revise(suggestion, (sweeps.settings.start_lr, sweeps.settings.end_lr))
    # That nothing which it learns holds for them is told as a warning.
    seen = f"{reading.seen} {run.in_words}" if run.learns else reading.seen
    return replace(reading, suggestion=revised, held_out=run, seen=seen)


def _interrupted_in_words(reading: Reading, trials: Trials | None, followed: str) -> str:
    """What there was before the user stopped what followed a whole sweep."""
    answer = "nothing" if reading.suggestion is None else rate_text(reading.suggestion.lr)
    said = f"Interrupted, after sweeps that answer {answer}, {followed}."
    return " ".join([said, *(each.lowest_in_words for each in (trials.lengths if trials else ()))])


def _with_trials(reading: Reading, trials: Trials, settings: RangeSettings, reason: str) -> Reading:
    """What was read from the sweeps, with the runs at constant rates that followed and what they decide.

    Where the sweeps have no answer, a fall that is deepest at the highest rate is none either.
    """
    answered = reading.suggestion is not None
    if trials.shows_learning(answered=answered) and (answered or trials.turned):
        suggestion = trials.suggestion((settings.start_lr, settings.end_lr), reading.metric)
        why = f"{reason[0].upper()}{reason[1:]}"
        seen = f"{why}, so {len(trials.losses)} runs at constant rates decided."
        if trials.share_lost < FAINT:
            seen += (
                f" In {trials.steps} steps the {reading.metric} fell by {trials.share_lost:.1%} at best: the "
                "model leaves a plateau later, or learns little but its samples by heart, which a training "
                "loss does not tell."
            )
        return replace(
            reading,
            suggestion=suggestion,
            rules={TRIALS: suggestion.lr, **reading.rules},
            shape=Shape.WEAK if answered else reading.shape,
            trials=trials,
            seen=seen,
            advice="",
        )
    if not answered:
        return replace(reading, trials=trials)
    seen = trials.little_in_words(reading.metric)
    return replace(reading, suggestion=None, shape=Shape.FLAT, trials=trials, seen=seen, advice=PLATEAU)
