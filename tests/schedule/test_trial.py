"""`lrfind schedule --try`: policies trained out, compared, written down and cut off."""

import csv
import os
import re
import signal

import numpy as np
import pytest
import torch

from lrfind.schedules.schedule import schedule
from lrfind.training import paused_runs as course
from tests.records import check_record
from tests.toy_tasks import BOWL, ON_BOWL

STEPS = 40
TRIAL = (
    *ON_BOWL, f"schedule.num_steps={STEPS}", "schedule.seeds=2", "schedule.readings=4",
)  # fmt: skip


@pytest.fixture
def on_bowl(lrfind, own):
    """Runs `lrfind schedule --try` on the bowl."""
    own("bowl", BOWL)
    return lambda *words, **options: lrfind("schedule", "--try", *TRIAL, *words, **options)


def rows(ran):
    with (ran.folder / "schedule_try.csv").open() as stream:
        return list(csv.DictReader(stream))


def losses(policy, lr, momentum=None):
    """The bowl's loss after each step, by the recursion of SGD."""
    plan = schedule(policy, lr=lr, num_steps=STEPS)
    w, velocity, found = 1.0, 0.0, []
    for i in range(STEPS):
        weight = plan.momentum(i) if plan.moves_momentum and momentum else momentum
        velocity = (weight or 0.0) * velocity + w
        w -= plan.rate(i) * velocity
        found.append(0.5 * w**2)
    return found


# Below the best rate of 1 a fall of the rate can only cost; far above it the fall comes through 1.
@pytest.mark.parametrize(("lr", "first", "second"), [(0.5, "fixed", "linear"), (1.9, "linear", "fixed")])
@pytest.mark.picture
def test_the_order_on_a_quadratic_and_every_reading_are_those_of_the_closed_form(on_bowl, lr, first, second):
    ran = on_bowl("schedule.policy=[fixed,linear]", f"schedule.lr={lr}")
    assert ran.code == 0, ran.err
    found = rows(ran)
    assert list(found[0]) == ["policy", "seed", "step", "lr", "loss"]
    assert [(row["policy"], row["seed"], row["step"]) for row in found] == [
        (policy, seed, step)
        for policy in ("fixed", "linear") for seed in ("0", "1") for step in ("10", "20", "30", "40")
    ]  # fmt: skip
    for policy in ("fixed", "linear"):
        plan = schedule(policy, lr=lr, num_steps=STEPS)
        for row in (row for row in found if row["policy"] == policy):
            step = int(row["step"])
            assert float(row["loss"]) == pytest.approx(losses(policy, lr)[step - 1], rel=1e-9)
            assert float(row["lr"]) == plan.rate(step - 1)
    record = ran.record
    check_record(record)
    tried = {each["policy"]: each for each in record["tried"]}
    assert (tried[first]["best"], tried[second]["best"]) == (True, False)
    assert tried[second]["clearly_worse"] is True
    assert tried[first]["spread"] == 0
    assert record["steps"] == 2 * 2 * STEPS
    assert record["suggestion"]["lr"] == lr
    assert f"{first} ended lowest" in record["verdict"]
    assert f"below {second} by more than chance" in ran.out
    assert {p.name for p in ran.folder.iterdir()} == {
        "schedule.csv", "schedule.json", "schedule.png", "schedule_try.csv", "schedule_try.png", ".hydra"
    }  # fmt: skip
    assert (ran.folder / "schedule_try.png").read_bytes().startswith(b"\x89PNG")
    assert "2 policies (fixed, linear) x 2 seeds x 40 steps = 160, about" in ran.err


def test_one_cycle_moves_the_momentum_that_the_optimizer_has(on_bowl):
    words = ("schedule.policy=[fixed,one_cycle]", "schedule.lr=0.1")
    ran = on_bowl(*words, "+optimizer.momentum=0.9")
    assert ran.code == 0, ran.err
    assert "warnings" not in ran.record
    for policy in ("fixed", "one_cycle"):
        last = [row for row in rows(ran) if row["policy"] == policy][-1]
        assert float(last["loss"]) == pytest.approx(losses(policy, 0.1, momentum=0.9)[-1], rel=1e-9)
    without = on_bowl(*words, folder="without")
    last = rows(without)[-1]
    assert float(last["loss"]) == pytest.approx(losses("one_cycle", 0.1)[-1], rel=1e-9)
    assert "one_cycle was tried without its momentum" in without.record["warnings"][0]
    code = without.record["policies"][1]["code"]
    assert "cycle_momentum=False" in code
    assert "max_momentum" not in code
    assert "cycle_momentum=False" in without.out
    moved = ran.record["policies"][1]["code"]
    assert "max_momentum" in moved
    assert not any("cycle_momentum" in line for line in moved.splitlines() if not line.startswith("#"))
    assert " momentum" in ran.out
    assert " momentum" not in without.out
    assert "momentum" not in (without.folder / "schedule.csv").read_text().splitlines()[0]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    names = {"optimizer": optimizer, "torch": torch}
    exec(code, names)
    assert optimizer.param_groups[0]["momentum"] == 0
    first = schedule("one_cycle", lr=0.1, num_steps=STEPS).rate(0)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(first)


def test_a_single_policy_is_tried_against_fixed(on_bowl):
    ran = on_bowl("schedule.policy=linear", "schedule.lr=0.5")
    assert ran.code == 0, ran.err
    assert "schedule.policy names linear alone: fixed is tried beside it, as the baseline." in ran.err
    assert [each["policy"] for each in ran.record["tried"]] == ["fixed", "linear"]
    assert [each["policy"] for each in ran.record["policies"]] == ["fixed", "linear"]


def test_a_policy_that_diverges_is_told_and_the_others_are_compared(on_bowl):
    words = ("schedule.policy=[fixed,linear,poly]", "schedule.num_steps=300")
    ran = on_bowl(*words, "schedule.lr=2.1")
    assert ran.code == 0, ran.err
    fixed, *others = ran.record["tried"]
    assert (fixed["status"], fixed["diverged"], fixed["loss"]) == ("diverged", 2, None)
    assert [each["status"] for each in others] == ["completed"] * 2
    assert "fixed with 2 of 2 seeds diverged." in ran.out
    gone = on_bowl(*words, "schedule.lr=50", folder="gone")
    assert gone.code == 3
    assert (gone.record["status"], gone.record["suggestion"]) == ("diverged", None)
    assert "Every policy diverged in the trial: the peak is too high" in gone.err
    check_record(gone.record)


def test_a_trial_in_which_nothing_is_learnt_suggests_no_peak_and_says_so(on_bowl):
    ran = on_bowl("schedule.lr=1e-9", "schedule.policy=[fixed,linear]")
    assert ran.code == 3
    assert (ran.record["status"], ran.record["suggestion"]) == ("completed", None)
    assert "Nothing was learnt in 40 steps under any policy: the held-out loss ends at " in ran.err
    assert [each["best"] for each in ran.record["tried"]] == [False, False]
    check_record(ran.record)


def test_on_digits_the_peak_is_found_by_a_range_test_and_accuracy_is_read(lrfind):
    found = lrfind("-q", folder="range").record["suggestion"]
    words = (
        "schedule",
        "--try",
        "schedule.policy=[step,cyclic]",
        "schedule.num_steps=30",
        "schedule.seeds=2",
    )
    ran = lrfind(*words)
    assert ran.code == 0, ran.err
    assert ran.record["suggestion"] == found
    assert "suggested by a range test of mlp on digits" in ran.out
    assert list(rows(ran)[0]) == ["policy", "seed", "step", "lr", "loss", "accuracy"]
    assert len(rows(ran)) == 2 * 2 * 20
    assert {each["lr"] for each in ran.record["tried"]} == {found["lr"]}  # the same peak
    assert re.search(r"\* (step|cyclic) .*% ± ", ran.out)
    check_record(ran.record)
    again = lrfind(*words, "-q", "schedule.from=range", folder="again")
    assert again.out == f"{found['lr']!r}\n"
    assert (again.folder / "schedule_try.csv").read_bytes() == (ran.folder / "schedule_try.csv").read_bytes()
    assert "was made with another" not in again.err
    other = ("schedule.from=range", "model.hidden_sizes=[8]", "optimizer=momentum", "batch_size=32")
    warned = lrfind(*words, *other, folder="warned")
    assert warned.record["warnings"] == [
        "range/range.json was made with another model (other settings), optimizer (other settings), "
        "batch_size (64 there, 32 here): its peak is tried on this task all the same."
    ]
    (warning,) = warned.record["warnings"]
    assert warned.err.count(warning) == 1
    assert warned.err.index(warning) < warned.err.index(" x 2 seeds x 30 steps")  # before anything is trained
    shown = lrfind(*words, "--json", folder="shown")
    assert shown.out == (shown.folder / "schedule.json").read_text()


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_keeps_what_was_measured(on_bowl, monkeypatch, number, code):
    step, count = course.train_step, 0

    def stopped(*args):
        nonlocal count
        count += 1
        if count == 2 * STEPS + STEPS + 15:  # seed 0, fixed and some of linear with seed 1
            os.kill(os.getpid(), number)
        return step(*args)

    monkeypatch.setattr(course, "train_step", stopped)
    ran = on_bowl("schedule.policy=[fixed,linear]", "schedule.lr=0.5")
    assert ran.code == code
    assert [(row["policy"], row["seed"]) for row in rows(ran)] == (
        [("fixed", "0")] * 4 + [("fixed", "1")] * 4 + [("linear", "0")] * 4 + [("linear", "1")]
    )
    record = ran.record
    check_record(record)
    assert record["status"] == "interrupted"
    assert [each["status"] for each in record["tried"]] == ["interrupted"] * 2
    assert [each["best"] for each in record["tried"]] == [None, None]
    assert [len(each["seeds"]) for each in record["tried"]] == [1, 1]
    assert "The trial was interrupted after 1 of 2 seeds" in ran.out
    assert (ran.folder / "schedule_try.png").exists()
    assert (ran.folder / "schedule.csv").exists()


def test_the_same_command_gives_the_same_numbers_and_is_repeated_from_its_folder(on_bowl, lrfind):
    ran = on_bowl("schedule.policy=[fixed,linear]", "schedule.lr=0.5")
    again = lrfind("schedule", "--config-dir", str(ran.folder / ".hydra"), "--config-name", "config",
                   "trust=[bowl]", folder="again")  # fmt: skip
    assert again.code == 0, again.err
    assert (again.folder / "schedule_try.csv").read_bytes() == (ran.folder / "schedule_try.csv").read_bytes()


def test_data_without_an_index_are_tried_with_a_number_of_samples(on_bowl):
    words = ("schedule.policy=linear", "schedule.lr=0.5", "data._target_=bowl.Stream")
    ran = on_bowl(*words, "schedule.held_out=8")
    assert ran.code == 0, ran.err
    assert "samples cannot be kept out of data=" in ran.record["warnings"][0]
    refused = on_bowl(*words, "schedule.held_out=0.1", folder="share")
    assert refused.code == 2
    assert "schedule.held_out=0.1 is a share" in refused.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--try", "schedule.policy=fixed"],
            "schedule.policy=fixed: a trial compares policies, and fixed is",
        ),
        (["--try", "schedule.seeds=0"], "schedule.seeds must be at least 1, got 0."),
        (["--try", "schedule.readings=0"], "schedule.readings must be at least 1, got 0."),
        (["--try", "schedule.readings=301"], "schedule.readings must be at most schedule.num_steps=300"),
        (["--try", "schedule.held_out=0"], "schedule.held_out must be a number of samples, a share between"),
        (
            ["--try", "schedule.held_out=1790"],
            "schedule.held_out=1790 leaves less than one batch of batch_si",
        ),
        (["--try", "batch_size=5000"], "batch_size=5000 leaves none of the 1797 samples"),
        (["--try", "device=cuda:77"], "device=cuda:77"),
        (["--try", "seed=4294967295", "schedule.seeds=2"], "schedule.seeds counts on from seed"),
        (["schedule.try=perhaps"], "schedule.try must be true or false, got 'perhaps'"),
        (["schedule.seeds=3"], "schedule.seeds belongs to a trial: add --try"),
        (["schedule.held_out=100"], "schedule.held_out belongs to a trial"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, list) else "",
)
def test_what_cannot_be_tried_ends_in_one_clear_paragraph(lrfind, words, said):
    ran = lrfind("schedule", "schedule.lr=0.1", *words)
    assert ran.code == 2, ran.err
    assert said in ran.err
    assert ran.err.count("lrfind: error:") == 1
    assert "Traceback" not in ran.err
    assert ran.out == ""
    assert not list(ran.folder.glob("schedule*"))


def test_a_task_on_which_the_range_test_suggests_nothing_is_given_up(on_bowl):
    ran = on_bowl("schedule.policy=linear", "range.start_lr=1e-12", "range.end_lr=2e-12", "range.num_steps=5")
    assert ran.code == 2
    assert "schedule.lr: the range test of this task suggests no peak." in ran.err
    assert "schedule.lr=LR." in ran.err


@pytest.mark.parametrize("words", [["--try"], ["range", "--try"], ["--try", "refine"], ["verify", "--try"]])
def test_try_belongs_to_schedule(lrfind, words):
    ran = lrfind(*words)
    assert ran.code == 2
    assert "--try belongs to schedule: type lrfind schedule --try." in ran.err


def test_of_a_trial_that_was_stopped_at_once_the_schedules_are_left(on_bowl, monkeypatch):
    from lrfind.schedule import trial as trying

    def stopped(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(trying, "seconds_a_step", stopped)
    ran = on_bowl("schedule.policy=linear", "schedule.lr=0.5")
    assert ran.code == 130
    assert rows(ran) == []
    assert not (ran.folder / "schedule_try.png").exists()
    assert len(ran.rows) == 2 * (STEPS + 1)
    assert np.isclose(float(ran.rows[0]["lr"]), 0.5)
    check_record(ran.record)
