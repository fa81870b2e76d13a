"""Tasks whose training can be written down: of the loss 0.5 a w^2 SGD makes w <- (1 - lr a) w."""

import torch
from torch import nn

CPU = torch.device("cpu")


class Quadratic(nn.Module):
    """The sum of 0.5 a w^2 over the curvatures a, in float64; it returns its loss, times the batch's mean."""

    def __init__(self, *curvatures, start=1.0):
        super().__init__()
        self.curvatures = curvatures or (1.0,)
        self.weights = nn.ParameterList(
            nn.Parameter(torch.tensor(start, dtype=torch.float64)) for _ in self.curvatures
        )

    @property
    def w(self):
        """The first of the weights."""
        return self.weights[0]

    def forward(self, factor):
        return factor.mean() * sum(
            0.5 * a * w * w for a, w in zip(self.curvatures, self.weights, strict=True)
        )


# The same for the command line: a module that `own("bowl", BOWL)` writes, and the words that
# name it. Best at a rate of 1; beyond 2 it diverges.
BOWL = """
import torch
class Bowl(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
    def forward(self, x): return 0.5 * self.w ** 2 + 0 * x.sum()
def data(): return torch.utils.data.TensorDataset(torch.zeros(40, 1, dtype=torch.float64))
class Stream(torch.utils.data.IterableDataset):
    def __iter__(self): return iter(torch.zeros(10000, 1, dtype=torch.float64))
"""
ON_BOWL = (
    "model=custom", "model._target_=bowl.Bowl", "data=custom", "data._target_=bowl.data", "trust=[bowl]",
    "criterion=from_model", "batch_size=4", "optimizer=custom", "optimizer._target_=torch.optim.SGD",
)  # fmt: skip

# What is not finite before any update: `own("holes", HOLES)`, and a loss.
HOLES = """
import torch
def data():
    x = torch.full((100, 4), float("nan"))
    return torch.utils.data.TensorDataset(x, torch.zeros(100, dtype=torch.long))
def net(): return torch.nn.Linear(4, 2)
"""
NAN_LOSS = """
import torch
class Loss(torch.nn.Module):
    def forward(self, outputs, target): return outputs.sum() * float('nan')
"""
