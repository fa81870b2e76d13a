"""A schedule as a scheduler of torch: it moves the rates of an optimizer, group by group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.optim.lr_scheduler import LRScheduler

from lrfind.errors import UserError
from lrfind.schedules.schedule import Schedule, schedule
from lrfind.training.optimizer import set_momentum

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from lrfind.schedules.policy import Policy


class PolicyLR(LRScheduler):
    """Gives the fastest parameter group the rates of a schedule; the others keep their ratio to it.

    Where the policy moves the momentum, groups with a `momentum` or with `betas` get that, too. As with
    torch's own schedulers, `step()` belongs after every update, and the state is what `state_dict` says: the
    schedule itself is given again when training goes on.

    Args:
        optimizer: Its groups' rates set the ratio.
        schedule: The schedule.
        last_epoch: Updates that were made before, less one; -1 begins.
    """

    def __init__(self, optimizer: Optimizer, schedule: Schedule, last_epoch: int = -1) -> None:
        self.schedule = schedule
        _fastest(optimizer)  # says what is wrong before anything is changed
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates of the next update, one a group; sets the momentum on the way, as OneCycleLR does."""
        fastest = max(float(base) for base in self.base_lrs)
        rate = self.schedule.rate(self.last_epoch)
        momentum = self.schedule.momentum(self.last_epoch)
        if momentum is not None:
            set_momentum(self.optimizer, momentum)
        return [rate * (base / fastest) for base in self.base_lrs]

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` needs: plain values only."""
        return {key: value for key, value in super().state_dict().items() if key != "schedule"}


def scheduler(
    optimizer: Optimizer,
    policy: str | Policy | Schedule,
    *,
    num_steps: int | None = None,
    lr: float | None = None,
    **parameters: Any,
) -> PolicyLR:
    """Makes a scheduler of torch from a policy.

    Args:
        optimizer: Its parameter groups keep the ratio of their rates; the fastest one follows the policy.
        policy: Its name, or a whole schedule, and then nothing else.
        num_steps: Updates of the training; required with a name.
        lr: The peak rate; None: that of the fastest group.
        **parameters: What the policy takes, as for `lrfind.policies.schedule`.

    Raises:
        UserError: Something cannot be used as given.
    """
    if isinstance(policy, Schedule):
        if num_steps is not None or lr is not None or parameters:
            raise UserError("a whole schedule says everything: give it alone, or the name of a policy.")
        return PolicyLR(optimizer, policy)
    if num_steps is None:
        raise UserError("num_steps is required: the number of updates of the training.")
    peak = _fastest(optimizer) if lr is None else lr
    return PolicyLR(optimizer, schedule(policy, lr=peak, num_steps=num_steps, **parameters))


def _fastest(optimizer: Optimizer) -> float:
    """The largest rate among the groups, as it was before any scheduler."""
    rate = max(float(group.get("initial_lr", group["lr"])) for group in optimizer.param_groups)
    if not rate > 0:
        raise UserError(f"an optimizer with a rate greater than 0 is needed, got {rate:g}.")
    return rate
