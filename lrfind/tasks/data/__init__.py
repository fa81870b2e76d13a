"""Data sets by name, the address that saved configs give: `lrfind.tasks.data.digits` and the like."""

from lrfind.tasks.data.named import (
    cifar10,
    curve,
    digits,
    dogbreed,
    fashion_mnist,
    from_model,
    imagefolder,
    mnist,
)

__all__ = ["cifar10", "curve", "digits", "dogbreed", "fashion_mnist", "from_model", "imagefolder", "mnist"]
