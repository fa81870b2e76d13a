"""The summary of a multirun: one row a job, whether it succeeded or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from hydra.experimental.callback import Callback

from lrfind.errors import ExitCode
from lrfind.launch import ERROR_FILE
from lrfind.report import console
from lrfind.report.files import Cell, csv_text, write_whole

SUMMARY = "multirun.csv"


class MultirunSummary(Callback):
    """Collects the jobs of a multirun from their directories, so that any launcher's are found."""

    _exit_code: ClassVar[ExitCode | None] = None

    @classmethod
    def take_exit_code(cls) -> ExitCode | None:
        """What the last multirun of this process ends in, handed out once; None where there was none."""
        code, cls._exit_code = cls._exit_code, None
        return code

    def on_multirun_end(self, config: Any, **kwargs: Any) -> None:
        """Writes `multirun.csv` into the sweep directory and says on stderr where it is."""
        directory = Path(config.hydra.sweep.dir)
        folders = sorted((f for f in directory.iterdir() if (f / ".hydra").is_dir()), key=_number)
        rows = [_row(folder) for folder in folders]
        path = directory / SUMMARY
        write_whole(path, csv_text(["job", "overrides", "status", "lr", "low", "high", "message"], rows))
        failed = any(row[2] == "failed" for row in rows)
        silent = any(row[3] is None for row in rows)
        code = ExitCode.UNUSABLE if failed else ExitCode.NO_SUGGESTION if silent else ExitCode.SUGGESTED
        MultirunSummary._exit_code = code
        answered = sum(row[3] is not None for row in rows)
        console.note(f"{answered} of {len(rows)} jobs suggest a learning rate; summary: {path}")


def _number(folder: Path) -> tuple[int, str]:
    return (int(folder.name), "") if folder.name.isdigit() else (1 << 31, folder.name)


def _row(folder: Path) -> list[Cell]:
    from omegaconf import OmegaConf

    overrides = " ".join(str(o) for o in OmegaConf.load(folder / ".hydra" / "overrides.yaml"))
    error = folder / ERROR_FILE
    records = sorted(folder.glob("*.json"))
    if error.exists() or not records:
        message = error.read_text().strip() if error.exists() else "no record was written"
        return [folder.name, overrides, "failed", None, None, None, message]
    record = json.loads(records[0].read_text())
    suggestion = record["suggestion"] or {"lr": None, "low": None, "high": None}
    return [
        folder.name,
        overrides,
        record["status"],
        suggestion["lr"],
        suggestion["low"],
        suggestion["high"],
        record["verdict"],
    ]
