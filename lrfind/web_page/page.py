"""The page: runs as HTML, with its own script and style in it, that asks no network for anything."""

from __future__ import annotations

import json
from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any

from lrfind.range_test.report import rules_in_words
from lrfind.suggestion import rate_text
from lrfind.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.web_page.runs import Chart, Failure, Run

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""What a browser may load for the page: nothing but what is in it."""

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
$style</style>
</head>
<body>
<h1>$title</h1>
$overview$runs<footer>lrfind $version</footer>
<script>
$script</script>
</body>
</html>
""")

_HEADS = ("run", "command", "task", "seed", "suggested", "from", "to", "ended", "steps", "seconds")
_NUMBERS = {"seed", "suggested", "from", "to", "steps", "seconds"}


_MEANINGS = {
    "lowest": "where the loss was lowest",
    "safer": "a value below that, from where the fall ends on",
    "accuracy": "the most held-out samples right",
    "loss": "the lowest held-out loss",
}
"""What the other commands' rules look at: those of `refine`, and of `compare`."""


def page(runs: Sequence[Run], failures: Sequence[Failure] = ()) -> str:
    """The whole page: an overview where there are several runs, what failed, and a part a run."""
    title = f"{len(runs)} runs of lrfind" if len(runs) > 1 else f"lrfind {runs[0].record['command']}"
    return _PAGE.substitute(
        policy=_POLICY,
        title=escape(title),
        style=_asset("page.css"),
        script=_asset("page.js"),
        overview=(_overview(runs) if len(runs) > 1 else "") + _failed(failures),
        runs="".join(_run(run, number) for number, run in enumerate(runs)),
        version=escape(__version__),
    )


def _asset(name: str) -> str:
    return resources.files("lrfind.web_page").joinpath(name).read_text("utf-8")


def _overview(runs: Sequence[Run]) -> str:
    """A table that is sorted by the column whose head is clicked."""
    heads = "".join(
        f'<th class="{"number" if head in _NUMBERS else "word"}"><button type="button">{head}</button></th>'
        for head in _HEADS
    )
    rows = "".join(_overview_row(run, number) for number, run in enumerate(runs))
    return f'<table id="overview"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>\n'


def _overview_row(run: Run, number: int) -> str:
    record = run.record
    found = record["suggestion"] or {}
    values = {
        "run": run.name,
        "command": record["command"],
        "task": run.task,
        "seed": record.get("seed"),
        "suggested": found.get("lr"),
        "from": found.get("low"),
        "to": found.get("high"),
        "ended": record.get("shape") or record["status"],
        "steps": record.get("steps"),
        "seconds": record.get("seconds"),
    }
    cells = []
    for head, value in values.items():
        text = _number(value) if head in _NUMBERS else escape(str(value))
        if head == "run":
            text = f'<a href="#run{number}">{text}</a>'
        kind = "number" if head in _NUMBERS else "word"
        cells.append(
            f'<td class="{kind}" data-value="{"" if value is None else escape(str(value))}">{text}</td>'
        )
    return f"<tr>{''.join(cells)}</tr>"


def _number(value: Any) -> str:
    if value is None:
        return "none"
    return f"{value:,}" if isinstance(value, int) else rate_text(float(value))


def _failed(failures: Sequence[Failure]) -> str:
    rows = "".join(
        f'<tr><td class="word">{escape(each.name)}</td><td class="word">{escape(each.message)}</td></tr>'
        for each in failures
    )
    return f"<h2>Could not be run</h2><table>{rows}</table>\n" if failures else ""


def _run(run: Run, number: int) -> str:
    record = run.record
    parts = [f'<section id="run{number}">', f"<h2>{escape(run.task or run.name)}</h2>"]
    parts.append(f'<p class="where">{escape(record["command"])}, {escape(run.name)}</p>')
    parts += _answer(record)
    parts.append(f"<p>{escape(str(record['verdict']))}</p>")
    parts += [f"<p>Warning: {escape(str(warning))}</p>" for warning in record.get("warnings", ())]
    if run.chart is not None:
        parts.append(_chart(run.chart, record["suggestion"]))
    parts += _rules(record)
    if run.repeat:
        parts.append(f"<p>To repeat it:</p><pre>{escape(run.repeat)}</pre>")
    config = escape(json.dumps(record["config"], indent=2))
    parts.append(f"<details><summary>config</summary><pre>{config}</pre></details>")
    about = escape(json.dumps(record.get("environment", {}), indent=2))
    parts.append(f"<details><summary>environment</summary><pre>{about}</pre></details></section>")
    return "\n".join(parts) + "\n"


def _answer(record: Any) -> list[str]:
    found = record["suggestion"]
    if found is None and record["command"] == "schedule":
        return []  # it compares policies: which ended lowest is in the verdict
    if found is None:
        return ['<p class="answer none">No learning rate can be suggested.</p>']
    bracket = f"bracket {rate_text(found['low'])} to {rate_text(found['high'])}"
    return [
        f'<p class="answer">Suggested learning rate: <b>{rate_text(found["lr"])}</b> ({bracket})</p>',
        f"<p>{escape(str(found['reason']))}</p>",
    ]


def _rules(record: Any) -> list[str]:
    """Every rule's own answer; that of the chosen one is for another length where a horizon was asked for."""
    chosen = (record["suggestion"] or {}).get("rule")
    horizon = record.get("horizon") or {}
    length = f", for {horizon['read']['steps']} steps" if horizon.get("extrapolated") and chosen else ""
    config = record["config"]
    metric = config.get("range", config.get("range_test", {})).get("metric", "loss")
    meanings = rules_in_words(metric) | _MEANINGS
    rows = "".join(
        f"<tr{' class=chosen' if name == chosen else ''}>"
        f'<td class="word">{escape(name)}{length if name == chosen else ""}</td>'
        f'<td class="number">{_number(lr)}</td><td class="word">{escape(meanings.get(name, ""))}</td></tr>'
        for name, lr in record["rules"].items()
    )
    if not rows:
        return []
    return [
        '<table><thead><tr><th class="word">rule</th><th class="number">lr</th>'
        f'<th class="word">looks at</th></tr></thead>{rows}</table>'
    ]


def _chart(chart: Chart, suggestion: Any) -> str:
    """A place for the chart, and its numbers for the script."""
    rate_below = chart.x == "learning rate"
    marked = rate_below and suggestion is not None
    content = {
        "x": chart.x,
        "y": chart.y,
        "log": rate_below,
        "series": [
            {"name": each.name, "points": each.points, "joined": each.joined, "marked": each.marked}
            for each in chart.series
        ],
        "mark": [suggestion["low"], suggestion["lr"], suggestion["high"]] if marked else None,
    }
    # Inside a script element a browser looks for its end alone.
    told = json.dumps(content, allow_nan=False).replace("<", "\\u003c")
    return (
        f'<figure class="chart"><script type="application/json">{told}</script><div class="drawing"></div>'
        "<figcaption>Wheel or pinch: closer. Drag: along. Double click: all of it.</figcaption></figure>"
    )
