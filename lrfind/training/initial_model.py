"""The loss of the model as it was at the start, on the batch that is about to be trained on.

Most of the noise in a range test is the batch, not the rate. The model as it was at the start meets the same
batch, with the same dropout and in the same batch-norm mode; subtracted from the loss of the model under
training, what the batch does to both cancels, and what training did is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lrfind.training.batch import own_batch, tensors_in
from lrfind.training.optimizer import trained_by
from lrfind.training.rng import RandomStreams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.optim import Optimizer

    from lrfind.training.objective import Objective


class InitialModel:
    """The model as it is when this is made, while the same module object is trained on.

    It keeps a copy of the parameters that the optimizer moves, of those that a forward pass turns out to
    write to, and of all buffers, on their devices: what is frozen is not copied. To compute with the copy, it
    is swapped in behind the same tensors, which moves no numbers, so any module will do, also a compiled one.
    Of a parameter that is sharded over several ranks the numbers of this rank's shard are exchanged instead:
    what gathers the shards reads them where they lie.
    Its random numbers (torch's, Python's and NumPy's global ones) are those that the model under training
    draws next, and no random stream is moved by it. It gets batches of its own, so a model may take its batch
    apart.

    What a module keeps in plain Python attributes, a generator of its own among it, is shared by both. At the
    first step the two models are one, and a curve on which their losses differ there is not read as paired.
    """

    def __init__(self, objective: Objective, optimizer: Optimizer) -> None:
        self._objective = objective
        self._modules = list(objective.modules())
        self._storages: dict[int, torch.UntypedStorage] = {}
        moved = trained_by(optimizer)
        shards = [_shard(p) for p in moved.values()]
        self._shards = [(shard, shard.clone()) for shard in shards if shard is not None]
        self._parameters = [
            (p, _copy(p, self._storages))
            for p, shard in zip(moved.values(), shards, strict=True)
            if shard is None
        ]
        still = {
            id(p): p
            for module in self._modules
            for p in module.parameters()
            if id(p) not in moved and _shard(p) is None
        }
        self._still: list[Tensor] | None = list(still.values())
        shared: dict[int, Tensor] = {}
        self._buffers: list[tuple[nn.Module, str, Tensor]] = []
        for module in self._modules:
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    copy = shared.setdefault(id(buffer), buffer.detach().clone())
                    self._buffers.append((module, name, copy))
        self._streams = RandomStreams({p.device for p in moved.values()})
        self._clones = True

    def measure(self, batches: Sequence[Any]) -> tuple[Tensor, Tensor | None]:
        """The mean loss, and accuracy where the objective measures it, over batches; nothing is moved."""
        own = [own_batch(batch, clone=self._clones) for batch in batches]
        if self._still is None:
            measured = self._measured(own)
        else:
            measured = self._measured_first(own, self._still)
            self._still = None
        if len(measured) == 1:  # the usual case, where a mean would cost as much as a layer
            return measured[0]
        losses = torch.stack([loss for loss, _ in measured])
        rights = [right for _, right in measured if right is not None]
        return losses.mean(), torch.stack(rights).mean() if rights else None

    def _measured_first(self, own: list[Any], still: list[Tensor]) -> list[tuple[Tensor, Tensor | None]]:
        """The same as `_measured`; after it is known what a forward pass writes to."""
        tensors = tensors_in(own)
        before = [_version(tensor) for tensor in tensors]
        versions = [_version(p) for p in still]
        measured = self._measured(own)
        written = [p for p, v in zip(still, versions, strict=True) if _version(p) != v]
        self._parameters += [(p, _copy(p, self._storages)) for p in written]
        self._clones = [_version(tensor) for tensor in tensors] != before
        return measured

    def _measured(self, own: list[Any]) -> list[tuple[Tensor, Tensor | None]]:
        """Loss and accuracy of each batch with the copy swapped in.

        It runs between any two training steps, so it is written out: context managers would take a third of
        what a small network's forward pass does.
        """
        streams = self._streams.now()
        with_gradients = torch.is_grad_enabled()
        under_training = [p.data for p, _ in self._parameters]
        live = [_buffer(module, name) for module, name, _ in self._buffers] if self._buffers else ()
        try:
            torch.set_grad_enabled(False)
            if self._shards:
                self._exchange_shards()
            for p, copy in self._parameters:
                p.data = copy
            for module, name, copy in self._buffers:
                module._buffers[name] = copy
            return [self._objective(batch) for batch in own]
        finally:
            # What the pass has put in their place, a running mean for one, is the start model's own.
            self._parameters = [(p, p.data) for p, _ in self._parameters]
            for (p, _), data in zip(self._parameters, under_training, strict=True):
                p.data = data
            if live:
                self._put_back(live)
            if self._shards:
                self._exchange_shards()
            torch.set_grad_enabled(with_gradients)
            self._streams.put_back(streams)

    def _put_back(self, live: Sequence[Tensor | None]) -> None:
        """The buffers of the model under training, in the place of those that the pass has left."""
        self._buffers = [
            (module, name, copy if (now := _buffer(module, name)) is None else now)
            for module, name, copy in self._buffers
        ]
        for (module, name, _), buffer in zip(self._buffers, live, strict=True):
            module._buffers[name] = buffer

    def _exchange_shards(self) -> None:
        for shard, other in self._shards:
            held = shard.clone()
            shard.copy_(other)
            other.copy_(held)


def initial_model_nbytes(objective: Objective, optimizer: Optimizer) -> int:
    """Bytes that an `InitialModel` of these keeps, before there is one.

    What a forward pass turns out to write to, beside the buffers, comes on top, and so do the outputs of its
    layers, one layer after the other, for no gradient is taken.
    """
    storages: dict[int, int] = {}
    others = 0
    for moved in trained_by(optimizer).values():
        parameter = moved if (shard := _shard(moved)) is None else shard
        if parameter.layout is torch.strided:
            storage = parameter.detach().untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        else:
            others += parameter.numel() * parameter.element_size()
    buffers = {id(b): b for m in objective.modules() for b in m._buffers.values() if b is not None}
    return sum(storages.values()) + others + sum(b.numel() * b.element_size() for b in buffers.values())


def _shard(parameter: Tensor) -> Tensor | None:
    """This rank's part of a parameter that several ranks share (a DTensor); None of any other."""
    if not hasattr(parameter, "to_local"):
        return None
    shard: Tensor = parameter.to_local().detach()
    return shard


def _buffer(module: nn.Module, name: str) -> Tensor | None:
    """The buffer that a module has by now; a scripted one's dict knows no `get`."""
    return module._buffers[name] if name in module._buffers else None  # noqa: SIM401


def _version(tensor: Tensor) -> int:
    """How often a tensor was written to; of one made in inference mode that is not counted."""
    return -1 if tensor.is_inference() else tensor._version


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
