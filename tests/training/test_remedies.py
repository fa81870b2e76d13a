"""What to do about what torch says of a batch: read off the exceptions that torch of today raises."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from lrfind.errors import BatchError
from lrfind.training.objective import Objective
from lrfind.training.step import StepOptions, train_step

X, Y = torch.zeros(4, 3), torch.tensor([0, 1, 0, 1])
PICTURES = torch.zeros(4, 8, 8, 3)
BYTES_DROPPED = nn.Sequential(nn.Dropout(), nn.Linear(3, 2))


class Pair(nn.Module):
    """Takes two inputs, and returns two outputs."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, a, b=None):
        return self.layer(a), a if b is None else b


class TwoInputs(Pair):
    """Takes two inputs, always."""

    def forward(self, a, b):
        return self.layer(a + b)


def linear(outputs=2):
    return nn.Linear(3, outputs)


def weighted(outputs, target, weights):
    return nn.functional.cross_entropy(outputs, target, weight=weights)


@pytest.mark.parametrize(
    ("model", "criterion", "batch", "remedy"),
    [
        (linear(), nn.CrossEntropyLoss(), (X.double(), Y), "inputs are float64, .* give inputs.float(), or"),
        (linear(), nn.CrossEntropyLoss(), (X.byte(), Y), "have the data give inputs.float() / 255, or in"),
        (linear(), nn.CrossEntropyLoss(), (X.long(), Y), "inputs are int64, .* give inputs.float(), or in"),
        *(
            (layer, nn.CrossEntropyLoss(), (PICTURES.byte(), Y), "model(batch[0].float() / 255).")
            for layer in (
                nn.Conv2d(8, 2, 3),
                nn.Conv2d(8, 2, 3, bias=False),
                nn.BatchNorm2d(8),
                BYTES_DROPPED,
            )
        ),
        (nn.Embedding(2, 2), nn.CrossEntropyLoss(), (X, Y), "have the data give inputs.long()."),
        (linear(), nn.CrossEntropyLoss(), (X, Y.int()), "give it target.long()"),
        (linear(1), nn.BCEWithLogitsLoss(), (X, Y[:, None]), "are floats: give it target.float()."),
        (linear(), nn.CrossEntropyLoss(), (np.zeros((4, 3)), Y.numpy()), "A batch must hold tensors"),
        (nn.Sequential(linear(), nn.BatchNorm1d(2)), nn.CrossEntropyLoss(), (X[:1], Y[:1]), "drop_last=True"),
        (nn.Conv2d(3, 2, 3), nn.CrossEntropyLoss(), (PICTURES, Y), "inputs.permute(0, 3, 1, 2)"),
        (
            nn.Conv2d(3, 2, 3),
            nn.CrossEntropyLoss(),
            (torch.zeros(4, 1, 8, 8), Y),
            "takes pictures of 3 channels, and these have 1.",
        ),
        (
            nn.Linear(5, 2),
            nn.CrossEntropyLoss(),
            (torch.zeros(4, 3), Y),
            "A layer takes 5 numbers, and is given 3: the first one must take as many as a sample has.",
        ),
        (
            nn.Linear(3, 2),
            nn.CrossEntropyLoss(),
            (("a",) * 4, Y),
            "The inputs are texts: let the data set turn",
        ),
        (
            nn.Linear(3, 2),
            nn.CrossEntropyLoss(),
            (torch.zeros(4, 3), torch.eye(2).long()[Y]),
            "give it target.float(), or the labels, target.argmax(1).",
        ),
        (TwoInputs(), nn.CrossEntropyLoss(), ((X, X), Y), "model(*batch[0])"),
        (linear(), nn.CrossEntropyLoss(), {"input": X}, "criterion=None, for a model that returns its loss"),
        (linear(), None, {"input": [X, X]}, "end a data set of Hugging Face in .with_format('torch')"),
        (TwoInputs(), nn.CrossEntropyLoss(), (X, X, Y), "put its inputs together there, as ((a, b), target)"),
        (linear(), nn.CrossEntropyLoss(), (X[0], 1), "single samples: give a DataLoader(samples,"),
        (Pair(), nn.CrossEntropyLoss(), (X, Y), "The model returns a tuple, and the criterion is given all"),
        (linear(), weighted, (X, Y, torch.ones(2)), "criterion(model(batch[0]), *batch[1:])"),
        (
            linear(),
            nn.CrossEntropyLoss(),
            (X, Y[:, None]),
            "Class labels stand in one row: give it target.sq",
        ),
        (linear(), nn.CrossEntropyLoss(), (X, Y.float()), "give it target.long()"),
        (linear(1), nn.BCELoss(), (X, X[:, :1] + 2), "BCEWithLogitsLoss"),
        (linear(1), nn.BCEWithLogitsLoss(), (X, Y), "give it target.reshape(-1, 1).float()."),
        (nn.Flatten(0), nn.MSELoss(), (X[:, :1], X[:, :1]), "give it target.reshape(-1)."),
    ],
)
def test_a_batch_that_cannot_be_taken_comes_with_what_to_type(model, criterion, batch, remedy):
    with torch.no_grad():  # weights are not what is looked at
        for parameter in model.parameters():
            parameter.fill_(0.5)
    with pytest.raises(BatchError, match=re.escape(remedy).replace(r"\.\*", ".*")):
        Objective(model, criterion)(batch)


def test_bytes_by_name_are_told_without_a_forward_and_labels_are_not_to_become_floats():
    class Named(nn.Linear):
        def forward(self, batch):
            return super().forward(batch["x"])

    for x, remedy in (
        (X.byte(), r"give inputs\.float\(\) / 255\.$"),
        (X.long(), r"give inputs\.float\(\)\.$"),
    ):
        with pytest.raises(BatchError, match=remedy):
            Objective(Named(3, 2), nn.CrossEntropyLoss())({"x": x})
    tokens = nn.Sequential(nn.Embedding(2, 3), nn.Linear(3, 2).double())
    with pytest.raises(BatchError, match="Does the model suit the data"):
        Objective(tokens, nn.CrossEntropyLoss())((Y, Y))


def test_cross_entropy_of_classes_in_the_last_axis_is_told_where_they_belong():
    words = torch.zeros(4, 5, dtype=torch.long)
    model = nn.Sequential(nn.Embedding(7, 3), nn.Linear(3, 7))
    with pytest.raises(BatchError, match=r"second axis of the outputs.*Give it outputs\.movedim\(-1, 1\)\.$"):
        Objective(model, nn.CrossEntropyLoss())((words, words))
    loss, _ = Objective(
        model, lambda outputs, target: nn.functional.cross_entropy(outputs.movedim(-1, 1), target)
    )((words, words))
    assert torch.isfinite(loss)


def test_scores_without_a_loss_are_told_what_makes_a_model_of_transformers_return_one():
    class Scores(nn.Module):
        def forward(self, x):
            return {"logits": x}

    with pytest.raises(BatchError, match=r"returned \{logits: .*where the batch has labels, by that name\.$"):
        Objective(Scores(), None)({"x": X})


def test_outputs_are_no_loss_where_the_criterion_was_left_out():
    with pytest.raises(BatchError, match=r"must return its loss .* and returned shape \(4, 2\)"):
        Objective(linear(), None)((X,))


@pytest.mark.parametrize("switched_off", [torch.no_grad, torch.inference_mode])
def test_gradients_that_are_switched_off_are_named(switched_off):
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with (
        switched_off(),
        pytest.raises(BatchError, match=r"Gradients are switched off here, by torch\.no_grad"),
    ):
        train_step(Objective(model, nn.CrossEntropyLoss()), optimizer, iter([(X, Y)]), StepOptions())


def test_a_loss_of_no_parameters_is_asked_for_them():
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    objective = Objective(model, lambda outputs, target: outputs.detach().sum())
    with pytest.raises(BatchError, match=r"Is the loss computed from the model's parameters"):
        train_step(objective, optimizer, iter([(X, Y)]), StepOptions())
