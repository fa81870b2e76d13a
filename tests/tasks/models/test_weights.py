"""Weights from a path: what is understood, what is refused, and what the message says."""

import logging
import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models

from lrfind.errors import ModelError
from lrfind.tasks.data.dataset import Data
from lrfind.tasks.models.torchvision import find_weights, torchvision_model
from lrfind.tasks.models.weights import load_weights, read_state_dict

PETS = Data(dataset=None, name="pets", input_shape=(3, 32, 32), num_outputs=7)


class Stranger:
    """An object that only a pickle can hold."""


@pytest.fixture(scope="module")
def resnet():
    return models.resnet18(num_classes=7)


def build(path, name="resnet18"):
    return torchvision_model(name=name, weights=str(path), data=PETS)


def assert_same_weights(model, state, *, but=()):
    own = model.state_dict()
    assert list(own) == list(state)
    assert [key for key in own if not torch.equal(own[key], state[key])] == list(but)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: model.state_dict(),
        lambda model: dict(model.state_dict()),
        lambda model: {"state_dict": model.state_dict(), "epoch": 3},
        lambda model: {"model": model.state_dict(), "optimizer": {"lr": 0.1}},
        lambda model: {"model_state_dict": model.state_dict()},
        lambda model: nn.DataParallel(model).state_dict(),
        lambda model: {"model": {"state_dict": nn.DataParallel(model).state_dict()}},
        lambda model: {f"_orig_mod.{key}": value for key, value in model.state_dict().items()},
        lambda model: {"state_dict": {f"model.{key}": value for key, value in model.state_dict().items()}},
    ],
    ids=[
        "bare",
        "plain dict",
        "state_dict",
        "model",
        "model_state_dict",
        "parallel",
        "both",
        "compiled",
        "lightning",
    ],
)
def test_the_usual_wrappers_are_understood_and_every_weight_is_loaded(wrap, resnet, tmp_path, caplog):
    torch.save(wrap(resnet), tmp_path / "weights.pt")
    caplog.set_level(logging.INFO, "lrfind")
    assert_same_weights(build(tmp_path / "weights.pt"), resnet.state_dict())
    assert not caplog.records


def test_a_file_in_the_old_format_is_read(resnet, tmp_path):
    torch.save(resnet.state_dict(), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert_same_weights(build(tmp_path / "old.pth"), resnet.state_dict())


@pytest.mark.parametrize("head", ["other size", "none", "another structure"])
def test_a_head_that_does_not_fit_is_left_out_and_said_so(head, resnet, tmp_path, caplog):
    state = resnet.state_dict()
    weight = state.pop("fc.weight")
    del state["fc.bias"]
    if head == "other size":
        state.update({"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)})
    elif head == "another structure":
        state.update({"fc.1.weight": weight})
    torch.save(state, tmp_path / "weights.pt")
    caplog.set_level(logging.INFO, "lrfind")
    model = build(tmp_path / "weights.pt")
    assert_same_weights(model, resnet.state_dict(), but=("fc.weight", "fc.bias"))
    assert "head does not fit and is left out; fc starts untrained" in caplog.text


def test_auxiliary_heads_in_the_file_are_left_out(tmp_path):
    full = models.googlenet(aux_logits=True, init_weights=False, num_classes=7)
    torch.save(full.state_dict(), tmp_path / "weights.pt")
    model = build(tmp_path / "weights.pt", name="googlenet")
    assert torch.equal(model.fc.weight, full.fc.weight)
    assert model.aux1 is None


def test_a_plain_dict_without_versions_loads_into_a_model_that_asks_for_them(tmp_path):
    model = models.mnasnet0_5(num_classes=7)
    torch.save(dict(model.state_dict()), tmp_path / "weights.pt")
    assert_same_weights(build(tmp_path / "weights.pt", name="mnasnet0_5"), model.state_dict())


def test_a_file_from_before_batch_norm_counted_is_read(resnet, tmp_path):
    state = {key: value for key, value in resnet.state_dict().items() if "num_batches" not in key}
    torch.save(state, tmp_path / "weights.pt")
    assert torch.equal(build(tmp_path / "weights.pt").bn1.weight, resnet.bn1.weight)


def test_the_checkpoint_of_another_model_says_what_does_not_fit(tmp_path):
    torch.save(models.resnet34(num_classes=7).state_dict(), tmp_path / "weights.pt")
    with pytest.raises(
        ModelError, match=r"for model\.name=resnet18 does not fit: 96 are unexpected \(first: layer1\.2"
    ):
        build(tmp_path / "weights.pt")


def test_missing_unexpected_and_misshaped_keys_are_counted_and_the_first_named():
    model = nn.Sequential(OrderedDict(conv=nn.Conv2d(3, 4, 1), bn=nn.BatchNorm2d(4), fc=nn.Linear(4, 2)))
    state = OrderedDict(model.state_dict())
    state["conv.weight"] = torch.zeros(4, 1, 1, 1)
    state["extra"] = torch.zeros(1)
    del state["bn.weight"], state["bn.running_mean"]
    with pytest.raises(ModelError) as caught:
        load_weights(model, state, heads=("fc",), what="model.weights=w.pt")
    assert str(caught.value) == (
        "model.weights=w.pt does not fit: 2 of the model's 9 entries are missing (first: bn.weight); 1 are "
        "unexpected (first: extra); 1 have another shape (first: conv.weight, (4, 1, 1, 1) in the file, "
        "(4, 3, 1, 1) in the model). Give the checkpoint of this architecture, or the model.name that it was "
        "made from."
    )


@pytest.mark.parametrize("save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_a_pickle_of_objects_is_refused(save, tmp_path):
    path = tmp_path / "weights.pt"
    save({"state_dict": Stranger()}, path)
    with pytest.raises(
        ModelError,
        match=r"holds pickled Python objects, which could run any code .* torch\.save\(model",
    ):
        build(path)


def test_a_pickle_is_refused_without_running_its_code(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    (tmp_path / "weights.pt").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelError, match="pickled Python objects"):
        build(tmp_path / "weights.pt")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"hello, world", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_checkpoint_is_refused(content, tmp_path):
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(ModelError, match=r"is damaged or was not written by torch\.save"):
        build(tmp_path / "weights.pt")


def test_a_checkpoint_cut_short_is_refused(resnet, tmp_path):
    torch.save(resnet.state_dict(), tmp_path / "weights.pt")
    content = (tmp_path / "weights.pt").read_bytes()
    (tmp_path / "weights.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=r"is damaged or was not written by torch\.save"):
        build(tmp_path / "weights.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (torch.zeros(3), "holds a Tensor and no state dict"),
        ({"epoch": 3, "lr": 0.1}, r"holds no tensors \(its keys: epoch, lr\)"),
        ({}, r"holds no tensors \(its keys: none\)"),
    ],
)
def test_a_file_without_a_state_dict_is_refused(content, message, tmp_path):
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(ModelError, match=message):
        read_state_dict(tmp_path / "weights.pt")


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(ModelError, match=r"model\.weights=.*absent\.pt does not exist"):
        build(tmp_path / "absent.pt")
    with pytest.raises(ModelError, match="is a folder"):
        build(tmp_path)


def test_a_file_whose_name_looks_like_none_is_found_on_disk(resnet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(resnet.state_dict(), "best")
    assert find_weights("resnet18", "best") == Path("best")


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("imagenet1k_v1", r"nearest: model\.weights=IMAGENET1K_V1"),
        ("none", r"one of IMAGENET1K_V1, DEFAULT, a path to a state dict, or null\.$"),
        (True, r"must be null, a name or a path, got True"),
    ],
)
def test_a_word_that_is_neither_name_nor_path_is_refused(weights, message):
    with pytest.raises(ModelError, match=message):
        find_weights("resnet18", weights)
