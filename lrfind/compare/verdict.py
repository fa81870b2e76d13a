"""What a comparison says to whoever has to choose: a suggestion, and advice in measured numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrfind.compare.results import Edge, Judge
from lrfind.compare.scaling import FEWEST_RATES, scaling_of
from lrfind.report.formatting import listed, told_apart
from lrfind.suggestion import Suggestion, rate_text, rounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.compare.results import Best, Cell, Comparison
    from lrfind.compare.scaling import Exponent, Rule, Scaling
    from lrfind.statistics import Floats

RULE = "compared"
"""The name of what makes the suggestion: trained out, not read from a curve."""

SURE_SEEDS = 5
"""Seeds from which on no more is said of their number: nine tenths of the resampled means of normal noise
hold the true one 49 times of 100 with 2 seeds, 62 with 3, 78 with 5, 84 with 10."""


@dataclass(frozen=True, slots=True)
class CompareVerdict:
    """What to do.

    Attributes:
        suggestion: The best rate of one batch size, or None.
        about: Optimizer and batch size that the suggestion is for, or None.
        rules: The best rate by accuracy and by loss there, or None each.
        verdict: What came out, in plain language.
        scalings: For each optimizer how its best rate moves with the batch size.
    """

    suggestion: Suggestion | None
    about: tuple[str, int] | None
    rules: dict[str, float | None]
    verdict: str
    scalings: dict[str, Scaling]


def conclude(comparison: Comparison, batch_size: int, *, starts_finite: bool = True) -> CompareVerdict:
    """Reads a comparison.

    Args:
        comparison: What was measured.
        batch_size: The one the task is configured with. If it was tried, the suggestion is for it; else for
            the batch size, and with several optimizers the optimizer, that came out best of all.
        starts_finite: Whether the loss before training is finite; asked for where every rate diverged.
    """
    none: dict[str, float | None] = {judge.value: None for judge in Judge}
    scalings = {name: scaling_of(comparison.of(name)) for name in comparison.optimizers}
    if comparison.interrupted:
        verdict = (
            f"Interrupted after {comparison.finished} of {comparison.planned} runs: too early to compare. "
            "compare.resume with this run directory goes on and keeps what is finished."
        )
        return CompareVerdict(None, None, none, verdict, scalings)
    trained = [cell for cell in comparison.cells if cell.best is not None]
    cells = [cell for cell in trained if cell.batch_size == batch_size] or trained
    if not cells and not starts_finite:
        verdict = (
            "Nothing can be said: the loss was not finite before any update. Look for NaN in the data or a "
            "loss outside its domain (log of 0); with bf16 or fp16 try precision=fp32."
        )
        return CompareVerdict(None, None, none, verdict, scalings)
    if not cells and not comparison.diverged:
        return CompareVerdict(None, None, none, _nothing_learnt(comparison), scalings)
    if not cells:
        tried = sorted({lr for cell in comparison.cells for lr in cell.lrs})
        verdict = (
            f"Every rate diverged, down to {rate_text(tried[0])}: give lower ones, such as compare.lrs="
            f"[{','.join(rate_text(tried[0] / factor) for factor in (100, 30, 10))}]."
        )
        return CompareVerdict(None, None, none, verdict, scalings)
    cell = min(cells, key=_error)
    best = cell.best
    assert best is not None
    sentences = [_best_words(cell, best, comparison)]
    if len(comparison.optimizers) > 1:
        sentences.append(_optimizers_words(comparison, cell))
    for name, scaling in scalings.items():
        words = _scaling_words if len(scalings) == 1 else _scaling_in_short
        sentences += words(name, scaling, comparison)
    rules_of = [rule for scaling in scalings.values() for rule in scaling.rules]
    if any(scaling.exponent for scaling in scalings.values()) or any(rule.fails_at for rule in rules_of):
        sentences += _seeds_words(min(len(cell.runs) for cell in comparison.cells))
    suggestion = Suggestion(
        lr=best.lr,
        low=min(rounded(best.low), best.lr),
        high=max(rounded(best.high), best.lr),
        rule=RULE,
        reason=_reason(cell, best, comparison),
    )
    rules = none | {
        judge.value: _lowest(cell, judge) for judge in Judge if judge is Judge.LOSS or cell.accuracies.any()
    }
    return CompareVerdict(suggestion, (cell.optimizer, cell.batch_size), rules, " ".join(sentences), scalings)


def score_words(cell: Cell, index: int) -> str:
    """`97.1% of held-out samples right (± 0.1% over 3 seeds)`, or the loss so."""
    seeds = len(cell.runs)
    values = cell.accuracies[:, index] if cell.judge is Judge.ACCURACY else cell.losses[:, index]
    spread = float(np.std(values, ddof=1)) if seeds > 1 else 0.0
    if cell.judge is Judge.ACCURACY:
        over = f" (± {100 * spread:.1f}% over {seeds} seeds)" if seeds > 1 else ""
        return f"{100 * float(values.mean()):.1f}% of held-out samples right{over}"
    over = f" (± {spread:.2g} over {seeds} seeds)" if seeds > 1 else ""
    return f"a held-out loss of {float(values.mean()):.3g}{over}"


def _error(cell: Cell) -> float:
    best = cell.best
    return math.inf if best is None else float(cell.errors[:, best.index].mean())


def _reason(cell: Cell, best: Best, comparison: Comparison) -> str:
    with_optimizer = f" with {cell.optimizer}" if len(comparison.optimizers) > 1 else ""
    where = f"tried{with_optimizer} at batch size {cell.batch_size}"
    score = f"after {comparison.budget.words}: {score_words(cell, best.index)}."
    text = f"Of the {len(cell.lrs)} rates {where} it came out best {score}"
    if len(cell.lrs) == 1:
        text = f"It is the only rate {where}; {score}"
    if best.equal:
        text += f" {_equal_words(cell, best)} as many right, and a higher loss."
    if len(cell.runs) == 1:
        text += " One seed cannot say how much of that is luck."
    return text


def _nothing_learnt(comparison: Comparison) -> str:
    """That no rate came to more than is had without training, in numbers, and what to do."""
    cells = [cell for cell in comparison.cells if not cell.diverged]
    means = [cell.losses.mean(axis=0) for cell in cells]
    loss = min(float(mean[np.isfinite(mean)].min()) for mean in means)
    baselines = [run.baseline for cell in cells for run in cell.runs]
    ended, before = told_apart(loss, float(np.mean([baseline.loss for baseline in baselines])))
    ends, without = f"the held-out loss ends at {ended} at best", f"Before training it is {before}."
    if comparison.accuracies:
        most = max(float(cell.accuracies.mean(axis=0).max()) for cell in cells)
        right = float(np.mean([baseline.accuracy for baseline in baselines]))
        ends += f", with {100 * most:.1f}% of the samples right at most"
        without = (
            f"Before training, or for answers that ignore the inputs, these are {before} and "
            f"{100 * right:.1f}%."
        )
    more = "compare.samples" if comparison.budget.pool is None else "compare.epochs"
    return (
        f"No rate learnt anything in {comparison.budget.words} of training: {ends}. {without} Give "
        f"compare.lrs rates that lie further apart, or train longer ({more})."
    )


def _best_words(cell: Cell, best: Best, comparison: Comparison) -> str:
    if len(cell.lrs) == 1:
        around = ",".join(rate_text(rounded(best.lr * factor)) for factor in (0.5, 1, 2))
        return (
            "Only one rate was tried, and nothing tells whether another one does better: give more, such as "
            f"compare.lrs=[{around}]."
        )
    rival = _rival(cell, best)
    text = ""
    if best.equal:
        text = (
            f"At batch size {cell.batch_size}, {_equal_words(cell, best)} as many samples right as "
            f"{rate_text(best.lr)}, whose loss is lower: take them for equals. "
        )
    elif rival is not None:
        text = (
            f"At batch size {cell.batch_size}, {rate_text(cell.lrs[rival])} is within the spread of the "
            f"seeds of {rate_text(best.lr)}: take the two for equals. "
        )
    if best.edge is not Edge.NONE:
        further = "higher" if best.edge is Edge.HIGH else "lower"
        text += (
            f"{rate_text(best.lr)} is the {best.edge.value} rate tried, so a {further} one may be "
            f"better still: {_widen(comparison, best)}."
        )
    elif best.equal:
        text += f"The best lies between {rate_text(rounded(best.low))} and {rate_text(rounded(best.high))}."
    elif rival is None:
        text = (
            f"The rates beside {rate_text(best.lr)} did worse: the best at batch size {cell.batch_size} lies "
            f"between {rate_text(rounded(best.low))} and {rate_text(rounded(best.high))}."
        )
    return text.strip()


def _equal_words(cell: Cell, best: Best) -> str:
    """`0.2 and 0.4 have`: the rates that the loss alone told from the best one."""
    names = listed([rate_text(cell.lrs[i]) for i in best.equal])
    return f"{names} {'has' if len(best.equal) == 1 else 'have'}"


def _rival(cell: Cell, best: Best) -> int | None:
    """The nearest other rate whose paired difference to the best is within two standard errors."""
    seeds = len(cell.runs)
    if seeds < 2:
        return None
    behind = cell.errors - cell.errors[:, [best.index]]
    mean = behind.mean(axis=0)
    mean[best.index] = math.inf
    rival = int(np.argmin(mean))
    if not math.isfinite(float(mean[rival])):
        return None
    return rival if _is_near(behind[:, rival]) else None


def _is_near(behind: Floats) -> bool:
    """Whether paired differences, of two seeds at least, are within two standard errors on average."""
    error = float(np.std(behind, ddof=1)) / math.sqrt(len(behind))
    return float(behind.mean()) <= 2 * error


def _optimizers_words(comparison: Comparison, chosen: Cell) -> str:
    """How the other optimizers fare beside the best one at its batch size, each at its own best rate."""
    beside = [c for c in comparison.cells if c.batch_size == chosen.batch_size and c is not chosen]
    equal = [cell.optimizer for cell in beside if cell.best is not None and _within_spread(cell, chosen)]
    diverged = [cell.optimizer for cell in beside if cell.diverged]
    idle = [cell.optimizer for cell in beside if not cell.diverged and cell.best is None]
    behind = [cell.optimizer for cell in beside if cell.optimizer not in (*equal, *diverged, *idle)]
    said = [f"{chosen.optimizer} came out best of the optimizers at batch size {chosen.batch_size}"]
    for names, where in ((equal, "within the spread of the seeds"), (behind, "behind")):
        if names:
            said.append(f"{listed(names)} {'is' if len(names) == 1 else 'are'} {where}")
    if diverged:
        said.append(f"with {listed(diverged)} every rate diverged")
    if idle:
        said.append(f"with {listed(idle)} no rate learnt anything")
    return " ".join([f"{'; '.join(said)}.", *_beyond(comparison, beside)])


def _beyond(comparison: Comparison, cells: Sequence[Cell]) -> list[str]:
    """Of which optimizers the best rate may lie beyond those tried, so that they are not beaten yet."""
    ends = [(cell.optimizer, cell.best) for cell in cells if cell.best and cell.best.edge is not Edge.NONE]
    if not ends:
        return []
    first, *others = [f"{rate_text(best.lr)}, the {best.edge.value}" for _, best in ends]
    where = "".join(f", {name} at {lr}" for (name, _), lr in zip(ends[1:], others, strict=True))
    who = "it" if len(ends) == 1 else "they"
    widen = _widen(comparison, *(best for _, best in ends))
    return [
        f"{ends[0][0]} did best at {first} of the rates tried{where}: {who} may do better beyond, so {widen}."
    ]


def _widen(comparison: Comparison, *ends: Best) -> str:
    """How to try rates beyond those tried, beyond the ends at which some are best."""
    if comparison.grid is not None:
        return f"raise compare.num_lrs, to {comparison.grid + 4}"
    low = [best.lr / 2 for best in ends if best.edge is Edge.LOW]
    high = [best.lr * 2 for best in ends if best.edge is Edge.HIGH]
    to = [rate_text(rounded(lr)) for lr in (*sorted(low)[:1], *sorted(high)[-1:])]
    return f"widen compare.lrs{f', to {listed(to)} at least' if to else ''}"


def _within_spread(cell: Cell, chosen: Cell) -> bool:
    """Whether the best rate of a cell is behind that of another by two standard errors at most."""
    if len(cell.runs) < 2 or cell.best is None or chosen.best is None:
        return False
    return _is_near(cell.errors[:, cell.best.index] - chosen.errors[:, chosen.best.index])


def _scaling_in_short(name: str, scaling: Scaling, comparison: Comparison) -> list[str]:
    """How the best rate of one optimizer of several moves, in a sentence; the record has the rest."""
    if len(comparison.of(name)) < 2:
        return []
    if scaling.exponent is None:
        return [f"{name}: how the best rate moves with the batch size cannot be said; {_widen(comparison)}."]
    power, spread = scaling.exponent.words
    said = (
        f"{name}: the best rate goes as {power} (nine in ten resamples: {spread}), times "
        f"{scaling.exponent.doubling[0]:.2g} when the batch is doubled"
    )
    wrong = [rule.name for rule in scaling.rules if rule.fails_at or _outside(rule, scaling.exponent)]
    if wrong:
        said += f", which contradicts the {' and the '.join(wrong)} rule"
    return [f"{said}."]


def _scaling_words(name: str, scaling: Scaling, comparison: Comparison) -> list[str]:
    cells = comparison.of(name)
    edges = [c.batch_size for c in cells if c.best is not None and c.best.edge is not Edge.NONE]
    if len(cells) < 2:
        return []
    sentences = []
    if scaling.exponent is None:
        few = any(len(cell.lrs) < FEWEST_RATES for cell in cells)
        why = "fewer than two batch sizes have their best inside what was tried"
        if few:
            why = f"that takes {FEWEST_RATES} rates at least"
        sentences.append(
            f"How the best rate moves with the batch size cannot be said, for {why}: {_widen(comparison)}."
        )
    else:
        sentences += _exponent_words(scaling.exponent)
        left_out = [size for size in edges if size not in scaling.exponent.batch_sizes]
        if left_out:
            sizes = " and ".join(str(size) for size in left_out)
            sentences.append(f"(Batch size {sizes} is left out of that: its best is the last rate tried.)")
    return sentences + [_rule_words(rule, scaling.exponent) for rule in scaling.rules]


def _seeds_words(seeds: int) -> list[str]:
    """How sure the range of an exponent is, and with it whether a rule is contradicted."""
    if seeds >= SURE_SEEDS:
        return []
    if seeds == 1:
        return [
            "How the best rate moves rests on one seed, which shows nothing of luck: no rule is refuted by "
            f"it, compare.seeds={SURE_SEEDS} tells more."
        ]
    return [
        f"How the best rate moves rests on {seeds} seeds, whose range is narrower than it should be: take it "
        f"for a hint, compare.seeds={SURE_SEEDS} tells more."
    ]


def _exponent_words(exponent: Exponent) -> list[str]:
    value, low, high = exponent.doubling
    power, spread = exponent.words
    first, last = exponent.batch_sizes[0], exponent.batch_sizes[-1]
    says = f"between {low:.2g} and {high:.2g} fit"
    if round(exponent.low, 2) > 0:  # as it is shown
        says += ", so it does rise with the batch"
    elif round(exponent.high, 2) < 0:
        says += ", so it falls as the batch grows"
    else:
        says += ", so it may as well not move"
    return [
        f"From batch size {first} to {last} the best rate goes as {power} (nine in ten resamples: {spread}).",
        f"When the batch is doubled, multiply the rate by {value:.2g} ({says}); the linear rule says 2, the "
        "square-root rule 1.41.",
    ]


def _rule_words(rule: Rule, exponent: Exponent | None) -> str:
    """Whether a rule is contradicted, by each larger batch size or by the power through all."""
    start = f"The {rule.name} rule, drawn from {rate_text(rule.lr)} at batch size {rule.anchor},"
    if rule.fails_at is None and exponent is not None and _outside(rule, exponent):
        return (
            f"{start} is contradicted by no batch size alone, but by all together: its power, "
            f"{rule.exponent:g}, lies outside {exponent.words[1]}."
        )
    if rule.fails_at is None:
        return f"{start} is not contradicted up to batch size {rule.holds[-1]}, as far as was measured."
    upto = f"may hold up to {rule.holds[-1]} and" if rule.holds else ""
    at = f"at batch size {rule.fails_at}, where it says {rounded(rule.predicted):g}."
    return " ".join(filter(None, (start, upto, "is contradicted", at)))


def _outside(rule: Rule, exponent: Exponent) -> bool:
    """Whether the power through all batch sizes contradicts a rule."""
    return not exponent.low <= rule.exponent <= exponent.high


def _lowest(cell: Cell, judge: Judge) -> float | None:
    values = cell.losses if judge is Judge.LOSS else np.where(np.isfinite(cell.losses), -cell.accuracies, 1.0)
    means = values.mean(axis=0)
    index = int(np.argmin(means))
    return cell.lrs[index] if math.isfinite(float(means[index])) else None
