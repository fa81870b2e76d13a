"""The head of a classifier: found wherever it is, and all that trains on a frozen backbone."""

import copy

import pytest
import torch
from torch import nn
from torchvision import models

from lrfind.errors import ModelError
from lrfind.tasks.models.heads import FixedBatchNorm2d, find_head, freeze_backbone


def train_a_step(model, x):
    model.train()
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    nn.functional.cross_entropy(model(x), torch.arange(len(x))).backward()
    optimizer.step()


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("resnet18", "fc"),
        ("densenet121", "classifier"),
        ("vgg11", "classifier.6"),
        ("mobilenet_v3_small", "classifier.3"),
        ("squeezenet1_0", "classifier.1"),
        ("maxvit_t", "classifier.5"),
        ("swin_t", "head"),
        ("vit_b_16", "heads.head"),
    ],
)
def test_the_head_is_found_whichever_attribute_holds_it(name, where):
    with torch.device("meta"):
        model = models.get_model(name, num_classes=7)
    found, layer = find_head(model)
    assert found == where
    assert layer is model.get_submodule(where)


def test_a_model_without_a_head_is_refused():
    with pytest.raises(ModelError, match=r"Sequential has no head .* model=custom"):
        find_head(nn.Sequential(nn.Linear(2, 2)))


def test_only_the_head_of_a_frozen_model_trains():
    model = models.resnet18(num_classes=7)
    freeze_backbone(model)
    before = copy.deepcopy(model.state_dict())
    train_a_step(model, torch.randn(3, 3, 32, 32))
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"fc.weight", "fc.bias"}
    assert {name for name, p in model.named_parameters() if p.requires_grad} == changed


def test_features_of_a_frozen_backbone_do_not_depend_on_the_batch():
    model = models.resnet18(num_classes=7)
    freeze_backbone(model)
    model.train()
    x = torch.randn(4, 3, 32, 32)
    torch.testing.assert_close(model(x)[:1], model(x[:1]))


def test_freezing_keeps_the_keys_the_values_and_the_function():
    plain = models.mobilenet_v3_small(num_classes=7)
    for _ in range(2):
        plain.train()(torch.randn(4, 3, 32, 32))
    frozen = copy.deepcopy(plain)
    freeze_backbone(frozen)
    expected = plain.state_dict()
    assert list(frozen.state_dict()) == list(expected)
    assert all(torch.equal(value, expected[key]) for key, value in frozen.state_dict().items())
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(frozen.eval()(x), plain.eval()(x))


def test_a_fixed_batch_norm_stays_in_eval_mode_whatever_is_called():
    layer = FixedBatchNorm2d.copy_of(nn.BatchNorm2d(3))
    assert not layer.training
    for switch in (layer.train, layer.eval, nn.Sequential(layer).train, copy.deepcopy(layer).train):
        switch()
        assert not layer.training


def test_a_fixed_batch_norm_shares_the_parameters_of_the_plain_one():
    plain = nn.BatchNorm2d(3, eps=0.5)
    fixed = FixedBatchNorm2d.copy_of(plain)
    assert fixed.weight is plain.weight
    assert fixed.running_var is plain.running_var
    x = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(fixed(x), x / (1.5**0.5))
