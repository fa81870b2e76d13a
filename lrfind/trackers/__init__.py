"""Trackers of experiments, as callbacks of Hydra: `hydra/callbacks=tensorboard|mlflow|wandb`, or a list."""

from lrfind.trackers.mlflow import MLflow
from lrfind.trackers.tensorboard import TensorBoard
from lrfind.trackers.wandb import WandB

__all__ = ["MLflow", "TensorBoard", "WandB"]
