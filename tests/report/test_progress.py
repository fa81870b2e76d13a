"""What a progress display says of the time that is left."""

from types import SimpleNamespace

import pytest

from lrfind.report import progress
from lrfind.report.progress import LineProgress


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(progress, "perf_counter", lambda: now.seconds)
    return now


def shown(clock, times, *, first=0, num_steps=100):
    """The lines that are shown where the steps from `first` on come at these seconds."""
    lines = []
    bar = LineProgress(num_steps, lines.append, words=lambda step: f"step {step.index + 1}")
    for index, seconds in enumerate(times, start=first):
        clock.seconds = seconds
        bar(SimpleNamespace(index=index))
    return lines


def test_the_time_that_is_left_counts_from_the_first_step(clock):
    # 30 s until the first step, of data and first kernels; then 1 s a step.
    assert shown(clock, [30, 31, 32, 33, 41]) == ["step 1, 49 min 30 s left", "step 5, 4 min 21 s left"]


def test_a_sweep_that_goes_on_counts_its_own_steps_alone(clock):
    assert shown(clock, [1, 6, 11], first=50) == ["step 53, 3 min 55 s left"]
