"""What two ranks do and see; `test_distributed.py` runs it and reads what each wrote into the folder.

python -m tests.execution.rank_scenarios FOLDER
"""

import json
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from lrfind import compare, range_test, refine, verify
from tests.two_ranks import RANKS, fork

BATCH, BATCHES, STEPS = 8, 12, 30
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.1),
}


def network(*, norm=False):
    torch.manual_seed(0)
    middle = nn.BatchNorm1d(16) if norm else nn.Tanh()
    return nn.Sequential(nn.Linear(6, 16), middle, nn.Linear(16, 3)).double()


def batches(rank=None):
    """Batches of one rank, or with those of all ranks put together."""
    torch.manual_seed(1)
    x = torch.randn(BATCHES, RANKS, BATCH, 6, dtype=torch.float64)
    y = (x[..., :3] + 0.5 * torch.randn_like(x[..., :3])).argmax(-1)
    if rank is None:
        return list(zip(x.flatten(1, 2), y.flatten(1, 2), strict=True))
    return list(zip(x[:, rank], y[:, rank], strict=True))


def train(model, optimizer, loader):
    for x, y in loader:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def local_state(model, optimizer):
    """Every bit of what this rank has of parameters, gradients and the optimizer's state."""
    states = [value for state in optimizer.state.values() for value in state.values()]
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    tensors = [*model.parameters(), *gradients, *states]
    local = [each.to_local() if hasattr(each, "to_local") else each for each in tensors]
    return [each.detach().numpy().tobytes().hex() for each in local]


def run(model, loader, *, optimizer="sgd", made=None, criterion=None, **options):
    """What a range test found, as plain values."""
    options = {
        "start_lr": 1e-3,
        "end_lr": 1.0,
        "num_steps": STEPS,
        "stop_factor": None,
        "repeats": 1,
    } | options
    made = made or OPTIMIZERS[optimizer](model.parameters())
    found = range_test(model, made, criterion or nn.CrossEntropyLoss(), loader, **options)
    curve = found.curve
    return {
        "losses": curve.losses.tolist(),
        "starts": [] if curve.start_losses is None else curve.start_losses.tolist(),
        "accuracies": [] if curve.accuracies is None else curve.accuracies.tolist(),
        "validation": [] if curve.validation_losses is None else curve.validation_losses[::10].tolist(),
        "status": curve.status.value,
        "bad_batch": curve.bad_batch,
        "lr": None if found.suggestion is None else found.suggestion.lr,
        "verdict": found.verdict,
    }


SEGMENTS = [{"start": 0.1, "stop": 0.5, "step": 0.1, "iterations": 4}]
REFINED = {
    "refine": {"seeds": 2, "segments": SEGMENTS},
    "refine read": {"read": True, "steps_per_iteration": 2, "segments": SEGMENTS},
    "refine restart": {"restart": True, "halving": True, "segments": SEGMENTS},
}
VERIFIED = {
    "verify": {"around": 0.3, "steps": 20, "seeds": 2},
    "verify epochs": {"steps": "2 epochs", "schedule": "cosine", "seeds": 1},
}


def plain(found):
    """What refine or verify found, as plain values: the last column of its table, beside its answer."""
    columns, *rows = (line.split(",") for line in found._csv().splitlines())
    lr = None if found.suggestion is None else found.suggestion.lr
    return {"columns": columns, "rows": rows, "lr": lr, "verdict": found.verdict}


def refined(model, loader, *, made=None, criterion=None, read=False, **options):
    """What a sweep of one round found."""
    made = made or OPTIMIZERS["momentum"](model.parameters())
    on = loader[:2] if read else None
    return plain(
        refine(model, made, criterion or nn.CrossEntropyLoss(), loader, rounds=1, read=on, **options)
    )


def verified(model, loader, *, made=None, criterion=None, **options):
    """What a search found."""
    made = made or OPTIMIZERS["momentum"](model.parameters())
    return plain(verify(model, made, criterion or nn.CrossEntropyLoss(), loader[2:], loader[:2], **options))


def ended(call):
    """How a call ended, and after how many seconds."""
    began = time.monotonic()
    try:
        call()
    except (Exception, KeyboardInterrupt) as error:
        return {"error": type(error).__name__, "message": str(error), "seconds": time.monotonic() - began}
    return {"error": None, "message": "", "seconds": time.monotonic() - began}


class Broken(list):
    """Batches that end in an error."""

    def __iter__(self):
        yield from super().__iter__()
        raise OSError("no file")


class BrokenGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise ValueError("no gradient")


class Faulty(nn.CrossEntropyLoss):
    """A loss that does something else at one of its calls."""

    def __init__(self, at, act):
        super().__init__()
        self.calls, self.at, self.act = 0, at, act

    def forward(self, outputs, target):
        self.calls += 1
        loss = super().forward(outputs, target)
        return self.act(loss) if self.calls == self.at else loss


def fail(loss):
    raise ValueError("no loss")


def interrupt(loss):
    signal.raise_signal(signal.SIGINT)
    return loss


def steep(rank):
    """Batches of a linear regression; those of rank 1 have inputs so large that it diverges early."""
    torch.manual_seed(2 + rank)
    x = torch.randn(BATCHES, BATCH, 6, dtype=torch.float64) * (1 + 4 * rank)
    return list(zip(x, x.sum(-1, keepdim=True), strict=True))


def line():
    torch.manual_seed(0)
    return nn.Linear(6, 1).double()


def main(rank, folder):
    own = batches(rank)
    stop = {"criterion": nn.MSELoss(), "stop_factor": 4.0, "end_lr": 10.0}
    report = {
        "alone": run(network(), own, metric="accuracy"),
        "alone, steep": run(line(), steep(rank), **stop),
    }
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/store",
        rank=rank,
        world_size=RANKS,
        timeout=timedelta(seconds=60),
    )
    for name in OPTIMIZERS:
        model = DistributedDataParallel(network())
        before = [p.clone() for p in model.parameters()]
        report[name] = run(
            model, own, optimizer=name, metric="accuracy", validation=own[:2], clip_grad_norm=0.5
        )
        assert all(map(torch.equal, before, model.parameters()))
        model = network()
        fully_shard(model, reshard_after_forward=True)
        made = OPTIMIZERS[name](model.parameters())
        train(model, made, own[:3])
        before = local_state(model, made)
        report[f"sharded {name}"] = run(
            model, own, made=made, metric="accuracy", validation=own[:2], clip_grad_norm=0.5
        )
        report[f"restored {name}"] = local_state(model, made) == before
    for name, work, options in [
        *((name, refined, options) for name, options in REFINED.items()),
        *((name, verified, options) for name, options in VERIFIED.items()),
    ]:
        report[name] = work(DistributedDataParallel(network()), own, **options)
        model = network()
        fully_shard(model, reshard_after_forward=True)
        made = OPTIMIZERS["momentum"](model.parameters())
        before = local_state(model, made)
        report[f"sharded {name}"] = work(model, own, made=made, **options)
        report[f"restored {name}"] = local_state(model, made) == before
    one_tells = {"accumulation_steps": 2, "progress": rank == 0}
    report["accumulated"] = run(DistributedDataParallel(network()), own, **one_tells)
    report["repeats"] = run(DistributedDataParallel(network()), own, repeats=2)
    report["plain"] = run(network(), own, metric="accuracy")
    report["steep"] = run(line(), steep(rank), **stop)

    bad = [(x * float("nan"), y) if rank == 1 and i == 5 else (x, y) for i, (x, y) in enumerate(own)]
    report["nan"] = run(DistributedDataParallel(network()), bad, paired=False)

    def normed(loader=own, **options):
        return ended(lambda: run(DistributedDataParallel(network(norm=True)), loader, **options))

    for guilty in range(RANKS):
        here = rank == guilty
        report[f"batch {guilty}"] = normed(Broken(own[:4]) if here else own)
        worse = [(x[:, :5], y) if here and i == 3 else (x, y) for i, (x, y) in enumerate(own)]
        report[f"model {guilty}"] = normed(worse)
        report[f"loss {guilty}"] = normed(criterion=Faulty(8 if here else 0, fail))
        report[f"interrupt {guilty}"] = normed(criterion=Faulty(8 if here else 0, interrupt))
    report["arguments"] = normed(num_steps=STEPS + rank)
    for name, work in (("refine", refined), ("verify", verified)):
        for guilty in range(RANKS):
            for what, act in (("loss", fail), ("interrupt", interrupt)):
                faulty = Faulty(8 if rank == guilty else 0, act)
                report[f"{name} {what} {guilty}"] = ended(
                    lambda work=work, faulty=faulty: work(
                        DistributedDataParallel(network()), own, criterion=faulty
                    )
                )
        report[f"{name} arguments"] = ended(lambda work=work: work(network(), own, seeds=1 + rank))
    report["compare"] = ended(
        lambda: compare(line(), OPTIMIZERS["sgd"](line().parameters()), nn.MSELoss(), own, own, samples=64)
    )
    report["again"] = run(
        DistributedDataParallel(network()), own, metric="accuracy", validation=own[:2], clip_grad_norm=0.5
    )
    # Last, for one rank is left waiting inside the model's own collective until the other's process is gone.
    (folder / f"{rank}.json").write_text(json.dumps(report))
    report["backward"] = normed(criterion=Faulty(8 if rank == 1 else 0, BrokenGradient.apply))
    (folder / f"{rank}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    run(network(), batches(), num_steps=2)  # imports what is left
    sys.exit(fork(main, Path(sys.argv[1])))
