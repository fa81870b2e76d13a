"""`lrfind verify` from the command line: what it prints, writes and returns."""

import dataclasses
import math
import os
from itertools import groupby

import pytest

from lrfind.cli.main import main
from lrfind.verify import run as verifying
from lrfind.verify import search_run
from lrfind.verify import target as checked
from tests.records import check_record
from tests.toy_tasks import BOWL, HOLES, ON_BOWL

SHORT = ("verify.steps=20", "verify.seeds=2")

RUNS = (
    *ON_BOWL, "verify.steps=10", "verify.seeds=2",
)  # fmt: skip


LITTLE = ("verify.budget=19",)
"""Less than two runs, so that each is first trained for a sixth of its steps."""


def final_of(lr, steps=10):
    """The loss of the bowl after so many steps."""
    return 0.5 * (1 - lr) ** (2 * steps)


@pytest.fixture
def on_bowl(lrfind, own):
    """Runs `lrfind verify` on the bowl."""
    own("bowl", BOWL)
    return lambda *words, **options: lrfind("verify", *words, *RUNS, **options)


@pytest.mark.picture
def test_default_job_checks_the_suggestion_of_the_range_test_and_leaves_three_files(lrfind):
    record_of_range = lrfind("-q", folder="range").record
    suggested = record_of_range["suggestion"]
    ran = lrfind("verify", *SHORT)
    assert ran.code == 0, ran.err
    assert {p.name for p in ran.folder.iterdir()} == {"verify.csv", "verify.json", "verify.png", ".hydra"}
    assert (ran.folder / "verify.png").read_bytes().startswith(b"\x89PNG")
    record = ran.record
    check_record(record)
    # To the last digit what lrfind says: nothing is set apart from the range test.
    assert record["checked"] == {"lr": suggested["lr"], "source": "the range test"}
    assert [run["roles"] for run in record["runs"] if run["lr"] == suggested["lr"]] == [["suggestion"]]
    assert {role for run in record["runs"] for role in run["roles"]} == {"suggestion", "search"}
    assert record["judged_after"] == {"steps": 20, "schedule": "constant"}
    # The range test and eight runs; it may take up to three sweeps.
    assert record["budget"]["steps"] == 3 * 60 + 8 * 20
    assert record["steps"] <= record["budget"]["steps"]
    assert record["search"][0] == {
        "seed": 0, "lr": suggested["lr"], "from": 0, "to": 10, "loss": record["search"][0]["loss"]
    }  # fmt: skip
    assert record["config"]["verify"]["from"] is None
    assert record["held_out_samples"] == 359
    assert "pinned" not in record
    assert record["verdict"] in ran.out
    assert (
        "at most 340 training steps in all (verify.budget), of which the range test takes up to 180"
        in ran.err
    )
    assert "rates are judged after 20 steps at a constant rate" in ran.err
    assert (
        f"searching from {suggested['lr']:g}: up to {340 - record_of_range['steps']} steps, about" in ran.err
    )
    last = len({row["seed"] for row in ran.rows})
    assert f"seed {last} of 2, rate " in ran.err


def test_csv_has_a_row_a_step_and_the_held_out_loss_before_on_the_way_and_after(on_bowl):
    ran = on_bowl("1", "seed=7", *LITTLE)
    assert ran.code == 0, ran.err
    assert list(ran.rows[0]) == ["lr", "seed", "step", "loss", "held_out_loss"]
    runs = {key: list(rows) for key, rows in groupby(ran.rows, lambda row: (row["lr"], row["seed"]))}
    assert {seed for _, seed in runs} == {"7"}
    rows = runs["1.0", "7"]
    assert [int(row["step"]) for row in rows] == list(range(11))
    assert [float(row["loss"]) for row in rows[:-1]] == [final_of(1, i) for i in range(10)]
    read = {int(row["step"]): float(row["held_out_loss"]) for row in rows if row["held_out_loss"]}
    assert read == {i: final_of(1, i) for i in (0, 1, 5, 10)}
    assert rows[-1]["loss"] == ""
    given_up = runs["0.5", "7"]
    assert [row["loss"] != "" for row in given_up] == [True, False]
    assert float(given_up[-1]["held_out_loss"]) == final_of(0.5, 1)


def test_the_best_rate_of_a_quadratic_holds(on_bowl):
    ran = on_bowl("1")
    assert ran.code == 0, ran.err
    record = ran.record
    check_record(record)
    assert record["holds"] is True
    assert record["suggestion"]["lr"] == 1.0
    assert (record["start_loss"], record["drop"]) == (0.5, 0.5)
    # At 2 the loss stands still, and half-way that is far behind.
    by_lr = {run["lr"]: run for run in record["runs"]}
    assert [by_lr[lr]["status"] for lr in (0.5, 1.0, 2.0)] == ["completed", "completed", "given_up"]
    assert by_lr[0.5]["loss"] == pytest.approx(final_of(0.5), rel=1e-12)
    assert by_lr[0.5]["worse_by"] == pytest.approx(2 * final_of(0.5), rel=1e-12)
    assert (record["suggestion"]["low"], record["suggestion"]["high"]) == (0.841, 1.41)
    assert (
        "The given rate holds: 1 ends at a held-out loss of 0, the lowest of the 6 rates tried"
        in record["verdict"]
    )
    moves = [(move["lr"], move["from"], move["to"]) for move in record["search"]]
    assert moves[:3] == [(1.0, 0, 5), (2.0, 0, 5), (0.5, 0, 5)]
    assert "range test" not in ran.err


@pytest.mark.parametrize("words", [["verify.around=0.01"], ["1e-2"]], ids=" ".join)
def test_a_rate_far_too_small_does_not_hold_and_a_better_one_is_named(on_bowl, words):
    ran = on_bowl(*words, "-q")
    assert ran.code == 0, ran.err
    assert ran.record["holds"] is False
    assert ran.out == "0.932\n"
    assert (
        f"The given rate does not hold: 0.01 ends at a held-out loss of {final_of(0.01):.3g} after 10 steps"
        in ran.record["verdict"]
    )
    assert f"0.932 does: it ends at a held-out loss of {final_of(0.932):.3g}" in ran.record["verdict"]


def test_with_little_budget_a_rate_that_is_far_behind_is_given_up(on_bowl):
    ran = on_bowl("0.01", "-q", *LITTLE)
    assert ran.code == 0, ran.err
    assert ran.out == "0.81\n"
    assert [run["status"] for run in ran.record["runs"]] == ["given_up"] * 4 + ["completed", "given_up"]
    assert ran.record["holds"] is None
    assert "The given rate is not judged: 0.01 was given up after 1 of 10 steps" in ran.record["verdict"]
    moves = [(move["lr"], move["from"], move["to"]) for move in ran.record["search"]]
    assert moves == [(lr, 0, 1) for lr in (0.01, 0.03, 0.09, 0.27, 0.81, 2.43)] + [(0.81, 1, 10)]


@pytest.mark.parametrize(
    ("words", "sensible"),
    [
        (["--lr", "1"], True),
        (["verify.lr=0.2"], True),
        (["--lr=0.01"], False),
        (["--lr", "2.5"], False),
        (["--lr", "2"], False),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_pinned_rate_is_sensible_or_exit_code_4(on_bowl, words, sensible):
    ran = on_bowl("1", *words, "-q")
    assert ran.code == (0 if sensible else 4), ran.err
    check_record(ran.record)
    assert ran.record["pinned"]["sensible"] is sensible
    assert ran.out == "1.0\n"
    if not sensible:
        lr = ran.record["pinned"]["lr"]
        assert f"lrfind: error: verify.lr={lr:g} is not a sensible learning rate" in ran.err
        assert "Pin 1 instead." in ran.err
        assert ("diverged" if lr > 2 else "verify.margin=0.1 allows 10%") in ran.err


@pytest.mark.parametrize(("pinned", "one"), [(1.05, True), (0.92, True), (1.0, True), (0.85, False)])
def test_a_pinned_rate_near_the_one_to_check_is_trained_for_both(on_bowl, pinned, one):
    ran = on_bowl("1", "--lr", str(pinned))
    assert ran.code == 0, ran.err
    roles = {run["lr"]: run["roles"] for run in ran.record["runs"] if run["roles"] != ["search"]}
    assert roles == ({pinned: ["given", "pinned"]} if one else {1.0: ["given"], pinned: ["pinned"]})
    assert ran.record["checked"]["lr"] == 1.0
    said = f"The pinned rate, {pinned:g}, is trained for the one to check, 1, too: rates that differ by less"
    told = one and pinned != 1.0
    assert "pinned, for 1 (given)" in ran.out if told else "for 1 (given)" not in ran.out
    assert (
        f"The given rate, 1, for which {pinned:g} was trained, holds" in " ".join(ran.out.split())
    ) == told
    assert " ".join(ran.err.split()).count(said) == told
    assert sum(said in each for each in ran.record.get("warnings", [])) == told


def test_a_pinned_rate_is_compared_with_the_suggestion_of_the_range_test(lrfind):
    good = lrfind("verify", "--lr", "0.2", "verify.steps=100")
    assert good.code == 0, good.err
    assert good.record["pinned"] == {"lr": 0.2, "sensible": True}
    assert "verify.lr=0.2 is sensible" in good.out
    bad = lrfind("verify", "--json", "--lr", "0.0005", "verify.steps=50", folder="bad")
    assert bad.code == 4
    assert bad.out == (bad.folder / "verify.json").read_text()


def test_a_suggestion_is_taken_from_an_earlier_run(lrfind):
    first = lrfind("-q", folder="first")
    ran = lrfind("verify", "verify.from=first", *SHORT)
    assert ran.code == 0, ran.err
    assert ran.record["checked"] == {"lr": first.record["suggestion"]["lr"], "source": "first/range.json"}
    assert ran.record["rules"] == first.record["rules"]
    assert ran.record["steps"] == len(ran.rows) - 2 * len(ran.record["runs"])
    other = lrfind("verify", "verify.from=first/range.json", "batch_size=32", *SHORT, folder="other")
    (warning,) = other.record["warnings"]
    assert "was made with another batch_size" in warning
    assert other.err.count(warning) == 1


NO_ANSWER = ("range.start_lr=1e-12", "range.end_lr=1e-10")


def test_without_a_suggestion_the_search_begins_at_the_rate_of_the_optimizer(lrfind):
    ran = lrfind("verify", *NO_ANSWER, "verify.steps=60", "verify.seeds=1")
    assert ran.code == 0, ran.err
    check_record(ran.record)
    assert ran.record["checked"] == {
        "lr": 0.1,
        "source": "the optimizer's rate (the range test suggested none)",
    }
    assert ["config"] in [run["roles"] for run in ran.record["runs"]]
    assert (
        "the range test suggested no learning rate, so the search begins at 0.1, the rate of the optimizer. "
        "Flat: no rate up to 1e-10 moved the loss. Raise range.end_lr"
    ) in ran.err
    (warning,) = ran.record["warnings"]
    assert ran.err.count(warning) == 1
    assert ran.record["verdict"].startswith("The optimizer's rate ")


def test_of_an_earlier_run_without_a_suggestion_one_sentence_says_where_the_search_begins(lrfind):
    lrfind("-q", *NO_ANSWER, folder="first")
    words = ("verify", "verify.from=first", "batch_size=32", *SHORT)
    begins = "lrfind: warning: first/range.json suggested no learning rate, so the search begins at"
    for given, code, where, source in (
        ((), 0, "0.1, the rate of the optimizer.", "the optimizer's rate"),
        (("--lr", "0.2"), 4, "verify.lr=0.2.", "given as verify.lr"),
    ):
        ran = lrfind(*words, *given, folder=f"from{len(given)}")
        assert ran.code == code, ran.err
        warned = [line for line in ran.err.splitlines() if "warning" in line]
        assert warned == [f"{begins} {where}"]
        assert ran.record["checked"]["source"] == f"{source} (first/range.json suggested none)"


NOTHING = """
import torch
class Still(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
    def forward(self, x): return 1 + 0 * self.w + 0 * x.sum()
"""


def test_where_no_rate_learns_the_search_ends_with_none(lrfind, own):
    own("bowl", BOWL)
    own("still", NOTHING)
    words = [word.replace("model._target_=bowl.Bowl", "model._target_=still.Still") for word in RUNS]
    words = [word.replace("trust=[bowl]", "trust=[bowl,still]") for word in words]
    ran = lrfind("verify", "0.1", "-q", *words)
    assert ran.code == 3, ran.err
    assert ran.out == ""
    check_record(ran.record)
    assert (ran.record["holds"], ran.record["suggestion"]) == (None, None)
    assert "Nothing was learnt at any rate tried: after 10 steps the best of the" in ran.err
    assert "hold" not in ran.record["verdict"].replace("held-out", "")
    assert [run["worse_by"] for run in ran.record["runs"]] == [None] * len(ran.record["runs"])
    assert ran.record["steps"] <= ran.record["budget"]["steps"] == 80


def test_steps_may_be_epochs_and_the_rate_may_follow_a_schedule(lrfind):
    words = (
        "0.3",
        "verify.steps=1.5 epochs",
        "verify.schedule=one_cycle",
        "verify.seeds=1",
        "optimizer=momentum",
    )
    ran = lrfind("verify", *words)
    assert ran.code == 0, ran.err
    check_record(ran.record)
    # 1,438 samples are trained on, 64 a batch.
    assert ran.record["judged_after"] == {"steps": 33, "schedule": "one_cycle"}
    assert {(move["from"], move["to"]) for move in ran.record["search"]} == {(0, 33)}
    assert "after 33 steps of one_cycle with the rate as its peak" in ran.record["verdict"]
    assert ran.record["budget"]["steps"] == 8 * 33


@pytest.mark.parametrize("horizon", [None, 3000])
def test_along_a_schedule_the_search_begins_at_the_peak_that_the_range_test_names(lrfind, horizon):
    words = ("verify.schedule=cosine", "verify.steps=5", "verify.seeds=1")
    words += () if horizon is None else (f"range.horizon={horizon}",)
    ran = lrfind("verify", *words)
    assert ran.code == 0, ran.err
    found = lrfind("-q", *words[3:], folder="range").record
    peaks = {peak["policy"]: peak["lr"] for peak in found.get("peaks", [])}
    peak, said = ran.record["checked"]["lr"], " ".join(ran.err.split())
    assert peak == peaks.get("cosine", found["suggestion"]["lr"])
    warned = f"The suggestion is for a training of {horizon:,} steps" if horizon else "is for a training"
    assert sum(warned in each for each in ran.record.get("warnings", [])) == bool(horizon)
    if horizon is None:
        assert 1 < peak / found["suggestion"]["lr"] < 2.01
        assert f"begins at {peak:g}, the peak of cosine that goes with {found['suggestion']['lr']:g}" in said
    else:
        assert f"no peak of cosine was measured, so the search begins at {peak:g}" in said
    again = lrfind("verify", *words, "verify.from=range", folder="again")
    assert again.record["checked"]["lr"] == peak
    assert (warned in again.err) is bool(horizon)


def test_the_former_name_of_the_steps_still_works(lrfind, own):
    own("bowl", BOWL)
    ran = lrfind("verify", "1", *ON_BOWL, "verify.num_steps=5", "verify.seeds=2")
    assert ran.record["judged_after"]["steps"] == 5


def test_the_budget_is_kept_and_what_was_spent_is_said(lrfind):
    ran = lrfind("verify", "0.01", "verify.steps=30", "verify.budget=100")
    assert ran.code == 0, ran.err
    assert ran.record["steps"] == sum(row["loss"] != "" for row in ran.rows) <= 100
    assert ran.record["budget"] == {"steps": 100, "spent": True}
    assert (
        f"The search ended with its budget, after {ran.record['steps']} of 100 steps."
        in ran.record["verdict"]
    )
    # The loss is 2.299 before and 2.298 after: that is nothing.
    none = lrfind("verify", "0.0001", "verify.steps=30", "verify.budget=100", folder="none")
    assert (none.code, none.record["holds"], none.record["suggestion"]) == (3, None, None)
    assert "The budget ended the search: raise verify.budget to try further rates" in none.err
    assert none.out.startswith("No learning rate can be suggested.")
    assert "worse by" not in none.out
    assert "spread" not in none.out


def test_without_a_suggestion_the_search_begins_at_a_pinned_rate(lrfind):
    ran = lrfind("verify", "--lr", "0.001", *NO_ANSWER, "verify.steps=60")
    assert ran.code == 4, ran.err
    assert "the range test suggested no learning rate, so the search begins at verify.lr=0.001." in ran.err
    assert ran.record["checked"]["lr"] == 0.001
    assert ["pinned"] in [run["roles"] for run in ran.record["runs"]]
    check_record(ran.record)


def test_same_seed_gives_the_same_csv_byte_for_byte(lrfind):
    one, two, three = (
        (lrfind("verify", "-q", *SHORT, f"seed={seed}", folder=f"run{i}").folder / "verify.csv").read_bytes()
        for i, seed in enumerate((1, 1, 2))
    )
    assert one == two != three


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer=adam", "model=cnn", "channels_last=true", "verify.seeds=1"],
        ["optimizer=momentum", "precision=bf16", "accumulation_steps=2", "clip_grad_norm=1"],
        ["model=curve_mlp", "data=curve", "verify.held_out=0.5", "range.metric=loss"],
        ["range.metric=accuracy", "range.validation.samples=100", "range.num_steps=60"],
        ["verify.held_out=17", "range.stop_factor=null"],
    ],
    ids=" ".join,
)
def test_options_run_from_the_command_line(lrfind, words):
    ran = lrfind("verify", *SHORT, *words)
    assert ran.code in (0, 3), ran.err
    check_record(ran.record)
    assert ran.record["runs"]


def test_an_experiment_sets_the_runs_and_the_range_test(lrfind, tmp_path):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    recipe = "# @package _global_\nrange:\n  num_steps: 50\nverify:\n  num_steps: 3\n  seeds: 1\n"
    (tmp_path / "mine" / "experiment" / "quick.yaml").write_text(recipe)
    ran = lrfind("verify", "--config-dir", "mine", "experiment=quick")
    assert (ran.record["config"]["range"]["num_steps"], ran.record["config"]["verify"]["seeds"]) == (50, 1)


STREAM = """
import torch
class Stream(torch.utils.data.IterableDataset):
    def __iter__(self):
        generator = torch.Generator().manual_seed(0)
        while True:
            x = torch.randn(64, generator=generator)
            yield x, int(x[0] > 0)
"""


def test_data_without_a_length_is_held_out_from_its_start_and_said(lrfind, own):
    own("stream", STREAM)
    words = ("data=custom", "data._target_=stream.Stream", "trust=[stream]", "model=custom", "batch_size=16",
             "model._target_=torch.nn.Linear", "+model.in_features=64", "+model.out_features=2")  # fmt: skip
    ran = lrfind("verify", "0.1", *SHORT, *words, "verify.held_out=40")
    assert ran.code == 0, ran.err
    told = "samples cannot be kept out of data=Stream: the held-out loss is read on the first batches"
    assert told in ran.record["warnings"][0]
    assert told in " ".join(ran.err.split())
    share = lrfind("verify", "0.1", *words, "verify.held_out=0.1", folder="share")
    assert share.code == 2
    assert "verify.held_out=0.1 is a share" in share.err
    own("once", STREAM + "def batches(): return zip(iter(Stream()), iter(Stream()))\n")
    words = ("data=custom", "data._target_=once.batches", "trust=[once]")
    once = lrfind("verify", "0.1", *words, folder="once")
    assert once.code == 2
    assert "data=zip is an iterator, which gives each batch once: no samples can be kept out" in once.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["0"], "lrfind verify 0: a learning rate to check must be greater than 0 and finite."),
        (["-0.1"], "lrfind verify -0.1: a learning rate to check must be"),
        (["nan"], "lrfind verify nan: a learning rate to check must be"),
        (["1e999"], "lrfind verify 1e999: a learning rate to check must be"),
        (["verify.around=0"], "verify.around must be greater than 0 and finite, got 0."),
        (["much"], "'much' is neither a learning rate nor an override"),
        (["0.1", "0.2"], "verify takes one learning rate to check, got 0.1 and 0.2"),
        (["--lr", "0"], "verify.lr must be greater than 0 and finite, got 0."),
        (["--lr=-1"], "verify.lr must be greater than 0 and finite, got -1."),
        (["--lr", "much"], "verify.lr must be a number or null, got 'much'"),
        (["--lr"], "--lr needs a learning rate: --lr 0.1."),
        (["--lr", "verify.seeds=2"], "--lr needs a learning rate"),
        (["verify.margin=0"], "verify.margin must be greater than 0 and below 1"),
        (["verify.steps=0"], "verify.steps must be a whole number of at least 1, or epochs: 'verify.steps=3"),
        (["verify.steps=some"], "verify.steps must be a whole number of at least 1, or epochs"),
        (["verify.steps=0 epochs"], "or epochs: 'verify.steps=3 epochs', got '0 epochs'."),
        (["verify.num_steps=0"], "verify.num_steps must be at least 1, got 0."),
        (["verify.budget=0"], "verify.budget must be at least 1, got 0."),
        (
            ["verify.budget=359"],
            "verify.budget=359 is too small: the range test takes 60 steps at least, one run takes 300 "
            "(verify.steps). The smallest that would do is 360; a search takes 2,580, the default "
            "(verify.budget=null). Or lower verify.steps.",
        ),
        (
            ["0.1", "--lr", "0.2", "verify.budget=500"],
            "too small: one run takes 300 (verify.steps), and verify.lr takes another. The smallest that "
            "would do is 600; a search takes 2,400, the default",
        ),
        (["verify.schedule=cosin"], "verify.schedule=cosin: cosin is no policy. Did you mean cosine?"),
        (
            ["0.1", "verify.schedule=one_cycle", "verify.steps=3"],
            "verify.schedule=one_cycle does not go with verify.steps=3: pct_start must give the rise more",
        ),
        (["verify.seeds=0"], "verify.seeds must be at least 1, got 0."),
        (["verify.held_out=1790"], "verify.held_out=1790 leaves less than one batch of batch_size=64"),
        (
            ["verify.held_out=0.999"],
            "of the 1797 samples of data=digits for training. Choose 1733 or less, or a smaller",
        ),
        (["batch_size=1797"], "batch_size=1797 leaves none of the 1797 samples"),
        (["verify.from=nowhere"], "verify.from=nowhere is not there"),
        (["0.1", "verify.from=."], "verify.around and verify.from both name the rate to check"),
        (["verify.form=."], "verify.form is no key of lrfind verify. Did you mean verify.from"),
        (["+verify.from_=."], "verify.from_ is no key"),
        (["device=cuda:99"], "device=cuda:99 is not there"),
        (["--around", "0.1"], "--around belongs to refine: type lrfind refine --around 0.1."),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refused(lrfind, words, said):
    ran = lrfind("verify", *words)
    assert ran.code == 2, ran.err
    assert ran.out == ""
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert len([line for line in ran.err.splitlines() if line]) == 1
    assert not (ran.folder / "verify.json").exists()


def test_lr_belongs_to_verify(lrfind):
    ran = lrfind("--lr", "0.1")
    assert ran.code == 2
    assert "--lr belongs to verify: type lrfind verify --lr 0.1." in ran.err


@pytest.mark.parametrize("content", ["{", '{"suggestion": {"lr": 1}}', '{"a": 1}'])
def test_a_record_that_is_none_is_refused(lrfind, tmp_path, content):
    (tmp_path / "range.json").write_text(content)
    ran = lrfind("verify", "verify.from=.")
    assert ran.code == 2
    assert "verify.from: range.json " in ran.err
    (tmp_path / "refine.json").write_text(content)
    assert (
        "verify.from=. holds range.json and refine.json: name the one that is meant"
        in lrfind("verify", "verify.from=.", folder="b").err
    )


def test_multirun_exits_4_where_a_rate_is_not_sensible_for_every_job(on_bowl, tmp_path, capfd):
    words = ["1", "--lr", "0.01,1", "-m", f"hydra.sweep.dir={tmp_path / 'jobs'}"]
    words[1:3] = ["verify.lr=0.01,1"]
    assert main(["verify", *words, *RUNS]) == 4
    assert "2 of 2 jobs suggest a learning rate" in capfd.readouterr().err


STOPPING = (
    BOWL
    + """
import itertools
calls = itertools.count(1)
class Stopping(Bowl):
    def forward(self, x):
        if next(calls) == {at}: raise KeyboardInterrupt
        return super().forward(x)
"""
)


@pytest.fixture
def untimed(monkeypatch):
    """Steps that are timed for the plan are as many as the machine is fast, and here passes are counted."""
    monkeypatch.setattr(search_run, "seconds_a_step", lambda task, lr: 1e-3)


def test_ctrl_c_in_a_later_seed_leaves_what_was_measured(lrfind, own, untimed):
    own("stopping", STOPPING.format(at=114))
    words = [word.replace("bowl.Bowl", "stopping.Stopping").replace("bowl", "stopping") for word in RUNS]
    ran = lrfind("verify", "0.5", "-q", *words)
    assert ran.code == 130, ran.err
    assert ran.out == ""
    record = ran.record
    check_record(record)
    assert (record["status"], record["suggestion"], record["holds"]) == ("interrupted", None, None)
    assert "steps: too early to judge 0.5." in record["verdict"]
    # The first seed is whole; of the second one rate came to its end.
    assert {row["seed"] for row in ran.rows} == {"0", "1"}
    assert record["steps"] == sum(row["loss"] != "" for row in ran.rows)
    runs = {run["lr"]: run for run in record["runs"]}
    ended = {lr: run["seeds"][0]["loss"] for lr, run in runs.items() if run["status"] == "completed"}
    assert ended == pytest.approx({lr: final_of(lr) for lr in ended})
    assert len(ended) >= 2
    cut = record["search"][-1]
    assert cut["loss"] is None
    assert runs[cut["lr"]]["seeds"][1]["loss"] is None
    assert runs[cut["lr"]]["status"] in ("interrupted", "completed")
    assert (ran.folder / "verify.png").exists()


def test_ctrl_c_while_the_runs_are_built_keeps_the_range_test(on_bowl, monkeypatch):
    class Stopping:
        def __init__(self, *args, **options):
            pass

        def __call__(self, seed, *, skip=0):
            raise KeyboardInterrupt

    monkeypatch.setattr(verifying, "ConfigTasks", Stopping)
    ran = on_bowl("range.num_steps=60")
    assert ran.code == 130, ran.err
    check_record(ran.record)
    assert (ran.record["status"], ran.record["holds"]) == ("interrupted", None)
    assert ran.record["checked"]["source"] == "the range test"
    assert ran.record["steps"] > 10
    assert ran.record["verdict"].startswith("Interrupted before the first run: too early to judge ")
    assert (ran.folder / "verify.png").exists()


def test_ctrl_c_in_the_runs_leaves_what_the_range_test_had_suggested(on_bowl, monkeypatch):
    def stop(runs, lr, to):
        raise KeyboardInterrupt

    suggestion = on_bowl("range.num_steps=60", folder="whole").record["checked"]["lr"]
    monkeypatch.setattr(search_run.SeedRuns, "train", stop)
    ran = on_bowl("range.num_steps=60")
    assert ran.code == 130, ran.err
    check_record(ran.record)
    assert (ran.record["suggestion"]["lr"], ran.record["holds"]) == (suggestion, None)
    assert ran.record["verdict"].endswith(
        f"steps: too early to judge {suggestion:g}, which the range test suggested."
    )
    assert f"Suggested learning rate, not verified: {suggestion:g} (bracket " in ran.out
    assert ran.record["verdict"] in " ".join(ran.out.split())
    assert "no learning rate can be suggested" not in ran.err
    quiet = on_bowl("-q", "range.num_steps=60", folder="quiet")
    assert (quiet.code, float(quiet.out)) == (130, suggestion)
    assert " ".join(quiet.err.split()) == f"lrfind: error: {quiet.record['verdict']}"


def test_data_that_hold_nan_are_blamed_and_not_the_pinned_rate(lrfind, own):
    own("holes", HOLES)
    ran = lrfind(
        "verify", "--lr", "0.1", "model=custom", "model._target_=holes.net", "data=custom",
        "data._target_=holes.data", "trust=[holes]", "batch_size=8",
    )  # fmt: skip
    assert ran.code == 3, ran.err
    assert (ran.record["holds"], ran.record["pinned"]["sensible"]) == (None, None)
    assert "not finite before any update" in ran.record["verdict"]
    assert "not a sensible" not in ran.err


def test_what_the_range_test_says_of_the_data_is_passed_on_once(on_bowl, monkeypatch):
    range_test_of = checked.range_test_of

    def with_notes(config, **named):
        found = range_test_of(config, **named)
        return dataclasses.replace(found, notes=["Mind that."], skipped=["a.png", "b.png"])

    monkeypatch.setattr(checked, "range_test_of", with_notes)
    ran = on_bowl("range.num_steps=60")
    said = "2 pictures could not be read and were skipped: a.png, b.png"
    assert [ran.record["warnings"].count(each) for each in ("Mind that.", said)] == [1, 1]


def test_ctrl_c_in_the_range_test_leaves_a_record_too(lrfind, own):
    own("halted", STOPPING.format(at=30))
    words = [word.replace("bowl.Bowl", "halted.Stopping").replace("bowl", "halted") for word in RUNS]
    ran = lrfind("verify", *words)
    assert ran.code == 130, ran.err
    assert (ran.record["status"], ran.record["runs"]) == ("interrupted", [])
    assert 10 < ran.record["steps"] < 20  # two passes a step


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_sigterm_is_143_and_what_was_measured_is_written(lrfind, own, untimed):
    kill = "__import__('os').kill(__import__('os').getpid(), 15)"
    own("ended", STOPPING.replace("raise KeyboardInterrupt", kill).format(at=30))
    words = [word.replace("bowl.Bowl", "ended.Stopping").replace("bowl", "ended") for word in RUNS]
    ran = lrfind("verify", "0.5", "-q", *words)
    assert ran.code == 143, ran.err
    assert ran.out == ""
    assert "Traceback" not in ran.err
    assert ran.record["status"] == "interrupted"
    assert 5 < ran.record["steps"] < 30


def test_help_names_the_command_its_keys_and_its_exit_code(capfd):
    assert main(["verify", "--help"]) == 0
    out = capfd.readouterr().out
    for words in (
        "lrfind verify [LR] [--lr LR]",
        "verify.margin=0.1",
        "4 verify --lr",
        "verify.from=null",
    ):
        assert words in out


def test_the_spread_of_noise_is_in_the_table(lrfind):
    ran = lrfind("verify", "0.1", *SHORT)
    lines = [line.split() for line in ran.out.splitlines()]
    assert ["lr", "seeds", "held-out", "loss", "spread", "worse", "by", "rate"] in lines
    assert sum(line[:1] == ["*"] for line in lines) == 1
    twice = [run for run in ran.record["runs"] if sum(each["loss"] is not None for each in run["seeds"]) == 2]
    assert twice
    assert all(math.isfinite(run["spread"]) for run in twice)
