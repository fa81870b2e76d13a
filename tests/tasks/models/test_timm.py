"""Models of timm: widths from the data, its own sizes and means, weights from a file, refusals."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lrfind.errors import ModelError
from lrfind.tasks.data.dataset import Data, Normalisation
from lrfind.tasks.models import timm_model
from lrfind.tasks.models.timm import data_config

timm = pytest.importorskip("timm", reason="timm is not installed: pip install 'lrfind[timm]'")


def pictures(side=32, *, channels=3, num_outputs=7, normalisation=None):
    shape = (channels, side, side)
    return Data(None, name="pets", input_shape=shape, num_outputs=num_outputs, normalisation=normalisation)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_convnext"])
@pytest.mark.parametrize("channels", [1, 3])
def test_head_and_first_layer_have_the_widths_of_the_data_and_it_trains(name, channels):
    model = timm_model(name=name, data=pictures(64, channels=channels)).train()
    logits = model(torch.randn(4, channels, 64, 64))
    assert logits.shape == (4, 7)
    nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_arguments_of_ones_own_reach_the_model():
    assert timm_model(name="test_resnet", drop_rate=0.25, data=pictures()).drop_rate == 0.25


def test_the_data_config_is_the_models_own():
    made_for = data_config("test_vit")
    assert (made_for.size, made_for.mean, made_for.std) == ((160, 160), (0.5,) * 3, (0.5,) * 3)
    assert made_for.normalisation(1 / 255, 3) == Normalisation(1 / 255, (0.5,) * 3, (0.5,) * 3)


def test_grey_pictures_get_the_average_of_the_means_of_the_colours():
    grey = data_config("resnet18").normalisation(1 / 16, 1)
    assert grey.mean == pytest.approx([(0.485 + 0.456 + 0.406) / 3])
    assert grey.std == pytest.approx([(0.229 + 0.224 + 0.225) / 3])


@pytest.mark.parametrize("name", ["test_resnet", "deit_tiny_distilled_patch16_224"])
def test_weights_of_a_file_are_taken_but_for_the_heads_of_another_width(tmp_path, name, caplog):
    pretrained = timm.create_model(name, num_classes=5)
    torch.save({"state_dict": pretrained.state_dict()}, tmp_path / "w.pt")
    with caplog.at_level("INFO", "lrfind"):
        model = timm_model(
            name=name, weights=str(tmp_path / "w.pt"), data=pictures(data_config(name).size[0])
        )
    heads = tuple(f"{head}." for head in data_config(name).heads)
    own = model.state_dict()
    for key, value in pretrained.state_dict().items():
        assert key.startswith(heads) or torch.equal(own[key], value), key
    assert "its head does not fit and is left out" in caplog.text
    assert "pets is taken as it comes, and should bring its pictures so" in caplog.text


def test_a_pickle_is_no_file_of_weights(tmp_path):
    torch.save({"model": nn.Linear(1, 1)}, tmp_path / "w.pt")
    with pytest.raises(ModelError, match="holds pickled Python objects"):
        timm_model(name="test_resnet", weights=str(tmp_path / "w.pt"), data=pictures())


def test_a_frozen_backbone_trains_the_head_alone_and_keeps_its_statistics():
    model = timm_model(name="test_resnet", freeze_backbone=True, data=pictures()).train()
    assert {name for name, p in model.named_parameters() if p.requires_grad} == {"fc.weight", "fc.bias"}
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert any("running_mean" in key for key in before)
    model(torch.randn(4, 3, 32, 32))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_pretrained_weights_without_a_network_end_in_a_sentence(monkeypatch, tmp_path):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match=r"cannot be downloaded .*model\.weights=PATH\.$") as caught:
        timm_model(name="test_resnet", weights="DEFAULT", data=pictures())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet19"}, r"resnet19 is no model of timm \(nearest: model\.name=resnet18,"),
        ({"name": "resnet18.nonsense"}, r"model\.name=resnet18\.nonsense: timm has no weights nonsense"),
        ({"weights": "nonsense"}, r"^model\.weights=nonsense: timm has no weights nonsense of test_resnet"),
        ({"weights": "none.pt"}, r"^model\.weights=none\.pt does not exist"),
        ({"weights": 3}, r"^model\.weights must be null, a name or a path, got 3"),
        ({"foo": 3}, r"cannot be made with num_classes=7, in_chans=3, foo=3: .*'foo'"),
        ({"checkpoint_path": "x.pt"}, r"^model\.checkpoint_path is no key here"),
        ({"pretrained": True}, r"^model\.pretrained is no key here"),
        ({"in_channels": 0}, r"^model\.in_channels must be a whole number of at least 1, got 0"),
        ({"data": pictures(num_outputs=None)}, r"^model\.num_outputs is null"),
        (
            {"data": Data(None, "table", input_shape=(4,), num_outputs=2)},
            r"input of table has the shape \(4,\)",
        ),
        ({"name": "test_vit", "data": pictures(8)}, r"patches larger than those of pets.*image_size=160"),
    ],
)
def test_what_cannot_be_is_refused_with_the_key_to_type(arguments, message):
    with pytest.raises(ModelError, match=message):
        timm_model(**{"name": "test_resnet", "data": pictures(), **arguments})


def test_pictures_from_files_get_the_size_and_the_mean_of_the_model(lrfind, tmp_path):
    for label in ("cat", "dog"):
        (tmp_path / "pets" / label).mkdir(parents=True)
        for i in range(8):
            noise = np.random.default_rng(i).integers(0, 255, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(noise).save(tmp_path / "pets" / label / f"{i}.png")
    words = ["model=timm", "model.name=test_vit", "data=imagefolder", f"data.root={tmp_path / 'pets'}"]
    ran = lrfind(*words, "batch_size=8", "range.num_steps=3", "range.repeats=1", "num_workers=0")
    assert ran.code in (0, 3), ran.err
    assert ran.record["config"]["model"]["name"] == "test_vit"
    refused = lrfind(*words, "batch_size=8", "data.image_size=8")
    assert refused.code == 2
    assert "patches larger than those of imagefolder" in refused.err


def test_what_it_is_trained_on_is_what_its_data_config_says(tmp_path):
    from hydra import compose, initialize_config_module

    from lrfind.config.validate import validated
    from lrfind.range_test.config import RangeConfig
    from lrfind.tasks.build import build

    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (40, 50), (255, 0, 255)).save(tmp_path / label / "0.png")
    words = ["model=timm", "model.name=test_vit", "data=imagefolder", f"data.root={tmp_path}", "batch_size=2"]
    with initialize_config_module("lrfind.configs", version_base="1.3"):
        task = build(validated(compose("range", overrides=words), RangeConfig))
    inputs, _ = next(task.batches)
    task.close()
    assert inputs.shape == (2, 3, 160, 160)
    # (1 - 0.5) / 0.5 and (0 - 0.5) / 0.5
    assert torch.allclose(inputs[:, 0], torch.tensor(1.0))
    assert torch.allclose(inputs[:, 1], torch.tensor(-1.0))
