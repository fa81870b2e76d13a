"""The search for the best rate: what it plans, that it goes on where it stopped, and what a run records."""

import pytest

from benchmarks.truth import oracle
from benchmarks.truth.lines import append_line, read_lines
from benchmarks.truth.oracle import grid, kept, plan, search
from benchmarks.truth.training import Trainer, joined, one_cycle_of
from lrfind.training.step import evaluate


@pytest.fixture
def tiny(monkeypatch):
    """Runs of four steps at seven rates."""
    monkeypatch.setattr(oracle, "BUDGET", 4)
    monkeypatch.setattr(oracle, "LONG", ())
    monkeypatch.setattr(oracle, "grid", lambda kind, **_: grid(kind, per_decade=1))


def test_a_grid_has_four_rates_a_decade_over_six_decades():
    lrs = grid("adam")
    assert len(lrs) == 25
    assert (lrs[0], lrs[12], lrs[-1]) == (1e-6, 1e-3, 1.0)
    assert grid("sgd", per_decade=2, decades=5)[:3] == [1e-3, 3.16228e-3, 1e-2]


def test_a_run_that_is_recorded_is_not_made_again(tmp_path, tiny):
    path = tmp_path / "runs.jsonl"
    made = search(["curve_adam"], path, seeds=1)
    lines = read_lines(path)
    assert made == len(lines) == 7
    assert search(["curve_adam"], path, seeds=1) == 0
    # The last line was cut off, as by a crash: that run is made again, and the same comes out.
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert search(["curve_adam"], path, seeds=1) == 1
    again = read_lines(path)
    for line in (*lines, *again):
        del line["seconds"]
    assert again == lines


def test_a_line_says_what_was_run(tmp_path, tiny):
    path = tmp_path / "runs.jsonl"
    search(["scaled_linear_nesterov"], path, seeds=1)
    (line,) = [line for line in read_lines(path) if line["lr"] == 0.01]
    assert line.keys() == {"task", "kind", "budget", "lr", "seed", "initial", "final", "status", "seconds"}
    assert (line["kind"], line["budget"], line["seed"], line["status"]) == ("constant", 4, 0, "completed")
    assert line["final"] < line["initial"]


def test_two_seeds_of_all_tasks_come_before_any_third(tmp_path, tiny):
    runs = list(plan(["curve_adam", "scaled_mlp_sgd"], tmp_path / "none", 3))
    first = [run for run in runs if run.seed < 2]
    assert runs[: len(first)] == first
    assert {run.task for run in first} == {"curve_adam", "scaled_mlp_sgd"}


def test_a_rate_that_both_first_seeds_find_hopeless_gets_no_third():
    def line(lr, seed, final):
        return {
            "task": "t",
            "kind": "constant",
            "budget": oracle.BUDGET,
            "lr": lr,
            "seed": seed,
            "initial": 2.0,
            "final": final,
        }

    # Best 1.0: regret 0.95 for 1.95, 1 for a diverged run, 0.85 for 1.85.
    lines = [line(1e-3, 0, 1.95), line(1e-2, 0, 1.95), line(1e-1, 0, 1.0), line(1.0, 0, None)]
    lines += [line(1e-3, 1, 1.95), line(1e-2, 1, 1.85), line(1e-1, 1, 1.0), line(1.0, 1, None)]
    assert kept(lines, "t") == {1e-2, 1e-1}
    assert kept(lines[:-1], "t") is None
    assert kept([], "t") is None


def test_a_run_that_diverges_stops_early_and_has_no_final_loss():
    ended = Trainer("scaled_linear_nesterov").train(10.0, 0, budget=200)
    assert ended.status == "nonfinite"
    assert ended.final != ended.final


def test_the_same_run_twice_ends_at_the_same_loss():
    trainer = Trainer("digits_cnn_bn_momentum")
    ends = [trainer.train(0.01, 1, budget=5) for _ in range(2)]
    assert ends[0].final == ends[1].final != ends[0].initial == ends[1].initial


def test_held_out_batches_as_one_have_the_same_loss():
    task = Trainer("digits_logistic_sgd").built(0, validation_samples=100)
    whole = joined(task.validation)
    assert [len(batch[0]) for batch in whole] == [100]
    separate = evaluate(task.objective, task.validation)[0].item()
    assert evaluate(task.objective, whole)[0].item() == pytest.approx(separate, rel=1e-5)


def test_one_cycle_ends_far_below_its_peak_and_cycles_a_momentum_only_where_there_is_one():
    for name, cycled in (("digits_mlp_sgd", False), ("digits_cnn_bn_momentum", True), ("curve_adam", True)):
        optimizer = Trainer(name).built(0).optimizer
        schedule = one_cycle_of(optimizer, 0.5, 10)
        rates = []
        for _ in range(9):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        assert rates[0] == pytest.approx(0.5 / 25)
        assert max(rates) == pytest.approx(0.5)
        assert optimizer.param_groups[0]["lr"] < 1e-5
        assert schedule.cycle_momentum is cycled


def test_a_line_is_added_below_one_that_was_cut_off(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_text('{"a": 1}\n{"a": ')
    append_line(path, {"a": 3})
    assert read_lines(path) == [{"a": 1}, {"a": 3}]
