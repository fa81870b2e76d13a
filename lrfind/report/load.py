"""What an earlier run found, read back from its record."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.errors import ConfigError
from lrfind.report.formatting import listed, momentum_text
from lrfind.suggestion import Suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping

RECORDS = ("range.json", "refine.json", "verify.json", "compare.json")
"""The records in a run directory that a suggestion can be taken from."""


_MOST = 1 << 28
"""Bytes from which on a file is not read: no record is that long."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier run.

    Attributes:
        rules: Every rule's own answer.
        peaks: The peaks of schedules that it names, by policy.
        horizon: The steps of the training that its suggestion was extrapolated to, if it was.
        compared: Of several optimizers, or batch sizes, of a comparison the one that is suggested, by key.
        trained: What a function called in Python trained, whose arguments do not tell.
    """

    command: str
    path: Path
    suggestion: Suggestion | None
    rules: Mapping[str, float | None]
    verdict: str
    config: Mapping[str, Any]
    peaks: Mapping[str, float]
    horizon: int | None = None
    compared: Mapping[str, Any] = field(default_factory=dict)
    trained: str = ""

    @property
    def task(self) -> str:
        """`mlp on digits, SGD, batch size 64`; empty where the config does not say."""
        return self.trained or task_of(self.config, self.compared)

    @property
    def lacks_momentum(self) -> bool:
        """Whether it is known that the optimizer has no momentum; False also where nothing is known of it."""
        optimizer, compared = self.config.get("optimizer"), self.config.get("compare")
        several = isinstance(compared, dict) and compared.get("optimizers")
        if several or not isinstance(optimizer, dict):
            return False
        return optimizer.get("_target_") in _NO_MOMENTUM and not optimizer.get("momentum")

    def other_task(self, config: Mapping[str, Any]) -> str:
        """That its task is another one, `was made with another model (mlp there, cnn here)`; or empty."""
        if self.trained:
            return f"was made in Python ({self.trained})"
        clauses = []
        for key in _TASK:
            there, here = self.compared.get(key, self.config.get(key)), config.get(key)
            if _without_lr(there) != _without_lr(here) and not _is_named(here, there):
                names = _name(there), _name(here)
                alike = "other settings" if names[0] == names[1] else f"{names[0]} there, {names[1]} here"
                clauses.append(f"{key} ({alike})")
        return f"was made with another {', '.join(clauses)}" if clauses else ""


_TASK = ("model", "data", "optimizer", "criterion", "batch_size", "accumulation_steps", "precision")
"""Keys that another answer may hang on."""

_NO_MOMENTUM = ("torch.optim.SGD", "torch.optim.RMSprop", "torch.optim.Adagrad")
"""Optimizers of torch that have no momentum unless they are given one."""


def _without_lr(node: Any) -> Any:
    """The sweep moves the optimizer's rate, so it makes no other task."""
    return {key: value for key, value in node.items() if key != "lr"} if isinstance(node, dict) else node


def _is_named(node: Any, name: Any) -> bool:
    """Whether a name of `compare.optimizers` is that of an optimizer's config."""
    if not (isinstance(node, dict) and isinstance(name, str)):
        return False
    named = "nesterov" if node.get("nesterov") else "momentum" if node.get("momentum") else ""
    return name in (_name(node).lower(), named) and (name != "sgd" or not named)


def _name(node: Any) -> str:
    """What a group of a config is called, or what its value is."""
    if not isinstance(node, dict):
        return str(node)
    return str(node.get("name") or node.get("_target_")).rsplit(".", 1)[-1]


def earlier_run(given: str, key: str) -> Earlier:
    """Reads the record of an earlier run, whose run directory or record is `given` as the value of a `key`.

    Raises:
        ConfigError: It is not there, or is no record.
    """
    path = _record_path(Path(given).expanduser(), f"{key}={given}")
    try:
        if not path.is_file():
            raise ConfigError(f"{key}: {path} is no file. {_REMEDY}")  # a pipe or a device might never end
        if path.stat().st_size > _MOST:
            raise ConfigError(
                f"{key}: {path} is no record of lrfind: it is larger than {_MOST >> 20} MiB. {_REMEDY}"
            )
        record = json.loads(path.read_text(encoding="utf-8"))
    except ConfigError:
        raise
    except RecursionError as error:
        raise ConfigError(
            f"{key}: {path} is no JSON record of lrfind: it is nested too deeply. {_REMEDY}"
        ) from error
    except OSError as error:
        raise ConfigError(f"{key}: {path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise ConfigError(f"{key}: {path} is no JSON record of lrfind: {error}. {_REMEDY}") from error
    if not isinstance(record, dict) or not {"command", "suggestion", "verdict"} <= record.keys():
        raise ConfigError(f"{key}: {path} is no record of lrfind: it has no suggestion. {_REMEDY}")
    found = None if record["suggestion"] is None else _suggestion(record["suggestion"], key, path)
    rules, config = record.get("rules"), record.get("config")
    return Earlier(
        command=str(record["command"]),
        path=path,
        suggestion=found,
        rules={name: lr for name, lr in rules.items() if lr is None or isinstance(lr, (int, float))}
        if isinstance(rules, dict)
        else {},
        verdict=str(record["verdict"]),
        config=config if isinstance(config, dict) else {},
        peaks=_peaks(record, found, key, path),
        horizon=horizon_of(record),
        compared=compared_cell(record, found),
        trained=str(record.get("task", "")),
    )


_REMEDY = "Give the run directory of lrfind range or lrfind refine."


def _record_path(given: Path, said: str) -> Path:
    if not given.exists():
        raise ConfigError(
            f"{said} is not there: give the run directory of lrfind range or lrfind refine, or the JSON "
            "record in it."
        )
    if not given.is_dir():
        return given
    found = [name for name in RECORDS if (given / name).is_file()]
    if not found:
        raise ConfigError(
            f"{said} holds no record of a run ({', '.join(RECORDS)}): give the folder that lrfind named "
            "at the end of that run, or the JSON file itself."
        )
    if len(found) > 1:
        raise ConfigError(f"{said} holds {' and '.join(found)}: name the one that is meant.")
    return given / found[0]


def _suggestion(content: Any, key: str, path: Path) -> Suggestion:
    try:
        lr, low, high = (_number(content[name]) for name in ("lr", "low", "high"))
        suggestion = Suggestion(lr, low, high, str(content["rule"]), str(content["reason"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"{key}: the suggestion in {path} is not one of lrfind's. {_REMEDY}") from error
    if not all(0 < rate < math.inf for rate in (lr, low, high)):
        raise ConfigError(
            f"{key}: the rates suggested in {path} must be greater than 0 and finite. {_REMEDY}"
        )
    if low > high:
        raise ConfigError(f"{key}: the bracket in {path} is upside down. {_REMEDY}")
    return suggestion


def _peaks(record: dict[str, Any], found: Suggestion | None, key: str, path: Path) -> dict[str, float]:
    """The peaks that a range test names, or that of the schedule along which verify judged its suggestion."""
    try:
        peaks = {str(peak["policy"]): _number(peak["lr"]) for peak in record.get("peaks", [])}
        along = (record.get("judged_after") or {}).get("schedule", "constant")
        if found is not None and along != "constant":
            peaks[str(along)] = found.lr
    except (AttributeError, KeyError, TypeError, OverflowError) as error:
        raise ConfigError(f"{key}: the peaks in {path} are none of lrfind's. {_REMEDY}") from error
    if not all(0 < rate < math.inf for rate in peaks.values()):
        raise ConfigError(f"{key}: the peaks in {path} must be greater than 0 and finite. {_REMEDY}")
    return peaks


def compared_cell(record: Mapping[str, Any], found: Suggestion | None) -> dict[str, Any]:
    """Of several optimizers, or batch sizes, the one whose best rate is suggested; empty where it is open."""
    try:
        plan = record["config"]["compare"]
        several = {"optimizer": plan.get("optimizers"), "batch_size": plan.get("batch_sizes")}
        cells = [
            {key: cell[key] for key, names in several.items() if names}
            for cell in record["comparison"]["cells"]
            if found is not None and cell["best"] and math.isclose(cell["best"]["lr"], found.lr, rel_tol=0.01)
        ]
    except (AttributeError, KeyError, TypeError):
        return {}
    if found is not None and len(cells) > 1:  # of equal rates the reason names the cell
        cells = [cell for cell in cells if all(f" {value} " in f"{found.reason} " for value in cell.values())]
    return cells[0] if len(cells) == 1 else {}


def horizon_of(record: Mapping[str, Any]) -> int | None:
    """The steps of the training that a record's suggestion was extrapolated to; None where it was not."""
    horizon = record.get("horizon")
    if not (isinstance(horizon, dict) and horizon.get("extrapolated")):
        return None
    steps = horizon.get("steps")
    return steps if isinstance(steps, int) else None


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    return float(value)


def task_of(config: Mapping[str, Any], compared: Mapping[str, Any] | None = None) -> str:
    """What a config trains on what, with what; empty where it does not say.

    `compared` are the optimizer and the batch size of a comparison of several that are meant; None: all.
    """
    try:
        names = [_name(config[group]) for group in ("model", "data", "optimizer")]
        names[2] += momentum_text(config["optimizer"])
        size = f", batch size {config['batch_size']}" if config["batch_size"] else ""
        plan, chosen = config.get("compare") or {}, compared or {}
        if optimizers := plan.get("optimizers"):
            names[2] = listed(optimizers)
            if "optimizer" in chosen:
                names[2] = f"{chosen['optimizer']} (of {names[2]})"
        if sizes := plan.get("batch_sizes"):
            all_sizes = listed([str(each) for each in sizes])
            size = f", batch sizes {all_sizes}"
            if "batch_size" in chosen:
                size = f", batch size {chosen['batch_size']} (of {all_sizes})"
        return f"{names[0]} on {names[1]}, {names[2]}{size}"
    except (AttributeError, KeyError, TypeError):
        return ""
