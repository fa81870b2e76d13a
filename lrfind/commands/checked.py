"""The rate that `lrfind verify` checks: of a range test, of a record, or given."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.commands.range import measured
from lrfind.config.schema import Metric
from lrfind.core.curve import Status
from lrfind.core.suggest import Suggestion, read
from lrfind.core.trials import Role
from lrfind.errors import ConfigError
from lrfind.report import console
from lrfind.report.records import plain
from lrfind.tasks.build import build

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lrfind.config.verify import VerifyConfig
    from lrfind.tasks.data import Data

_RECORDS = ("range.json", "refine.json", "verify.json")
_TASK = ("model", "data", "optimizer", "criterion", "batch_size", "accumulation_steps", "precision")
"""Keys that another answer may hang on."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What is checked, and where it comes from.

    Attributes:
        lr: The rate; None where nothing was suggested.
        role: Why that.
        suggestion: The suggestion it is of; None for a rate that was given.
        rules: Every rule's own answer, where a curve was read.
        source: Where it comes from, in words.
        verdict: What the curve showed.
        steps: Training steps that it took.
        interrupted: Whether the user stopped the range test.
        title: What was trained, where something was.
        warnings: What a reader of the answer should know.
    """

    lr: float | None
    role: Role
    suggestion: Suggestion | None = None
    rules: Mapping[str, float | None] = field(default_factory=dict)
    source: str = ""
    verdict: str = ""
    steps: int = 0
    interrupted: bool = False
    title: str = ""
    warnings: tuple[str, ...] = ()


def checked_rate(config: VerifyConfig, data: Data) -> Checked:
    """Finds the rate to check.

    Where nothing was suggested and a rate is pinned, that one is checked: then it is compared with a third
    and three times of itself.

    Raises:
        ConfigError: The record that the config names cannot be used.
        UserError: Something cannot be used as given.
    """
    settings = config.verify
    if settings.around is not None:
        return Checked(settings.around, Role.GIVEN, source="given as verify.around")
    found = _of_range_test(config, data) if settings.from_ is None else _of_record(config)
    if found.lr is None and not found.interrupted and settings.lr is not None:
        console.warn(
            f"no learning rate was suggested, so verify.lr={settings.lr:g} is compared with a third and "
            f"three times of itself. {found.verdict}"
        )
        return Checked(
            settings.lr,
            Role.PINNED,
            rules=found.rules,
            source=f"given as verify.lr ({found.source} suggested none)",
            steps=found.steps,
            title=found.title,
            warnings=found.warnings,
        )
    return found


def _of_range_test(config: VerifyConfig, data: Data) -> Checked:
    """Exactly what `lrfind` would suggest: on all the data, with the settings of `range`."""
    settings = config.range
    console.note(
        f"range test: {settings.num_steps:,} steps from {settings.start_lr:g} to {settings.end_lr:g}."
    )
    task = build(
        config,
        accuracy=settings.metric is Metric.ACCURACY,
        validation_samples=settings.validation.samples,
        single_batch=settings.single_batch,
        data=data,
    )
    with closing(task.loaders), console.progress(settings.num_steps) as on_step:
        curve = measured(task, config, on_step)
    reading = read(curve, rule=settings.rule)
    suggestion = reading.suggestion
    return Checked(
        None if suggestion is None else suggestion.lr,
        Role.SUGGESTION,
        suggestion,
        reading.rules,
        "the range test",
        reading.verdict,
        len(curve),
        curve.status is Status.INTERRUPTED,
        task.title,
    )


def _of_record(config: VerifyConfig) -> Checked:
    """What a run before this one suggested.

    Raises:
        ConfigError: There is no record, more than one, or it is none of lrfind.
    """
    path = _record_at(str(config.verify.from_))
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        content = record["suggestion"]
        suggestion = None
        if content is not None:
            suggestion = Suggestion(
                lr=float(content["lr"]),
                low=float(content["low"]),
                high=float(content["high"]),
                rule=str(content["rule"]),
                reason=str(content["reason"]),
            )
        rules, verdict, theirs = dict(record["rules"]), str(record["verdict"]), dict(record["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"verify.from={config.verify.from_}: {path.name} is no record of lrfind: "
            f"{type(error).__name__}: {error}. Give the run directory of a range test or of lrfind refine."
        ) from error
    ours = plain(config)
    differing = [key for key in _TASK if _without_lr(theirs.get(key)) != _without_lr(ours[key])]
    warnings = []
    if differing:
        warnings.append(
            f"{path} was made with another {', '.join(differing)}: its suggestion is checked on this task "
            "all the same."
        )
    return Checked(
        None if suggestion is None else suggestion.lr,
        Role.SUGGESTION,
        suggestion,
        rules,
        str(path),
        verdict,
        warnings=tuple(warnings),
    )


def _record_at(where: str) -> Path:
    """The record in a run directory, or the one named.

    Raises:
        ConfigError: There is none, or more than one.
    """
    path = Path(where)
    if path.is_file():
        return path
    found = [path / name for name in _RECORDS if (path / name).is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        names = " and ".join(file.name for file in found)
        raise ConfigError(f"verify.from={where} holds {names}: name one of them, verify.from={found[0]}.")
    raise ConfigError(
        f"verify.from={where} holds no record: give the run directory of a range test or of lrfind refine, "
        "which holds range.json or refine.json."
    )


def _without_lr(node: Any) -> Any:
    """The sweep moves the optimizer's rate, so it makes no other task."""
    return {key: value for key, value in node.items() if key != "lr"} if isinstance(node, dict) else node
