"""What a sweeper of Hydra is given."""

import csv
import importlib.util
import json
import math
import os
import subprocess
import sys

import pytest

from lrfind.cli.job import given_to_a_sweeper
from lrfind.cli.main import main
from lrfind.errors import ExitCode
from lrfind.report.output import Outcome

SMALL = ["model=mlp", "model.hidden_sizes=[4]", "batch_size=256"]


@pytest.mark.parametrize(
    ("outcome", "lr", "loss"),
    [
        (Outcome(0.1, ExitCode.SUGGESTED, 2.0), 0.1, 2.0),
        (Outcome(None, ExitCode.NO_SUGGESTION), math.nan, math.inf),
        (Outcome(0.1, ExitCode.SUGGESTED, None), 0.1, math.inf),
        (Outcome(0.1, ExitCode.SUGGESTED, math.nan), 0.1, math.inf),
        (None, math.nan, math.inf),
    ],
)
def test_it_is_the_rate_or_the_loss_and_the_worst_where_there_is_no_answer(outcome, lr, loss):
    assert given_to_a_sweeper(outcome, loss=False) == pytest.approx(lr, nan_ok=True)
    assert given_to_a_sweeper(outcome, loss=True) == loss


@pytest.fixture
def given(monkeypatch, tmp_path, capfd):
    """Runs a command and returns what a sweeper would be given, and the rows of its table."""
    values = []

    def noted(outcome, *, loss):
        values.append(given_to_a_sweeper(outcome, loss=loss))
        return values[-1]

    monkeypatch.setattr("lrfind.cli.app.given_to_a_sweeper", noted)

    def run(command, table, *words):
        code = main([command, "-q", "objective=loss", *SMALL, *words, f"hydra.run.dir={tmp_path / 'run'}"])
        assert code in (0, 3), capfd.readouterr().err
        with (tmp_path / "run" / table).open(newline="") as stream:
            return values[-1], list(csv.DictReader(stream))

    return run


def test_the_loss_without_a_sweeper_is_warned_of(lrfind):
    ran = lrfind("objective=loss", *SMALL, "range.num_steps=20", "range.repeats=1")
    assert "objective=loss changes nothing without -m" in ran.err
    ran = lrfind("-m", "objective=loss", *SMALL, "range.num_steps=20", "range.repeats=1", "seed=0,1")
    assert "changes nothing" not in ran.err


def test_of_verify_it_is_the_held_out_loss_of_the_recommended_rate(given, tmp_path):
    loss, rows = given("verify", "verify.csv", "verify.around=0.3", "verify.num_steps=20", "verify.seeds=2")
    lr = json.loads((tmp_path / "run" / "verify.json").read_text())["suggestion"]["lr"]
    read = [row for row in rows if float(row["lr"]) == lr and row["held_out_loss"] and row["step"] == "20"]
    ends = [float(row["held_out_loss"]) for row in read]
    assert loss == pytest.approx(sum(ends) / len(ends), rel=1e-12)


def test_of_compare_it_is_that_of_the_suggested_rate(given):
    loss, rows = given(
        "compare",
        "compare.csv",
        "compare.lrs=[0.03,0.3]",
        "compare.samples=2000",
        "compare.judge=loss",
        "compare.readings=2",
    )
    last = max(int(row["step"]) for row in rows)
    ends = {}
    for row in rows:
        if int(row["step"]) == last:
            ends.setdefault(row["lr"], []).append(float(row["loss"]))
    assert loss == pytest.approx(min(sum(each) / len(each) for each in ends.values()), rel=1e-12)


def test_of_a_range_test_without_an_answer_it_is_infinite(given):
    assert given("range", "range.csv", "range.end_lr=1e-4", "range.repeats=1")[0] == math.inf


@pytest.mark.slow
@pytest.mark.skipif(
    not importlib.util.find_spec("hydra_plugins")
    or not importlib.util.find_spec("hydra_plugins.hydra_optuna_sweeper"),
    reason="hydra-optuna-sweeper is not installed",
)
def test_optuna_finds_the_job_of_the_least_loss_and_outlives_one_that_fails(tmp_path):
    words = [
        *("verify", "-m", "-q", "objective=loss", "hydra/sweeper=optuna", "hydra.sweeper.n_trials=3"),
        *("hydra.sweeper.sampler.seed=1", "verify.num_steps=20", "verify.seeds=1", "verify.around=0.3"),
        *("batch_size=choice(16,256,1000000)", "hydra.sweep.dir=sweep", "hydra.sweeper.n_jobs=1"),
    ]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "lrfind", *words],
        cwd=tmp_path, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    best = (tmp_path / "sweep" / "optimization_results.yaml").read_text()
    assert "best_value:" in best, run.stderr
    assert "inf" not in best
