"""In Python what a caller's own code raised comes through as it is, with a note."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import lrfind
from lrfind.errors import BatchError, UserError


class Misspelt(nn.Linear):
    def forward(self, x):
        return self.hed(x)


class Numbers(Dataset):
    def __init__(self, bad=None):
        self.bad = bad

    def __len__(self):
        return 12

    def __getitem__(self, i):
        if i == self.bad:
            raise LookupError("none")
        return torch.ones(2), 0


def call(model, **others):
    given = {
        "criterion": nn.CrossEntropyLoss(),
        "loader": DataLoader(Numbers(), batch_size=4),
        "num_steps": 5,
    }
    return lrfind.range_test(model, torch.optim.SGD(model.parameters(), lr=0.1), **(given | others))


def test_the_exception_itself_comes_through_with_a_note():
    model = Misspelt(2, 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(AttributeError, match="'Misspelt' object has no attribute 'hed'") as caught:
        call(model)
    (note,) = caught.value.__notes__
    assert note.startswith("lrfind: model: raised AttributeError: 'Misspelt' object has no attribute 'hed' (")
    assert "given a batch of (shape (4, 2) (float32)" in note
    assert caught.value.__context__ is None
    assert caught.traceback[-2].name == "forward" or caught.traceback[-1].name == "forward"
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("part", ["criterion", "forward"])
def test_so_does_that_of_a_loss_and_of_a_forward(part):
    def broken(*given):
        return {}["weight"]

    with pytest.raises(KeyError, match="weight") as caught:
        call(nn.Linear(2, 2), **{part: broken})
    assert caught.value.__notes__[0].startswith(f"lrfind: {part}: raised KeyError: 'weight' (")


def test_bytes_given_to_a_model_of_ones_own_come_with_what_to_do():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(2)

        def forward(self, x):
            return self.norm(x)

    with pytest.raises(NotImplementedError) as caught:
        call(Own(), loader=[(torch.ones(4, 2).byte(), torch.zeros(4).long())])
    assert "have the data give inputs.float() / 255, or in Python" in caught.value.__notes__[0]


def test_the_sample_of_a_data_set_is_in_the_note():
    with pytest.raises(LookupError) as caught:
        call(nn.Linear(2, 2), loader=DataLoader(Numbers(bad=7), batch_size=4))
    assert caught.value.__notes__ == ["lrfind: the data set raised it at sample 7."]


def test_a_batch_that_torchs_own_model_cannot_take_is_told_by_its_shapes():
    with pytest.raises(BatchError, match=r"model: cannot take a batch of \(shape \(4, 2\)"):
        call(nn.Linear(3, 2))


def test_errors_of_every_function_name_arguments():
    model, loader = nn.Linear(2, 2), [(torch.ones(4, 2), torch.zeros(4, dtype=torch.long))]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    given = (model, optimizer, nn.CrossEntropyLoss(), loader)
    calls = [
        lambda: lrfind.range_test(*given, beta=2),
        lambda: lrfind.refine(*given, halving=True, seeds=0),
        lambda: lrfind.verify(*given, loader, steps=0),
        lambda: lrfind.verify(*given, loader, lr=-1),
        lambda: lrfind.compare(*given, loader, samples=8, lrs=[-1]),
        lambda: lrfind.compare(*given, loader, samples=8, lrs=[0.1, 0.1]),
        lambda: lrfind.compare(*given, loader, samples=8, factor=0.5),
        lambda: lrfind.compare(*given, loader, samples=0),
    ]
    for each in calls:
        with pytest.raises(UserError) as caught:
            each()
        for room in ("range", "refine", "verify", "compare", "schedule"):
            assert f"{room}." not in str(caught.value), str(caught.value)
