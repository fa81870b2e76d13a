"""A stranger's model, data, loss and optimizer, named in the config and trusted on purpose."""

import pytest

MODULE = """
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset


class Net(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.body = nn.Linear(4, width)
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)))


class GroupedNet(Net):
    def parameter_groups(self):
        return [
            {"params": list(self.head.parameters()), "lr": 0.1},
            {"params": list(self.body.parameters()), "lr": 0.01},
        ]


class DictNet(Net):
    def forward(self, batch):
        return super().forward(batch["x"])


class LossNet(Net):
    def forward(self, x, y):
        logits = super().forward(x)
        return type("Output", (), {"loss": nn.functional.cross_entropy(logits, y), "logits": logits})()


def numbers(n=200):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(n, 4, generator=g)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()


class Map(Dataset):
    def __init__(self):
        self.x, self.y = numbers()

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


class DictMap(Map):
    def __getitem__(self, i):
        return {"x": self.x[i], "y": self.y[i]}


class Stream(IterableDataset):
    def __iter__(self):
        return iter(zip(*numbers()))


def loader(batch_size=20):
    return DataLoader(TensorDataset(*numbers()), batch_size=batch_size, shuffle=True)


def tensors():
    return TensorDataset(*numbers())


def loss(outputs, target):
    return nn.functional.cross_entropy(outputs, target)


def dict_loss(outputs, batch):
    return nn.functional.cross_entropy(outputs, batch["y"])


def optimizer(model, lr=0.1):
    return torch.optim.SGD([
        {"params": model.head.parameters(), "lr": lr},
        {"params": model.body.parameters(), "lr": lr / 4},
    ])


class Watched(torch.optim.SGD):
    seen = []

    def step(self, closure=None):
        self.seen.append([group["lr"] for group in self.param_groups])
        return super().step(closure)
"""

NET = ["model=custom", "trust=[theirs]", "batch_size=20", "range.num_steps=60"]


@pytest.fixture
def theirs(own, monkeypatch):
    import sys

    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    return own("theirs", MODULE)


@pytest.mark.parametrize(
    "words",
    [
        ["model._target_=theirs.Net", "data=custom", "data._target_=theirs.Map"],
        ["model._target_=theirs.Net", "+model.width=16", "data=custom", "data._target_=theirs.Stream"],
        ["model._target_=theirs.Net", "data=custom", "data._target_=theirs.loader", "+data.batch_size=10"],
        ["model._target_=theirs.Net", "data=custom", "data._target_=theirs.tensors"],
        ["model._target_=theirs.Net", "data=custom", "data._target_=theirs.Map", "criterion=custom",
         "criterion._target_=theirs.loss", "+criterion._partial_=true"],
        ["model._target_=theirs.DictNet", "data=custom", "data._target_=theirs.DictMap", "criterion=custom",
         "criterion._target_=theirs.dict_loss", "+criterion._partial_=true"],
        ["model._target_=theirs.LossNet", "data=custom", "data._target_=theirs.Map",
         "criterion=from_model"],
        ["model._target_=theirs.Net", "data=custom", "data._target_=theirs.Map", "optimizer=custom",
         "optimizer._target_=theirs.optimizer"],
    ],
    ids=["map", "stream without a length", "loader", "tensors", "bare loss", "dicts",
         "model returns its loss", "optimizer made from the model"],
)  # fmt: skip
def test_runs(lrfind, theirs, words):
    ran = lrfind(*NET, *words)
    assert ran.code == 0, ran.err
    assert len(ran.rows) >= 40


def test_ratio_between_parameter_groups_survives_the_sweep(lrfind, theirs):
    import sys

    ran = lrfind(*NET, "model._target_=theirs.GroupedNet", "data=custom", "data._target_=theirs.Map",
                 "optimizer=custom", "optimizer._target_=theirs.Watched", "+optimizer.lr=1.0")  # fmt: skip
    assert ran.code == 0, ran.err
    seen = sys.modules["theirs"].Watched.seen
    # A run at the suggested rate, with samples held out, follows the sweep.
    assert [fast for fast, _ in seen[: len(ran.rows)]] == [float(row["lr"]) for row in ran.rows]
    assert all(slow == pytest.approx(fast / 10, rel=1e-12) for fast, slow in seen)


def test_nothing_of_a_stranger_is_imported_without_trust(lrfind, theirs):
    import sys

    ran = lrfind("model=custom", "model._target_=theirs.Net")
    assert ran.code == 2
    assert "trust=[theirs]" in ran.err
    assert "theirs" not in sys.modules


def test_bare_function_as_loss_without_partial_says_what_to_add(lrfind, theirs):
    ran = lrfind(*NET, "model._target_=theirs.Net", "data=custom", "data._target_=theirs.Map",
                 "criterion=custom", "criterion._target_=theirs.loss")  # fmt: skip
    assert ran.code == 2
    assert "+criterion._partial_=true" in ran.err


LOUD = """
import atexit, ctypes, os, torch

atexit.register(print, "noise at exit")
print("noise at import")

class Net(torch.nn.Linear):
    def __init__(self):
        super().__init__(3, 2)

    def forward(self, x):
        print("noise of python")
        os.write(1, b"noise of the descriptor\\n")
        ctypes.CDLL(None).printf(b"noise of C\\n")
        return super().forward(x)

class Map(torch.utils.data.Dataset):
    def __len__(self):
        return 64

    def __getitem__(self, index):
        print("noise of a worker", flush=True)
        return torch.full((3,), float(index % 2)), index % 2
"""


@pytest.mark.parametrize("flag", ["-q", "--json"])
def test_stdout_holds_the_result_alone_though_models_and_workers_print(own, tmp_path, flag):
    import json
    import subprocess
    import sys

    own("loud", LOUD)
    ran = subprocess.run(
        [sys.executable, "-m", "lrfind", flag, "model=custom", "model._target_=loud.Net", "data=custom",
         "data._target_=loud.Map", "trust=[loud]", "batch_size=16", "range.num_steps=20", "num_workers=1",
         "device=cpu"],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=120,
    )  # fmt: skip
    assert ran.returncode in (0, 3), ran.stderr
    for noise in ("at import", "of python", "of the descriptor", "of C", "of a worker", "at exit"):
        assert f"noise {noise}" in ran.stderr
    if flag == "--json":
        assert json.loads(ran.stdout)["command"] == "range"
    elif ran.returncode == 0:
        assert float(ran.stdout) > 0
        assert ran.stdout.count("\n") == 1
    else:
        assert ran.stdout == ""


@pytest.mark.parametrize("command", ["range", "refine", "verify", "compare"])
def test_more_outputs_than_classes_are_told_of_by_every_command(lrfind, own, command):
    own(
        "wide",
        "from torch import nn\ndef net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 1000))\n",
    )
    fast = {
        "range": ("range.num_steps=10", "range.repeats=1"),
        "refine": ("refine.iterations=2",),
        "verify": ("verify.lr=0.1", "verify.steps=4", "verify.seeds=1", "range.num_steps=5"),
        "compare": ("compare.lrs=[0.1]", "compare.samples=640", "compare.seeds=1"),
    }[command]
    ran = lrfind(command, "model=custom", "model._target_=wide.net", "trust=[wide]", *fast)
    assert ran.code in (0, 3, 4), ran.err
    (told,) = [note for note in ran.record["warnings"] if "outputs" in note]
    assert "1000 outputs, and the data 10 classes" in told
    assert ran.err.count("1000 outputs") == 1
