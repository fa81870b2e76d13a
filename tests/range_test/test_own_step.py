"""A step of the caller's own: closed forms, a GAN, what is put back, refused and warned of."""

import copy
import re
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import UserError, range_test
from tests.toy_tasks import Quadratic

ONES = [torch.ones(2, dtype=torch.float64)] * 70


def two_optimizers(*curvatures, lrs=(1.0, 0.25)):
    """A parabola for each of two optimizers, and the step that trains both."""
    model = Quadratic(*curvatures)
    first, second = (torch.optim.SGD([w], lr=lr) for w, lr in zip(model.weights, lrs, strict=True))

    def step(batch):
        first.zero_grad()
        second.zero_grad()
        loss = model(batch)
        loss.backward()
        first.step()
        second.step()
        return loss

    return model, [first, second], step


def test_all_optimizers_are_moved_in_the_ratio_of_their_rates():
    model, optimizers, step = two_optimizers(1.0, 2.0)
    found = range_test(model, optimizers, None, ONES, step=step)
    w, v = 1.0, 1.0
    for lr, loss in zip(found.lrs, found.losses, strict=True):
        assert loss == pytest.approx(0.5 * w * w + v * v, rel=1e-9)
        w, v = w * (1 - lr), v * (1 - lr / 4 * 2)
    assert [group.name for group in found.groups] == ["optimizer 0", "optimizer 1"]
    assert [group.ratio for group in found.groups] == [1, 0.25]
    assert [group["lr"] for each in optimizers for group in each.param_groups] == [1.0, 0.25]
    found.apply(optimizers)
    assert [each.param_groups[0]["lr"] for each in optimizers] == pytest.approx(
        [found.suggestion.lr, found.suggestion.lr / 4]
    )


def test_the_control_is_a_run_at_a_rate_of_0_on_the_same_batches():
    model, optimizers, step = two_optimizers(1.0, 2.0)
    batches = [torch.full((2,), 1 + i % 3, dtype=torch.float64) for i in range(70)]
    found = range_test(model, optimizers, None, batches, step=step)
    assert found.curve.paired
    assert found.curve.start_losses.tolist() == [1.5 * (1 + i % 3) for i in range(len(found.curve))]
    assert found.content["steps"] == len(found.curve) + 60


def test_the_same_step_finds_the_same_rate_as_the_loop_of_the_test():
    def parts():
        torch.manual_seed(0)
        x = torch.randn(256, 6)
        batches = list(zip(x.split(32), (x.sum(1) > 0).long().split(32), strict=True))
        model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 2))
        return model, torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), batches

    model, optimizer, batches = parts()
    ours = range_test(model, optimizer, nn.CrossEntropyLoss(), batches)
    model, optimizer, batches = parts()

    def step(batch):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss

    theirs = range_test(model, optimizer, None, batches, step=step)
    assert theirs.losses.tolist() == ours.losses.tolist()
    assert theirs.curve.start_losses == pytest.approx(ours.curve.start_losses, rel=1e-6)
    assert theirs.suggestion.lr == pytest.approx(ours.suggestion.lr, rel=0.01)
    unpaired = range_test(model, optimizer, None, batches, step=step, paired=False)
    assert unpaired.losses.tolist() == ours.losses.tolist()
    assert unpaired.curve.start_losses is None


class Gan:
    """A generator and a discriminator of points on a circle, with dropout and batch norm."""

    def __init__(self):
        torch.manual_seed(0)
        angle = 6.28 * torch.rand(512)
        self.loader = DataLoader(TensorDataset(torch.stack([angle.cos(), angle.sin()], 1)), 32, shuffle=True)
        self.generator = nn.Sequential(nn.Linear(4, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2))
        self.discriminator = nn.Sequential(
            nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Dropout(0.2), nn.Linear(32, 1)
        )
        self.model = nn.ModuleDict({"generator": self.generator, "discriminator": self.discriminator})
        self.optimizers = [
            torch.optim.Adam(self.generator.parameters(), lr=1e-3, betas=(0.5, 0.999)),
            torch.optim.Adam(self.discriminator.parameters(), lr=2e-3, betas=(0.5, 0.999)),
        ]

    def step(self, batch):
        (real,) = batch
        for_generator, for_discriminator = self.optimizers
        fake = self.generator(torch.randn(len(real), 4))
        for_discriminator.zero_grad()
        loss = nn.functional.softplus(-self.discriminator(real)).mean()
        loss = loss + nn.functional.softplus(self.discriminator(fake.detach())).mean()
        loss.backward()
        for_discriminator.step()
        for_generator.zero_grad()
        nn.functional.softplus(-self.discriminator(fake)).mean().backward()
        for_generator.step()
        return loss


def states(gan):
    return copy.deepcopy([gan.model.state_dict(), *(each.state_dict() for each in gan.optimizers)])


def same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def test_a_gan_is_swept_against_its_control_and_all_of_it_is_put_back_bitwise():
    gan = Gan()
    for batch in gan.loader:
        gan.step(batch)
    before, stream = states(gan), torch.get_rng_state()
    found = range_test(gan.model, gan.optimizers, None, gan.loader, step=gan.step)
    assert found.curve.paired
    assert len(found.curve) > 20
    assert [group.prefix for group in found.groups] == ["generator", "discriminator"]
    assert [group.ratio for group in found.groups] == [0.5, 1]
    assert found.title == "ModuleDict, Adam + Adam, batch size 32"
    assert same(before, states(gan))
    assert torch.equal(stream, torch.get_rng_state())


def test_it_is_put_back_after_an_error_in_the_step_and_the_error_names_its_place():
    gan = Gan()
    before, taken = states(gan), 0

    def step(batch):
        nonlocal taken
        taken += 1
        gan.step(batch)
        if taken == 7:
            raise ZeroDivisionError("no more")
        return torch.tensor(1.0)

    with pytest.raises(ZeroDivisionError) as raised:
        range_test(gan.model, gan.optimizers, None, gan.loader, step=step)
    assert "step: raised ZeroDivisionError: no more (test_own_step.py, line" in raised.value.__notes__[0]
    assert same(before, states(gan))


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "step must return its loss, a tensor with one number, and returned None"),
        (0.5, "step must return its loss, a tensor with one number, and returned 0.5"),
        (torch.ones(3), r"and returned a tensor of shape \(3,\)"),
    ],
)
def test_a_step_that_returns_no_loss_is_told(returned, message):
    model, optimizers, _ = two_optimizers(1.0, 2.0)
    with pytest.raises(UserError, match=message):
        range_test(model, optimizers, None, ONES, step=lambda batch: returned)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"criterion": nn.MSELoss()}, "criterion does not go with step, which makes the whole step itself"),
        ({"forward": lambda model, batch: model(batch)}, "forward does not go with step"),
        ({"accumulation_steps": 2}, "accumulation_steps does not go with step"),
        ({"clip_grad_norm": 1.0}, "clip_grad_norm does not go with step"),
        ({"precision": "bf16"}, "precision does not go with step"),
        ({"validation": ONES[:1]}, "validation does not go with step"),
        ({"metric": "accuracy"}, "metric='accuracy' does not go with step, which returns a loss alone"),
        ({"groups": "each"}, "groups='each' does not go with step"),
        ({"single_batch": True}, "single_batch=True goes with step only where paired=False"),
        ({"loader": iter(ONES)}, "the loader is an iterator, which cannot begin again"),
        ({"step": None}, "optimizer is a list: what to do with several optimizers is for a step of yours"),
        ({"optimizer": []}, "optimizer must be an optimizer of torch, or a list of them"),
    ],
)
def test_what_does_not_go_with_a_step_is_refused(changes, message):
    model, optimizers, step = two_optimizers(1.0, 2.0)
    given = {"optimizer": optimizers, "criterion": None, "loader": ONES, "step": step} | changes
    with pytest.raises(UserError, match=message):
        range_test(model, **given)


def test_an_optimizer_that_is_missing_from_the_list_is_warned_of():
    model, optimizers, step = two_optimizers(1.0, 2.0)
    with pytest.warns(UserWarning, match="is an optimizer missing from the list"):
        range_test(model, optimizers[:1], None, ONES, step=step)
    assert [w.item() for w in model.weights] == [1.0, 1.0]  # the model is put back all the same


def test_a_step_that_goes_up_and_comes_back_as_that_of_sam_is_not_taken_for_a_missing_optimizer():
    torch.manual_seed(0)
    model, criterion = nn.Linear(6, 2), nn.CrossEntropyLoss()
    before = [w.clone() for w in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inputs = torch.randn(64, 6)
    loader = DataLoader(TensorDataset(inputs, (inputs[:, 0] > 0).long()), batch_size=16)

    def step(batch):
        optimizer.zero_grad()
        loss = criterion(model(batch[0]), batch[1])
        loss.backward()
        ways = [0.05 * w.grad for w in model.parameters()]
        with torch.no_grad():
            for w, way in zip(model.parameters(), ways, strict=True):
                w.add_(way)
        optimizer.zero_grad()
        criterion(model(batch[0]), batch[1]).backward()
        with torch.no_grad():
            for w, way in zip(model.parameters(), ways, strict=True):
                w.sub_(way)
        optimizer.step()
        return loss

    for group in optimizer.param_groups:
        group["lr"] = 0.0
    step(next(iter(loader)))
    assert any(not torch.equal(w, was) for w, was in zip(model.parameters(), before, strict=True))  # rounding
    optimizer.param_groups[0]["lr"] = 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert range_test(model, optimizer, None, loader, step=step).suggestion is not None


def test_the_steps_of_the_documentation_run_and_a_gan_has_a_rate_for_each_optimizer(capsys):
    torch.manual_seed(0)
    page = (Path(__file__).parents[2] / "docs" / "howto" / "odd-loops.md").read_text()
    code, closure = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names = {}
    exec(code, names)
    found = names["result"]
    assert found.suggestion is not None
    told = capsys.readouterr().out.splitlines()
    assert told[0] == found.verdict
    assert [line.split()[0] for line in told[1:]] == ["generator", "discriminator"]
    assert [float(line.split()[1]) for line in told[1:]] == [found.suggestion.lr] * 2
    assert [each.param_groups[0]["lr"] for each in names["optimizers"]] == [found.suggestion.lr] * 2

    model = nn.Linear(64, 64)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=2)
    names = {"model": model, "optimizer": optimizer, "criterion": nn.MSELoss()}
    exec(closure, names)
    pair = (torch.ones(4, 64), torch.zeros(4, 64))
    first = nn.functional.mse_loss(model(pair[0]), pair[1]).item()
    assert names["step"](pair).item() == first
    assert nn.functional.mse_loss(model(pair[0]), pair[1]).item() < first
