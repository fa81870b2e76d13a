"""Whatever kind of model it is: training goes on after a range test as if there had been none."""

import copy
import random
import threading
import warnings
from collections import OrderedDict, defaultdict, deque, namedtuple
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

ENDS = {"success": "NoneType", "exception": "StopHereError", "interrupt": "KeyboardInterrupt"}
OPTIMIZERS = {
    "adam": lambda m: torch.optim.Adam(m.parameters(), lr=0.01),
    "momentum": lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9, nesterov=True),
    "adamw_foreach": lambda m: torch.optim.AdamW(m.parameters(), lr=0.01, amsgrad=True, foreach=True),
    "rmsprop": lambda m: torch.optim.RMSprop(m.parameters(), lr=0.01, centered=True, momentum=0.5),
}
BATCH = 8
Pair = namedtuple("Pair", "mean count")
MODELS = {}


def kind(make):
    """Adds a kind of model to the table."""
    MODELS[make.__name__.lower()] = make
    return make


def body(*layers, width=6):
    return nn.Sequential(nn.Linear(5, width), *layers, nn.Tanh(), nn.Linear(width, 3))


class Wrapped(nn.Module):
    """A body and whatever a subclass does with it."""

    def __init__(self, *layers):
        super().__init__()
        self.body = body(*layers)

    def forward(self, x):
        return self.body(x)


# Ordinary ones.

kind(Wrapped)


@kind
def batch_norm():
    return body(nn.BatchNorm1d(6))


@kind
def batch_norm_in_eval_mode():
    model = body(nn.BatchNorm1d(6))
    model[1].eval()
    return model


@kind
def dropout():
    return body(nn.Dropout(0.5))


@kind
def layer_norm_in_double():
    return nn.Sequential(Cast(torch.float64), body(nn.LayerNorm(6)).double(), Cast(torch.float32))


@kind
def bfloat16():
    return nn.Sequential(Cast(torch.bfloat16), body().bfloat16(), Cast(torch.float32))


class Cast(nn.Module):
    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, x):
        return x.to(self.dtype)


@kind
class ComplexWeights(Wrapped):
    def __init__(self):
        super().__init__()
        self.phase = nn.Parameter(torch.randn(3, dtype=torch.complex64))

    def forward(self, x):
        return (self.body(x) * self.phase).real


@kind
class LongShortTermMemory(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(1, 4, batch_first=True)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.rnn(x.unsqueeze(2))[0][:, -1])


@kind
class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.1, batch_first=True)
        self.first, self.head = nn.Linear(1, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.inner(self.first(x.unsqueeze(2))).mean(1))


@kind
class ChannelsLast(nn.Module):
    def __init__(self):
        super().__init__()
        convolution = nn.Conv2d(1, 4, (1, 3), padding=(0, 1))
        self.body = nn.Sequential(convolution, nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(20, 3))
        self.to(memory_format=torch.channels_last)

    def forward(self, x):
        return self.body(x[:, None, None].contiguous(memory_format=torch.channels_last))


class Indices(nn.Module):
    def __init__(self, embedding):
        super().__init__()
        self.embedding, self.head = embedding, nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.embedding((x[:, 0].abs() * 4).long().clamp(max=9)))


@kind
def embedding_with_largest_norm():
    return Indices(nn.Embedding(10, 4, max_norm=0.5))


@kind
def tied_weights():
    model = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5), nn.Linear(5, 3))
    model[2].weight = model[0].weight
    return model


@kind
def a_module_twice():
    layer = nn.Linear(5, 5)
    return nn.Sequential(layer, nn.BatchNorm1d(5), layer, nn.Linear(5, 3))


@kind
def frozen_in_part():
    model = body(nn.BatchNorm1d(6))
    model[0].requires_grad_(False)
    return model


@kind
def views_of_one_memory():
    model = body()
    flat = torch.cat([p.detach().flatten() for p in model.parameters()])
    begin = 0
    for p in model.parameters():
        p.data = flat[begin : begin + p.numel()].view_as(p)
        begin += p.numel()
    return model


@kind
def signed_zeros():
    model = body()
    with torch.no_grad():
        model[0].bias.copy_(torch.tensor([0.0, -0.0, 0.0, -0.0, 0.0, -0.0]))
    return model


# Tensors that refuse to be written to, or that are no plain parameters or buffers.


@kind
class ExpandedBuffer(Wrapped):
    def __init__(self):
        super().__init__()
        self.register_buffer("positions", torch.arange(3.0).expand(8, 3))
        self.register_buffer("windows", torch.arange(10.0).unfold(0, 3, 1))

    def forward(self, x):
        self.windows.as_strided((10,), (1,)).add_(0.1)
        return self.body(x) + self.positions[: len(x)] + self.windows[:1]


@kind
class ExpandedParameter(Wrapped):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1).expand(3), requires_grad=False)

    def forward(self, x):
        self.scale.data[:1].mul_(0.9)
        return self.body(x) * self.scale


@kind
class InferenceBuffer(Wrapped):
    def __init__(self):
        super().__init__()
        with torch.inference_mode():
            self.register_buffer("shift", torch.ones(3))

    def forward(self, x):
        with torch.inference_mode():
            self.shift.mul_(0.9)
        return self.body(x) + self.shift.clone()


@kind
class InferenceParameter(Wrapped):
    def __init__(self):
        super().__init__()
        with torch.inference_mode():
            self.shift = nn.Parameter(torch.ones(3), requires_grad=False)

    def forward(self, x):
        with torch.inference_mode():
            self.shift.mul_(0.9)
        return self.body(x) + self.shift.clone()


@kind
class ReadOnlyBuffer(Wrapped):
    def __init__(self):
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch, that it cannot be written to
            self.register_buffer("shift", torch.from_numpy(np.frombuffer(b"\1" * 12, dtype=np.float32)))

    def forward(self, x):
        return self.body(x) + self.shift


@kind
class ReplacedBuffer(Wrapped):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("last", torch.zeros(3), persistent=False)
        self.register_buffer("nothing", None)

    def forward(self, x):
        self.calls = self.calls + 1
        outputs = self.body(x) + 0.1 * self.last + 0.01 * self.calls
        self.last.copy_(outputs.detach()[0])
        self.nothing = torch.ones(1)
        return outputs


@kind
class ResizedBuffer(Wrapped):
    def __init__(self):
        super().__init__()
        self.register_buffer("cache", torch.zeros(1))

    def forward(self, x):
        self.cache.resize_(len(self.cache) + 1).fill_(len(self.cache) * 0.01)
        return self.body(x) + self.cache.mean()


@kind
class MemoryFreedInBetween(Wrapped):
    def __init__(self):
        super().__init__()
        self.gathered = torch.zeros(4)

    def forward(self, x):
        self.gathered.untyped_storage().resize_(0)
        return self.body(x)


@kind
class SwappedData(Wrapped):
    def forward(self, x):
        self.body[0].weight.data = self.body[0].weight.data.clone()
        return self.body(x)


@kind
class NanBuffer(Wrapped):
    def __init__(self):
        super().__init__()
        self.register_buffer("unset", torch.full((3,), float("nan")))


@kind
class TensorSubclass(Wrapped):
    def __init__(self):
        super().__init__()
        self.register_buffer("shift", torch.ones(3).as_subclass(Labelled))

    def forward(self, x):
        self.shift.mul_(0.9)
        return self.body(x) + self.shift.as_subclass(torch.Tensor)


class Labelled(torch.Tensor):
    """A tensor of a class of its own."""


@kind
class SparseBuffer(Wrapped):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.eye(3).to_sparse())

    def forward(self, x):
        self.mask.mul_(0.9)
        return self.body(x) @ self.mask.to_dense()


def quiet(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated by torch, and still around
        return make()


@kind
def scripted():
    model = quiet(lambda: torch.jit.script(body(nn.BatchNorm1d(6))))
    before = copy.deepcopy(model.state_dict())
    for _ in range(4):  # torch compiles what has run a few times, and then rounds otherwise
        model(torch.ones(BATCH, 5)).sum().backward()
    model.load_state_dict(before)
    model.zero_grad()
    return model


class Counts(nn.Module):
    calls: int

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(5, 3)
        self.calls = 0
        self.seen = [0.0]
        self.shift = torch.zeros(3)

    def forward(self, x):
        self.calls += 1
        self.seen.append(0.5)
        self.shift.add_(0.1)
        return self.body(x) * (1 + 0.1 * self.calls) + len(self.seen) + self.shift


@kind
def scripted_with_attributes():
    return quiet(lambda: torch.jit.script(Counts()))


@kind
def scripted_inside():
    return nn.Sequential(nn.Linear(5, 5), scripted())


@kind
def traced():
    return quiet(lambda: torch.jit.trace(body(), torch.ones(2, 5)))


# What is recomputed.


@kind
def weight_norm_of_old():
    return quiet(lambda: nn.Sequential(torch.nn.utils.weight_norm(nn.Linear(5, 6)), nn.Linear(6, 3)))


@kind
def spectral_norm_of_old():
    return quiet(lambda: nn.Sequential(torch.nn.utils.spectral_norm(nn.Linear(5, 6)), nn.Linear(6, 3)))


@kind
def weight_norm():
    return nn.Sequential(parametrizations.weight_norm(nn.Linear(5, 6)), nn.Linear(6, 3))


@kind
def spectral_norm():
    return nn.Sequential(parametrizations.spectral_norm(nn.Linear(5, 6)), nn.Linear(6, 3))


@kind
def orthogonal():
    return nn.Sequential(parametrizations.orthogonal(nn.Linear(5, 5)), nn.Linear(5, 3))


@kind
def own_parametrization():
    model = body()
    parametrize.register_parametrization(model[0], "weight", Noisy())
    return model


class Noisy(nn.Module):
    def forward(self, weight):
        return weight + 0.01 * torch.randn_like(weight)


@kind
def pruned():
    model = body()
    prune.l1_unstructured(model[0], "weight", 0.3)
    prune.random_unstructured(model[0], "weight", 0.3)
    return model


@kind
class PrunedOnTheWay(Wrapped):
    def forward(self, x):
        if not hasattr(self.body[0], "weight_mask"):
            self.body[0].register_buffer("weight_mask", torch.ones(6, 5))
        self.body[0].weight_mask[0] = 0
        return self.body(x)


# State in plain attributes.


@kind
class Counter(Wrapped):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return self.body(x) * (1 + 0.1 * self.calls)


@kind
class CounterOfTheClass(Wrapped):
    calls = 0

    def __init__(self):
        super().__init__()
        type(self).calls = 0

    def forward(self, x):
        type(self).calls += 1
        return self.body(x) * (1 + 0.1 * self.calls)


class Keeps(Wrapped):
    """Something in an attribute, made by `first` and moved on by `next`, which says by how much to shift."""

    def __init__(self, first, move):
        super().__init__()
        self.kept, self._move = first(), move

    def forward(self, x):
        return self.body(x) + 0.1 * self._move(self)


class Mean:
    def __init__(self):
        self.total, self.count, self.history = torch.zeros(3), 0, []

    def move(self):
        self.count += 1
        self.total.add_(0.1)
        self.history.append(self.count)
        return self.total * len(self.history) / self.count


class Slotted:
    __slots__ = ("__private", "array", "count")

    def __init__(self):
        self.count, self.array, self.__private = 0, np.zeros(2), 1.0

    def move(self):
        self.count += 1
        self.__private *= 1.1
        self.array += 0.1
        return self.array.sum() + self.count + self.__private


@dataclass(frozen=True)
class Frozen:
    values: list = field(default_factory=list)

    def move(self):
        self.values.append(1)
        object.__setattr__(self, "extra", len(self.values))
        return len(self.values)


class WithLock:
    def __init__(self):
        self.lock, self.count = threading.Lock(), 0


class Memory(dict):
    """A dict with attributes of its own."""

    hits = 0

    def __setitem__(self, key, value):
        self.hits += 1
        super().__setitem__(key, value)


def moved(change):
    """A step in one expression: what `change` returns last."""
    return lambda model: change(model.kept)


def push(kept):
    kept.append(len(kept))
    return sum(kept) / len(kept)


def fill(kept):
    kept[len(kept)] = torch.ones(())
    kept["last"] = len(kept)
    return float(len(kept))


def assign(model):
    model.kept = model.kept + 0.1
    return model.kept


def pair(model):
    model.kept[0].add_(0.1)
    model.kept = model.kept._replace(count=model.kept.count + 1)
    return model.kept.mean * model.kept.count


def nested(kept):
    kept["a"][0]["b"].append(torch.ones(()))
    kept["a"][1].add_(1)
    return kept["a"][1] + len(kept["a"][0]["b"])


def stored(kept):
    kept[kept.hits] = 1
    return kept.hits


KEPT = {
    "tensor": (lambda: torch.zeros(3), moved(lambda k: k.add_(0.1).clone())),
    "tensor_assigned": (lambda: torch.zeros(3), assign),
    "tensor_of_nan": (
        lambda: torch.full((3,), float("nan")),
        moved(lambda k: k.nan_to_num_().add_(1).clone()),
    ),
    "array": (lambda: np.zeros(3), moved(lambda k: float(np.add(k, 0.1, out=k).sum()))),
    "array_of_objects": (
        lambda: np.array([[1], [2, 3]], dtype=object),
        moved(lambda k: (k[0].append(1), len(k[0]))[1]),
    ),
    "list": (lambda: [1.0], moved(push)),
    "deque": (lambda: deque([1.0, 2.0], maxlen=4), moved(push)),
    "set": (lambda: {0}, moved(lambda k: (k.add(len(k)), len(k))[1])),
    "dict": (dict, moved(fill)),
    "ordered_dict": (OrderedDict, moved(fill)),
    "default_dict": (lambda: defaultdict(float), moved(fill)),
    "own_dict": (Memory, moved(stored)),
    "named_tuple": (lambda: Pair(torch.zeros(3), 1), pair),
    "nested": (lambda: {"a": ({"b": []}, torch.zeros(3))}, moved(nested)),
    "bytes": (lambda: bytearray(2), moved(lambda k: (k.append(1), sum(k))[1])),
    "object": (Mean, moved(lambda k: k.move())),
    "slots": (Slotted, moved(lambda k: k.move())),
    "frozen": (Frozen, moved(lambda k: k.move())),
    "torch_generator": (
        lambda: torch.Generator().manual_seed(1),
        moved(lambda k: torch.randn(3, generator=k)),
    ),
    "python_generator": (lambda: random.Random(1), moved(lambda k: k.random())),
    "numpy_generator": (lambda: np.random.default_rng(1), moved(lambda k: k.random())),
    "numpy_random_state": (lambda: np.random.RandomState(1), moved(lambda k: k.rand())),
    "generators_in_a_list": (lambda: [random.Random(1)], moved(lambda k: k[0].random())),
}
for _name, (_first, _move) in KEPT.items():
    MODELS[f"keeps_{_name}"] = lambda first=_first, move=_move: Keeps(first, move)


@kind
class Recurrent(Wrapped):
    """What it gave last goes in again."""

    def __init__(self):
        super().__init__()
        self.hidden = None

    def forward(self, x):
        outputs = self.body(x)
        if self.hidden is not None:
            outputs = outputs + 0.5 * self.hidden.detach()[: len(x)]
        self.hidden = outputs
        return outputs


@kind
class LockedState(Wrapped):
    """A lock is left alone, and so is the object that holds it."""

    def __init__(self):
        super().__init__()
        self.state = WithLock()


@kind
class Averaged(Wrapped):
    def __init__(self):
        super().__init__()
        self.average = torch.optim.swa_utils.AveragedModel(nn.Linear(5, 3))

    def forward(self, x):
        self.average.update_parameters(nn.Linear(5, 3))
        return self.body(x) + self.average(x).detach()


# What a forward pass does to the model itself.


@kind
class HookInForward(Wrapped):
    def forward(self, x):
        self.body[0].register_forward_hook(lambda module, inputs, output: output * 1.1)
        return self.body(x)


@kind
class HookRemovedInForward(Wrapped):
    def __init__(self):
        super().__init__()
        self.handle = self.body[0].register_forward_hook(lambda module, inputs, output: output * 1.1)

    def forward(self, x):
        outputs = self.body(x)
        self.handle.remove()
        return outputs


@kind
class TensorHookInForward(Wrapped):
    def forward(self, x):
        self.body[0].weight.register_hook(lambda grad: grad * 0.9)
        self.body[2].weight.register_post_accumulate_grad_hook(halve)
        return self.body(x)


def halve(parameter):
    parameter.grad.mul_(0.5)


@kind
class BackwardHookInForward(Wrapped):
    def forward(self, x):
        self.body[2].register_full_backward_hook(lambda module, gi, go: (gi[0] * 0.9,))
        return self.body(x)


@kind
class GlobalHookInForward(Wrapped):
    def forward(self, x):
        outputs = self.body(x)
        if not torch.nn.modules.module._global_forward_hooks:
            torch.nn.modules.module.register_module_forward_hook(
                lambda module, i, o: o * 1.5 if isinstance(module, nn.Tanh) else None
            )
        return outputs


@pytest.fixture(autouse=True)
def no_global_hooks():
    yield
    torch.nn.modules.module._global_forward_hooks.clear()


@kind
def hook_with_a_generator():
    model = body()
    generator = torch.Generator().manual_seed(5)

    def noise(module, inputs, output):
        return output + torch.randn(output.shape, generator=generator)

    model[0].register_forward_hook(noise)
    return model


class PowerIteration:
    def __init__(self):
        self.scale = torch.ones(())

    def __call__(self, module, inputs):
        self.scale.mul_(0.9)
        return (inputs[0] * self.scale,)

    def method(self, module, inputs):
        return self(module, inputs)


@kind
def hook_that_is_an_object():
    model = body()
    model[0].register_forward_pre_hook(PowerIteration())
    return model


@kind
def hook_that_is_a_method():
    model = body()
    model[0].register_forward_pre_hook(PowerIteration().method)
    return model


@kind
class ModuleInForward(Wrapped):
    def forward(self, x):
        outputs = self.body(x)
        self.body[1] = nn.Sequential(self.body[1], nn.Dropout(0.1))
        return outputs


@kind
class ParameterInForward(Wrapped):
    def forward(self, x):
        if "scale" not in self._parameters:
            self.scale = nn.Parameter(torch.full((3,), 2.0))
            return self.body(x)
        return self.body(x) * self.scale


@kind
class ParameterReplaced(Wrapped):
    def forward(self, x):
        outputs = self.body(x)
        self.body[2].weight = nn.Parameter(self.body[2].weight.detach() * 0.9)
        return outputs


@kind
class FreezesInForward(Wrapped):
    calls = 0

    def forward(self, x):
        self.calls += 1
        self.body[0].requires_grad_(self.calls < 6)
        return self.body(x)


@kind
class EvalInForward(Wrapped):
    def __init__(self):
        super().__init__(nn.Dropout(0.5))

    def forward(self, x):
        outputs = self.body(x)
        self.body[1].eval()
        return outputs


@kind
class MethodReplaced(Wrapped):
    def forward(self, x):
        outputs = self.body(x)
        self.forward = lambda x: self.body(x) * 1.5
        return outputs


@kind
class LeavesGradModeOff(Wrapped):
    calls = 0

    def forward(self, x):
        self.calls += 1
        outputs = self.body(x)
        if self.calls > 9:  # later than the trainings get
            torch.set_grad_enabled(False)
        return outputs


@kind
class LeavesModesBehind(Wrapped):
    calls = 0

    def forward(self, x):
        self.calls += 1
        outputs = self.body(x)
        if self.calls > 9:
            torch.use_deterministic_algorithms(True)
            torch.set_autocast_enabled("cpu", True)
            torch.autocast_increment_nesting()
        return outputs


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize(
    "optimizer",
    [name if name == "adam" else pytest.param(name, marks=pytest.mark.slow) for name in OPTIMIZERS],
)
def test_training_goes_on_as_without_a_range_test(name, optimizer, how, warm, differences):
    found, ended = differences(MODELS[name], OPTIMIZERS[optimizer], how, warm)
    assert found == []
    assert type(ended).__name__ == ("BatchError" if name == "leavesgradmodeoff" else ENDS[how])
    assert torch.is_grad_enabled()
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.is_autocast_enabled("cpu")
