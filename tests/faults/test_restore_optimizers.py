"""Whatever kind of optimizer it is: training goes on after a range test as if there had been none."""

import inspect
import logging
import random
from collections import deque, namedtuple

import numpy as np
import pytest
import torch
from torch import nn

Moments = namedtuple("Moments", "first second")


def mlp():
    return nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))


class Lookahead(torch.optim.Optimizer):
    """Slow weights behind another optimizer, whose groups it shows as its own."""

    def __init__(self, inner, k=3):
        self.inner, self.k, self.count = inner, k, 0
        self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks = {}, {}
        self.param_groups, self.defaults, self.state = inner.param_groups, inner.defaults, {}
        self.slow = [[p.detach().clone() for p in g["params"]] for g in inner.param_groups]

    def zero_grad(self, set_to_none=True):
        self.inner.zero_grad(set_to_none)

    @torch.no_grad()
    def step(self, closure=None):
        self.inner.step()
        self.count += 1
        if self.count % self.k == 0:
            for group, slow in zip(self.param_groups, self.slow, strict=True):
                for p, s in zip(group["params"], slow, strict=True):
                    s.lerp_(p, 0.5)
                    p.copy_(s)

    def state_dict(self):
        return {"inner": self.inner.state_dict(), "slow": self.slow, "count": self.count}


class Sharpness(torch.optim.Optimizer):
    """Climbs first, which takes a closure, then lets another optimizer step."""

    def __init__(self, parameters, base, **arguments):
        super().__init__(parameters, {"rho": 0.05, **arguments})
        self.base = base(self.param_groups, **arguments)
        self.param_groups = self.base.param_groups

    @torch.no_grad()
    def step(self, closure):
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["before"] = p.detach().clone()
                p.add_(p.grad, alpha=group["rho"])
        with torch.enable_grad():
            closure()
        for group in self.param_groups:
            for p in group["params"]:
                p.copy_(self.state[p]["before"])
        self.base.step()

    def state_dict(self):
        return {"own": super().state_dict(), "base": self.base.state_dict()}


class Odd(torch.optim.SGD):
    """Keeps things that no state_dict shows."""

    def __init__(self, parameters, lr=0.05):
        super().__init__(parameters, lr=lr)
        self.recent = deque(maxlen=3)
        self.moments = Moments(torch.zeros(()), np.zeros(2))
        self.noise, self.dice = torch.Generator().manual_seed(1), random.Random(1)
        self.numpy = np.random.default_rng(1)
        self.helper = Helper()
        self.by_name = {"scale": [1.0]}

    @torch.no_grad()
    def step(self, closure=None):
        self.recent.append(self.dice.random())
        self.moments.first.add_(0.1)
        self.moments.second[:] += self.numpy.random()
        self.by_name["scale"][0] *= 0.99
        self.helper.move()
        scale = sum(self.recent) + self.moments.first + self.moments.second.sum() + self.helper.total
        for group in self.param_groups:
            for p in group["params"]:
                p.grad.mul_(scale * self.by_name["scale"][0])
                p.grad.add_(torch.randn(p.shape, generator=self.noise), alpha=0.1)
        super().step()


class Helper:
    def __init__(self):
        self.total, self.log = torch.zeros(()), []

    def move(self):
        self.log.append(len(self.log))
        self.total += 0.01 * len(self.log)


class Flat(torch.optim.Optimizer):
    """Holds all momenta in one buffer, of which the state has views."""

    def __init__(self, parameters, lr=0.05):
        super().__init__(parameters, {"lr": lr})
        parameters = self.param_groups[0]["params"]
        self.buffer = torch.zeros(sum(p.numel() for p in parameters))
        begin = 0
        for p in parameters:
            self.state[p]["momentum"] = self.buffer[begin : begin + p.numel()].view_as(p)
            begin += p.numel()

    @torch.no_grad()
    def step(self, closure=None):
        self.buffer.mul_(0.9)
        for p in self.param_groups[0]["params"]:
            self.state[p]["momentum"].add_(p.grad)
            p.data.add_(self.state[p]["momentum"], alpha=-self.param_groups[0]["lr"])


def with_scheduler(parameters):
    optimizer = torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
    optimizer.scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=1000)
    return optimizer


def with_hooks(parameters):
    optimizer = torch.optim.SGD(parameters, lr=0.1)

    def forget(optimizer, arguments, options):
        optimizer.register_step_post_hook(lambda *_: None)
        optimizer.param_groups[0]["weight_decay"] += 0.01

    optimizer.register_step_pre_hook(forget)
    return optimizer


def two_groups(parameters):
    first, *rest = list(parameters)
    return torch.optim.Adam([{"params": [first], "lr": 0.1, "name": "first"}, {"params": rest}], lr=0.01)


def of_torch(name, **arguments):
    kind = getattr(torch.optim, name)
    return lambda parameters: kind(parameters, **arguments)


OPTIMIZERS = {
    **{
        name.lower(): of_torch(name)
        for name in (
            "Adadelta",
            "Adagrad",
            "Adafactor",
            "Adamax",
            "ASGD",
            "NAdam",
            "RAdam",
            "RMSprop",
            "Rprop",
        )
        if hasattr(torch.optim, name)
    },
    "sgd": of_torch("SGD", lr=0.1),
    "nesterov": of_torch("SGD", lr=0.1, momentum=0.9, nesterov=True),
    "maximize": of_torch("SGD", lr=0.1, maximize=True),
    "adam": of_torch("Adam", amsgrad=True),
    "adam_foreach": of_torch("Adam", foreach=True),
    "adam_fused": of_torch("Adam", fused=True),
    "adam_tensor_lr": lambda p: torch.optim.Adam(p, lr=torch.tensor(0.01), foreach=False),
    "adamw": of_torch("AdamW", weight_decay=0.1),
    "lbfgs": of_torch("LBFGS", lr=0.1, max_iter=3),
    "two_groups": two_groups,
    "scheduler": with_scheduler,
    "hooks": with_hooks,
    "odd": Odd,
    "flat": Flat,
    "lookahead": lambda p: Lookahead(torch.optim.Adam(p, lr=0.01)),
    "lookahead_twice": lambda p: Lookahead(Lookahead(torch.optim.SGD(p, lr=0.1, momentum=0.9)), 2),
    "lookahead_of_odd": lambda p: Lookahead(Odd(p)),
    "sharpness": lambda p: Sharpness(p, torch.optim.SGD, lr=0.1, momentum=0.9),
}


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_training_goes_on_as_without_a_range_test(name, how, warm, differences):
    found, _ = differences(mlp, lambda model: OPTIMIZERS[name](model.parameters()), how, warm)
    assert found == []


def timm_optimizers():
    optim = pytest.importorskip("timm.optim")
    for name in optim.list_optimizers():
        yield name, lambda m, name=name: optim.create_optimizer_v2(m, name, lr=0.01)
    for base in ("sgd", "adamw", "lion", "muon"):
        yield (
            f"lookahead_{base}",
            lambda m, base=base: optim.create_optimizer_v2(m, f"lookahead_{base}", lr=0.01),
        )


def pytorch_optimizers():
    package = pytest.importorskip("pytorch_optimizer")
    for name in package.get_supported_optimizers():
        kind = package.load_optimizer(name)
        yield name, lambda m, kind=kind: _made(kind, m)
    adam = torch.optim.Adam
    wrappers = {
        "Lookahead": lambda kind, m: kind(adam(m.parameters(), lr=0.01), k=3, pullback_momentum="pullback"),
        "SAM": lambda kind, m: kind(m.parameters(), adam, lr=0.01),
        "WSAM": lambda kind, m: kind(m, m.parameters(), adam, lr=0.01),
        "LookSAM": lambda kind, m: kind(m.parameters(), adam, lr=0.01),
        "FriendlySAM": lambda kind, m: kind(m.parameters(), adam, lr=0.01),
        "TRAC": lambda kind, m: kind(adam(m.parameters(), lr=0.01)),
        "OrthoGrad": lambda kind, m: kind(adam(m.parameters(), lr=0.01)),
        "PCGrad": lambda kind, m: kind(adam(m.parameters(), lr=0.01)),
        "ScheduleFreeWrapper": lambda kind, m: in_train_mode(kind(adam(m.parameters(), lr=0.01))),
    }
    for name, make in wrappers.items():
        if hasattr(package, name):
            kind = getattr(package, name)
            yield name, lambda m, kind=kind, make=make: make(kind, m)


def _made(kind, model):
    """An optimizer, over whatever its class takes first."""
    arguments = inspect.signature(kind).parameters
    given = {"lr": 0.01} if "lr" in arguments else {}
    if "num_iterations" in arguments:
        given["num_iterations"] = 100
    if next(iter(arguments)) == "model":
        return kind(model, **given)
    if "num_data" in arguments:
        given["num_data"] = 48
    flat = [p for p in model.parameters() if p.ndim < 2]
    matrices = [p for p in model.parameters() if p.ndim == 2]
    if "muon" in kind.__name__.lower() or kind.__name__ == "AdaGO":
        groups = [{"params": matrices, "use_muon": True}, {"params": flat, "use_muon": False}]
        return kind(groups, **given)
    return kind(matrices if kind.__name__ == "SpectralSphere" else list(model.parameters()), **given)


def in_train_mode(optimizer):
    optimizer.train()
    return optimizer


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # theirs: of what is deprecated or not installed
@pytest.mark.parametrize("listed", [timm_optimizers, pytorch_optimizers])
def test_optimizers_of_other_packages(listed, how, warm, differences):
    compared, unmade, different = [], {}, {}
    for name, make in listed():
        try:
            found, _ = differences(mlp, make, how, warm)
        except Exception as error:  # one that needs a GPU, a second backward pass, another package
            unmade[name] = repr(error)[:120]
            continue
        compared.append(name)
        if found:
            different[name] = found
    logging.getLogger(__name__).warning("%d compared; not trained: %s", len(compared), unmade)
    assert different == {}
    assert not any("other tensors" in reason for reason in unmade.values())
    assert len(compared) > 50
