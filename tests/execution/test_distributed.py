"""The Python functions on two ranks: the same answer on both, that of one process, and one end for both."""

import json
import os

import pytest
from numpy.testing import assert_allclose

from tests.execution import rank_scenarios as scenarios
from tests.two_ranks import numbers, run_script

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="two ranks are forked")


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each of two ranks has seen, by scenario."""
    folder = tmp_path_factory.mktemp("ranks")
    run_script(scenarios.__name__, folder)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adamw"])
def test_a_wrapped_model_gives_the_curve_and_the_answer_of_one_process(ranks, optimizer):
    both = scenarios.batches()
    one = scenarios.run(
        scenarios.network(),
        both,
        optimizer=optimizer,
        metric="accuracy",
        validation=both[:2],
        clip_grad_norm=0.5,
    )
    first, second = (each[optimizer] for each in ranks)
    assert first == second
    assert first["lr"] == one["lr"]
    for column in ("losses", "starts", "accuracies", "validation"):
        assert len(one[column]) == (3 if column == "validation" else scenarios.STEPS)
        assert_allclose(first[column], one[column], rtol=1e-9)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adamw"])
def test_a_sharded_model_gives_the_curve_of_one_process_and_gets_every_bit_back(ranks, optimizer):
    model = scenarios.network()
    made = scenarios.OPTIMIZERS[optimizer](model.parameters())
    both = scenarios.batches()
    scenarios.train(model, made, both[:3])
    one = scenarios.run(model, both, made=made, metric="accuracy", validation=both[:2], clip_grad_norm=0.5)
    first, second = (each[f"sharded {optimizer}"] for each in ranks)
    assert first == second
    assert first["lr"] == one["lr"]
    for column in ("losses", "starts", "accuracies", "validation"):
        assert_allclose(first[column], one[column], rtol=1e-9)
    assert [each[f"restored {optimizer}"] for each in ranks] == [True, True]


def test_accumulated_batches_give_the_curve_of_one_process(ranks):
    one = scenarios.run(scenarios.network(), scenarios.batches(), accumulation_steps=2)
    assert ranks[0]["accumulated"] == ranks[1]["accumulated"]
    assert_allclose(ranks[0]["accumulated"]["losses"], one["losses"], rtol=1e-9)


def test_several_sweeps_are_the_same_on_all_ranks(ranks):
    assert ranks[0]["repeats"] == ranks[1]["repeats"]


def test_models_that_share_nothing_are_read_by_their_mean(ranks):
    first, second = (each["plain"] for each in ranks)
    assert first == second
    for column in ("losses", "starts", "accuracies"):
        alone = [each["alone"][column] for each in ranks]
        assert_allclose(first[column], [(a + b) / 2 for a, b in zip(*alone, strict=True)], rtol=1e-12)


def test_ranks_of_which_one_alone_would_stop_earlier_stop_together(ranks):
    lengths = [len(each["alone, steep"]["losses"]) for each in ranks]
    assert lengths[0] > lengths[1]
    assert ranks[0]["steep"] == ranks[1]["steep"]
    assert ranks[0]["steep"]["status"] == "diverged"


def test_a_bad_batch_on_one_rank_is_seen_by_all(ranks):
    losses = ranks[0]["nan"].pop("losses")
    others = ranks[1]["nan"].pop("losses")
    assert len(losses) == len(others) == 6
    assert losses[:5] == others[:5]
    assert losses[5] != losses[5]
    assert ranks[0]["nan"] == ranks[1]["nan"]
    assert ranks[0]["nan"]["status"] == "nonfinite"
    assert ranks[0]["nan"]["bad_batch"]


@pytest.mark.parametrize("guilty", [0, 1])
@pytest.mark.parametrize(
    ("what", "error", "words"),
    [
        ("batch", "OSError", "no file"),
        ("model", "BatchError", "shapes cannot be multiplied"),
        ("loss", "ValueError", "no loss"),
    ],
)
def test_an_error_on_one_rank_ends_both_at_once(ranks, guilty, what, error, words):
    here, there = (ranks[rank][f"{what} {guilty}"] for rank in (guilty, 1 - guilty))
    assert here["error"] == error
    assert words in here["message"]
    assert there["error"] == "RankError"
    assert f"rank {guilty} failed" in there["message"]
    assert max(here["seconds"], there["seconds"]) < 10


@pytest.mark.parametrize("guilty", [0, 1])
def test_an_interrupt_on_one_rank_interrupts_both(ranks, guilty):
    here, there = (ranks[rank][f"interrupt {guilty}"] for rank in (guilty, 1 - guilty))
    assert here["error"] == there["error"] == "KeyboardInterrupt"
    assert here["message"] == ""
    assert there["message"] == f"rank {guilty} was interrupted, so all ranks end here."


def test_a_rank_that_fails_inside_the_models_own_collective_ends_the_others_with_its_process(ranks):
    """They wait for it where no message reaches them."""
    waiting, failed = (each["backward"] for each in ranks)
    assert failed["error"] == "ValueError"
    assert "no gradient" in failed["message"]
    assert waiting["error"] == "RankError"
    assert "another rank was lost" in waiting["message"]
    assert waiting["seconds"] < 30


def test_ranks_with_other_arguments_are_told_so(ranks):
    for each in ranks:
        assert each["arguments"]["error"] == "UserError"
        assert each["arguments"]["message"].endswith("the same on every rank, and some are not: num_steps.")


@pytest.mark.parametrize("how", ["", "sharded "])
@pytest.mark.parametrize("name", [*scenarios.REFINED, *scenarios.VERIFIED])
def test_refine_and_verify_find_on_two_ranks_what_one_process_finds(ranks, name, how):
    find = scenarios.refined if name in scenarios.REFINED else scenarios.verified
    options = {**scenarios.REFINED, **scenarios.VERIFIED}[name]
    one = find(scenarios.network(), scenarios.batches(), **options)
    first, second = (each[how + name] for each in ranks)
    assert first == second
    assert (first["lr"], first["verdict"]) == (one["lr"], one["verdict"])
    assert first["columns"] == one["columns"]
    for column in {"lr", "loss", "held_out_loss"}.intersection(one["columns"]):
        assert_allclose(numbers(first, column), numbers(one, column), rtol=1e-9)
    if how:
        assert [each[f"restored {name}"] for each in ranks] == [True, True]


@pytest.mark.parametrize("name", ["refine", "verify"])
def test_refine_and_verify_end_on_all_ranks_together(ranks, name):
    for guilty in range(2):
        here, there = (ranks[rank][f"{name} loss {guilty}"] for rank in (guilty, 1 - guilty))
        assert (here["error"], there["error"]) == ("ValueError", "RankError")
        assert f"rank {guilty} failed" in there["message"]
        here, there = (ranks[rank][f"{name} interrupt {guilty}"] for rank in (guilty, 1 - guilty))
        assert here["error"] == there["error"] == "KeyboardInterrupt"
        assert there["message"] == f"rank {guilty} was interrupted, so all ranks end here."
    for each in ranks:
        assert "the same on every rank, and some are not: seeds." in each[f"{name} arguments"]["message"]


def test_what_does_not_work_on_ranks_says_so(ranks):
    for each in ranks:
        assert each["compare"]["error"] == "UserError"
        assert "this function works in one process, and there are 2" in each["compare"]["message"]


def test_the_process_group_serves_on_after_all_that(ranks):
    for each in ranks:
        assert each["again"] == each["sgd"]
