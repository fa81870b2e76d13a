"""The picture of a multirun: the curves of its jobs, read back from their files."""

from dataclasses import replace

import numpy as np
import pytest

from lrfind.cli.main import main
from lrfind.multirun.curves import JobCurve, curves_of
from lrfind.multirun.plot import multirun_page
from lrfind.multirun.results import MultirunJob, jobs_of, note_job
from lrfind.plotting.panel import Line, Points
from tests.panels import assert_readable, of

RECORD = {
    "status": "completed",
    "suggestion": {"lr": 0.1, "low": 0.1, "high": 0.1, "rule": "compared", "reason": ""},
    "verdict": "It holds.",
    "judged_after": {"steps": 5},
}


def job(number=0, command="verify", **kwargs):
    return MultirunJob(number, str(number), command, (f"seed={number}",), code=0, record=RECORD, **kwargs)


def written(folder, command, text):
    folder.mkdir()
    (folder / f"{command}.csv").write_text(text)


def test_a_range_test_is_drawn_with_the_line_of_its_own_picture(tmp_path, monkeypatch, capfd):
    from lrfind.range_test import run as range_test_run

    read, seen = range_test_run.read, []

    def kept(curve, **others):
        seen.append(read(curve, **others))
        return seen[-1]

    monkeypatch.setattr(range_test_run, "read", kept)
    assert main(["-q", "range.num_steps=40", "range.repeats=2", f"hydra.run.dir={tmp_path / '0'}"]) == 0
    note_job(tmp_path, MultirunJob(0, "0", "range", (), code=0))
    (curve,) = curves_of(jobs_of(tmp_path), tmp_path)
    line = seen[-1].smoothed
    assert line.climb is not None
    np.testing.assert_allclose(curve.lrs, [*line.lrs, line.climb[0]], rtol=1e-12)
    np.testing.assert_allclose(curve.values, [*line.drawn, line.climb[1]], rtol=1e-12)


def test_a_range_test_of_accuracies_is_drawn_as_such_in_a_panel_of_its_own(tmp_path):
    for number, metric in enumerate(("loss", "accuracy")):
        given = [f"range.metric={metric}", "optimizer=adam", "range.repeats=1"]
        assert main(["-q", *given, f"hydra.run.dir={tmp_path / str(number)}"]) == 0
        note_job(tmp_path, MultirunJob(number, str(number), "range", (given[0],), code=0))
    jobs = jobs_of(tmp_path)
    losses, accuracies = curves_of(jobs, tmp_path)
    rows = (tmp_path / "1" / "range.csv").read_text().splitlines()
    column = rows[0].split(",").index("accuracy")
    best = max(float(row.split(",")[column]) for row in rows[1:])
    assert 0.5 < accuracies.values.max() <= best
    assert accuracies.values[0] < 0.2
    page = multirun_page(jobs, [losses, accuracies])
    assert [panel.y.label for panel in page.panels] == [
        "training loss, smoothed",
        "training accuracy, smoothed",
    ]
    assert [np.array_equal(of(panel, Line)[0].y, curve.values) for panel, curve in
            zip(page.panels, (losses, accuracies), strict=True)] == [True, True]  # fmt: skip
    assert page.panels[0].x is page.panels[1].x
    assert page.panels[1].y.tick_labels[0] == "0%"
    assert_readable(page)


def test_short_runs_are_drawn_as_the_mean_of_the_seeds_at_each_rates_end(tmp_path):
    rows = [
        "lr,seed,step,loss,held_out_loss",
        "0.1,0,0,2.0,2.0",
        "0.1,0,5,,1.0",
        "0.1,1,5,,1.5",
        "0.3,0,0,2.0,2.0",
        "0.3,0,3,,0.2",  # given up, or left: no loss at its end
        "1.0,0,2,,inf",
    ]
    written(tmp_path / "0", "verify", "\n".join(rows))
    (curve,) = curves_of([job()], tmp_path)
    assert curve.lrs.tolist() == [0.1, 1.0]
    assert curve.values[0] == 1.25
    assert np.isnan(curve.values[1])


def test_each_batch_size_of_a_comparison_is_a_curve_and_of_a_sweep_the_last_round(tmp_path):
    rows = [
        "batch_size,lr,seed,epoch,step,samples,loss",
        "16,0.1,0,0,0,0,2",
        "16,0.1,0,1,9,144,1",
        "64,0.1,0,1,3,192,3",
    ]
    written(tmp_path / "0", "compare", "\n".join(rows))
    rows = ["round,segment,lr,iteration,loss", "1,0,0.1,0,9", "2,0,0.1,0,2", "2,0,0.1,1,1"]
    written(tmp_path / "1", "refine", "\n".join(rows))
    rows = ["round,segment,lr,iteration,loss,start", "1,0,0.1,0,9,continued", "1,0,0.1,0,2,restarted"]
    written(tmp_path / "2", "refine", "\n".join(rows))
    found = curves_of([job(0, "compare"), job(1, "refine"), job(2, "refine")], tmp_path)
    assert [(curve.part, curve.values.tolist()) for curve in found] == [
        ("batch size 16", [1.0]),
        ("batch size 64", [3.0]),
        ("", [1.0]),
        ("round 1, continued", [9.0]),
        ("round 1, restarted", [2.0]),
    ]


def test_the_suggestion_is_marked_on_the_line_that_it_is_for(tmp_path):
    rows = ["optimizer,batch_size,lr,seed,epoch,step,samples,loss"]
    rows += [f"{name},{size},0.1,0,1,9,9,1" for name in ("sgd", "adam") for size in (16, 160)]
    written(tmp_path / "0", "compare", "\n".join(rows))
    chosen = {"optimizer": "sgd", "batch_size": 16, "best": {"lr": 0.1}}
    record = {
        **RECORD,
        "config": {"compare": {"optimizers": ["sgd", "adam"], "batch_sizes": [16, 160]}},
        "comparison": {"cells": [chosen]},
    }
    found = curves_of([replace(job(0, "compare"), record=record)], tmp_path)
    assert [curve.part for curve in found if curve.answers] == ["sgd batch size 16"]
    page = multirun_page([job()], found)
    assert len(of(page.panels[0], Points)) == 1
    rows = ["round,segment,lr,iteration,loss,start", "1,0,0.1,0,9,continued", "1,0,0.1,0,2,restarted"]
    written(tmp_path / "1", "refine", "\n".join(rows))
    assert [curve.answers for curve in curves_of([job(1, "refine")], tmp_path)] == [False, True]


def test_what_cannot_be_read_is_passed_over(tmp_path):
    written(tmp_path / "0", "verify", "lr,seed\nx,y\n")
    assert curves_of([job(0), job(1), job(2, "schedule")], tmp_path) == []
    assert multirun_page([job()], []) is None


@pytest.mark.parametrize("count", [2, 9, 30])
def test_the_page_draws_every_curve_and_names_them_while_they_are_few(count):
    lrs = np.geomspace(1e-3, 1, 5)
    jobs = [job(i) for i in range(count)]
    page = multirun_page(jobs, [JobCurve(each, lrs, 2 - lrs, "loss") for each in jobs])
    lines = [layer for layer in page.panels[0].layers if isinstance(layer, Line)]
    assert len(lines) == count
    assert {bool(line.name) for line in lines} == {count <= 24}
    assert_readable(page)


def test_a_curve_that_shoots_up_does_not_squeeze_the_others():
    lrs = np.geomspace(1e-3, 1, 5)
    wild = JobCurve(job(0), lrs, np.array([2, 1.5, 1.2, 1e30, np.nan]), "loss")
    page = multirun_page([job(0), job(1)], [wild, JobCurve(job(1), lrs, 2 - lrs, "loss")])
    assert page.panels[0].y.limits[1] < 5


@pytest.mark.parametrize(("sizes", "end"), [(1, "label_smoothing=0.1"), (9, "...")])
def test_names_that_are_too_long_for_a_line_lose_the_groups_of_their_keys_and_then_their_end(sizes, end):
    lrs = np.geomspace(1e-3, 1, 5)
    jobs = []
    for i in range(2):
        layers = ",".join([f"12{i}"] * sizes)
        given = [f"model.hidden_sizes=[{layers}]", f"optimizer.weight_decay=0.000{i}"]
        given += [f"batch_size=12{i}", f"criterion.label_smoothing=0.{i}"]
        jobs.append(replace(job(i), overrides=tuple(given)))
    curves = [JobCurve(each, lrs, 2 - lrs, "loss", part="round 1") for each in jobs]
    page = multirun_page(jobs, curves)
    assert_readable(page)
    first, second, _ = (placed.entry.text for placed in page.entries)
    assert first.startswith("job 0: hidden_sizes=[120")
    assert second.endswith(f"{end}, round 1")
