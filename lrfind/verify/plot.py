"""The picture of the runs around a rate: how each trained, where each ended, and in which order."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lrfind.plotting.axes import kept_on_page
from lrfind.plotting.page import Entry, Key, Page, Row, column_width
from lrfind.plotting.panel import DOTTED, GREEN, Band, Line, Points, Shape
from lrfind.plotting.text import beside_labels, room_for_labels
from lrfind.report.formatting import counted
from lrfind.suggestion import rate_text
from lrfind.verify.candidates import Role
from lrfind.verify.ends import ends_of
from lrfind.verify.ends_plot import (
    GREY,
    HEIGHT,
    MARGIN,
    WIDTH,
    answer,
    blind_of,
    ends_panel,
    held_out_axis,
    start_of,
)
from lrfind.verify.plan import CONSTANT
from lrfind.verify.rate_colours import FINE, SHORT, rate_colours
from lrfind.verify.report import roles_text
from lrfind.verify.search_plot import search_panel
from lrfind.verify.training_plot import training_panel

if TYPE_CHECKING:
    from lrfind.plotting.panel import Colour
    from lrfind.verify.candidates import Trials
    from lrfind.verify.ends import Ends
    from lrfind.verify.judge import Judgement

_GAP, _SEARCH = 0.65, 1.5
"""Inches: between the two upper panels, and the height of the lower one."""

_LABELS, _LEFT = 0.34, 0.62
"""Inches: room for the labels of a vertical axis beside its title, and with it to the left of all panels."""

_ABOVE, _LINE, _BELOW = 0.32, 0.17, 0.48
"""Inches: above the upper panels where one line is written there, for each further one, and below all."""

_NOTHING = np.empty(0)


def verify_page(trials: Trials | None, judgement: Judgement | None, title: str) -> Page:
    """Works out the picture.

    Of a search that was cut off before a run came to its end there is no panel of the ends, and none at all
    of one that was cut off before its first run.

    Args:
        trials: What was measured; None where there was no run.
        judgement: What it says; None where it was cut off.
        title: What is trained on what and how.
    """
    if trials is None:
        return Page(title, (), note="Interrupted before the first run: no rate was trained.")
    if trials.schedule != CONSTANT:
        title += f", {counted(trials.num_steps, 'step')} of {trials.schedule}"
    whole, entries, note = column_width(1, 0.0, left=_LEFT, right=MARGIN), _rates(trials, judgement), ""
    wide = [training_panel(trials, width=whole, height=HEIGHT)]
    if trials.moves:
        colours = dict(zip(trials.lrs.tolist(), rate_colours(trials), strict=True))
        wide.append(search_panel(trials, colours, width=whole, height=_SEARCH))
    beside, upper = max(room_for_labels(panel.y, _LABELS) for panel in wide), wide[0]
    whole -= beside
    wide = [replace(panel, width=whole, x=kept_on_page(panel.x, whole, MARGIN)) for panel in wide]
    rows = [Row((panel,), 0.38, _BELOW) for panel in wide]
    if np.isnan(trials.finals).all():
        note = "Interrupted before a run came to its end: no rate is judged."
    else:
        ends, over = ends_panel(trials, judgement), _ABOVE + _LINE * (len(answer(trials, judgement)) - 1)
        training = replace(upper, width=whole - _GAP - WIDTH)
        ends = beside_labels(ends, _LABELS)
        rows[0] = Row((training, ends), over, _BELOW, gap=_GAP)
        entries += _looks(trials, judgement)
    key = Key(tuple(entries), columns=2)
    return Page(title, (*rows, key), note=note, left=_LEFT + beside, right=MARGIN)


def _rates(trials: Trials, judgement: Judgement | None) -> list[Entry]:
    """Each rate, why it was tried and how it ended; those that are drawn alike together."""
    entries, alike, ends = [], defaultdict(list), judgement or ends_of(trials.finals)
    for rate, colour in enumerate(rate_colours(trials)):
        if colour == SHORT and trials.candidates[rate].roles == (Role.SEARCH,):
            alike[trials.fate(rate)].append(rate)
        else:
            entries.append(_entry(_rate_in_words(trials, ends, rate), colour))
    for fate, rates in alike.items():
        lowest, highest = (rate_text(float(trials.lrs[rates[i]])) for i in (0, -1))
        after = sorted({int(trials.stops[rate]) for rate in rates})
        steps = f"{after[0]:,}" if len(after) == 1 else f"{after[0]:,} to {after[-1]:,}"
        many = f"{len(rates)} others, {lowest} to {highest}" if len(rates) > 1 else f"{lowest}, searched"
        entries.append(_entry(f"{many}: {fate} after {steps}", SHORT))
    return entries


def _entry(text: str, colour: Colour) -> Entry:
    return Entry(text, Line(_NOTHING, _NOTHING, colour, width=2.0))


def _looks(trials: Trials, judgement: Judgement | None) -> list[Entry]:
    """What else is to be seen beside the ends."""
    entries, start, (_, highest) = [], start_of(trials), held_out_axis(trials).limits
    if start is not None:
        looks = Line(_NOTHING, _NOTHING, GREY, dash=DOTTED)
        place = "" if start <= highest else " (above)"
        entries.append(Entry(f"held-out loss before training: {rate_text(start)}{place}", looks))
    if (blind := blind_of(trials)) is not None:
        looks = Line(_NOTHING, _NOTHING, GREY, dash=FINE)
        entries.append(Entry(f"the same answer to every input: {rate_text(blind)}", looks))
    if (trials.finals[np.isfinite(trials.finals)] > highest).any():
        entries.append(Entry("above the frame", Points(_NOTHING, _NOTHING, GREY, shape=Shape.UP, size=6.0)))
    if judgement is not None and judgement.low < judgement.high:
        looks_good = Band(_NOTHING, _NOTHING, _NOTHING, GREEN, opacity=0.25)
        low, high = rate_text(judgement.low), rate_text(judgement.high)
        what = "within the margin of the best" if judgement.on_one_seed else "cannot be told from the best"
        entries.append(Entry(f"{low} to {high}: {what}", looks_good))
    return entries


def _rate_in_words(trials: Trials, ends: Ends, rate: int) -> str:
    candidate, seeds, times = trials.candidates[rate], int(ends.seeds[rate]), int(ends.diverged[rate])
    if not seeds:
        ended = trials.short(rate)
    elif times:
        ended = "diverged" if times == seeds else f"diverged on {times} of {seeds} seeds"
    else:
        ended = f"ends at {rate_text(ends.means[rate])}"
    return f"{rate_text(candidate.lr)}, {roles_text(candidate, trials.whose, trials.meant)}: {ended}"
