"""The keys of the command line in place of the arguments that a message of the kernel speaks of.

What trains knows nothing of the config: its messages say what a caller in Python can type, `metric='loss'`.
On the command line they say the same with the keys that can be typed there, `range.metric=loss`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrfind.errors import UserError

KEYS = {
    "metric='accuracy'": "range.metric=accuracy",
    "metric='loss'": "range.metric=loss",
    "groups='each'": "range.groups=each",
    "criterion=None": "criterion=from_model",
    "such as reduction='mean'": "such as criterion.reduction=mean",
    "Use torch.nn.CrossEntropyLoss": "Use criterion=cross_entropy",
    "Use torch.nn.MSELoss for numbers, torch.nn.BCEWithLogitsLoss": (
        "Use criterion=mse for numbers, criterion=bce_with_logits"
    ),
    " outputs, or labels that start at 0": " outputs (model.num_outputs), or labels that start at 0",
    "deterministic algorithms cannot be kept to": "deterministic=true cannot be kept to",
    "Use torch.use_deterministic_algorithms(False)": "Use deterministic=false",
    "torch.compile failed": "compile=true failed",
    "Leave the model uncompiled": "Use compile=false",
    "freeze them (requires_grad=False) or leave them out": (
        "freeze them (requires_grad=False), leave them out, or use distributed=fsdp"
    ),
    "the device ran out of memory": "batch_size: the device ran out of memory",
    "smaller batches with accumulation_steps=2": "a smaller batch_size with accumulation_steps=2",
    "precision='bf16', smaller inputs,": "precision=bf16, a smaller data.image_size,",
    "paired=False does without": "range.paired=false does without",
    "the CPU names it": "device=cpu names it",
    "processes: one ended": "compare.processes: a process ended",
    "try processes=1": "try compare.processes=1",
}
"""What a message says to a caller in Python, and what it says on the command line."""


def in_keys(message: str) -> str:
    """A message as the command line says it."""
    for argument, key in KEYS.items():
        message = message.replace(argument, key)
    return message


def spell_in_keys(error: UserError) -> None:
    """Has an error say its message as the command line says it."""
    error.args = tuple(in_keys(message) for message in error.args)
    error.paragraphs = tuple(in_keys(paragraph) for paragraph in error.paragraphs)
