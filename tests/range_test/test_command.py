"""`lrfind range` from the command line: what it prints, writes and returns."""

import hashlib
import math
import re
from dataclasses import replace
from itertools import pairwise

import pytest

from lrfind.range_test.trials import Trials
from lrfind.suggestion import Status
from tests.records import check_record
from tests.toy_tasks import NAN_LOSS

PLATEAU = ("model.hidden_sizes=[48,48,48,48,48,48]", "optimizer=momentum", "batch_size=64")


@pytest.mark.picture
def test_default_job_suggests_a_rate_and_leaves_three_files(lrfind):
    ran = lrfind()
    assert ran.code == 0
    assert {p.name for p in ran.folder.iterdir()} == {"range.csv", "range.json", "range.png", ".hydra"}
    check_record(ran.record)
    assert ran.record["status"] in ("completed", "diverged")
    assert f"{ran.record['suggestion']['lr']:g}" in ran.out
    assert "range.png" in ran.out
    assert (ran.folder / "range.png").read_bytes().startswith(b"\x89PNG")


def test_quiet_prints_the_number_of_the_record_and_nothing_else(lrfind):
    ran = lrfind("-q")
    assert ran.out == f"{ran.record['suggestion']['lr']!r}\n"


def test_json_prints_the_record_as_written(lrfind):
    ran = lrfind("range", "--json")
    assert ran.out == (ran.folder / "range.json").read_text()


def test_same_seed_gives_the_same_csv_byte_for_byte_and_another_seed_another(lrfind):
    digests = [
        hashlib.sha256((lrfind("-q", f"seed={seed}", folder=f"run{i}").folder / "range.csv").read_bytes())
        for i, seed in enumerate((3, 3, 4))
    ]
    assert digests[0].digest() == digests[1].digest() != digests[2].digest()


def test_a_run_is_repeated_from_its_hydra_folder(lrfind):
    first = lrfind("-q", "optimizer=adam", "range.num_steps=40", "seed=5")
    again = lrfind(
        "-q", "--config-dir", str(first.folder / ".hydra"), "--config-name", "config", folder="again"
    )
    assert again.code == first.code == 0
    assert (again.folder / "range.csv").read_bytes() == (first.folder / "range.csv").read_bytes()
    assert again.out == first.out


def test_csv_columns_and_full_precision(lrfind):
    ran = lrfind(
        "range.metric=accuracy", "range.validation.samples=100", "range.validation.every=4", "range.repeats=1"
    )
    rows = ran.rows
    measured = ["loss", "smoothed_loss", "start_loss", "accuracy", "start_accuracy", "validation_loss"]
    assert list(rows[0]) == ["step", "lr", *measured]
    assert rows[0]["start_loss"] == rows[0]["loss"]
    assert rows[-1]["start_loss"] != rows[-1]["loss"]
    assert [int(row["step"]) for row in rows] == list(range(len(rows)))
    assert [row["validation_loss"] != "" for row in rows[:9]] == [i % 4 == 0 for i in range(9)]
    assert all(0 <= float(row["accuracy"]) <= 1 for row in rows)
    assert float(rows[0]["lr"]) == 1e-5
    # Bias correction: the first smoothed loss is the first loss.
    assert float(rows[0]["smoothed_loss"]) == pytest.approx(float(rows[0]["loss"]), rel=1e-12)


def test_without_pairing_the_start_is_not_measured(lrfind):
    ran = lrfind("range.paired=false", "range.num_steps=40")
    assert list(ran.rows[0]) == ["step", "lr", "loss", "smoothed_loss"]
    # Training itself is the same.
    paired = lrfind("range.num_steps=40", folder="paired")
    together = list(zip(ran.rows, paired.rows, strict=False))
    assert len(together) > 30
    assert all(one["loss"] == two["loss"] for one, two in together)


def test_repeats_leave_every_sweep_their_median_and_their_spread(lrfind):
    ran = lrfind("range.repeats=3", "seed=4", "range.num_steps=40")
    assert ran.code == 0
    assert [row["seed"] for row in ran.rows if row["step"] == "0"] == ["4", "5", "6"]
    found = ran.record["repeats"]
    assert found["seeds"] == [4, 5, 6]
    assert ran.record["steps"] == len(ran.rows)
    assert min(found["lrs"]) / 1.3 < ran.record["suggestion"]["lr"] < 1.3 * max(found["lrs"])
    assert f"a factor of {found['factor']:.2g}" in ran.out
    alone = lrfind("seed=5", "range.num_steps=40", folder="alone")
    assert alone.record["suggestion"]["lr"] == found["lrs"][1]
    # The same sweep, step by step, but for the column that names it.
    rows = [row for row in ran.rows if row.pop("seed") == "5"]
    assert rows == alone.rows


def test_a_firm_first_sweep_is_not_repeated(lrfind):
    ran = lrfind()
    assert ran.code == 0
    assert "repeats" not in ran.record
    assert ran.record["steps"] == len(ran.rows) <= 60


def test_a_weak_first_sweep_is_followed_by_a_slower_one_and_record_and_screen_say_why(lrfind):
    # Two samples a batch and few steps: far too noisy for one sweep.
    ran = lrfind("batch_size=2", "range.num_steps=24", "optimizer=adam", "range.paired=false")
    found = ran.record["repeats"]
    assert found["seeds"] == list(range(len(found["seeds"])))
    trials = ran.record.get("trials", {"steps_taken": 0})
    assert ran.record["steps"] == len(ran.rows) + trials["steps_taken"] > 24
    first, *others = (part for part in found["reason"].split("; "))
    assert f"lrfind: {first}; a slower sweep, " in ran.err
    assert len(others) == len(found["seeds"]) - 2
    if ran.code == 0:
        assert f"A slower sweep followed, since {found['reason']}. " in ran.out
        assert (
            "trials" in ran.record or [lr for lr in found["lrs"] if lr][-1] == ran.record["suggestion"]["lr"]
        )


def test_where_slower_sweeps_are_weak_too_runs_at_constant_rates_decide(lrfind):
    # A layer that passes on next to nothing: for some hundred steps the network sits on a plateau.
    ran = lrfind(*PLATEAU)
    assert ran.code == 0, ran.err
    check_record(ran.record)
    trials, lr = ran.record["trials"], ran.record["suggestion"]["lr"]
    assert ran.record["suggestion"]["rule"] == "trials"
    losses = {
        each["lr"]: math.inf if each["loss"] is None else each["loss"]
        for each in trials["runs"]
        if each["steps"] == trials["steps"]
    }
    best = min(losses, key=losses.get)
    read = Trials(trials["steps"], trials["start_loss"], dict(sorted(losses.items())), trials["steps_taken"])
    assert lr == pytest.approx(read.answer, rel=0.005)
    assert losses[best] < 0.92 * trials["start_loss"]
    assert trials["steps_taken"] >= trials["steps"] * sum(map(math.isfinite, losses.values()))
    assert ran.record["steps"] == len(ran.rows) + trials["steps_taken"]
    assert "runs of 100 steps at constant rates, from " in ran.err
    assert f"Trained for {trials['steps']} steps at a constant rate, the model ends at a loss of " in ran.out
    assert "peaks" not in ran.record  # none was measured for such answers
    further = lrfind(*PLATEAU, "range.horizon=2000", folder="further")
    assert further.code == 0, further.err
    assert further.record["horizon"]["read"]["lr"] == lr
    assert f"* trials  {lr:g}" in re.sub(" {3,}", "  ", further.out)
    one = lrfind(*PLATEAU, "range.rule=valley", folder="valley")
    assert "trials" not in one.record  # who asks for a rule gets its answer


def test_what_is_logged_of_the_task_is_said_once_however_often_it_is_built(lrfind, monkeypatch):
    import logging

    from lrfind.tasks import build

    def notes_of(data):
        logging.getLogger("lrfind.tasks.data").warning("%s are odd", data.name)
        return []

    monkeypatch.setattr(build, "notes_of", notes_of)
    for folder in ("first", "second"):
        ran = lrfind("range.repeats=3", folder=folder)
        assert ran.record["warnings"] == ["digits are odd"]
        assert ran.err.count("lrfind: warning: digits are odd\n") == 1
    jobs = lrfind("-m", "seed=1,2", folder="jobs")
    assert jobs.code == 0, jobs.err
    assert jobs.err.count("digits are odd") == 1


def test_who_interrupts_the_runs_at_constant_rates_is_told_what_the_sweeps_answer(lrfind, monkeypatch):
    from lrfind.range_test import trial_runs

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(trial_runs, "_tried", interrupted)
    ran = lrfind(*PLATEAU)
    assert ran.code == 130
    assert ran.record["status"] == "interrupted"
    assert ran.record["suggestion"] is None
    found = [lr for lr in ran.record["repeats"]["lrs"] if lr]
    answer = f"{found[-1]:g}" if found else "nothing"
    said = f"Interrupted, after sweeps that answer {answer}, in what followed because "
    assert ran.record["verdict"].startswith(said)


def test_who_interrupts_the_slower_sweep_is_told_what_the_first_answers(lrfind, monkeypatch):
    from lrfind.range_test import sweeps

    made, swept = [], sweeps.sweep_task

    def cut_off(*args):
        made.append(swept(*args))
        return replace(made[-1], status=Status.INTERRUPTED) if len(made) == 2 else made[-1]

    monkeypatch.setattr(sweeps, "sweep_task", cut_off)
    ran = lrfind(*PLATEAU)
    assert ran.code == 130
    reason = ran.record["repeats"]["reason"]
    lr = ran.record["repeats"]["lrs"][0]
    answer = "nothing" if lr is None else f"{lr:g}"
    assert ran.record["verdict"] == (
        f"Interrupted, after sweeps that answer {answer}, in what followed because {reason}."
    )


def test_who_interrupts_the_longer_runs_at_constant_rates_keeps_those_that_had_ended(lrfind, monkeypatch):
    from lrfind.range_test import plot, trial_runs

    longer, drawn, page = [], [], plot.range_page

    def ended(curve, start):
        if len(curve) == 200:
            longer.append(curve)
        if len(longer) == 2:
            raise KeyboardInterrupt
        return start * (1 - 0.001 * len(longer))

    def page_of(curve, reading, *others):
        drawn.append(reading.trials)
        return page(curve, reading, *others)

    monkeypatch.setattr(plot, "range_page", page_of)
    monkeypatch.setattr(trial_runs, "last_loss", ended)
    ran = lrfind(*PLATEAU)
    assert ran.code == 130
    assert ran.record["status"] == "interrupted"
    assert ran.record["suggestion"] is None
    check_record(ran.record)
    runs = ran.record["trials"]["runs"]
    lengths = [run["steps"] for run in runs]
    assert lengths == [100] * (len(runs) - 1) + [200]
    assert f"Of {len(runs) - 1} runs of 100 steps at constant rates the one at " in ran.record["verdict"]
    assert "One run of 200 steps, at the constant rate " in ran.record["verdict"]
    assert sum(len(each.losses) for each in drawn[0].lengths) == len(runs)


def test_a_number_of_repeats_is_kept_to(lrfind):
    ran = lrfind(
        "range.repeats=1", "batch_size=2", "range.num_steps=24", "optimizer=adam", "range.paired=false"
    )
    assert "repeats" not in ran.record
    assert ran.record["steps"] == len(ran.rows) <= 24


def test_a_horizon_is_told_on_the_screen_and_in_the_record(lrfind):
    plain = lrfind("-q", "range.repeats=2")
    ran = lrfind("range.repeats=2", "range.horizon=50 epochs", folder="further")
    assert ran.code == 0, ran.err
    horizon, found = ran.record["horizon"], ran.record["suggestion"]
    check_record(ran.record)
    assert horizon["epochs"] == 50
    assert horizon["extrapolated"]
    assert horizon["read"]["lr"] == plain.record["suggestion"]["lr"]
    assert found["lr"] == pytest.approx(horizon["factor"] * horizon["read"]["lr"], rel=0.005)
    assert f"for {horizon['steps']:,} steps, extrapolated from {horizon['read']['lr']:g}: " in ran.out
    assert "As the peak" not in ran.out
    assert "horizon" not in plain.record
    assert (ran.folder / "range.csv").read_bytes() == (plain.folder / "range.csv").read_bytes()


def test_a_peak_is_told_beside_the_rate(lrfind):
    ran = lrfind()
    peaks = {peak["policy"]: peak["lr"] for peak in ran.record["peaks"]}
    assert f"{peaks['cosine']:g} for cosine" in ran.out
    assert peaks["one_cycle"] > ran.record["suggestion"]["lr"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["range.horizon=0"], "range.horizon must be the steps of the training"),
        (["range.horizon=5 weeks"], "range.horizon must be the steps of the training"),
        (["range.horizon=[5]"], "range.horizon must be a whole number or a word or null"),
        (["range.horizon=900", "range.rule=valley"], "range.horizon=900 goes with range.rule=centre alone"),
        (["range.horizon=900", "range.groups=each"], "range.horizon=900 does not go with range.groups=each"),
        (["range.horizon=2 epochs", "range.single_batch=true"], "how many steps an epoch of this data has"),
    ],
)
def test_a_horizon_that_cannot_be_used_is_exit_code_2(lrfind, words, said):
    ran = lrfind(*words)
    assert ran.code == 2
    assert said in ran.err


def test_smiths_view_accuracy_on_a_linear_ladder(lrfind):
    ran = lrfind("range.metric=accuracy", "range.spacing=linear", "range.start_lr=0", "range.end_lr=1")
    assert ran.code == 0
    lrs = [float(row["lr"]) for row in ran.rows]
    assert lrs[0] == 0
    differences = [b - a for a, b in pairwise(lrs)]
    assert max(differences) - min(differences) < 1e-12


def test_single_batch_trains_on_one_batch(lrfind):
    ran = lrfind("range.single_batch=true", "range.end_lr=0.1", "range.repeats=1")
    losses = [float(row["loss"]) for row in ran.rows]
    # Without batch noise, and with rates this small, every step lowers the loss.
    assert all(b < a for a, b in pairwise(losses))


def test_of_a_rate_for_one_batch_it_is_said_that_training_on_all_wants_another(lrfind):
    reason = lrfind("range.single_batch=true").record["suggestion"]["reason"]
    assert reason.endswith("for training on all of them leave range.single_batch out.")
    assert "meant for training" not in reason


@pytest.mark.parametrize(
    "words",
    [
        ["optimizer=momentum", "clip_grad_norm=1"],
        ["optimizer=nesterov", "accumulation_steps=2"],
        ["optimizer=adamw", "precision=bf16"],
        ["optimizer=rmsprop", "precision=fp16"],
        ["optimizer=adagrad", "deterministic=true"],
        ["optimizer=adam", "model=cnn", "channels_last=true"],
        ["model=curve_mlp", "data=curve"],
        ["model=mlp", "data=curve", "criterion=huber"],
    ],
    ids=" ".join,
)
def test_options_run_from_the_command_line(lrfind, words):
    ran = lrfind(*words, "range.num_steps=40")
    assert ran.code in (0, 3), ran.err
    assert len(ran.rows) > 5
    assert all(math.isfinite(float(row["loss"])) for row in ran.rows[:5])


def test_no_suggestion_is_exit_code_3_with_files_and_reason(lrfind):
    ran = lrfind("-q", "range.start_lr=1e-12", "range.end_lr=1e-10")
    assert ran.code == 3
    assert ran.out == ""
    assert ran.record["suggestion"] is None
    assert "range.end_lr" in ran.record["verdict"]
    assert ran.record["verdict"] in ran.err
    check_record(ran.record)


def test_a_loss_that_is_not_finite_from_the_start_is_exit_code_3(lrfind, own):
    own("nanloss", NAN_LOSS)
    ran = lrfind("criterion=custom", "criterion._target_=nanloss.Loss", "trust=[nanloss]")
    assert ran.code == 3
    assert ran.record["status"] == "nonfinite"
    assert ran.rows[0]["loss"] == "nan"
    assert "not finite from the start" in ran.err


def test_gugger_recipe_is_his_to_the_letter(lrfind, shared_data):
    ran = lrfind("experiment=gugger_mnist", f"data.root={shared_data / 'mnist'}")
    assert ran.code == 0
    settings = ran.record["config"]["range"]
    assert (settings["start_lr"], settings["end_lr"], settings["beta"]) == (1e-8, 10, 0.98)
    assert (settings["stop_factor"], settings["skip_start"], settings["skip_end"]) == (4, 10, 5)
    rows = ran.rows
    q = (10 / 1e-8) ** (1 / 936)
    assert float(rows[100]["lr"]) == pytest.approx(1e-8 * q**100, rel=1e-12)
    average = 0.0
    best = math.inf
    for i, row in enumerate(rows):
        average = 0.98 * average + 0.02 * float(row["loss"])
        smoothed = average / (1 - 0.98 ** (i + 1))
        assert float(row["smoothed_loss"]) == pytest.approx(smoothed, rel=1e-9)
        assert (i > 10 and smoothed > 4 * best) == (ran.record["status"] == "diverged" and i == len(rows) - 1)
        best = min(best, smoothed) if i >= 10 else best
    # In his figure the loss falls from about 1e-3 on and turns at about 1e-1; he takes 1e-2 by eye.
    assert 1e-3 < ran.record["suggestion"]["low"] < 1e-2
    assert 0.05 < ran.record["suggestion"]["high"] < 1


def test_resnet_on_dog_breeds_from_class_folders(lrfind, shared_data):
    ran = lrfind(
        "model=resnet18", "data=dogbreed", f"data.root={shared_data / 'dogbreed'}", "data.image_size=32",
        "batch_size=16", "range.num_steps=12", "range.repeats=1", "num_workers=0",
    )  # fmt: skip
    assert ran.code in (0, 3), ran.err
    assert len(ran.rows) >= 10
    # Ten breeds: an untrained head knows nothing, and its loss is about ln 10.
    assert float(ran.rows[0]["loss"]) == pytest.approx(math.log(10), abs=0.8)


def test_cfg_job_prints_the_config_and_runs_nothing(lrfind):
    ran = lrfind("--cfg", "job", "range.num_steps=7")
    assert ran.code == 0
    assert re.search(r"num_steps: 7", ran.out)
    assert not ran.folder.exists()


@pytest.mark.parametrize("rule", ["steepest", "valley"])
def test_the_rule_that_is_asked_for_makes_the_suggestion_wherever_it_lies(lrfind, rule):
    ran = lrfind(f"range.rule={rule}")
    found = ran.record["suggestion"]
    assert found["lr"] == ran.record["rules"][rule]
    bracket = f"bracket {found['low']:g} to {found['high']:g}: where the loss falls"
    assert f"Suggested learning rate: {found['lr']:g} ({bracket})" in ran.out
    outside = not found["low"] <= found["lr"] <= found["high"]
    assert outside == ("before the fall" in found["reason"])
    assert outside == (rule == "valley")  # which reads the running mean, and that lags behind
