"""From a config node to an object: the path of a `_target_` stays where it was trusted."""

import sys

import pytest

from lrfind.errors import ConfigError, ModelError
from lrfind.tasks.instantiate import callable_of, instantiate

MODULE = """
import os
import torch
from collections import OrderedDict as Reexported
import trusted_inner
number = 3

class Net(torch.nn.Linear):
    def __init__(self, width=2):
        if width < 0: raise RuntimeError("no such width")
        super().__init__(width, 1)
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("trusted_module", "trusted_inner"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / "trusted_module.py").write_text(MODULE)
    (tmp_path / "trusted_inner.py").write_text("def f(): return 1\n")


def test_a_trusted_class_is_made_with_its_arguments(here):
    net = instantiate("model", {"_target_": "trusted_module.Net", "width": 5}, ["trusted_module"])
    assert net.in_features == 5


def test_a_class_that_the_package_offers_from_elsewhere_is_found(here):
    assert callable_of("model", {"_target_": "trusted_module.Reexported"}, ["trusted_module"])() == {}


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("trusted_module.os.system", "os"),
        ("trusted_module.torch.hub.load", "torch"),
        ("trusted_module.trusted_inner.f", "trusted_inner"),
    ],
)
def test_a_path_through_another_package_is_refused(here, name, module):
    with pytest.raises(ConfigError, match=f"is not trusted: .* leads to {module}"):
        callable_of("model", {"_target_": name}, ["trusted_module"])


def test_a_path_through_another_package_in_an_argument_is_refused_too(here):
    node = {"_target_": "trusted_module.Net", "width": {"_target_": "trusted_module.os.getpid"}}
    with pytest.raises(ConfigError, match=r"width\._target_=trusted_module\.os\.getpid is not trusted"):
        callable_of("model", node, ["trusted_module"])


@pytest.mark.parametrize("name", ["trusted_module.Absent", "absent_module.Net", "trusted_module.Net.absent"])
def test_a_name_that_leads_nowhere_says_so(here, name):
    with pytest.raises(ConfigError, match=f"model._target_={name} leads nowhere"):
        callable_of("model", {"_target_": name}, ["trusted_module", "absent_module"])


def test_a_name_of_something_else_is_refused(here):
    with pytest.raises(ConfigError, match="is neither a class nor a function"):
        callable_of("model", {"_target_": "trusted_module.number"}, ["trusted_module"])


def test_what_is_built_is_what_is_checked(here):
    for node in (
        {"_target_": "os.getpid"},
        {"_target_": "torch.nn.Linear", "in_features": {"_target_": "os.getpid"}},
        {"_target_": "torch.nn.Linear", "in_features": ({"_target_": "os.getpid"},)},
    ):
        with pytest.raises(ConfigError, match=r"_target_=os\.getpid is not trusted"):
            callable_of("model", node, [])
    with pytest.raises(ConfigError, match=r"^model\.in_features\[0\] holds '\$\{' after its references"):
        callable_of("model", {"_target_": "torch.nn.Linear", "in_features": ["${oc.env:HOME}"]}, [])
    with pytest.raises(ConfigError, match=r"^model\.in_features must be a number, a text, a list or a group"):
        callable_of("model", {"_target_": "torch.nn.Linear", "in_features": object()}, [])


def test_a_known_package_does_not_lend_what_it_imported():
    name = "torch.nn.functional.Callable"
    with pytest.raises(ConfigError, match=f"{name} is not trusted: it is (typing|collections)'s"):
        callable_of("criterion", {"_target_": name}, [])


def test_a_data_set_that_unpickles_is_named_in_trust_or_not_built():
    node = {"_target_": "torchvision.datasets.LSUNClass", "root": "x"}
    with pytest.raises(ConfigError, match=r"unpickles a file .* trust=\[torchvision\.datasets\.LSUNClass\]"):
        callable_of("data", node, [])
    assert callable_of("data", node, ["torchvision.datasets.LSUNClass"]).keywords == {"root": "x"}


def test_a_failure_inside_is_told_with_the_arguments(here):
    with pytest.raises(ModelError, match=r"Net could not be made from width=-1: RuntimeError: no such width"):
        instantiate(
            "model", {"_target_": "trusted_module.Net", "width": -1}, ["trusted_module"], error=ModelError
        )


def test_functions_of_c_in_a_known_package_are_found():
    loss = callable_of("criterion", {"_target_": "torch.nn.functional.binary_cross_entropy"}, [])
    assert callable(loss)
    assert callable(callable_of("criterion", {"_target_": "torch.nn.functional.cosine_similarity"}, []))
