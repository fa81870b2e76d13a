"""Which classes a config may name. A config that names classes is code."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from lrfind.config.targets import check_targets, named_targets

GOOD = {
    "model": {"_target_": "torch.nn.Linear"},
    "data": {"_target_": "lrfind.tasks.data.digits"},
    "optimizer": {"_target_": "torch.optim.SGD"},
    "criterion": {"_target_": "torch.nn.MSELoss"},
}


def problems(trust=(), **groups):
    return check_targets(SimpleNamespace(**{**GOOD, **groups}, trust=list(trust)))


def target(name, **others):
    return {"_target_": name, **others}


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("model", "torch.nn.Sequential"),
        ("model", "torchvision.models.resnet18"),
        ("model", "lrfind.tasks.models.mlp"),
        ("data", "torchvision.datasets.MNIST"),
        ("data", "torch.utils.data.TensorDataset"),
        ("data", "lrfind.tasks.data.mnist"),
        ("optimizer", "torch.optim.AdamW"),
        ("criterion", "torch.nn.functional.cross_entropy"),
    ],
)
def test_a_group_may_name_its_own_packages(group, name):
    assert problems(**{group: target(name)}) == []


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("model", "torch.hub.load"),
        ("model", "torch.load"),
        ("model", "torch.nnx.Foo"),
        ("model", "torch.nn_evil.Foo"),
        ("model", "torch.nn.modules.linear.Linear"),
        ("data", "torchvision.datasets.utils.extract_archive"),
        ("model", "torch.nn.functional.torch.hub.load"),
        ("model", "torch.optim.SGD"),
        ("model", "xtorch.nn.Linear"),
        ("model", "torch.utils.data.DataLoader"),
        ("model", "torchvision.models_evil.x"),
        ("model", "builtins.eval"),
        ("model", "os.system"),
        ("model", "mymodel.Net"),
        ("model", "lrfind.tasks_evil.x"),
        ("model", "lrfind.api.range_test"),
        ("model", "lrfind.range_test.command.main"),
        ("data", "torch.nn.Linear"),
        ("data", "torch.load"),
        ("data", "numpy.load"),
        ("optimizer", "torch.nn.Linear"),
        ("optimizer", "lrfind.tasks.models.mlp"),
        ("criterion", "torch.optim.SGD"),
        ("criterion", "lrfind.tasks.data.mnist"),
    ],
)
def test_anything_else_is_refused_with_how_to_trust_it(group, name):
    (problem,) = problems(**{group: target(name)})
    assert problem.startswith(f"{group}._target_={name} is not trusted: {group} may name what lies in ")
    assert f"trust=[{name.split('.')[0]}]" in problem


@pytest.mark.parametrize("group", list(GOOD))
@pytest.mark.parametrize(
    "name",
    [
        "lrfind.tasks.instantiate.made",
        "lrfind.tasks.instantiate.called",
        "lrfind.tasks.instantiate._object",
        "lrfind.tasks.build.torch.load",
        "lrfind.tasks.models.weights.torch.load",
    ],
)
def test_no_group_may_name_what_imports_or_calls_whatever_it_is_told_to(group, name):
    (problem,) = problems(**{group: target(name)})
    assert "is not trusted" in problem


@pytest.mark.parametrize(
    "name", [None, 7, "", ".", "...", "torch", "torch..nn.Linear", "a.__b__.c", ["torch.nn.Linear"], {"a": 1}]
)
def test_a_target_that_is_no_name_is_refused(name):
    (problem,) = problems(model=target(name))
    assert problem.startswith("model._target_ must be the dotted name of a class or function, got ")


def test_a_nested_target_is_found_wherever_it_is():
    model = target(
        "torch.nn.Sequential",
        _args_=[target("torch.nn.ReLU"), target("os.system")],
        deep={"deeper": [{"deepest": target("builtins.eval")}]},
        _kwargs_=[[target("pickle.loads")]],
    )
    assert [problem.split(" ")[0] for problem in problems(model=model)] == [
        "model._args_[1]._target_=os.system",
        "model.deep.deeper[0].deepest._target_=builtins.eval",
        "model._kwargs_[0][0]._target_=pickle.loads",
    ]
    assert len(list(named_targets(model, "model"))) == 5


def test_an_argument_of_the_data_may_be_a_transform():
    data = target("torchvision.datasets.MNIST", transform=target("torchvision.transforms.v2.ToImage"))
    assert problems(data=data) == []


def test_trust_opens_one_package_and_no_other():
    assert problems(["mymodel"], model=target("mymodel.Net")) == []
    assert problems(["mymodel"], model=target("mymodel.sub.Net")) == []
    assert problems(["mymodel.sub"], model=target("mymodel.sub.Net")) == []
    for name in ("mymodel2.Net", "other.Net", "my.model.Net", "os.system"):
        assert len(problems(["mymodel"], model=target(name))) == 1
    assert len(problems(["mymodel.sub"], model=target("mymodel.Net"))) == 1


def test_trust_of_nothing_opens_nothing():
    assert len(problems([""], model=target("mymodel.Net"))) == 1
    assert len(problems(["."], model=target("mymodel.Net"))) == 1


@pytest.mark.parametrize("group", ["model", "data", "optimizer"])
def test_a_group_without_a_target_is_refused(group):
    (problem,) = problems(**{group: {"width": 3}})
    assert problem.startswith(f"{group}._target_ is required")


def test_a_criterion_may_be_left_to_the_model_and_only_by_saying_true():
    assert problems(criterion={"from_model": True}) == []
    for node in ({}, {"from_model": False}, {"from_model": "yes"}):
        (problem,) = problems(criterion=node)
        assert problem == "criterion._target_ is required, or criterion=from_model."


def test_checking_names_imports_nothing():
    code = (
        "import sys\n"
        "from types import SimpleNamespace as N\n"
        "from lrfind.config.targets import check_targets\n"
        "g = {'_target_': 'torch.nn.Linear'}\n"
        "c = N(model=g, data=g, optimizer=g, criterion=g, trust=['antigravity', 'this'])\n"
        "assert len(check_targets(c)) == 2, check_targets(c)\n"
        "c.model = {'_target_': 'this.s'}\n"
        "check_targets(c)\n"
        "loaded = [m for m in ('torch', 'torchvision', 'hydra', 'omegaconf', 'this') if m in sys.modules]\n"
        "assert loaded == [], loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
