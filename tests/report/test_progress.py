"""What a progress display says of the time that is left."""

import sys
from types import SimpleNamespace

import pytest

from lrfind.api.caller import Caller
from lrfind.report import progress
from lrfind.report.progress import CellProgress, LineProgress


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
    assert shown(clock, [30, 31, 32, 33, 41]) == ["step 1", "step 5, 4 min 21 s left"]


def test_of_a_few_slow_steps_no_time_that_is_left_is_told(clock):
    assert shown(clock, [20, 40, 60, 80, 100]) == [
        *("step 1", "step 2", "step 3"),
        "step 4, 32 min 00 s left",
        "step 5, 31 min 40 s left",
    ]


def test_of_whole_runs_that_a_launcher_tells_of_at_once_no_early_time_is_told(clock):
    lines = []
    bar = LineProgress(1000, lines.append, words=lambda step: f"part {step.index + 1}")
    for index, seconds in ((0, 0), (199, 60), (399, 72), (599, 84), (799, 96)):
        clock.seconds = seconds
        bar(SimpleNamespace(index=index))
    assert lines == ["part 200", "part 400", "part 600, 56 s left", "part 800, 24 s left"]


def test_a_sweep_that_goes_on_counts_its_own_steps_alone(clock):
    assert shown(clock, [1, 6, 9, 11], first=50) == ["step 54, 2 min 33 s left"]


class Notebook:
    """A notebook's display: what stands below the cell, change by change."""

    def __init__(self):
        self.shown = []

    def display(self, data, *, raw, display_id):
        assert raw
        assert display_id
        self.shown.append(data["text/plain"])
        return self

    def update(self, data, *, raw):
        assert raw
        self.shown.append(data["text/plain"])


@pytest.fixture
def notebook(monkeypatch):
    shown = Notebook()
    shell = SimpleNamespace(kernel=object())
    ipython = SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    return shown


def test_a_notebook_has_a_bar_below_the_cell_that_ends_in_the_time_it_took(notebook, clock):
    with CellProgress(10, words=lambda step: f"step {step.index + 1}") as bar:
        for index in range(10):
            clock.seconds = index
            bar(SimpleNamespace(index=index))
        clock.seconds = 10
    assert notebook.shown[0] == "██████░░░░░░░░░░░░░░░░░░░░░░░░ step 2"
    assert notebook.shown[2] == "████████████░░░░░░░░░░░░░░░░░░ step 4, 6 s left"
    assert notebook.shown[-1] == "step 10, in 10 s"
    assert len(notebook.shown) == 10


@pytest.mark.parametrize(("progress", "lines"), [(None, 1), (True, 1), (False, 0)])
def test_a_caller_in_a_notebook_is_shown_progress_unless_he_wants_none(notebook, progress, lines):
    taken = []
    with Caller(taken.append, progress=progress).steps(1, words=lambda step: "a step") as on_step:
        on_step(SimpleNamespace(index=0))
    assert len(notebook.shown) == lines
    assert len(taken) == 1


@pytest.mark.parametrize(("progress", "said"), [(None, ""), (True, "lrfind: a step, in "), (False, "")])
def test_elsewhere_a_caller_is_shown_progress_where_he_asks_for_it(progress, said, capsys):
    with Caller(progress=progress).steps(1, words=lambda step: "a step") as on_step:
        on_step(SimpleNamespace(index=0))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(said) if said else err == ""
