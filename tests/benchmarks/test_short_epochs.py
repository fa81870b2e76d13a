"""What a run with samples held out is worth on the tasks that were drawn for it."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.truth.coarse import LRS, name_of, regrets, table
from benchmarks.truth.lines import read_lines
from benchmarks.truth.short_epochs import RUNS, drawn_tasks, epoch_of

ROOT = Path(__file__).parents[2]


def test_the_regrets_are_those_of_the_means_over_seeds():
    ends = np.full(len(LRS), 3.0)
    ends[8], ends[9] = 1.0, 2.0
    line = {
        "task": "a",
        "initial": [3.0, 3.0],
        "final": [
            ends.tolist(),
            [None if end == 3 else end for end in ends],
        ],  # one that diverged learnt nothing
        "answers": [
            {"seed": 0, "curve": float(LRS[9]), "lr": float(LRS[8]), "steps": 60},
            {"seed": 1, "curve": None, "lr": None, "steps": 60},
        ],
    }
    assert regrets(line) == pytest.approx(((0.5 + 1) / 2, (0 + 1) / 2))
    assert table([line]).splitlines()[-1].split() == ["mean", "of", "1", "0.750", "0.500"]


def test_the_recorded_tasks_are_those_of_the_draw_and_their_figures_those_of_the_docs():
    drawn, lines = drawn_tasks(), read_lines(RUNS)
    assert sorted(line["task"] for line in lines) == sorted(map(name_of, drawn))
    assert all(epoch_of(task.source, task.batch_size) <= 20 for task in drawn)
    before, after = np.mean([regrets(line) for line in lines], axis=0)
    for page in ("README.md", "docs/results.md", "docs/decisions/held-out-run.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert f"{before:.3f}" in text
        assert f"{after:.3f}" in text
