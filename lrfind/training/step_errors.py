"""What went wrong in a training step, as a message to the user."""

from __future__ import annotations

import re
import time
from typing import Any

import torch

from lrfind.errors import BatchError, ConfigError, DataError, DeviceError, ModelError, UserError
from lrfind.own_code import first_line, own_frames, place_text
from lrfind.training import remedies
from lrfind.training.batch import described, target_of


def explained(error: Exception, part: str, batch: Any, outputs: Any = None) -> UserError:
    """What went wrong in a step, as a message to the user."""
    said = f"{first_line(error)}."
    dead = dead_worker(error)
    if dead is not None:
        return dead
    if out_of_memory(error):
        return no_memory_left(error, f"on a batch of {described(batch)}")
    if "deterministic" in str(error) and isinstance(error, RuntimeError):
        return ConfigError(
            f"deterministic algorithms cannot be kept to: {said} "
            "Use torch.use_deterministic_algorithms(False)."
        )
    if "find_unused_parameters=True" in str(error):
        return ModelError(
            "the model has parameters that take no part in the loss, and DistributedDataParallel waits for "
            "their gradients: freeze them (requires_grad=False) or leave them out."
        )
    if type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
        return ConfigError(f"torch.compile failed: {said} Leave the model uncompiled.")
    seen = f"a batch of {described(batch)}"
    if part == "criterion":
        if (shapes := remedies.of_shapes(error, outputs, target_of(batch))) is not None:
            return BatchError(shapes)
        seen = f"outputs of {described(outputs)} and a target of {described(target_of(batch))}"
        remedy = remedies.of_criterion(error, outputs, target_of(batch), batch)
    elif part == "backward":
        remedy = remedies.of_backward(error)
    else:
        remedy = remedies.of_model(error, batch)
    said = f"{type(error).__name__}: {said}"
    frames = own_frames(error)
    if not frames:
        return BatchError(f"{part}: cannot take {seen}: {said} {remedy}")
    said = f"{part}: raised {said.rstrip('.')}{place_text(frames)}, given {seen}."
    bug = isinstance(error, _BUGS) and "not implemented for '" not in said  # as torch says of a dtype
    return BatchError(said if bug else f"{said} {remedy}", frames=frames)


_BUGS = (NameError, AttributeError, ImportError, AssertionError, NotImplementedError, ArithmeticError)
"""Exceptions of which the data are no likely cause."""


def no_memory_left(error: Exception, where: str) -> DeviceError:
    """The message for an exception that says there is no memory left."""
    return DeviceError(
        f"the device ran out of memory {where}. Try smaller batches with accumulation_steps=2 or more, "
        "precision='bf16', smaller inputs, or a smaller model. "
        f"({' '.join(str(error).split())[:300]})"
    )


_DEAD_WORKER = re.compile(r"DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)(?: is killed by signal: ([\w ]+))?")


def dead_worker(error: BaseException) -> DataError | None:
    """The message for an exception that says a worker process has died; None for any other.

    Torch raises it wherever the main process happens to be: in the model, in the optimizer, between them.
    """
    # What is told last, that it is gone, may have the signal in its cause.
    chain = [each for each in (error.__cause__, error) if isinstance(each, RuntimeError)]
    matches = [match for each in chain if (match := _DEAD_WORKER.search(str(each)))]
    if not isinstance(error, RuntimeError) or not matches:
        return None
    said = next((match for match in matches if match[2]), matches[0])
    if said[2] and said[2].strip() in ("Terminated", "Hangup", "Interrupt"):
        # Sent to the whole process group, it is on its way here, too, and raises what an interrupt raises.
        time.sleep(0.5)
    how = f"was killed by signal {said[2].strip()}" if said[2] else "ended"
    why = {
        "Killed": "The system kills for want of memory: use fewer num_workers, or a smaller batch_size.",
        "Bus error": "That is how a full /dev/shm ends a process: use num_workers=0, a smaller batch_size, "
        "or give the container more of it (docker run --shm-size=8g).",
    }.get((said[2] or "").strip(), "num_workers=0 reads the data in the main process and shows what happens.")
    return DataError(f"num_workers: the worker process {said[1].strip()} that reads data {how}. {why}")


def out_of_memory(error: Exception) -> bool:
    """Whether an exception says that a device, or the machine, has no memory left."""
    said = str(error).lower()
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        words in said for words in ("out of memory", "can't allocate memory", "alloc_failed")
    )
