"""The task of a config as a caller's own objects, so that Python and a command can be held side by side."""

from itertools import islice

from hydra import compose, initialize_config_module

from lrfind.config.validate import validated
from lrfind.tasks.build import build


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
