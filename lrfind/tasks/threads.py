"""How many threads of the processor a task is trained with: few for small work, whatever else is going on.

Threads that share an operation wait for each other at its end. Where the operations are short, or a neighbour
has one of the cores, that waiting is all they do: on two busy cores a small perceptron took a hundred times
as long with two threads as with one. The choice must not hang on how busy the machine is, for sums over
several threads round differently: the same seed has to give the same numbers. So no clock is read; the
operations of a forward pass are counted once. `scripts/bench_threads.py` measures what the rule is made of,
and `docs/cost.md` holds what it found.
"""

from __future__ import annotations

import copy
import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils.data import TensorDataset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from lrfind.tasks.data.dataset import Data

WORK_OF_A_THREAD = 4e9
"""Operations of a forward pass, multiplications and additions, that each thread must have."""


@functools.cache
def available() -> int:
    """Threads that torch would use by itself: the cores, or what the environment says (`OMP_NUM_THREADS`)."""
    return torch.get_num_threads()


@contextmanager
def thread_count(count: int) -> Iterator[None]:
    """Computes with so many threads, here alone."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def threads_for(work: float, most: int) -> int:
    """How many threads so many operations of a forward pass are worth, at least 1."""
    return max(1, min(most, int(work // WORK_OF_A_THREAD)))


def threads_of(threads: int | str, model: nn.Module, data: Data, batch_size: int) -> int:
    """How many threads a task is trained with on the processor."""
    if isinstance(threads, int):
        return threads
    most = available()
    return 1 if most == 1 else threads_for(work_of(model, data, batch_size), most)


def work_of(model: nn.Module, data: Data, batch_size: int) -> float:
    """Operations of a forward pass, or a lower bound of them where the model cannot be tried without data.

    A copy of the model without numbers is tried, on inputs without numbers: nothing is computed, and nothing
    that the model keeps changes. What a dense layer does with a batch, two operations a parameter and sample,
    is the least that is believed.
    """
    least = 2.0 * batch_size * sum(each.numel() for each in model.parameters() if each.ndim > 1)
    example = _example(data)
    if example is None:
        return least
    try:
        # A compiled model would be compiled for it anew.
        plain = getattr(model, "_orig_mod", model)
        counted = operations(_without_numbers(plain), example.expand(batch_size, *example.shape))
    except Exception:  # whatever a model of the user's does with inputs that hold nothing
        return least
    return float(counted)


def operations(model: nn.Module, inputs: Tensor) -> int:
    """Counts the multiplications and additions of matrices and convolutions in a forward pass."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(inputs)
    return int(counter.get_total_flops())


def _example(data: Data) -> Tensor | None:
    """An input of the model without numbers, or None where its shape is not known."""
    if data.input_shape is not None:
        return torch.empty(data.input_shape, device="meta")
    if type(data.dataset) is TensorDataset and len(data.dataset.tensors) > 0:
        return data.dataset.tensors[0][0].to("meta")
    return None


def _without_numbers(model: nn.Module) -> nn.Module:
    """A copy of a model whose parameters and buffers have shapes and no numbers."""
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=False)
    for buffer in model.buffers():
        memo[id(buffer)] = torch.empty_like(buffer, device="meta")
    return copy.deepcopy(model, memo)
