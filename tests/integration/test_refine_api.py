"""`from lrfind import refine`: on objects of one's own, everything put back."""

import json
from pathlib import Path

import jsonschema
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import UserError, refine
from lrfind.report import records

SCHEMA = json.loads((Path(records.__file__).parent / "record.schema.json").read_text())
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
    jsonschema.validate(result.content, SCHEMA)
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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"segments": []}, "segments: a round needs at least one segment"),
        ({"around_lr": 0}, "around_lr: the rate must be greater than 0"),
        ({"rounds": 0}, "rounds must be at least 1, got 0"),
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
