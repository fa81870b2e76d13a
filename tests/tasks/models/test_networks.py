"""The models by name: sizes from the data, heads of the right width, refusals that say what to type."""

import copy
import math
import re
import subprocess
import sys
from collections import OrderedDict
from importlib.resources import files
from urllib.error import URLError

import pytest
import torch
import torchvision.models
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn
from torchvision.models import regnet

from lrfind.errors import ModelError
from lrfind.tasks.data.dataset import Data
from lrfind.tasks.models.heads import find_head
from lrfind.tasks.models.networks import cnn, curve_mlp, mlp, mnist_mlp
from lrfind.tasks.models.torchvision import torchvision_model

CLASSIFIERS = torchvision.models.list_models(torchvision.models)

# The smallest of each family, the side of the smallest picture it takes in training.
SMALLEST = {
    "alexnet": 63,
    "convnext_tiny": 32,
    "densenet121": 32,
    "efficientnet_b0": 32,
    "efficientnet_v2_s": 32,
    "googlenet": 32,
    "inception_v3": 75,
    "mnasnet0_5": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 32,
    "regnet_x_400mf": 32,
    "resnet18": 32,
    "shufflenet_v2_x0_5": 32,
    "squeezenet1_1": 32,
    "swin_t": 32,
    "vit_b_32": 32,
}
SMALLEST_SLOW = {
    "maxvit_t": 224,
    "regnet_y_400mf": 32,
    "resnext50_32x4d": 32,
    "swin_v2_t": 32,
    "vgg11": 32,
    "wide_resnet50_2": 32,
}


def pictures(side=32, *, channels=3, num_outputs=7):
    return Data(dataset=None, name="pets", input_shape=(channels, side, side), num_outputs=num_outputs)


def assert_trains(model, inputs, num_outputs):
    model.train()
    logits = model(inputs)
    assert logits.shape == (len(inputs), num_outputs)
    nn.functional.cross_entropy(logits, torch.arange(len(inputs)) % num_outputs).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


class TestMlp:
    def test_takes_widths_from_the_data_and_sizes_from_the_config(self):
        model = mlp(hidden_sizes=[5, 6], activation="tanh", data=pictures(8, channels=1, num_outputs=10))
        shapes = [tuple(p.shape) for p in model.parameters()]
        assert shapes == [(5, 64), (5,), (6, 5), (6,), (10, 6), (10,)]
        assert sum(isinstance(layer, nn.Tanh) for layer in model) == 2
        assert_trains(model, torch.randn(3, 1, 8, 8), 10)

    def test_a_list_of_activations_gives_each_layer_its_own_and_xavier_fills_them(self):
        names = ["sigmoid", "tanh"]
        model = mlp(hidden_sizes=[64, 16], activation=names, init="xavier", data=pictures(28, channels=1))
        assert [type(layer) for layer in model[2::2]] == [nn.Sigmoid, nn.Tanh]
        bound = (6 / (784 + 64)) ** 0.5
        largest = float(model[1].weight.abs().max().detach())
        assert 0.99 * bound < largest <= bound * (1 + 1e-6)  # as float32 rounds it
        assert all(float(layer.bias.abs().max().detach()) == 0 for layer in model[1::2])

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (
                {"activation": ["tanh"]},
                r"model\.activation=\['tanh'\] must have one for each of the 2 hidden",
            ),
            ({"activation": ["tanh", "tan"]}, r"model\.activation=tan is unknown"),
            ({"init": "he"}, r"model\.init=he is unknown; type xavier"),
        ],
    )
    def test_activations_and_weights_that_cannot_be_are_refused(self, words, message):
        with pytest.raises(ModelError, match=message):
            mlp(hidden_sizes=[64, 16], data=pictures(), **words)

    def test_without_hidden_layers_is_linear(self):
        model = mlp(hidden_sizes=[], data=pictures(4, num_outputs=2))
        assert [tuple(p.shape) for p in model.parameters()] == [(2, 48), (2,)]

    def test_the_config_wins_over_the_data(self):
        model = mlp(num_outputs=3, input_size=9, data=pictures(8))
        assert model[1].in_features == 9
        assert model[-1].out_features == 3

    def test_an_unknown_output_width_says_what_to_type(self):
        with pytest.raises(ModelError, match=r"pets does not say .* model\.num_outputs=N"):
            mlp(data=pictures(num_outputs=None))

    def test_an_unknown_input_width_says_what_to_type(self):
        with pytest.raises(ModelError, match=r"theirs does not say .* model\.input_size=N"):
            mlp(data=Data(dataset=None, name="theirs", num_outputs=2))

    @pytest.mark.parametrize(("make", "key"), [(mlp, "input_size"), (cnn, "in_channels")])
    def test_of_data_that_say_nothing_one_message_names_both_widths(self, make, key):
        with pytest.raises(ModelError, match=rf"type model\.{key}=N.* type model\.num_outputs=N"):
            make(data=Data(dataset=None, name="theirs"))

    def test_an_unknown_activation_lists_the_known_ones(self):
        with pytest.raises(ModelError, match=r"model\.activation=rellu is unknown; type one of relu, "):
            mlp(activation="rellu", data=pictures())

    @pytest.mark.parametrize(
        ("sizes", "message"),
        [
            ([8, 0], r"model\.hidden_sizes\[1\] must be a whole number of at least 1, got 0"),
            ([8.5], r"model\.hidden_sizes\[0\] must be a whole number .* got 8\.5"),
            (8, r"model\.hidden_sizes must be a list of sizes, got 8"),
            ("abc", r"model\.hidden_sizes must be a list of sizes, got 'abc'"),
        ],
    )
    def test_bad_sizes_are_named(self, sizes, message):
        with pytest.raises(ModelError, match=message):
            mlp(hidden_sizes=sizes, data=pictures())


class TestMnistMlp:
    def test_is_784_100_10_and_gives_log_probabilities(self):
        model = mnist_mlp(data=pictures(28, channels=1, num_outputs=10))
        assert [tuple(p.shape) for p in model.parameters()] == [(100, 784), (100,), (10, 100), (10,)]
        log_probabilities = model(torch.randn(4, 1, 28, 28))
        torch.testing.assert_close(log_probabilities.exp().sum(dim=1), torch.ones(4))

    @pytest.mark.parametrize("data", [pictures(8, channels=1, num_outputs=10), pictures(28, channels=1)])
    def test_other_sizes_are_refused_with_the_model_that_takes_them(self, data):
        got = f"{math.prod(data.input_shape)} and {data.num_outputs}"
        with pytest.raises(
            ModelError, match=rf"784 numbers .* 10 classes, and pets has {got}; type model=mlp"
        ):
            mnist_mlp(data=data)

    def test_unknown_sizes_pass(self):
        assert mnist_mlp(data=Data(dataset=None, name="theirs"))(torch.zeros(2, 784)).shape == (2, 10)


class TestCurveMlp:
    data = Data(dataset=None, name="curve", input_shape=(1,), num_outputs=1)

    def test_is_1_4_1_with_a_sigmoid_between(self):
        model = curve_mlp(data=self.data)
        assert [tuple(p.shape) for p in model.parameters()] == [(4, 1), (4,), (1, 4), (1,)]
        x = torch.randn(5, 1)
        expected = torch.sigmoid(x @ model[1].weight.T) @ model[3].weight.T
        torch.testing.assert_close(model(x), expected)

    def test_biases_are_zero_and_weights_within_the_xavier_bound(self):
        bound = math.sqrt(6 / (1 + 4))
        largest = 0.0
        for seed in range(50):
            torch.manual_seed(seed)
            model = curve_mlp(data=self.data)
            assert not model[1].bias.any()
            assert not model[3].bias.any()
            largest = max(largest, *(model[i].weight.abs().max().item() for i in (1, 3)))
        # 400 uniform draws: all below 0.95 of the bound in one of 10^9 runs, and the seeds are fixed.
        assert 0.95 * bound < largest <= bound

    def test_other_sizes_are_refused_with_the_model_that_takes_them(self):
        with pytest.raises(ModelError, match=r"1 numbers .* pets has 3072 and 7; type model=mlp"):
            curve_mlp(data=pictures())


class TestCnn:
    @pytest.mark.parametrize(("channels", "side"), [(1, 8), (1, 28), (3, 33)])
    def test_takes_pictures_of_any_size(self, channels, side):
        model = cnn(channels=[4, 6], data=pictures(side, channels=channels))
        assert_trains(model, torch.randn(3, channels, side, side), 7)

    def test_more_blocks_than_halvings_still_work(self):
        assert_trains(cnn(channels=[4] * 6, data=pictures(8)), torch.randn(3, 3, 8, 8), 7)

    def test_has_a_batch_norm_a_block(self):
        model = cnn(channels=[4, 6, 8], data=pictures(8))
        assert [layer.num_features for layer in model if isinstance(layer, nn.BatchNorm2d)] == [4, 6, 8]

    def test_data_without_pictures_is_sent_to_the_mlp(self):
        with pytest.raises(ModelError, match=r"shape \(1,\); type model=mlp"):
            cnn(data=Data(dataset=None, name="curve", input_shape=(1,), num_outputs=1))

    def test_unknown_channels_say_what_to_type(self):
        with pytest.raises(ModelError, match=r"model\.in_channels=N"):
            cnn(data=Data(dataset=None, name="theirs", num_outputs=2))


@pytest.fixture
def regnet_on_meta(monkeypatch):
    """Regnet reads the widths of its blocks off small tensors, which hold no numbers on the meta device."""
    original = regnet.BlockParams.from_init_params.__func__

    def on_the_cpu(cls, *args, **kwargs):
        with torch.device("cpu"):
            return original(cls, *args, **kwargs)

    monkeypatch.setattr(regnet.BlockParams, "from_init_params", classmethod(on_the_cpu))


class TestTorchvision:
    @pytest.mark.parametrize("name", CLASSIFIERS)
    def test_every_classifier_gets_a_head_of_the_data_s_width(self, name, regnet_on_meta):
        with torch.device("meta"):
            model = torchvision_model(name=name, data=pictures(224))
        _, head = find_head(model)
        assert getattr(head, "out_features", None) == 7 or getattr(head, "out_channels", None) == 7
        widths = {getattr(m, "out_features", getattr(m, "out_channels", None)) for m in model.modules()}
        assert 1000 not in widths, "an auxiliary head was left"

    @pytest.mark.parametrize(
        ("name", "side"),
        [
            *SMALLEST.items(),
            *(pytest.param(*item, marks=pytest.mark.slow) for item in SMALLEST_SLOW.items()),
        ],
    )
    def test_a_model_of_each_family_trains_on_plain_logits(self, name, side):
        model = torchvision_model(name=name, data=pictures(side))
        assert_trains(model, torch.randn(2, 3, side, side), 7)

    def test_each_family_is_tried(self):
        def module_of(name):
            return torchvision.models.get_model_builder(name).__module__

        assert {module_of(n) for n in CLASSIFIERS} == {module_of(n) for n in SMALLEST | SMALLEST_SLOW}

    def test_the_name_s_case_does_not_matter(self):
        with torch.device("meta"):
            assert torchvision_model(name="ResNet18", data=pictures()).fc.out_features == 7

    def test_the_config_s_width_wins_over_the_data_s(self):
        with torch.device("meta"):
            assert torchvision_model(name="resnet18", num_outputs=3, data=pictures()).fc.out_features == 3

    def test_an_unknown_name_gets_the_nearest_right_ones(self):
        with pytest.raises(
            ModelError, match=r"model\.name=resnet5 is no model .*nearest: .*model\.name=resnet50"
        ):
            torchvision_model(name="resnet5", data=pictures())

    @pytest.mark.parametrize(
        ("name", "kind"),
        [
            ("fasterrcnn_resnet50_fpn", "detection"),
            ("deeplabv3_resnet50", "segmentation"),
            ("r3d_18", "video"),
            ("raft_small", "optical flow"),
            ("quantized_resnet18", "quantized"),
        ],
    )
    def test_models_of_another_kind_are_refused_with_the_way_to_see_what_is_possible(self, name, kind):
        with pytest.raises(
            ModelError, match=rf"model\.name={name} is one of torchvision's {kind} models.*list_models"
        ):
            torchvision_model(name=name, data=pictures())

    def test_every_model_that_is_no_classifier_is_refused_by_kind(self):
        kinds = "detection|segmentation|video|optical flow|quantized"
        for name in set(torchvision.models.list_models()) - set(CLASSIFIERS):
            with pytest.raises(ModelError, match=rf"={name} is one of torchvision's ({kinds}) models"):
                torchvision_model(name=name, data=pictures())

    def test_one_channel_says_how_to_get_three(self):
        with pytest.raises(ModelError, match=r"3 channels, and those of pets have 1; type data\.channels=3"):
            torchvision_model(name="resnet18", data=pictures(28, channels=1))

    def test_data_without_pictures_is_sent_to_the_mlp(self):
        with pytest.raises(ModelError, match=r"shape \(1,\); type model=mlp"):
            torchvision_model(
                name="resnet18", data=Data(dataset=None, name="curve", input_shape=(1,), num_outputs=1)
            )

    def test_an_unknown_width_says_what_to_type(self):
        with pytest.raises(ModelError, match=r"model\.num_outputs=N"):
            torchvision_model(name="resnet18", data=Data(dataset=None, name="theirs"))

    def test_a_vision_transformer_is_made_for_the_data_s_size(self):
        with torch.device("meta"):
            assert torchvision_model(name="vit_b_16", data=pictures(64)).image_size == 64

    @pytest.mark.parametrize(
        ("name", "reason"), [("vit_b_16", "Input shape indivisible"), ("maxvit_t", "is not divisible by")]
    )
    def test_a_size_that_a_transformer_does_not_divide_says_what_to_type(self, name, reason):
        message = rf"^model\.name={name} cannot .* pets, 50x50: .*{reason}.* data\.image_size=224\.$"
        with pytest.raises(ModelError, match=message):
            torchvision_model(name=name, data=pictures(50))

    def test_a_vision_transformer_wants_square_pictures(self):
        data = Data(dataset=None, name="pets", input_shape=(3, 32, 64), num_outputs=7)
        with pytest.raises(ModelError, match=r"square pictures, and those of pets are 32x64"):
            torchvision_model(name="vit_b_16", data=data)


@pytest.fixture
def download(monkeypatch):
    """Puts a function of the keyword arguments in the place of torch.hub's download."""

    def put(function):
        monkeypatch.setattr(
            "torchvision.models._api.load_state_dict_from_url", lambda url, **kwargs: function(**kwargs)
        )

    return put


class TestPretrained:
    @pytest.mark.parametrize("weights", ["DEFAULT", "IMAGENET1K_V1", "ResNet18_Weights.IMAGENET1K_V1"])
    def test_torchvision_s_weights_are_loaded_below_a_new_head(self, weights, download):
        state = torchvision.models.resnet18().state_dict()
        download(lambda **_: state)
        model = torchvision_model(name="resnet18", weights=weights, data=pictures())
        assert torch.equal(model.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
        assert model.fc.weight.shape == (7, 512)

    @pytest.mark.parametrize(
        "name",
        [
            "densenet121",
            "googlenet",
            "resnet18",
            "mnasnet0_5",
            pytest.param("vit_b_32", marks=pytest.mark.slow),
        ],
    )
    def test_the_loaded_model_computes_what_torchvision_s_own_does(self, name, download):
        # googlenet's file holds auxiliary heads; its input is transformed with weights, not without.
        extra = {"init_weights": False} if name == "googlenet" else {}
        state = torchvision.models.get_model(name, **extra).state_dict()
        if name == "densenet121":  # torchvision's file has the names, and the lacks, of an old version
            old = re.compile(r"(denselayer\d+\.(?:norm|conv))([12])")
            state = OrderedDict(
                (old.sub(r"\1.\2", key), value) for key, value in state.items() if "num_batches" not in key
            )
            assert "features.denseblock1.denselayer1.norm.1.weight" in state
        download(lambda **_: copy.copy(state))  # with its _metadata, unlike state.copy()
        theirs = torchvision.models.get_model(name, weights="DEFAULT").eval()
        ours = torchvision_model(name=name, weights="DEFAULT", data=pictures(224, num_outputs=1000)).eval()
        x = torch.randn(1, 3, 224, 224)
        with torch.no_grad():
            assert torch.equal(ours(x), theirs(x))

    @pytest.mark.parametrize("error", [URLError("no route to host"), TimeoutError("timed out")])
    def test_no_network_is_told_in_one_paragraph(self, error, download):
        def unreachable(**_):
            raise error

        download(unreachable)
        with pytest.raises(ModelError, match=r"cannot be reached .*model\.weights=PATH") as caught:
            torchvision_model(name="resnet18", weights="DEFAULT", data=pictures())
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("content", [b"", b"<html>captive portal</html>", b"PK\x03\x04 cut short"])
    def test_a_damaged_file_in_the_cache_is_named(self, content, monkeypatch, tmp_path):
        monkeypatch.setenv("TORCH_HOME", str(tmp_path))
        url = torchvision.models.ResNet18_Weights.DEFAULT.url
        cached = tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]
        cached.parent.mkdir(parents=True)
        cached.write_bytes(content)
        with pytest.raises(ModelError, match=rf"damaged .*delete .*{cached.name} and run again"):
            torchvision_model(name="resnet18", weights="DEFAULT", data=pictures())

    def test_a_cache_that_cannot_be_written_is_named(self, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("no folder")
        monkeypatch.setenv("TORCH_HOME", str(tmp_path / "file"))
        with pytest.raises(ModelError, match=r"cannot be kept in .*set TORCH_HOME"):
            torchvision_model(name="resnet18", weights="DEFAULT", data=pictures())

    def test_a_download_says_nothing_on_stdout(self, download, capsys):
        state = torchvision.models.resnet18().state_dict()

        def announcing(**_):
            sys.stdout.write("Downloading")
            return state

        download(announcing)
        torchvision_model(name="resnet18", weights="DEFAULT", data=pictures())
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "Downloading" in printed.err

    def test_an_unknown_name_of_weights_lists_the_right_ones(self):
        with pytest.raises(
            ModelError, match=r"model\.weights=IMAGENET1K_V3 .* IMAGENET1K_V1, IMAGENET1K_V2, DEFAULT"
        ):
            torchvision_model(name="resnet50", weights="IMAGENET1K_V3", data=pictures())

    @pytest.mark.parametrize("name", ["vit_b_16", "maxvit_t"])
    def test_weights_for_one_size_refuse_pictures_of_another(self, name, download):
        download(lambda **_: {"weight": torch.zeros(1)})
        with pytest.raises(
            ModelError, match=r"pictures of 224x224, .*pets are 64x64; type data\.image_size=224"
        ):
            torchvision_model(name=name, weights="DEFAULT", data=pictures(64))

    def test_a_frozen_backbone_of_random_weights_is_warned_of(self, caplog):
        torchvision_model(name="resnet18", freeze_backbone=True, data=pictures())
        assert "random features" in caplog.text


def yaml_of(group):
    """The option's name and its YAML without the defaults list, for each option of a group."""
    folder = files("lrfind.configs") / group
    found = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        config = OmegaConf.create(file.read_text(encoding="utf-8"))
        config.pop("defaults", None)
        found[file.name.removesuffix(".yaml")] = config
    return found


def names_a_target(config):
    return "_target_" in config and not OmegaConf.is_missing(config, "_target_")


OPTIMIZERS = [
    name
    for name, config in yaml_of("optimizer").items()
    if names_a_target(config) and name != "from_model"  # which the models of frameworks alone configure
]


class TestConfigs:
    @pytest.mark.parametrize("name", ["mlp", "mnist_mlp", "cnn", "resnet18", "resnet50", "curve_mlp"])
    def test_the_model_s_yaml_is_all_that_its_factory_needs_beside_the_data(self, name):
        if name == "curve_mlp":
            data = TestCurveMlp.data
        else:
            side = {"mnist_mlp": 28}.get(name, 32)
            channels = 3 if name.startswith("resnet") else 1
            data = pictures(side, channels=channels, num_outputs=10)
        # Partial, since Hydra would take a dataclass among the arguments for a config.
        model = instantiate(yaml_of("model")[name], _partial_=True, _convert_="all")(data=data)
        outputs = model(torch.zeros(2, *data.input_shape))
        assert outputs.shape == (2, data.num_outputs)

    def test_any_classifier_can_be_named_in_torchvision_s_yaml(self):
        config = yaml_of("model")["torchvision"]
        config.name = "squeezenet1_1"
        assert instantiate(config, _partial_=True)(data=pictures()).classifier[1].out_channels == 7

    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_every_optimizer_s_yaml_makes_one_that_steps(self, name):
        weight = nn.Parameter(torch.ones(3, dtype=torch.float64))
        optimizer = instantiate(yaml_of("optimizer")[name], _convert_="all")([weight])
        weight.square().sum().backward()
        optimizer.step()
        assert (weight < 1).all()

    @pytest.mark.parametrize("name", [k for k, v in yaml_of("criterion").items() if names_a_target(v)])
    def test_every_criterion_s_yaml_makes_a_loss(self, name):
        criterion = instantiate(yaml_of("criterion")[name])
        classes = name in ("cross_entropy", "nll")
        outputs = torch.zeros(4, 5) if classes else torch.zeros(4, 1)
        target = torch.zeros(4, dtype=torch.int64) if classes else torch.ones(4, 1)
        expected = {
            "cross_entropy": math.log(5),
            "nll": 0.0,
            "mse": 1.0,
            "mae": 1.0,
            "huber": 0.5,
            "half_mse": 0.5,
        }
        assert criterion(outputs, target).item() == pytest.approx(expected.get(name, math.log(2)))

    @pytest.mark.parametrize("group", ["model", "criterion", "optimizer"])
    def test_custom_holds_nothing_but_a_required_target(self, group):
        config = yaml_of(group)["custom"]
        assert OmegaConf.is_missing(config, "_target_")
        assert set(config) == {"_target_"} | ({"_partial_"} if group == "optimizer" else set())


def test_models_of_ours_load_no_torchvision():
    code = (
        "import sys\n"
        "from lrfind.tasks.data.dataset import Data\n"
        "from lrfind.tasks.models.networks import mlp\n"
        "mlp(data=Data(dataset=None, name='digits', input_shape=(1, 8, 8), num_outputs=10))\n"
        "assert 'torchvision' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
