"""What a tracker reads from a finished run directory."""

import json

import pytest

from lrfind.trackers.finished_run import FinishedRun, step_of


@pytest.fixture
def finished(tmp_path):
    def write(command, table, **record):
        (tmp_path / f"{command}.csv").write_text(table)
        content = {"schema_version": 1, "command": command, "status": "completed", "suggestion": None}
        content |= {"verdict": "Flat.", "steps": 3, "seconds": 1.5, "config": {}} | record
        (tmp_path / f"{command}.json").write_text(json.dumps(content))
        return FinishedRun.newest(tmp_path, since=0.0)

    return write


def test_a_range_test_has_a_curve_a_column(finished):
    run = finished("range", "step,lr,loss,start_loss\n0,0.001,2.5,2.5\n1,0.01,1.5,2.5\n2,0.1,nan,2.5\n")
    assert run.curves == {
        "loss": [(0.001, 2.5), (0.01, 1.5)],  # what is not finite is left out
        "start_loss": [(0.001, 2.5), (0.01, 2.5), (0.1, 2.5)],
    }


def test_of_several_steps_at_a_rate_the_last_counts_and_rounds_and_seeds_are_curves(finished):
    rows = ["1,0,0.1,0,3,0", "1,0,0.1,1,2,0", "1,0,0.2,1,1,0", "2,0,0.1,1,5,0", "1,0,0.1,1,4,1"]
    run = finished("refine", "round,segment,lr,iteration,loss,seed\n" + "\n".join(rows) + "\n")
    assert run.curves == {
        "loss/round_1/seed_0": [(0.1, 2.0), (0.2, 1.0)],
        "loss/round_2/seed_0": [(0.1, 5.0)],
        "loss/round_1/seed_1": [(0.1, 4.0)],
    }


def test_a_schedule_has_no_curve_over_the_rate(finished):
    assert finished("schedule", "policy,step,lr\nlinear,0,0.1\n").curves == {}


def test_settings_are_one_value_a_dotted_key(finished):
    config = {"seed": 0, "model": {"name": "mlp", "sizes": [1, 2]}, "clip": None, "trust": [], "flag": True}
    run = finished("range", "step,lr,loss\n", config=config)
    assert run.settings == {
        "seed": 0,
        "model.name": "mlp",
        "model.sizes": "[1, 2]",
        "clip": "null",
        "trust": "[]",
        "flag": True,
    }


def test_numbers_and_words_hold_the_suggestion_where_there_is_one(finished):
    given = {"lr": 0.1, "low": 0.05, "high": 0.2, "rule": "centre", "reason": "x"}
    run = finished("range", "step,lr,loss\n", suggestion=given)
    assert run.numbers == {
        "suggested_lr": 0.1,
        "suggested_low": 0.05,
        "suggested_high": 0.2,
        "steps": 3.0,
        "seconds": 1.5,
    }
    assert run.words == {"command": "range", "status": "completed", "rule": "centre", "verdict": "Flat."}
    without = finished("range", "step,lr,loss\n")
    assert set(without.numbers) == {"steps", "seconds"}
    assert "rule" not in without.words


def test_a_record_of_an_earlier_run_is_not_handed_over(finished, tmp_path):
    finished("range", "step,lr,loss\n")
    assert FinishedRun.newest(tmp_path, since=2e12) is None


def test_files_are_those_of_the_run_alone(finished, tmp_path):
    run = finished("range", "step,lr,loss\n")
    (tmp_path / ".hydra").mkdir()
    for name in (".hydra/config.yaml", ".lrfind.lock", "events.out.tfevents.1", "range.png"):
        (tmp_path / name).touch()
    names = [str(path.relative_to(tmp_path)) for path in run.files]
    assert names == [".hydra/config.yaml", "range.csv", "range.json", "range.png"]


@pytest.mark.parametrize(("lr", "step"), [(1e-3, -3000), (1.0, 0), (10.0, 1000), (2e-5, -4699)])
def test_a_step_is_a_thousand_to_a_decade(lr, step):
    assert step_of(lr) == step
