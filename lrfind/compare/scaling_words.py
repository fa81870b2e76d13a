"""What is said of how the best rate moves with the batch size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrfind.compare.rate_words import widen_words
from lrfind.compare.results import Edge
from lrfind.compare.scaling import FEWEST_RATES
from lrfind.report.formatting import listed
from lrfind.suggestion import rate_text, rounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lrfind.compare.results import Comparison
    from lrfind.compare.scaling import Exponent, Rule, Scaling

SURE_SEEDS = 5
"""Seeds from which on no more is said of their number: nine tenths of the resampled means of normal noise
hold the true one 49 times of 100 with 2 seeds, 62 with 3, 78 with 5, 84 with 10."""


def scalings_words(comparison: Comparison, scalings: Mapping[str, Scaling]) -> list[str]:
    """In sentences: in full of one optimizer, of several in one each; the record has the rest."""
    known = {name: scaling for name, scaling in scalings.items() if len(comparison.of(name)) > 1}
    if len(scalings) == 1:
        said = [
            sentence for name, scaling in known.items() for sentence in _in_full(name, scaling, comparison)
        ]
    else:
        said = [_in_short(name, each.exponent, each) for name, each in known.items() if each.exponent]
        unknown = [name for name, scaling in known.items() if scaling.exponent is None]
        if unknown:
            said.append(
                f"How the best rate of {listed(unknown)} moves with the batch size cannot be said: "
                f"{widen_words(comparison)}."
            )
    if any(each.exponent or any(rule.fails_at for rule in each.rules) for each in scalings.values()):
        said += _seeds(min(len(cell.runs) for cell in comparison.cells))
    return said


def _in_short(name: str, exponent: Exponent, scaling: Scaling) -> str:
    power, spread = exponent.words
    said = (
        f"{name}: the best rate goes as {power} (nine in ten resamples: {spread}), times "
        f"{exponent.doubling[0]:.2g} when the batch is doubled"
    )
    wrong = [rule.name for rule in scaling.rules if rule.fails_at or _outside(rule, exponent)]
    if wrong:
        said += f", which contradicts the {' and the '.join(wrong)} rule"
    return f"{said}."


def _in_full(name: str, scaling: Scaling, comparison: Comparison) -> list[str]:
    cells, exponent = comparison.of(name), scaling.exponent
    if exponent is None:
        why = "fewer than two batch sizes have their best inside what was tried"
        if any(len(cell.lrs) < FEWEST_RATES for cell in cells):
            why = f"that takes {FEWEST_RATES} rates at least"
        said = [
            f"How the best rate moves with the batch size cannot be said, for {why}: "
            f"{widen_words(comparison)}."
        ]
    else:
        said = _exponent(exponent)
        edges = [cell.batch_size for cell in cells if cell.best and cell.best.edge is not Edge.NONE]
        left_out = [str(size) for size in edges if size not in exponent.batch_sizes]
        if left_out:
            sizes = listed(left_out)
            said.append(f"(Batch size {sizes} is left out of that: its best is the last rate tried.)")
    return said + [_rule(rule, exponent) for rule in scaling.rules]


def _exponent(exponent: Exponent) -> list[str]:
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


def _rule(rule: Rule, exponent: Exponent | None) -> str:
    """Whether a rule is contradicted, by each larger batch size or by the power through all."""
    start = f"The {rule.name} rule, drawn from {rate_text(rule.lr)} at batch size {rule.anchor},"
    if rule.fails_at is None and exponent is not None and _outside(rule, exponent):
        return (
            f"{start} is contradicted by no batch size alone, but by all together: its power, "
            f"{rule.exponent:g}, lies outside {exponent.words[1]}."
        )
    if rule.fails_at is None:
        return f"{start} is not contradicted up to batch size {rule.holds[-1]}, as far as was measured."
    upto = f" may hold up to {rule.holds[-1]} and" if rule.holds else ""
    at = f"at batch size {rule.fails_at}, where it says {rounded(rule.predicted):g}"
    return f"{start}{upto} is contradicted {at}."


def _outside(rule: Rule, exponent: Exponent) -> bool:
    """Whether the power through all batch sizes contradicts a rule."""
    return not exponent.low <= rule.exponent <= exponent.high


def _seeds(seeds: int) -> list[str]:
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
