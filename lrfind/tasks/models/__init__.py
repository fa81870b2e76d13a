"""Models by name, the address that saved configs give: `lrfind.tasks.models.mlp` and the like."""

from lrfind.tasks.models.networks import cnn, curve_mlp, mlp, mnist_mlp
from lrfind.tasks.models.timm import timm_model
from lrfind.tasks.models.torchvision import torchvision_model

__all__ = ["cnn", "curve_mlp", "mlp", "mnist_mlp", "timm_model", "torchvision_model"]
