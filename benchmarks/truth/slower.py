"""When more follows a sweep: `python -m benchmarks.truth.slower` writes results/slower.md.

    python -m benchmarks.truth.slower --record      makes the sweeps anew, results/slower.jsonl

What `range.repeats=auto` decides: a slower sweep, and runs at constant rates. Every test is made with a
criterion so wide that more follows than under any of those that are scored; under a narrower one the same
test ends earlier. A criterion is the share of the loss that it must fall by (`slower_sweep.FAINT`). For every
task the others choose one.
"""

from __future__ import annotations

import argparse
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.truth.lines import append_line, read_lines, rounded
from benchmarks.truth.oracle import RUNS
from benchmarks.truth.oracles import oracles
from benchmarks.truth.sweeps import SEEDS
from benchmarks.truth.tasks import BUDGET, TASKS, Role, with_seed
from benchmarks.truth.training import Trainer
from lrfind.api.caller import Caller
from lrfind.range_test import slower_sweep
from lrfind.range_test.reading import Rule, read
from lrfind.range_test.run import range_test_of
from lrfind.range_test.slower_sweep import AUTO_SWEEPS, FAINT, why_weak

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from benchmarks.truth.oracles import Oracle

SWEEPS = Path(__file__).parent / "results" / "slower.jsonl"
PAGE = SWEEPS.with_suffix(".md")

WIDEST = 0.16
CRITERIA = (0.0, 0.02, 0.04, 0.06, FAINT, 0.1, 0.12, WIDEST)
STAGES = AUTO_SWEEPS + 1
"""Of a test: its sweeps, and runs at constant rates."""

MOST_STEPS = 110.0
"""Steps on average that a criterion may take."""

Test = list[dict[str, Any]]
"""The stages of a test, a sweep, a slower one and runs at constant rates: `lr` (None: no answer), `steps`,
`lost`, the share of the loss that it fell by, `undecided`: whether another stage may answer."""


@contextmanager
def criterion(share: float) -> Iterator[None]:
    """Range tests with another criterion."""
    before = slower_sweep.FAINT
    slower_sweep.FAINT = share
    try:
        yield
    finally:
        slower_sweep.FAINT = before


def made(trainer: Trainer, seed: int) -> Test:
    """A test with the widest criterion, stage by stage."""
    with criterion(WIDEST):
        found = range_test_of(with_seed(trainer.config, seed), observer=Caller(), data=trainer.data)
    sweeps = []
    for curve in [found.curve] if found.repeats is None else found.repeats.curves:
        reading = read(curve, rule=Rule.CENTRE)
        lr = None if reading.suggestion is None else reading.suggestion.lr
        lost = reading.smoothed.share_lost if len(reading.smoothed) else 0.0
        undecided = lr is None and why_weak(curve, reading) is not None
        sweeps.append({"lr": lr, "steps": len(curve), "lost": rounded(lost), "undecided": undecided})
    if (trials := found.reading.trials) is not None:
        lr = None if found.reading.suggestion is None else found.reading.suggestion.lr
        sweeps.append(
            {"lr": lr, "steps": trials.taken, "lost": rounded(trials.share_lost), "undecided": False}
        )
    return sweeps


def ended(test: Test, share: float, stages: int = STAGES) -> tuple[float | None, int]:
    """What a test answers with a criterion, and its steps; `stages` is the most that it has."""
    answer, steps = None, 0
    for sweep in test[:stages]:
        answer = answer if sweep["lr"] is None else sweep["lr"]
        steps += sweep["steps"]
        faint = sweep["undecided"] if sweep["lr"] is None else sweep["lost"] < share
        if not faint:
            break
    return answer, steps


def scored(tests: Sequence[Test], oracle: Oracle, share: float, stages: int = STAGES) -> tuple[float, float]:
    """Mean regret and mean steps on a task."""
    ends = [ended(test, share, stages) for test in tests]
    return float(np.mean([oracle.regret(lr) for lr, _ in ends])), float(np.mean([steps for _, steps in ends]))


def chosen(regrets: NDArray[np.float64], steps: NDArray[np.float64]) -> int:
    """The criterion of least mean regret that takes no more than `MOST_STEPS`; arrays (criteria, tasks)."""
    means = regrets.mean(axis=1)
    means[steps.mean(axis=1) > MOST_STEPS] = np.inf
    return int(np.argmin(means))


def page(tests: dict[str, list[Test]], searched: dict[str, Oracle]) -> str:
    """The page."""
    tasks = list(tests)
    roles = np.array([TASKS[task].role.value for task in tasks])

    def table(share: float, stages: int = STAGES) -> NDArray[np.float64]:
        return np.array([scored(tests[task], searched[task], share, stages) for task in tasks]).T

    every = np.array([table(share) for share in CRITERIA])
    regrets, steps = every[:, 0], every[:, 1]
    by_others = [
        chosen(np.delete(regrets, j, axis=1), np.delete(steps, j, axis=1)) for j in range(len(tasks))
    ]

    def row(name: str, values: NDArray[np.float64], taken: NDArray[np.float64]) -> str:
        groups = [values, *(values[roles == role] for role in dict.fromkeys(roles.tolist()))]
        means = " | ".join(f"{group.mean():.3f}" for group in groups)
        return f"| {name} | {means} | {values.max():.2f} | {taken.mean():.0f} |"

    heads = " | ".join(f"{role} tasks" for role in dict.fromkeys(roles.tolist()))
    left_out = [np.array([each[i, j] for j, i in enumerate(by_others)]) for each in (regrets, steps)]
    differ = sorted({f"{CRITERIA[i]:g}" for i in by_others})
    return "\n".join(
        [
            "# When more follows a sweep",
            "",
            f"Made by `python -m benchmarks.truth.slower`, from {len(tests[tasks[0]])} tests of each of "
            f"{len(tasks)} tasks. A criterion is the share of the loss that it must fall by; a test without "
            "an answer goes on under all of them. Left out one by one, the tasks choose "
            f"{' or '.join(differ)}, where {MOST_STEPS:g} steps on average are allowed.",
            "",
            f"| criterion | mean regret | {heads} | worst task | steps |",
            "|---|---|" + "---|" * (heads.count("|") + 1) + "---|---|",
            row("one sweep", *table(0.0, 1)),
            row(f"{FAINT:g}, sweeps alone", *table(FAINT, AUTO_SWEEPS)),
            *(
                row(
                    f"**{share:g}, as shipped**"
                    if share == FAINT
                    else f"{share:g}"
                    if share
                    else "no answer only",
                    *each,
                )
                for share, each in zip(CRITERIA, every, strict=True)
            ),
            row("chosen for each task by all others", *left_out),
            "",
        ]
    )


def main() -> None:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--record", action="store_true", help="make the sweeps anew")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.record:
        SWEEPS.unlink(missing_ok=True)
        for name, task in TASKS.items():
            if task.role in (Role.TUNING, Role.REPORT, Role.APART, Role.DRAWN) and not task.lacks:
                trainer = Trainer(name)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    for seed in SEEDS[:6]:
                        append_line(SWEEPS, {"task": name, "seed": seed, "sweeps": made(trainer, seed)})
    searched = oracles(read_lines(RUNS), kind="constant", budget=BUDGET)
    tests: dict[str, list[Test]] = {}
    for line in read_lines(SWEEPS):
        tests.setdefault(line["task"], []).append(line["sweeps"])
    PAGE.write_text(page({task: of_task for task, of_task in tests.items() if task in searched}, searched))
    print(f"{PAGE} written.")


if __name__ == "__main__":
    main()
