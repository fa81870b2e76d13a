"""Range tests one after another leave nothing behind: no memory, thread, hook, file or process."""

import gc
import multiprocessing
import os
import threading
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lrfind import range_test, refine

OPEN_FILES = Path("/proc/self/fd")


def hooks(model, optimizer):
    """How many hooks hang on modules, tensors and optimizer, and on all modules."""
    owners = [*model.modules(), *model.parameters(), optimizer, *model.children()]
    kept = [
        value for owner in owners for name, value in vars(owner).items() if name.endswith("_hooks") and value
    ]
    kept += [p._backward_hooks for p in model.parameters() if p._backward_hooks]
    kept += [value for name, value in vars(nn.modules.module).items() if name.startswith("_global") and value]
    return sum(len(value) for value in kept if hasattr(value, "__len__"))


def resident():
    """Bytes of memory this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def counted(model, optimizer):
    gc.collect()
    objects = gc.get_objects()
    return {
        "tensors": sum(issubclass(type(each), torch.Tensor) for each in objects),
        "threads": threading.active_count(),
        "processes": len(multiprocessing.active_children()),
        "hooks": hooks(model, optimizer),
        "files": len(list(OPEN_FILES.iterdir())),
    }, len(objects)


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="counts open files in /proc")
@pytest.mark.parametrize("times", [12, pytest.param(500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("search", ["range_test", "refine"])
def test_repeated_searches_leave_nothing_behind(search, times):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.Adam(model.parameters())
    data = TensorDataset(torch.randn(64, 64), torch.randint(0, 10, (64,)))
    loader = DataLoader(data, batch_size=16, shuffle=True, generator=torch.Generator().manual_seed(1))
    criterion = nn.CrossEntropyLoss()

    def once(index):
        try:
            if search == "refine":
                refine(model, optimizer, criterion, loader, around_lr=0.01, iterations=2)
            else:
                range_test(
                    model, optimizer, criterion, loader, num_steps=8, on_step=stop if index % 3 else None
                )
        except ZeroDivisionError:
            pass

    def stop(step):
        if step.index == 4:
            raise ZeroDivisionError

    for index in range(8):  # what is made once and kept, by torch for the most part
        once(index)
    before, objects = counted(model, optimizer)
    memory = resident()
    for index in range(times):
        once(index)
    after, objects_after = counted(model, optimizer)
    assert after == before
    assert objects_after - objects < 100 + times / 2  # fewer than one object in two searches
    assert resident() - memory < 16 * 2**20
