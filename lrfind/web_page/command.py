"""`lrfind report [DIR ...]`: finished runs as one web page."""

from __future__ import annotations

from pathlib import Path

from lrfind.errors import UserError
from lrfind.report import console
from lrfind.report.files import write_whole
from lrfind.report.formatting import counted, shortest

HELP = """\
lrfind report [DIR ...] [--output FILE]
  finished runs as one web page: the verdict, the curve to look into, the rules, the config and the
  command to repeat it; of several runs a table that sorts. The page needs no network and no server.

  DIR             a run directory, or a folder above several, such as multirun/DATE/TIME;
                  none: the newest run below outputs and multirun
  --output FILE   where to write it; else report.html in DIR, or here where there are several DIRs

Examples
  lrfind report
  lrfind report outputs/2026-01-31/10-00-00
  lrfind report multirun/2026-01-31/10-00-00 --output sweep.html
"""


def run(words: list[str]) -> int:
    """Writes the page and says where it is; returns the exit code.

    Raises:
        UserError: Something cannot be used as given, or the page cannot be written.
    """
    from lrfind.web_page.page import page
    from lrfind.web_page.runs import failures_in, newest_folder, runs_in

    folders, output = _parsed(words)
    if not folders:
        folders = [newest_folder()]
    runs, failures = runs_in(folders), failures_in(folders)
    failed = f" and {counted(len(failures), 'failure')}" if failures else ""
    path = output or (folders[0] if len(folders) == 1 else Path()) / "report.html"
    write_whole(path, page(runs, failures), by="--output FILE")
    console.note(f"{counted(len(runs), 'run')}{failed} in a page to be opened in a browser.")
    console.write(f"{shortest(path)}\n")
    return 0


def _parsed(words: list[str]) -> tuple[list[Path], Path | None]:
    """The folders and the page's path."""
    folders: list[Path] = []
    output: Path | None = None
    waiting = iter(words)
    for word in waiting:
        name, equals, value = word.partition("=")
        if name in ("--output", "-o"):
            value = value if equals else next(waiting, "")
            if not value:
                raise UserError("--output wants the path of a file behind it: --output report.html")
            output = Path(value).expanduser()
        elif word.startswith("-"):
            raise UserError(f"lrfind report knows no {word}: see lrfind report --help.")
        elif equals and not Path(word).exists():
            raise UserError(_told(name, value))
        else:
            folders.append(Path(word).expanduser())
    return folders, output


def _told(key: str, value: str) -> str:
    """What to type in place of an override."""
    if key in ("hydra.run.dir", "hydra.sweep.dir") and value:
        return (
            f"lrfind report takes folders as they are: lrfind report {value} is the page of the runs in "
            f"{value}, and --output FILE says where it is written."
        )
    return (
        f"lrfind report takes folders and no overrides such as {key}={value}: lrfind report DIR, where DIR "
        "is the run directory of an earlier run, or one above several."
    )
