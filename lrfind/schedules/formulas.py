"""The formulas of the policies, each a pure function from a step to a rate; the batch-size rules.

Steps count from 0: the rate at step `i` is that of update `i`, so a training of `num_steps` updates uses the
steps 0 to `num_steps - 1`. Where a policy has an end, it stays there at `num_steps` and after. Parameters
bear the names of torch's schedulers; what they may be stands in the class of the policy
(`falling`, `rising`), and is checked where a schedule is planned.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def fixed(i: int, *, lr: float) -> float:
    """The same rate throughout: lr.

    Source: Caffe's `fixed`; ai-edu, section 12.3.3.
    """
    del i
    return lr


def step(i: int, *, lr: float, gamma: float, step_size: int) -> float:
    """A drop every `step_size` steps: lr * gamma^floor(i / step_size).

    Source: Caffe's `step`; ai-edu, section 12.3.3; torch's StepLR.
    """
    return lr * gamma ** (i // step_size)


def multistep(i: int, *, lr: float, gamma: float, milestones: Sequence[int]) -> float:
    """A drop at each of the milestones, which rise: lr * gamma^(number of milestones that are <= i).

    Source: Caffe's `multistep`; ai-edu, section 12.3.3; torch's MultiStepLR.
    """
    return lr * gamma ** bisect_right(milestones, i)


def exp(i: int, *, lr: float, gamma: float) -> float:
    """A drop at every step: lr * gamma^i.

    Source: Caffe's `exp`; ai-edu, section 12.3.3; torch's ExponentialLR.
    """
    return float(lr * gamma**i)


def inv(i: int, *, lr: float, gamma: float, power: float = 0.5) -> float:
    """A power of the inverse of the step: lr / (1 + gamma * i)^power.

    Far out it falls like 1 / sqrt(i) with power 0.5, like 1 / i with power 1.

    Source: Caffe's `inv`; ai-edu, section 12.3.3.
    """
    return float(lr * (1 + gamma * i) ** -power)


def poly(i: int, *, lr: float, num_steps: int, power: float = 0.9) -> float:
    """A power of what is left to do: lr * (1 - i / num_steps)^power; power 1 is a straight line to 0.

    Source: Caffe's `poly`; ai-edu, section 12.3.3; torch's PolynomialLR.
    """
    return float(lr * (1 - min(i, num_steps) / num_steps) ** power)


def linear(i: int, *, lr: float, num_steps: int, end_factor: float = 0.0) -> float:
    """A straight line to a share of the first rate: lr * (1 + (end_factor - 1) * i / num_steps).

    Source: torch's LinearLR.
    """
    return lr * (1 + (end_factor - 1) * min(i, num_steps) / num_steps)


def cosine(
    i: int,
    *,
    lr: float,
    num_steps: int,
    warmup_steps: int = 0,
    start_factor: float = 0.01,
    eta_min: float = 0.0,
) -> float:
    """Half a cosine after a warm-up: eta_min + (lr - eta_min) * (1 + cos(pi * t)) / 2.

    t = (i - warmup_steps) / (num_steps - warmup_steps); before that the rate rises in a straight line from
    `start_factor * lr` to `lr`.

    Source: Loshchilov and Hutter, SGDR, arXiv 1608.03983, equation 5, one period; torch's CosineAnnealingLR.
    The warm-up: Goyal et al., arXiv 1706.02677, section 2.2; torch's LinearLR.
    """
    if i < warmup_steps:
        return _warmup(i, lr, warmup_steps, start_factor)
    share = (min(i, num_steps) - warmup_steps) / (num_steps - warmup_steps)
    return eta_min + (lr - eta_min) * (1 + math.cos(math.pi * share)) / 2


def one_cycle(
    i: int,
    *,
    lr: float,
    num_steps: int,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> float:
    """One rise to the peak and one fall far below the start: Smith's 1cycle as torch has it.

    The rate goes from lr / div_factor at step 0 to lr at pct_start * num_steps - 1, then down to
    lr / div_factor / final_div_factor at num_steps - 1, along half a cosine ("cos") or a line ("linear").

    Source: Smith and Topin, Super-Convergence, arXiv 1708.07120; torch's OneCycleLR with two phases.
    """
    first = lr / div_factor
    rising, share = _phase(i, num_steps, pct_start)
    ends = (first, lr) if rising else (lr, first / final_div_factor)
    return _between(*ends, share, anneal_strategy)


def one_cycle_momentum(
    i: int,
    *,
    num_steps: int,
    pct_start: float = 0.3,
    anneal_strategy: str = "cos",
    base_momentum: float = 0.85,
    max_momentum: float = 0.95,
) -> float:
    """The momentum of `one_cycle`, which moves against the rate: lowest where the rate is highest.

    Source: Smith, arXiv 1803.09820; torch's OneCycleLR.
    """
    rising, share = _phase(i, num_steps, pct_start)
    ends = (max_momentum, base_momentum) if rising else (base_momentum, max_momentum)
    return _between(*ends, share, anneal_strategy)


def cyclic(i: int, *, base_lr: float, max_lr: float, step_size_up: int) -> float:
    """Triangles between two rates: base_lr + (max_lr - base_lr) * max(0, 1 - x).

    x = |i / step_size_up - 2 * cycle + 1| with cycle = floor(1 + i / (2 * step_size_up)).

    Source: Smith, arXiv 1506.01186, section 3.1 (`triangular`); torch's CyclicLR.
    """
    cycle = math.floor(1 + i / (2 * step_size_up))
    x = abs(i / step_size_up - 2 * cycle + 1)
    return base_lr + (max_lr - base_lr) * max(0.0, 1 - x)


def wsd(
    i: int,
    *,
    lr: float,
    num_steps: int,
    warmup_steps: int = 0,
    decay_steps: int = 0,
    start_factor: float = 0.01,
    end_factor: float = 0.0,
) -> float:
    """Warm-up, stable, decay: lr between a straight rise and a straight fall.

    The rise is that of `cosine`. The last `decay_steps` steps fall:
    lr * (end_factor + (1 - end_factor) * (num_steps - i) / decay_steps).

    Source: Hu et al., MiniCPM, arXiv 2404.06395, section 4; its decay is an exponential one. The linear
    decay: Hägele et al., arXiv 2405.18392, section 3.
    """
    if i < warmup_steps:
        return _warmup(i, lr, warmup_steps, start_factor)
    if not decay_steps or i <= num_steps - decay_steps:
        return lr
    left = max(num_steps - i, 0) / decay_steps
    return lr * (end_factor + (1 - end_factor) * left)


def linear_rule(lr: float, batch_size: int, new_batch_size: int) -> float:
    """The rate for another batch size, in proportion to it: lr * new_batch_size / batch_size.

    Source: Goyal et al., arXiv 1706.02677, section 2.1.
    """
    return lr * new_batch_size / batch_size


def sqrt_rule(lr: float, batch_size: int, new_batch_size: int) -> float:
    """The rate for another batch size, in proportion to its root: lr * sqrt(new_batch_size / batch_size).

    Source: Krizhevsky, arXiv 1404.5997; Hoffer et al., arXiv 1705.08741.
    """
    return lr * math.sqrt(new_batch_size / batch_size)


def _warmup(i: int, lr: float, warmup_steps: int, start_factor: float) -> float:
    return lr * (start_factor + (1 - start_factor) * i / warmup_steps)


def _phase(i: int, num_steps: int, pct_start: float) -> tuple[bool, float]:
    """Whether a cycle still rises, and how much of the phase has passed."""
    # torch takes a step off both phases, and so does what is to equal it.
    peak = pct_start * num_steps - 1
    if i <= peak:
        return True, i / peak
    return False, (min(i, num_steps - 1) - peak) / (num_steps - 1 - peak)


def _between(start: float, end: float, share: float, anneal_strategy: str) -> float:
    if anneal_strategy == "cos":
        return end + (start - end) / 2 * (1 + math.cos(math.pi * share))
    return start + (end - start) * share
