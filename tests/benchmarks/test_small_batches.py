"""What lrfind's answers are worth with small batches, on the tasks that were drawn for that."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.truth.coarse import name_of, regrets
from benchmarks.truth.lines import read_lines
from benchmarks.truth.small_batches import BATCH_SIZES, RUNS, drawn_tasks

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("draw", [1, 2])
def test_the_recorded_tasks_are_those_of_the_draw_and_their_figures_those_of_the_docs(draw):
    drawn = drawn_tasks(draw)
    assert sorted(task.batch_size for task in drawn) == sorted(2 * BATCH_SIZES)
    known = {line["task"]: line for line in read_lines(RUNS)}
    before, after = np.mean([regrets(known[name_of(task)]) for task in drawn], axis=0)
    for page in ("docs/results.md", "docs/decisions/small-batches.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert f"{before:.3f}" in text
        assert f"{after:.3f}" in text
