"""The loss of the model as it was at the start, on the batch that is about to be trained on.

Most of the noise in a range test is the batch, not the rate. The model as it was at the start meets the same
batch, with the same dropout and in the same batch-norm mode; subtracted from the loss of the model under
training, what the batch does to both cancels, and what training did is left.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch.optim import Optimizer

    from lrfind.core.objective import Objective


class StartModel:
    """The model as it is when this is made, while the same module object is trained on.

    It keeps a copy of the parameters that the optimizer moves and of all buffers, on their devices: what is
    frozen is not copied. To compute with the copy, it is swapped in behind the same tensors, which moves no
    numbers, so any module will do, also a compiled one. Its random numbers are those that the model under
    training will draw next, and no random stream is moved by it.

    What a module keeps in plain Python attributes is shared by both.

    Args:
        objective: The loss on a batch; it holds the model.
        optimizer: Moves the parameters.
    """

    def __init__(self, objective: Objective, optimizer: Optimizer) -> None:
        self._objective = objective
        storages: dict[int, torch.UntypedStorage] = {}
        moved = {id(p): p for group in optimizer.param_groups for p in group["params"] if p.requires_grad}
        self._parameters = [(p, _copy(p, storages)) for p in moved.values()]
        shared: dict[int, Tensor] = {}
        self._buffers: list[tuple[nn.Module, str, Tensor]] = []
        for module in objective.model.modules():
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    copy = shared.setdefault(id(buffer), buffer.detach().clone())
                    self._buffers.append((module, name, copy))
        self._devices = {p.device for p in moved.values() if p.device.type == "cuda"}
        self._mps = any(p.device.type == "mps" for p in moved.values())

    @torch.no_grad()
    def measure(self, batches: Sequence[Any]) -> tuple[Tensor, Tensor | None]:
        """The mean loss, and accuracy where the objective measures it, over batches; nothing is moved.

        Raises:
            UserError: Model or loss cannot take a batch.
        """
        with self._same_random_numbers(), self._swapped_in():
            measured = [self._objective(batch) for batch in batches]
        losses = torch.stack([loss for loss, _ in measured])
        rights = [right for _, right in measured if right is not None]
        return losses.mean(), torch.stack(rights).mean() if rights else None

    @contextmanager
    def _swapped_in(self) -> Iterator[None]:
        under_training = [p.data for p, _ in self._parameters]
        live = [(module._buffers, name, module._buffers.get(name)) for module, name, _ in self._buffers]
        try:
            for p, copy in self._parameters:
                p.data = copy
            for module, name, copy in self._buffers:
                module._buffers[name] = copy
            yield
        finally:
            for (p, _), data in zip(self._parameters, under_training, strict=True):
                p.data = data
            for buffers, name, buffer in live:
                buffers[name] = buffer

    @contextmanager
    def _same_random_numbers(self) -> Iterator[None]:
        state = torch.get_rng_state()
        cuda = [(device, torch.cuda.get_rng_state(device)) for device in self._devices]
        mps = torch.mps.get_rng_state() if self._mps else None
        try:
            yield
        finally:
            torch.set_rng_state(state)
            for device, saved in cuda:
                torch.cuda.set_rng_state(saved, device)
            if mps is not None:
                torch.mps.set_rng_state(mps)


def _copy(parameter: Tensor, storages: dict[int, torch.UntypedStorage]) -> Tensor:
    """A copy laid out as the original is in its storage: cuDNN wants an RNN's weights in one piece."""
    data = parameter.detach()
    if data.layout is not torch.strided:
        return data.clone()
    storage = data.untyped_storage()
    if storage.data_ptr() not in storages:
        storages[storage.data_ptr()] = storage.clone()  # type: ignore[no-untyped-call]
    copy = torch.empty(0, dtype=data.dtype, device=data.device)
    return copy.set_(storages[storage.data_ptr()], data.storage_offset(), data.shape, data.stride())
