"""`lrfind refine` from the command line: what it prints, writes and returns."""

import json
import math
import os
import signal
import time
from itertools import groupby
from pathlib import Path

import pytest

from lrfind.cli.main import main
from tests.processes import Kill, Run
from tests.records import check_record
from tests.toy_tasks import NAN_LOSS

ROOT = Path(__file__).parents[2]
SHORT = ("refine.rounds=1", "refine.segments=[{start: 0.1, stop: 0.5, step: 0.1, iterations: 3}]")


@pytest.mark.picture
def test_default_job_goes_from_the_table_to_an_answer_and_leaves_three_files(lrfind):
    # Read on the whole training set, for losses of single batches turn where their noise wills.
    ran = lrfind("refine", "refine.read=train")
    assert ran.code == 0, ran.err
    assert {p.name for p in ran.folder.iterdir()} == {"refine.csv", "refine.json", "refine.png", ".hydra"}
    check_record(ran.record)
    assert ran.record["command"] == "refine"
    assert ran.record["steps"] == len(ran.rows)
    assert (ran.folder / "refine.png").read_bytes().startswith(b"\x89PNG")
    assert f"{ran.record['suggestion']['lr']:g}" in ran.out
    first = [row for row in ran.rows if row["round"] == "1"]
    assert list(first[0]) == ["round", "segment", "lr", "iteration", "loss"]
    assert [float(lr) for lr, _ in groupby(row["lr"] for row in first)][-12:-9] == [0.9, 1.0, 1.01]
    assert [int(row["iteration"]) for row in first[:11]] == [*range(1, 11), 1]
    assert "round 2: " in ran.err
    assert "look around" in ran.out + ran.err or "finer step" in ran.err


def test_quiet_prints_the_number_and_json_the_record(lrfind):
    quiet = lrfind("refine", "-q", *SHORT)
    assert quiet.out == f"{quiet.record['suggestion']['lr']!r}\n"
    record = lrfind("refine", "--json", *SHORT, folder="other")
    assert record.out == (record.folder / "refine.json").read_text()


@pytest.mark.parametrize(
    "words",
    [
        ["refine", "--around", "0.7"],
        ["--around", "0.7", "refine"],
        ["refine", "--around=0.7"],
        ["refine", "refine.around=0.7"],
        ["refine", "refine.rounds=1", "--around", "7e-1"],
    ],
    ids=" ".join,
)
def test_around_starts_at_the_closing_round_wherever_it_stands(lrfind, words):
    ran = lrfind(*words, "refine.rounds=1", "refine.iterations=2", "-q")
    assert ran.code in (0, 3)
    lrs = [lr for lr, _ in groupby(float(row["lr"]) for row in ran.rows)]
    assert lrs == [float(f"{i / 100:.2f}") for i in range(60, 81)]
    assert len(ran.rows) == 42


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer=momentum", "clip_grad_norm=1"],
        ["optimizer=adam", "model=cnn", "channels_last=true", "refine.read=subset", "refine.subset=100"],
        ["optimizer=adamw", "precision=bf16", "accumulation_steps=2", "refine.read=train"],
        ["optimizer=rmsprop", "precision=fp16"],
        [
            "model=curve_mlp",
            "data=curve",
            "criterion=half_mse",
            "refine.iteration=epoch",
            "refine.read=train",
        ],
        ["optimizer=adagrad", "refine.restart=true", "refine.halving=true"],
        ["optimizer=nesterov", "refine.restart=true", "refine.read=subset", "refine.seeds=2"],
    ],
    ids=" ".join,
)
def test_options_run_from_the_command_line(lrfind, words):
    ran = lrfind("refine", *SHORT, *words)
    assert ran.code in (0, 3), ran.err
    check_record(ran.record)
    assert {row["lr"] for row in ran.rows} == {"0.1", "0.2", "0.3", "0.4", "0.5"}
    assert all(math.isfinite(float(row["loss"])) for row in ran.rows[:3])


def test_both_kinds_of_curve_side_by_side_with_their_budget_said_before(lrfind):
    ran = lrfind("refine", *SHORT, "refine.restart=both", "refine.seeds=2", "seed=5")
    assert ran.code in (0, 3), ran.err
    assert list(ran.rows[0]) == ["round", "segment", "lr", "iteration", "loss", "seed", "start"]
    kinds = [(row["start"], row["seed"]) for row in ran.rows]
    assert [key for key, _ in groupby(kinds)] == [
        ("continued", "5"), ("continued", "6"), ("restarted", "5"), ("restarted", "6")
    ]  # fmt: skip
    assert "5 rates x 2 seeds x 3 steps, about" in ran.err
    assert "restarted loss" in ran.out
    # The same seed begins at the same weights with the same batch, whatever the rate and the kind of sweep.
    firsts = {row["loss"] for row in ran.rows if row["seed"] == "5" and row["iteration"] == "1"
              and (row["start"] == "restarted" or row["lr"] == "0.1")}  # fmt: skip
    assert len(firsts) == 1


def test_same_seed_gives_the_same_csv_byte_for_byte(lrfind):
    one, two, three = (
        (lrfind("refine", "-q", *SHORT, f"seed={seed}", folder=f"run{i}").folder / "refine.csv").read_bytes()
        for i, seed in enumerate((1, 1, 2))
    )
    assert one == two != three


def test_textbook_recipe_is_the_issues_to_the_letter(capfd):
    def composed(name):
        assert main(["refine", f"experiment={name}", "--cfg", "job"]) == 0
        import yaml

        return yaml.safe_load(capfd.readouterr().out)

    config, short = composed("textbook_refine"), composed("textbook_refine_short")
    assert config["batch_size"] == 10
    assert (config["refine"]["iteration"], config["refine"]["read"]) == ("epoch", "train")
    assert config["criterion"]["_target_"] == "lrfind.tasks.losses.HalfMSELoss"
    rounds = [
        [tuple(segment[key] for key in ("start", "stop", "step", "iterations")) for segment in segments]
        for segments in config["refine"]["segments"]
    ]
    assert rounds == [
        [(1e-4, 9e-4, 1e-4, 10), (1e-3, 9e-3, 1e-3, 10), (1e-2, 9e-2, 1e-2, 10), (0.1, 0.9, 0.1, 100)],
        [(0.1, 0.9, 0.1, 100), (1.0, 1.1, 0.01, 100)],
        [(0.63, 1.1, 0.01, 200)],
    ]
    for segments, shortened in zip(config["refine"]["segments"], short["refine"]["segments"], strict=True):
        for one, other in zip(segments, shortened, strict=True):
            assert other == {**one, "iterations": one["iterations"] // 10}


def test_a_loss_that_is_not_finite_from_the_start_is_exit_code_3(lrfind, own):
    own("nanloss", NAN_LOSS)
    ran = lrfind("refine", "criterion=custom", "criterion._target_=nanloss.Loss", "trust=[nanloss]", *SHORT)
    assert ran.code == 3
    assert ran.record["status"] == "nonfinite"
    assert ran.record["suggestion"] is None
    assert ran.out.count("No learning rate can be suggested") == 1
    assert "not finite" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--around", "0"], "refine.around must be greater than 0 and finite, got 0"),
        (["--around", "-1"], "refine.around must be greater than 0 and finite, got -1"),
        (["--around", "much"], "refine.around must be a number or null, got 'much'"),
        (["--around"], "--around needs a learning rate: --around 0.7"),
        (["--around", "refine.rounds=2"], "--around needs a learning rate"),
        (["refine.segments=[]"], "refine.segments: a round needs at least one segment"),
        (["refine.segments=3"], "refine.segments must be a list, got 3"),
        (
            ["refine.segments=[{start: 0.1, stop: 0.5, step: 0.1, iterations: 0}]"],
            "refine.segments: segment 1: iterations must be at least 1, got 0.",
        ),
        (
            ["refine.segments=[{start: 0.1, stop: 0.5, step: 0.1}, {start: 0.4, stop: 0.9, step: 0.1}]"],
            "segments 1 and 2 overlap",
        ),
        (["refine.segments=[{start: 0.5, stop: 0.5, step: 0.1}]"], "stop must be greater than start"),
        (["refine.segments=[{start: 0.1, stop: 0.5, step: 0}]"], "step must be greater than 0"),
        (["refine.rounds=0"], "refine.rounds must be at least 1, got 0"),
        (["refine.seeds=0"], "refine.seeds must be at least 1, got 0"),
        (["refine.iterations=0"], "refine.iterations must be at least 1"),
        (["refine.restart=perhaps"], "refine.restart must be one of false, true, both, got 'perhaps'"),
        (["refine.halving=true"], "refine.halving needs refine.restart=true"),
        (["refine.read=train", "refine.subset=0"], "refine.subset must be at least 1"),
        (["refine.read=subset", "refine.subset=5000"], "refine.subset=5000 is more than data=digits holds"),
        (["refine.resume=nowhere"], "refine.resume=nowhere is no directory"),
        (["refine.resume=."], "refine.resume=. cannot go on: it holds no saved state"),
        (["refine.stop_factor=4"], "refine.stop_factor is no key"),
        (["range.num_steps=4"], "range.num_steps is no key"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refused(lrfind, words, said):
    ran = lrfind("refine", *words)
    assert ran.code == 2, ran.err
    assert ran.out == ""
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert not (ran.folder / "refine.json").exists()


def test_around_belongs_to_refine(lrfind):
    ran = lrfind("--around", "0.7")
    assert ran.code == 2
    assert "--around belongs to refine: type lrfind refine --around 0.7" in ran.err


SLOW = """
import time, torch
class Net(torch.nn.Sequential):
    def __init__(self, dropout=0.0, seconds=0.0):
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(64, 10), torch.nn.Dropout(dropout))
        self.seconds = seconds
    def forward(self, x):
        time.sleep(self.seconds)
        return super().forward(x)
"""
NET = ("model=custom", "model._target_=slow.Net", "trust=[slow]")
WORDS = (*NET, "optimizer=adam", "refine.save_every=0", "refine.rounds=2", "refine.iterations=2",
         "refine.segments=[{start: 0.001, stop: 0.009, step: 0.001, iterations: 4}]")  # fmt: skip
CUT = {
    "one after another": (*WORDS, "+model.dropout=0.3", "refine.seeds=2"),
    "side by side": (*WORDS, "refine.seeds=3", "refine.strategy=stacked"),
    "side by side, recorded": (
        "refine.save_every=0", "refine.seeds=3", "refine.strategy=stacked", "refine.rounds=1",
        "refine.segments=[{start: 0.001, stop: 0.009, step: 0.001, iterations: 8}]",
    ),
    "restarted": (*WORDS, "refine.seeds=3", "refine.restart=true"),
    "restarted, rates side by side": (
        *WORDS, "refine.seeds=3", "refine.restart=true", "refine.strategy=stacked",
    ),
    "both": (*WORDS, "refine.seeds=2", "refine.restart=both"),
    "on ranks": (
        *WORDS, "+model.dropout=0.3", "refine.seeds=2", "ranks=2", "device=cpu", "refine.restart=both",
    ),
}  # fmt: skip


def goes_on_to_the_same(lrfind, words):
    """Goes on with the sweep in `cut`, and compares with one that nobody ended."""
    whole = lrfind("refine", "-q", *words, folder="whole")
    again = lrfind("refine", *words, "refine.resume=cut", folder="again")
    assert again.code == whole.code, again.err
    assert (again.folder / "refine.csv").read_bytes() == (whole.folder / "refine.csv").read_bytes()
    assert again.record["steps"] == whole.record["steps"]
    assert again.record["suggestion"] == whole.record["suggestion"]
    assert not (again.folder / "refine.state.npz").exists()
    assert "resumed" in again.err
    other = lrfind("refine", *words, "batch_size=32", "refine.resume=cut", folder="other")
    assert other.code == 2
    assert "is another experiment: batch_size was 64 there and is 32 here" in other.err


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(
    ("kind", "savings"),
    [
        ("one after another", 40),
        ("side by side, recorded", 30),
        ("restarted", 2),
        ("both", 50),
        ("on ranks", 20),
        # Each is three runs.
        pytest.param("one after another", 90, marks=pytest.mark.slow),
        pytest.param("side by side", 30, marks=pytest.mark.slow),
        pytest.param("restarted, rates side by side", 4, marks=pytest.mark.slow),
        pytest.param("both", 20, marks=pytest.mark.slow),
        pytest.param("on ranks", 70, marks=pytest.mark.slow),
    ],
)
def test_a_sweep_that_was_killed_goes_on_and_ends_bitwise_as_if_it_had_not(
    lrfind, own, tmp_path, kind, savings
):
    own("slow", SLOW)
    kill = Kill("lrfind.report.state_file", "StateFile.write", savings, after=True)
    run = Run(["refine", "-q", *CUT[kind], "hydra.run.dir=cut"], tmp_path, kill=kill)
    assert run.end() == -signal.SIGKILL, run.said
    assert (tmp_path / "cut" / "refine.state.npz").exists()
    assert not (tmp_path / "cut" / "refine.csv").exists()
    goes_on_to_the_same(lrfind, CUT[kind])


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(
    ("kind", "seconds", "number", "after"),
    [
        ("one after another", 0.01, signal.SIGTERM, 0.7),
        ("one after another", 0.01, signal.SIGINT, 0.7),
        ("side by side", 0.04, signal.SIGTERM, 0.5),
        ("restarted", 0.01, signal.SIGTERM, 0.3),
        ("on ranks", 0.01, signal.SIGINT, 1.0),
    ],
)
def test_a_sweep_that_was_interrupted_goes_on_and_ends_bitwise_as_if_it_had_not(
    lrfind, own, tmp_path, kind, seconds, number, after
):
    own("slow", SLOW)
    words = (*CUT[kind], f"+model.seconds={seconds}")
    run = Run(["refine", "-q", *words, "hydra.run.dir=cut"], tmp_path)
    run.until((tmp_path / "cut" / "refine.state.npz").exists)
    time.sleep(after)
    assert run.process.is_alive(), "it was over before it could be stopped"
    run.send(number)
    assert run.end() == (143 if number == signal.SIGTERM else 130), run.said
    assert run.shown == ""
    record = json.loads((tmp_path / "cut" / "refine.json").read_text())
    assert record["status"] == "interrupted"
    assert record["suggestion"] is None
    assert len((tmp_path / "cut" / "refine.csv").read_text().splitlines()) == record["steps"] + 1 > 3
    goes_on_to_the_same(lrfind, words)


def test_seeds_side_by_side_give_the_losses_of_seeds_one_after_another(lrfind):
    words = ("refine", "-q", *SHORT, "refine.seeds=3", "seed=4")
    one = lrfind(*words, "refine.strategy=stacked", folder="one")
    other = lrfind(*words, "refine.strategy=sequential", folder="other")
    assert [row["seed"] for row in one.rows] == [row["seed"] for row in other.rows]
    losses = [[float(row["loss"]) for row in ran.rows] for ran in (one, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert one.record["steps"] == other.record["steps"] == 45


def test_the_default_goes_side_by_side_where_that_pays_and_says_so(lrfind):
    words = (
        *("model=curve_mlp", "data=curve", "criterion=half_mse", "batch_size=10", "refine.seeds=4"),
        *("refine.rounds=1", "refine.segments=[{start: 0.1, stop: 0.5, step: 0.1, iterations: 60}]"),
    )
    ran = lrfind("refine", *words)
    assert "4 seeds side by side: their steps are small enough" in ran.err
    alone = lrfind("refine", *words, "deterministic=true", folder="alone")
    assert "side by side" not in alone.err


def test_side_by_side_that_cannot_be_is_refused_where_it_is_asked_for(lrfind):
    ran = lrfind("refine", *SHORT, "refine.seeds=2", "refine.strategy=stacked", "optimizer=rmsprop")
    assert ran.code == 2
    assert "the seeds cannot be trained side by side: the optimizer is RMSprop" in ran.err


BETWEEN = """
import torch
made = []
class Net(torch.nn.Sequential):
    def __init__(self):
        made.append(1)
        if len(made) == 2:
            raise KeyboardInterrupt
        super().__init__(torch.nn.Flatten(), torch.nn.Linear(64, 10))
"""


def test_an_interrupt_between_two_seeds_keeps_what_was_measured(lrfind, own):
    own("between", BETWEEN)
    words = ("model=custom", "model._target_=between.Net", "trust=[between]", "refine.strategy=sequential")
    ran = lrfind("refine", *SHORT, *words, "refine.seeds=3")
    assert ran.code == 130
    assert ran.record["status"] == "interrupted"
    assert ran.record["steps"] == len(ran.rows) == 15
    assert {row["seed"] for row in ran.rows} == {"0"}
    assert ran.record["verdict"].endswith(" Nothing was saved yet to go on with (refine.save_every).")
    own("never", BETWEEN)
    words = ("model=custom", "model._target_=never.Net", "trust=[never]", "refine.strategy=sequential")
    never = lrfind("refine", *SHORT, *words, "refine.seeds=3", "refine.save_every=null", folder="never")
    assert never.record["verdict"].endswith("too early to read a rate from it.")


def test_halving_answers_with_a_rate_that_was_trained_in_full(lrfind):
    ran = lrfind("refine", "refine.restart=true", "refine.halving=true")
    assert ran.code == 0, ran.err
    last = [row for row in ran.rows if row["round"] == ran.rows[-1]["round"]]
    lengths = {float(lr): len(list(rows)) for lr, rows in groupby(last, key=lambda row: row["lr"])}
    assert set(lengths.values()) > {max(lengths.values())}
    assert lengths[ran.record["suggestion"]["lr"]] == lengths[ran.record["rules"]["lowest"]] == 10
    assert "rates were trained in full" in ran.out


def test_a_closing_round_that_is_given_is_run_once(lrfind):
    ran = lrfind("refine", "--around", "0.7", "refine.read=train", "batch_size=256")
    assert ran.code == 0, ran.err
    rounds = {}
    for row in ran.rows:
        rounds.setdefault(row["round"], []).append(row["lr"])
    assert len({tuple(lrs) for lrs in rounds.values()}) == len(rounds)
