"""`from lrfind import refine`: on objects of one's own, everything put back."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import UserError, refine
from tests.records import check_record

SEGMENTS = [
    {"start": 0.01, "stop": 0.09, "step": 0.01, "iterations": 4},
    {"start": 0.1, "stop": 0.9, "step": 0.1},
]


def task():
    torch.manual_seed(0)
    x = torch.randn(96, 5)
    loader = DataLoader(
        TensorDataset(x, x @ torch.randn(5, 1)), batch_size=16, shuffle=True,
        generator=torch.Generator().manual_seed(0),
    )  # fmt: skip
    model = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1))
    return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), loader


@pytest.mark.parametrize("options", [{}, {"restart": True}, {"steps_per_iteration": 2}])
def test_it_suggests_a_rate_and_puts_everything_back(options, tmp_path):
    model, optimizer, loader = task()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    stream, order = torch.get_rng_state(), loader.generator.get_state()
    result = refine(model, optimizer, nn.MSELoss(), loader, segments=SEGMENTS, **options)
    assert result.suggestion is not None, result.verdict
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), stream)
    assert torch.equal(loader.generator.get_state(), order)
    assert not optimizer.state
    assert optimizer.param_groups[0]["lr"] == 0.1
    check_record(result.content)
    (
        result.plot(tmp_path / "refine.png"),
        result.to_csv(tmp_path / "refine.csv"),
        result.to_json(tmp_path / "r.json"),
    )
    assert (tmp_path / "refine.csv").read_text().startswith("round,segment,lr,iteration,loss\n1,1,0.01,1,")


def test_every_round_begins_with_the_same_model_and_batches():
    model, optimizer, loader = task()
    same = [{"start": 0.01, "stop": 0.05, "step": 0.01}]
    result = refine(model, optimizer, nn.MSELoss(), loader, segments=[same, same])
    assert result.rounds[0].tracks == result.rounds[1].tracks


def test_the_loss_can_be_read_on_batches_of_ones_own():
    model, optimizer, loader = task()
    held_out = [(torch.zeros(4, 5), torch.zeros(4, 1))]
    result = refine(
        model, optimizer, nn.MSELoss(), loader, around_lr=0.01, iterations=2, rounds=1, read=held_out
    )
    assert len(result.rounds[0].lrs) == 21
    with torch.no_grad():
        assert result.rounds[0].level == pytest.approx(
            nn.MSELoss()(model.eval()(held_out[0][0]), held_out[0][1]).item()
        )


def reset(module):
    if hasattr(module, "reset_parameters"):
        module.reset_parameters()


@pytest.mark.parametrize("restart", [False, True])
def test_seeds_differ_in_weights_and_order_and_are_the_same_another_time(restart, tmp_path):
    def run(**options):
        model, optimizer, loader = task()
        before = [p.clone() for p in model.parameters()]
        result = refine(
            model,
            optimizer,
            nn.MSELoss(),
            loader,
            segments=SEGMENTS[:1],
            rounds=1,
            restart=restart,
            **options,
        )
        assert all(torch.equal(p, value) for p, value in zip(model.parameters(), before, strict=True))
        return result

    order = run(seeds=3).rounds[0]
    weights = run(seeds=3, initialise=lambda model: model.apply(reset))
    first, second, third = (track.losses for track in order.tracks)
    assert first != second != third != first
    assert order.spread is not None
    assert weights.rounds[0].tracks != order.tracks
    assert run(seeds=3).rounds[0].tracks == order.tracks
    assert run(seeds=2).rounds[0].tracks == order.tracks[:2]
    weights.to_csv(tmp_path / "refine.csv")
    lines = (tmp_path / "refine.csv").read_text().splitlines()
    assert lines[0] == "round,segment,lr,iteration,loss,seed"
    assert [line.rsplit(",", 1)[1] for line in lines[1:]] == ["0"] * 36 + ["1"] * 36 + ["2"] * 36
    assert weights.content["steps"] == 108


def test_one_seed_that_is_initialised_begins_elsewhere():
    model, optimizer, loader = task()
    given = {"segments": SEGMENTS[:1], "rounds": 1}
    plain = refine(model, optimizer, nn.MSELoss(), loader, **given)
    drawn = refine(model, optimizer, nn.MSELoss(), loader, initialise=lambda m: m.apply(reset), **given)
    assert plain.rounds[0].tracks != drawn.rounds[0].tracks


@pytest.mark.parametrize("restart", [False, True])
def test_on_step_is_told_how_far_it_is(restart):
    told = []
    model, optimizer, loader = task()
    refine(
        model, optimizer, nn.MSELoss(), loader, segments=SEGMENTS[:1], rounds=1, restart=restart, seeds=2,
        on_step=told.append,
    )  # fmt: skip
    assert [step.done for step in told] == list(range(1, 73))
    assert {(step.round, step.planned) for step in told} == {(1, 72)}
    assert [step.seed for step in told] == [0] * 36 + [1] * 36
    assert {step.lr for step in told} == ({None} if restart else {i / 100 for i in range(1, 10)})


def test_an_exception_of_on_step_ends_the_sweep_and_puts_everything_back():
    model, optimizer, loader = task()
    before = [p.clone() for p in model.parameters()]

    def stop(step):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        refine(model, optimizer, nn.MSELoss(), loader, segments=SEGMENTS, on_step=stop)
    assert all(torch.equal(p, value) for p, value in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"segments": []}, "segments: a round needs at least one segment"),
        ({"around_lr": 0}, "around_lr: the rate must be greater than 0"),
        ({"rounds": 0}, "rounds must be at least 1, got 0"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"read": []}, "read holds no batch"),
        ({"iterations": 0}, "iterations must be at least 1"),
        ({"precision": "fp8"}, "precision must be one of"),
    ],
)
def test_arguments_that_cannot_be_used_are_named(options, said):
    with pytest.raises(UserError, match=said):
        refine(*task()[:2], nn.MSELoss(), task()[2], **options)


def test_an_interrupt_puts_everything_back_and_is_raised():
    model, optimizer, loader = task()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    calls = []

    def forward(model, batch):
        calls.append(0)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return model(batch[0])

    with pytest.raises(KeyboardInterrupt):
        refine(model, optimizer, nn.MSELoss(), loader, segments=SEGMENTS, forward=forward)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
