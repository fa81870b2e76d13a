"""A tensor's values, and whatever else can be changed about it, saved and put back bit for bit."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lrfind.training.object_state.containers import same_objects

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_SAME_SIZE = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""The whole numbers of so many bytes: by them -0.0 differs from 0.0, and NaN equals itself."""

_HOOKS = ("_backward_hooks", "_post_accumulate_grad_hooks")
"""Where torch keeps the hooks of a tensor; None before there is one."""


class TensorState:
    """A copy of a tensor that can be written back into it, as often as asked for.

    The tensor stays the same object in the same memory, also where others share that memory.

    Args:
        tensor: Any: a parameter, a buffer, a sparse gradient, an expanded view, an inference tensor.

    Raises:
        RuntimeError: It cannot be copied.
    """

    __slots__ = ("_copy", "_grad", "_hooks", "_memory", "_nbytes", "_requires_grad", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self._requires_grad = tensor.requires_grad
        self._grad = _grad(tensor)
        self._hooks = [dict(getattr(tensor, name, None) or {}) for name in _HOOKS]
        plain = type(tensor) in (Tensor, nn.Parameter) and tensor.layout == torch.strided
        self._memory = tensor.data if plain else None  # where the values lie, whatever the tensor shows later
        self._nbytes = 0 if self._memory is None else self._memory.untyped_storage().nbytes()
        self._copy: Tensor | None = None
        if self._memory is None:
            self._copy = tensor.detach().clone()
        elif self._nbytes >= _needed(self._memory):  # or else it was freed, and there are no values
            self._copy = _writable(self._memory).clone()

    @property
    def grad(self) -> Tensor | None:
        """The gradient that the tensor had."""
        return self._grad

    def restore(self) -> None:
        """Puts memory, values, requires_grad, hooks and gradient back, but not the gradient's own values.

        Raises:
            RuntimeError: The tensor was changed and refuses to be written to.
        """
        tensor = self.tensor
        if self._memory is None:
            self._restore_unusual()
        else:
            self._restore_memory(self._memory)
        if tensor.requires_grad != self._requires_grad:
            tensor.requires_grad_(self._requires_grad)
        if _grad(tensor) is not self._grad:
            tensor.grad = self._grad
        for name, hooks in zip(_HOOKS, self._hooks, strict=True):
            now = getattr(tensor, name, None)
            if now is not None and not same_objects(now.values(), hooks.values()):
                now.clear()
                now.update(hooks)

    def _restore_memory(self, memory: Tensor) -> None:
        tensor = self.tensor
        if tensor.dtype != memory.dtype or tensor.device != memory.device or not tensor.is_set_to(memory):
            tensor.data = memory
        storage = memory.untyped_storage()
        if storage.nbytes() < self._nbytes or self._copy is None:  # freed in between, or filled
            storage.resize_(self._nbytes)
        if self._copy is not None:
            _write(_writable(memory), self._copy)

    def _restore_unusual(self) -> None:
        """A sparse tensor, or one of a class of its own, which says itself how it is written to."""
        tensor, copy = self.tensor, self._copy
        assert copy is not None
        if tensor.layout == torch.strided and tensor.shape != copy.shape:
            tensor.resize_(copy.shape)
        try:
            with torch.no_grad(), _permission(tensor):
                tensor.copy_(copy)
        except RuntimeError:
            if not torch.equal(tensor, copy):  # or else it was never written to
                raise


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Whether two dense tensors of one shape and type hold the same bits."""
    if one.is_complex() and not one.is_conj():
        one, other = torch.view_as_real(one), torch.view_as_real(other)
    size = one.element_size()
    if one.is_quantized or one.is_conj() or one.is_neg() or size not in _SAME_SIZE:
        return torch.equal(one, other)
    one, other = one.view(_SAME_SIZE[size]), other.view(_SAME_SIZE[size])
    words = 8 // size
    if one.numel() % words == 0 and one.storage_offset() % words == 0 and one.is_contiguous():
        one, other = one.view(-1).view(torch.int64), other.view(-1).view(torch.int64)  # fewer comparisons
    return torch.equal(one, other)


def _write(target: Tensor, copy: Tensor) -> None:
    # What was not written to is not written now: it may be memory that cannot be, as of a mapped file. On a
    # GPU there is none such, and to compare would be to wait.
    if target.device.type != "cpu" or not same_bits(target, copy):
        with torch.no_grad(), _permission(target):
            target.copy_(copy)


def _permission(tensor: Tensor) -> AbstractContextManager[object]:
    """What made in inference mode is may be written to in inference mode only."""
    return torch.inference_mode() if tensor.is_inference() else nullcontext()


def _writable(memory: Tensor) -> Tensor:
    """The tensor itself; one that overlaps itself, such as an expanded one, as the row it lies on."""
    if memory.is_contiguous():
        return memory
    dimensions = zip(memory.stride(), memory.shape, strict=True)
    reach = 0
    for stride, size in sorted((stride, size) for stride, size in dimensions if size > 1):
        if stride <= reach:
            return memory.as_strided((_span(memory),), (1,), memory.storage_offset())
        reach += stride * (size - 1)
    return memory


def _span(memory: Tensor) -> int:
    """Elements from the first to the last in memory."""
    return 1 + sum(stride * (size - 1) for size, stride in zip(memory.shape, memory.stride(), strict=True))


def _needed(memory: Tensor) -> int:
    """Bytes of memory that all its elements take."""
    return int(memory.storage_offset() + _span(memory)) * memory.element_size() if memory.numel() else 0


def _grad(tensor: Tensor) -> Tensor | None:
    return tensor.grad if tensor.is_leaf or tensor.retains_grad else None
