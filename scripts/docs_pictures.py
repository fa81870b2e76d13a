"""Makes the pictures of the documentation again, and the captions that hold their numbers.

    python scripts/docs_pictures.py DATA [NAME ...]

DATA holds `mnist/`; NAME is that of a picture without `.png` (none: all but those that take minutes). A
caption stands between `<!-- NAME: made by scripts/docs_pictures.py -->` and `<!-- end -->`.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"


def _rate(lr: float) -> str:
    return f"{lr:.3g}"


def _of_range(record: dict[str, Any]) -> str:
    alone = [lr for lr in record["repeats"]["lrs"] if lr is not None]
    return (
        f"a suggestion of {_rate(record['suggestion']['lr'])}, each sweep alone {_rate(min(alone))} to "
        f"{_rate(max(alone))}."
    )


def _of_verify(record: dict[str, Any]) -> str:
    found, pinned = record["suggestion"], record["pinned"]
    (run,) = (each for each in record["runs"] if each["lr"] == pinned["lr"])
    seeds = ", then to another seed" if record["search"][-1]["seed"] else ""
    end = "the command exits 4" if not pinned["sensible"] else "that is still sensible"
    near = "no rate tried can be told from it" if seeds else "none tried is worse by more than the margin"
    return (
        f"0.01 is far too low, and the search goes up until the loss turns{seeds}. "
        f"{_rate(found['lr'])} is suggested; from {_rate(found['low'])} to "
        f"{_rate(found['high'])} {near}. The pinned {_rate(pinned['lr'])} is worse by "
        f"{run['worse_by']:.0%} of what there is to learn, and {end}."
    )


def _of_trial(record: dict[str, Any]) -> str:
    return record["verdict"].partition(" Over ")[0]


@dataclass(frozen=True)
class Picture:
    """A picture of the documentation.

    Attributes:
        words: What is typed behind `lrfind`; `{data}` is where the data are.
        file: Which file of the run it is.
        page: The page with its caption.
        caption: Makes the caption behind the command, from the record; None where it is written by hand.
        long: Whether it takes minutes.
    """

    words: str
    file: str
    page: str = ""
    caption: Callable[[dict[str, Any]], str] | None = None
    long: bool = False


MADE = {
    "range": Picture(
        "model=mnist_mlp data=mnist data.root={data}/mnist range.repeats=5",
        "range.png",
        "README.md",
        _of_range,
    ),
    "verify": Picture(
        "verify 0.01 --lr 0.003 model=mnist_mlp data=mnist data.root={data}/mnist",
        "verify.png",
        "docs/commands/verify.md",
        _of_verify,
    ),
    "schedule": Picture("schedule schedule.policy=all schedule.lr=0.1", "schedule.png"),
    "schedule_try": Picture(
        "schedule --try 'schedule.policy=[fixed,step,linear,cosine,one_cycle]' optimizer=momentum "
        "batch_size=16 schedule.num_steps=1000 schedule.seeds=5",
        "schedule_try.png",
        "docs/commands/schedule.md",
        _of_trial,
    ),
    "textbook_refine": Picture("refine experiment=textbook_refine", "refine.png", long=True),
    "refine_restart": Picture(
        "refine experiment=textbook_refine refine.restart=both refine.rounds=1 "
        "'refine.segments=[{{start: 0.63, stop: 1.1, step: 0.01, iterations: 200}}]'",
        "refine.png",
        long=True,
    ),
    "textbook_refine_seeds": Picture(
        "refine experiment=textbook_refine refine.seeds=5", "refine.png", long=True
    ),
    "textbook_batch_size": Picture(
        "compare experiment=textbook_batch_size data.root={data}/mnist", "compare.png", long=True
    ),
    "textbook_batch_size_scaling": Picture(
        "compare experiment=textbook_batch_size data.root={data}/mnist", "compare_scaling.png", long=True
    ),
}


def captioned(text: str, name: str, caption: str) -> str:
    """The text of a page with a caption in its place.

    Raises:
        ValueError: The page has no such place.
    """
    mark = rf"(<!-- {name}: made by scripts/docs_pictures.py -->\n).*?(\n<!-- end -->)"
    found, count = re.subn(mark, lambda match: match[1] + caption + match[2], text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"the page has {count} places for the caption of {name}.")
    return found


def make(name: str, data: str) -> None:
    """Runs the command of a picture, and puts picture and caption in their places."""
    picture = MADE[name]
    with tempfile.TemporaryDirectory() as folder:
        words = shlex.split(picture.words.format(data=data))
        command = [sys.executable, "-m", "lrfind", *words, "device=cpu", f"hydra.run.dir={folder}"]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
        if done.returncode not in (0, 3, 4):
            raise SystemExit(f"{name}: exit code {done.returncode}")
        shutil.copy(Path(folder) / picture.file, PICTURES / f"{name}.png")
        if picture.caption is None:
            return
        record = json.loads((Path(folder) / f"{record_of(words)}.json").read_text("utf-8"))
    shown = picture.words.replace("{data}/mnist", "DIR")
    page = ROOT / picture.page
    page.write_text(
        captioned(page.read_text("utf-8"), name, f"*`lrfind {shown}`: {picture.caption(record)}*"), "utf-8"
    )


def record_of(words: list[str]) -> str:
    """The name of the record that a command line leaves."""
    return words[0] if words[0] in ("refine", "verify", "compare", "schedule") else "range"


def main() -> None:
    """Makes the pictures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="a folder that holds mnist/")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(MADE))
    options = parser.parse_args()
    for name in options.names or [name for name, picture in MADE.items() if not picture.long]:
        make(name, str(Path(options.data).resolve()))


if __name__ == "__main__":
    main()
