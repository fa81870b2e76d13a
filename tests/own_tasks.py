"""Objects of a caller's own: a bowl with a closed form, and what a command would train, for comparison."""

from itertools import islice

import torch
from hydra import compose, initialize_config_module
from torch import nn

from lrfind.config.validate import validated
from lrfind.tasks.build import build


class Bowl(nn.Module):
    """0.5 w^2 without noise: SGD gives w <- (1 - lr) w. Best at lr = 1, and beyond 2 it diverges."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor(1.0, dtype=torch.float64))

    def forward(self, x):
        return 0.5 * self.w**2 + 0 * x.sum()


class Built:
    """What a command would train with the first seed, its initial state included.

    Attributes:
        arguments: Model, optimizer, criterion and loader; the loader holds the command's first 100 batches.
        held_out: Fixed batches that are set apart from training.
    """

    def __init__(self, command, *words, schema, held_out=0):
        with initialize_config_module("lrfind.configs", version_base="1.3"):
            composed = compose(config_name=command, overrides=list(words))
        task = build(validated(composed, schema), validation_samples=held_out)
        self.held_out = task.validation
        loader = list(islice(task.afresh(), 100))
        self.arguments = (task.model, task.optimizer, task.objective.criterion, loader)
