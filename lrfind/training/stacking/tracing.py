"""A computation on tensors recorded once and played back, without what Python and vmap cost each time.

Where the arithmetic of a step is small, most of its time goes into modules, vmap and autograd finding out
what is to be computed, which is the same at every step. Recorded are the operations below all of these; what
has no effect (a view of the shape that is there already, what depends on no argument) is left out.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Interpreter, Node
from torch.fx.graph import CodeGen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lrfind.training.objective import Objective

    Computation = Callable[..., list[Tensor]]

_STATELESS = ("torch.nn.", "torchvision.models.", "lrfind.")
"""Where the modules come from whose forward pass depends on nothing but tensors and settings."""

_LARGEST_CONSTANT = 4096
"""Elements up to which what depends on no argument is kept."""

_aten = torch.ops.aten
_VIEWS = (
    _aten.expand.default,
    _aten.view.default,
    _aten._unsafe_view.default,
    _aten.detach.default,
    _aten.alias.default,
)


def recordable(objective: Objective) -> bool:
    """Whether a loss may be recorded: a stranger's Python might do something else at another step."""
    criterion = objective.criterion
    if isinstance(criterion, partial):
        criterion = criterion.func
    known = objective.forward is None and all(_known(type(module)) for module in objective.model.modules())
    if isinstance(criterion, nn.Module):
        return known and all(_known(type(module)) for module in criterion.modules())
    return known and criterion is not None and str(criterion.__module__).startswith("torch.nn.")


def _known(kind: type) -> bool:
    return kind.__module__.startswith(_STATELESS)


def recorded(function: Computation, arguments: Sequence[Tensor]) -> Computation | None:
    """The same function of tensors of the same shapes, played back; None where it cannot be recorded.

    The function is run a few times, and must always do the same; the arguments are of the shapes, types and
    devices that it is to be played back with.

    Returns:
        A function to be called without recording gradients. Its results share no memory with its arguments.
        It has been found to return the same values, to the last bit, as what was recorded.
    """
    try:
        from torch.fx.experimental.proxy_tensor import make_fx

        program: GraphModule = make_fx(function)(*arguments)
        program.graph.set_codegen(CodeGen())
        program.recompile()
        plain = [argument.detach() for argument in arguments]
        with torch.no_grad():
            expected = program.forward(*plain)
            if not any(_changes(node) for node in program.graph.nodes):
                _simplify(program, plain)
            seen = program.forward(*plain)
    except (RuntimeError, NotImplementedError, TypeError, ValueError, ImportError, AttributeError):
        return None
    if not all(_same(a, b) for a, b in zip(expected, seen, strict=True)):
        return None
    forward: Computation = program.forward
    own = {value.untyped_storage().data_ptr() for value in (*plain, *program.buffers())}
    if not any(value.untyped_storage().data_ptr() in own for value in seen):
        return forward
    return lambda *given: [value.clone() for value in forward(*given)]


def _simplify(program: GraphModule, arguments: Sequence[Tensor]) -> None:
    """Takes out what has no effect; right only where nothing is changed in place."""
    values = _Values(program)
    values.run(*arguments)
    graph = program.graph
    constant: set[Node] = set()
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        source = node.args[0] if node.args else None
        if isinstance(source, Node) and values.is_same(node, source):
            node.replace_all_uses_with(source)
        elif (
            node.target in (_aten.ones_like.default, _aten.zeros_like.default)
            or all(each in constant for each in node.all_input_nodes)
        ) and node in values.small:
            constant.add(node)
    graph.eliminate_dead_code()
    for node in list(graph.nodes):
        if node in constant and any(user not in constant for user in node.users):
            name = f"constant{sum(1 for _ in program.buffers())}"
            program.register_buffer(name, values.small[node])
            with graph.inserting_before(node):
                node.replace_all_uses_with(graph.get_attr(name))
    graph.eliminate_dead_code()
    program.recompile()


class _Values(Interpreter):
    """Runs a program and notes the shapes of its values, and the small ones themselves."""

    def __init__(self, program: GraphModule) -> None:
        super().__init__(program)
        self.small: dict[Node, Tensor] = {}
        self._kinds: dict[Node, tuple[Any, ...]] = {}

    def run_node(self, n: Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor):
            self._kinds[n] = (value.shape, value.stride(), value.dtype, value.device)
            if math.prod(value.shape) <= _LARGEST_CONSTANT and not _draws(n):
                self.small[n] = value
        return value

    def is_same(self, node: Node, source: Node) -> bool:
        """Whether a node gives nothing but its first argument."""
        viewed = node.target in _VIEWS
        times_one = node.target is _aten.mul.Scalar and node.args[1] == 1
        return bool(viewed or times_one) and self._kinds.get(node) == self._kinds.get(source)


def _changes(node: Node) -> bool:
    schema = getattr(node.target, "_schema", None)
    return schema is not None and bool(schema.is_mutable)


def _draws(node: Node) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def _same(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return bool((a.nan_to_num() == b.nan_to_num()).all())
