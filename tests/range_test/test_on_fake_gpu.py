"""The loop of the range test on a GPU that is not there: every tensor on it, and nothing waits for it."""

import itertools

import pytest
import torch
from torch import nn

from lrfind.errors import BatchError
from lrfind.range_test.ladder import geometric
from lrfind.range_test.sweep import SweepOptions, sweep
from lrfind.suggestion import Status
from lrfind.training.objective import Objective
from lrfind.training.step import StepOptions
from lrfind.training.task import Task
from tests.simulated_gpu import CUDA, THERE, fake_gpu


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Linear(9, 8)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.encoder(self.embedding(x.flatten(2))).mean(1))


MODELS = {
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)),
    "cnn": lambda: nn.Sequential(
        nn.Conv2d(4, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    ),
    "transformer": Transformer,
}
# With foreach, which is what torch chooses on a GPU.
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, foreach=True),
    "momentum": lambda p: torch.optim.SGD(
        p, lr=0.1, momentum=0.9, weight_decay=1e-4, nesterov=True, foreach=True
    ),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1, foreach=True),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.1, foreach=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1, foreach=True),
}


class Reading(nn.Module):
    """Its forward pass reads a number off the device, as a stranger's may."""

    def __init__(self):
        super().__init__()
        self.net = MODELS["mlp"]()

    def forward(self, x):
        return self.net(x) * (2.0 if float(x.mean()) > 0 else 1.0)


class Mixed(nn.Module):
    """It makes a tensor where no model on a GPU may: on the CPU."""

    def __init__(self):
        super().__init__()
        self.net = MODELS["mlp"]()

    def forward(self, x):
        return self.net(x) + torch.ones(3, device="cpu")


def loss_that_reads(outputs, target):
    loss = nn.functional.cross_entropy(outputs, target)
    return loss if loss.item() > 0 else -loss


def swept(
    waits, num_steps, *, model="mlp", optimizer="sgd", criterion=None, paired=True, accuracy=True,
    autocast=None, validation=False, channels_last=False, **step
):  # fmt: skip
    """A sweep on the GPU that is not there, and how often it was waited for."""
    torch.manual_seed(0)
    with THERE:
        model = MODELS[model]() if isinstance(model, str) else model()
        batch = (torch.randn(6, 4, 3, 3), torch.randint(0, 3, (6,)))
    if channels_last:
        for parameter in model.parameters():  # which `to` does by a swap that fake tensors do not know
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        batch = (batch[0].contiguous(memory_format=torch.channels_last), batch[1])
    made = {} if autocast is None else {"autocast": lambda: torch.autocast("cuda", dtype=autocast)}
    task = Task(
        Objective(model, criterion or nn.CrossEntropyLoss(), accuracy=accuracy, **made),
        OPTIMIZERS[optimizer](model.parameters()),
        itertools.repeat(batch),
        CUDA,
        StepOptions(**step),
        validation=[batch, batch] if validation else None,
    )
    before = waits.total
    options = SweepOptions(paired=paired, validation_every=3)
    curve = sweep(task, geometric(1e-4, 1.0, num_steps), options=options)
    return curve, model, waits.total - before


def waits_a_step(monkeypatch, **case):
    """How often Python waits in each further step, the first ones apart."""
    with fake_gpu(monkeypatch) as waits:
        _, _, few = swept(waits, 4, **case)
        _, _, many = swept(waits, 14, **case)
    return (many - few) / 10


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_every_tensor_of_the_loop_is_made_on_the_gpu(monkeypatch, model, paired):
    with fake_gpu(monkeypatch) as waits:
        curve, trained, _ = swept(waits, 5, model=model, paired=paired, validation=True)
        assert {p.grad.device for p in trained.parameters()} == {THERE}
        assert {b.device for b in trained.buffers()} <= {THERE}
    assert (curve.status, len(curve)) == (Status.COMPLETED, 5)
    assert (curve.start_losses is not None) is paired


def test_a_tensor_on_the_cpu_is_noticed(monkeypatch):
    with fake_gpu(monkeypatch) as waits, pytest.raises(BatchError, match=r"found at least two devices"):
        swept(waits, 3, model=Mixed)


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_no_step_waits_for_the_gpu(monkeypatch, optimizer, paired):
    assert waits_a_step(monkeypatch, optimizer=optimizer, paired=paired) == 0


@pytest.mark.parametrize(
    "case",
    [
        {"model": "cnn", "channels_last": True},
        {"model": "transformer", "optimizer": "adamw"},
        {"clip_grad_norm": 1.0, "accumulation_steps": 3},
        pytest.param(
            {"autocast": torch.bfloat16, "model": "cnn"},
            marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="autocast is off without a GPU"),
        ),
        {"validation": True},
        {"accuracy": False},
        {"criterion": nn.CrossEntropyLoss(label_smoothing=0.1)},
    ],
    ids=", ".join,
)
@pytest.mark.parametrize("paired", [False, True])
def test_nor_does_anything_else_that_can_be_asked_for(monkeypatch, case, paired):
    assert waits_a_step(monkeypatch, paired=paired, **case) == 0


@pytest.mark.parametrize(
    ("case", "unpaired", "paired"),
    [({"model": Reading}, 1, 2), ({"criterion": loss_that_reads}, 1, 2)],
    ids=["model", "criterion"],
)
def test_a_stranger_that_waits_is_counted_once_a_forward_pass(monkeypatch, case, unpaired, paired):
    assert waits_a_step(monkeypatch, paired=False, **case) == unpaired
    assert waits_a_step(monkeypatch, paired=True, **case) == paired
