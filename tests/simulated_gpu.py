"""A GPU that is not there: tensors of CUDA without numbers, what makes a CPU wait for it, and late events.

`fake_gpu` runs code on tensors that know shape, type and device and nothing else; an operation on tensors of
two devices fails as it would on a GPU. `late_events` keeps the numbers on the CPU and has the `Readback`
wait for them as for a GPU's.
"""

from collections import Counter
from contextlib import contextmanager

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from lrfind.training import readback

CUDA = torch.device("cuda", 0)
"""What the kernel is told that it computes on."""

THERE = CUDA if torch.cuda.is_available() else torch.device("meta")
"""Where the fake tensors lie: torch's backward pass asks the driver about every CUDA tensor, also a fake one,
so that without a GPU another device has to stand for it."""

_aten = torch.ops.aten


class Waits(TorchDispatchMode):
    """Counts the operations for which Python waits until a GPU has done all it was given.

    A number that is read off a fake tensor is 1, a truth value False, and a boolean mask keeps everything.

    Attributes:
        counts: How often each was called, by its name and what it does.
    """

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    @property
    def total(self):
        return sum(self.counts.values())

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        first = args[0] if args else None
        on_gpu = isinstance(first, torch.Tensor) and first.device.type == THERE.type
        if func is _aten._local_scalar_dense.default:
            self.counts["item"] += on_gpu
            return False if first.dtype is torch.bool else 1.0 if first.is_floating_point() else 1
        if func is _aten.index.Tensor and any(i is not None and i.dtype is torch.bool for i in args[1]):
            self.counts["index by a mask"] += on_gpu
            return first.clone()
        if func in (_aten.nonzero.default, _aten.masked_select.default, _aten._unique2.default):
            self.counts[str(func)] += on_gpu
            return first.reshape(-1)
        if func is _aten.equal.default:
            self.counts["equal"] += on_gpu
            return True
        if func is _aten._to_copy.default and not kwargs.get("non_blocking", False):
            there = kwargs.get("device")
            self.counts["copy"] += there is not None and (there.type == THERE.type) is not on_gpu
        if func is _aten.copy_.default and not kwargs.get(
            "non_blocking", args[2] if len(args) > 2 else False
        ):
            self.counts["copy"] += (args[1].device.type == THERE.type) is not on_gpu
        return func(*args, **kwargs)


@contextmanager
def fake_gpu(monkeypatch):
    """Inside, tensors on `THERE` are computed on without numbers; gives the `Waits`.

    A fake storage has no address, and its own identity stands for it. The random stream of a CUDA device lies
    on the host, and what reads it waits for nothing.
    """
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda device: torch.zeros(16, dtype=torch.uint8))
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: None)
    monkeypatch.setattr(torch.UntypedStorage, "data_ptr", lambda storage: storage._cdata)
    late_events(monkeypatch, "at once")
    waits = Waits()
    with FakeTensorMode(), waits:
        yield waits


class Events:
    """When the steps of a simulated GPU are done.

    Args:
        pace: `at once`; `late`: three steps behind; `bursts`: every fifth step all so far; `never`: only what
            is waited for.

    Attributes:
        waits: How often Python waited for a step.
    """

    def __init__(self, pace):
        self.pace = pace
        self.waits = 0
        self._given = 0
        self._done = 0

    def give(self):
        """The GPU gets one more step, whose number this is."""
        self._given += 1
        given = self._given
        now = {"at once": given, "late": given - 3, "bursts": given - given % 5, "never": 0}[self.pace]
        self._done = max(self._done, now)
        return given - 1

    def is_done(self, step):
        return step < self._done

    def wait(self, step):
        self.waits += not self.is_done(step)
        self._done = max(self._done, step + 1)


class _Event:
    def __init__(self, events, step):
        self._events = events
        self._step = step

    def query(self):
        return self._events.is_done(self._step)

    def synchronize(self):
        self._events.wait(self._step)


class _Rows:
    """Pinned memory whose rows are not to be looked at before their step is done."""

    def __init__(self, steps, events):
        self._events = events
        self._rows = [None] * steps
        self._steps = [0] * steps

    def __getitem__(self, index):
        return _Row(self, index)


class _Row:
    def __init__(self, rows, index):
        self._rows = rows
        self._index = index

    def copy_(self, values, *, non_blocking):
        assert non_blocking
        assert self._rows._rows[self._index] is None, "a row is written twice"
        self._rows._rows[self._index] = values
        self._rows._steps[self._index] = self._rows._events.give()

    def tolist(self):
        assert self._rows._events.is_done(self._rows._steps[self._index]), "read before it was there"
        values = self._rows._rows[self._index]
        # Of a fake tensor nothing is known; a loss of 1 neither diverges nor ends anything.
        return [1.0] * len(values) if type(values).__name__ == "FakeTensor" else values.tolist()


def late_events(monkeypatch, pace):
    """Has every `Readback` on CUDA get its values in the host's memory, at that pace; gives the `Events`."""
    events = Events(pace)
    monkeypatch.setattr(readback, "pinned_rows", lambda steps, width: _Rows(steps, events))
    monkeypatch.setattr(readback, "mark", lambda device: _Event(events, events._given - 1))
    return events
