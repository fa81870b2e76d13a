"""Everything a sweep disturbs, saved and put back, whatever happens."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lrfind.errors import ModelError
from lrfind.training.rng import StreamState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch.optim import Optimizer


class Snapshot:
    """A copy of model, optimizer, gradient scaler and random streams, in memory.

    It holds parameters and their gradients, buffers (persistent or not), train/eval modes, requires_grad,
    optimizer state and group settings, scaler state, the global random streams of Python, NumPy, torch on the
    CPU and on the devices the model lives on, and the generators of `loader`, where it is a DataLoader that
    has some. Putting back is bitwise, and parameters and buffers stay the same objects. The copies take as
    much memory as model and optimizer, on the same device; no file is written.

    What a module keeps in plain Python attributes is not seen.

    Args:
        model: The model; none of its parameters may be uninitialized (lazy).
        optimizer: Its optimizer.
        criterion: The loss, where it is a module, which may have parameters and buffers too.
        scaler: The gradient scaler, where one is used.
        loader: Where batches come from.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        *,
        criterion: Any = None,
        scaler: Any = None,
        loader: Any = None,
    ) -> None:
        self._optimizer = optimizer
        self._scaler = scaler
        modules = [*model.modules(), *(criterion.modules() if isinstance(criterion, nn.Module) else ())]
        parameters = _all_parameters(modules, optimizer)
        self._parameters = [
            (p, p.data, p.detach().clone(), p.requires_grad, p.grad, _clone(p.grad)) for p in parameters
        ]
        self._modules = [
            (
                module,
                module.training,
                {
                    name: (buffer, None if buffer is None else buffer.clone())
                    for name, buffer in module._buffers.items()
                },
            )
            for module in modules
        ]
        self._state = [(key, _copied(value)) for key, value in optimizer.state.items()]
        self._groups = [
            {key: list(value) if key == "params" else (value, _copied(value)) for key, value in group.items()}
            for group in optimizer.param_groups
        ]
        # A scheduler leaves its marks on the optimizer as plain attributes.
        self._attributes = {
            key: value for key, value in vars(optimizer).items() if key not in ("state", "param_groups")
        }
        self._scaler_state = None if scaler is None else _copied(vars(scaler))
        self._streams = StreamState({p.device for p in parameters})
        self._generators = [(generator, generator.get_state()) for generator in generators_of(loader)]

    def restore(self) -> None:
        """Puts everything back as it was."""
        with torch.no_grad():
            for parameter, data, value, requires_grad, grad, grad_value in self._parameters:
                parameter.data = data  # its own storage, which others may share
                parameter.copy_(value)
                parameter.requires_grad_(requires_grad)
                if grad is not None and grad_value is not None:
                    grad.copy_(grad_value)
                parameter.grad = grad
            for module, training, buffers in self._modules:
                module.training = training
                for name in [name for name in module._buffers if name not in buffers]:
                    del module._buffers[name]
                for name, (buffer, copy) in buffers.items():
                    if buffer is not None and copy is not None:
                        _put_back(buffer, copy)
                    module._buffers[name] = buffer
            self._restore_optimizer()
        if self._scaler is not None:
            vars(self._scaler).update(_copied(self._scaler_state))
        self._streams.restore()
        self.restore_loader()

    def restore_loader(self) -> None:
        """Puts the generators of the loader back, and nothing else: its order begins again."""
        for generator, state in self._generators:
            generator.set_state(state)

    def restore_to_the_end(self) -> None:
        """Restores, and if that is interrupted once more, so that no half of it is left undone."""
        try:
            self.restore()
        except KeyboardInterrupt:
            self.restore()
            raise

    def _restore_optimizer(self) -> None:
        optimizer = self._optimizer
        for name in [name for name in vars(optimizer) if name not in self._attributes]:
            if name not in ("state", "param_groups"):
                delattr(optimizer, name)
        vars(optimizer).update(self._attributes)
        optimizer.state.clear()
        for parameter, state in self._state:
            optimizer.state[parameter] = _copied(state)
        del optimizer.param_groups[len(self._groups) :]
        for group, saved in zip(optimizer.param_groups, self._groups, strict=True):
            for key in [key for key in group if key not in saved]:
                del group[key]
            for key, value in saved.items():
                if key == "params":
                    group[key] = list(value)
                    continue
                original, copy = value
                if isinstance(original, Tensor):
                    original.copy_(copy)
                    group[key] = original
                else:
                    group[key] = _copied(copy)


@contextmanager
def preserved(
    model: nn.Module,
    optimizer: Optimizer,
    *,
    criterion: Any = None,
    scaler: Any = None,
    loader: Any = None,
) -> Iterator[None]:
    """Whatever happens inside, everything is afterwards as it was before; see `Snapshot`."""
    snapshot = Snapshot(model, optimizer, criterion=criterion, scaler=scaler, loader=loader)
    try:
        yield
    finally:
        snapshot.restore_to_the_end()


def _clone(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.clone()


def _all_parameters(modules: Iterable[nn.Module], optimizer: Optimizer) -> list[nn.Parameter]:
    """The parameters of modules and whatever else the optimizer moves, each once."""
    found: dict[int, nn.Parameter] = {
        id(p): p for module in modules for p in module._parameters.values() if p is not None
    }
    for group in optimizer.param_groups:
        found.update({id(p): p for p in group["params"]})
    for parameter in found.values():
        if nn.parameter.is_lazy(parameter):
            raise ModelError(
                "the model has parameters whose shape is not known yet (a lazy module): "
                "call it once on a batch before the range test"
            )
    return list(found.values())


def _put_back(buffer: Tensor, copy: Tensor) -> None:
    """Writes a copy back into its buffer, which may have been resized in place."""
    if buffer.shape != copy.shape:
        buffer.resize_(copy.shape)
    shares_memory_with_itself = buffer.layout == torch.strided and any(
        stride == 0 and size > 1 for size, stride in zip(buffer.shape, buffer.stride(), strict=True)
    )
    if not shares_memory_with_itself:  # an expanded tensor, which nothing can write to in place
        buffer.copy_(copy)


def _copied(value: Any) -> Any:
    """A copy that shares no tensor with the original; containers are copied, parameters as keys are kept."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        copy = value.copy()
        copy.update({key: _copied(item) for key, item in value.items()})
        return copy
    if isinstance(value, list):
        return [_copied(item) for item in value]
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(_copied(item) for item in value)
    return value


def generators_of(loader: Any) -> list[torch.Generator]:
    """The random generators that a DataLoader draws its order from."""
    batches = getattr(loader, "batch_sampler", None)
    owners = (loader, getattr(loader, "sampler", None), batches, getattr(batches, "sampler", None))
    found = (getattr(owner, "generator", None) for owner in owners)
    return list({id(g): g for g in found if isinstance(g, torch.Generator)}.values())
