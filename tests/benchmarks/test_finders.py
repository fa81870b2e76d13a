"""Finders: each answer is recorded once, a crash is no answer, and lrfind's is the command's own."""

import contextlib
import importlib
import json

import pytest

from benchmarks.truth import finders
from benchmarks.truth.finders import FINDERS, ask, search
from benchmarks.truth.lines import read_lines, without
from benchmarks.truth.oracle import RUNS
from benchmarks.truth.oracles import oracles
from benchmarks.truth.pieces import START_LR, Answer, pieces_of
from benchmarks.truth.tasks import BUDGET, TASKS, composed
from benchmarks.truth.training import Trainer
from lrfind.cli.commands import COMMANDS
from lrfind.report.output import Show


def test_what_is_recorded_is_not_asked_again_and_can_be_dropped(tmp_path):
    path = tmp_path / "found.jsonl"
    names = ["curve_adam", "digits_logistic_sgd"]
    assert search(names, ["habit"], path, seeds=[100, 101]) == 4
    assert search(names, ["habit"], path, seeds=[100, 101]) == 0
    assert [line["lr"] for line in read_lines(path)] == [0.001, 0.001, 0.1, 0.1]
    without(path, lambda line: line["task"] == "curve_adam")
    assert search(names, ["habit"], path, seeds=[100, 101]) == 2


def test_a_finder_that_fails_has_no_answer_and_says_why(monkeypatch):
    def crash(trainer, seed):
        raise RuntimeError("no U shape\nmore")

    monkeypatch.setitem(FINDERS, "crash", crash)
    monkeypatch.setitem(FINDERS, "silly", lambda trainer, seed: Answer(float("nan"), steps=7))
    trainer = Trainer("curve_adam")
    line = ask("crash", trainer, 100)
    assert (line["lr"], line["why"]) == (None, "RuntimeError: no U shape")
    line = ask("silly", trainer, 100)
    assert (line["lr"], line["steps"], line["why"]) == (None, 7, "answered nan")


def test_lrfind_answers_what_the_command_answers(tmp_path):
    line = ask("lrfind", Trainer("digits_mlp_sgd"), 3)
    job = composed("digits_mlp_sgd", "device=cpu", "seed=3")
    with contextlib.redirect_stdout(None):
        COMMANDS["range"].run(job, tmp_path, show=Show.NUMBER)
    record = json.loads((tmp_path / "range.json").read_text())
    assert line["lr"] is not None
    assert (line["lr"], line["low"], line["high"], line["steps"]) == (
        *(record["suggestion"][key] for key in ("lr", "low", "high")),
        record["steps"],
    )


def test_peers_see_the_batches_that_lrfind_sees():
    trainer = Trainer("digits_mlp_sgd")
    pieces = pieces_of(trainer.built(3), trainer.config.optimizer)
    task = trainer.built(3)
    for given, own in zip(pieces.loader, task.batches, strict=False):
        assert all((a == b).all() for a, b in zip(given, own, strict=True))
    assert {group["lr"] for group in pieces.optimizer.param_groups} == {START_LR}


@pytest.mark.parametrize(
    ("package", "finder"),
    [
        ("torch_lr_finder", "torch_lr_finder"),
        ("lightning", "lightning"),
        ("ignite", "ignite"),
        ("fastai", "fastai_minimum"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # theirs are not ours to mend
def test_a_peer_that_is_installed_answers(package, finder):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    found = FINDERS[finder](Trainer("digits_mlp_sgd"), 100)
    assert found.lr > 0
    assert 10 < found.steps <= 101


def test_recorded_answers_are_of_known_tasks_and_finders_and_each_stands_once():
    lines = read_lines(finders.FOUND)
    if not lines:
        pytest.skip("nothing is recorded")
    keys = [(line["task"], line["finder"], line["seed"]) for line in lines]
    assert len(keys) == len(set(keys))
    assert {finder for _, finder, _ in keys} <= set(FINDERS)
    assert {task for task, _, _ in keys} <= set(TASKS)


def test_recorded_runs_give_every_task_an_oracle_of_at_least_five_seeds():
    lines = read_lines(RUNS)
    if not lines:
        pytest.skip("nothing is recorded")
    keys = [(line["task"], line["kind"], line["budget"], line["lr"], line["seed"]) for line in lines]
    assert len(keys) == len(set(keys))
    found = oracles(lines, kind="constant", budget=BUDGET)
    assert found.keys() == TASKS.keys()
    for oracle in found.values():
        assert len(oracle.lrs) == 25
        assert oracle.seeds >= 5
