"""What a task is called in a picture's title."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lrfind.tasks.data.own_loader import batch_size_of
from lrfind.tasks.data.sources import Source, source_of

if TYPE_CHECKING:
    from lrfind.config.schema import TaskConfig
    from lrfind.tasks.data.dataset import Data


def title_of(config: TaskConfig, data: Data) -> str:
    """What is trained on what and how."""
    parts = [f"{node_name(config.model)} on {data.name}", node_name(config.optimizer)]
    settings = []
    momentum = config.optimizer.get("momentum")
    if isinstance(momentum, (int, float)) and momentum:
        settings.append(f"momentum {momentum:g}")
    if config.optimizer.get("nesterov"):
        settings.append("Nesterov")
    if settings:
        parts[-1] += f" ({', '.join(settings)})"
    # A loader has made its batches already, and an iterable of batches does not say how large they are.
    size = config.samples_a_batch
    if source_of(data.dataset) in (Source.LOADER, Source.BATCHES):
        size = batch_size_of(data) or 0
    times = f" x {config.accumulation_steps}" if config.accumulation_steps > 1 else ""
    if size and config.ranks > 1:
        parts.append(f"batch size {size * config.ranks} ({config.ranks} ranks x {size}){times}")
    elif size:
        parts.append(f"batch size {size}{times}")
    return ", ".join(parts)


def node_name(node: dict[str, Any]) -> str:
    """The name of a part: its `name`, or the last word of its `_target_`."""
    if str(node.get("_target_", "")).endswith(".from_model"):
        return "its own optimizer"
    named = node.get("name")
    return str(named) if named else str(node["_target_"]).rsplit(".", 1)[-1]
