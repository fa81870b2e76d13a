"""A command on several ranks: what does not work there, what rank 0 does, and what the others do."""

from __future__ import annotations

import dataclasses
import os
import tempfile
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrfind.config.schema import Distributed, Precision
from lrfind.errors import ConfigError, DeviceError, ExitCode
from lrfind.execution.environment import launched_ranks, local_rank, under_torchrun
from lrfind.report.record import plain
from lrfind.suggestion import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lrfind.cli.job import Job
    from lrfind.config.schema import TaskConfig
    from lrfind.report.observers import Observer
    from lrfind.report.output import Report, Show

_COMMANDS = ("range", "refine", "verify")
"""Those that work on several ranks."""


def ranks_asked_for(config: TaskConfig) -> int:
    """How many ranks a config asks for, or torchrun has started."""
    launched = launched_ranks()[1]
    if under_torchrun() and config.ranks not in (1, launched):
        raise ConfigError(
            f"ranks={config.ranks} contradicts torchrun, which has started {launched}: leave ranks out, or "
            "run lrfind without torchrun."
        )
    return max(launched, config.ranks)


def multirun_problems(config: TaskConfig) -> list[str]:
    """Why a config cannot be that of a job of a multirun."""
    ranks = ranks_asked_for(config)
    if ranks == 1:
        return []
    return [
        f"ranks={ranks}: the jobs of a multirun (-m) work in one process each so far: run one after another "
        "without -m, or leave ranks out."
    ]


def on_ranks(room: str, config: Any, directory: Path, observer: Observer) -> Report | None:
    """The report of a command on several ranks; None where this is not rank 0."""
    rank, launched = launched_ranks()
    config = dataclasses.replace(config, ranks=ranks_asked_for(config))
    problems = _problems(room.removesuffix("_test"), config)
    if problems:
        raise ConfigError(*problems)
    config = _simplified(config)
    backend = _backend(config)
    from lrfind.execution.collective import collective_timeout
    from lrfind.execution.ranks import of_torchrun, started

    collective_timeout()  # what is wrong with it is said before anything is started
    arguments = plain(config)
    if launched > 1:
        ranks = of_torchrun(backend=backend, arguments=arguments)
    else:
        ranks = started(
            config.ranks,
            partial(_work, room, config),
            backend=backend,
            arguments=arguments,
            give_up=_give_up,
        )
    with ranks as joined:
        if rank:
            _work(room, config)
            return None
        report: Report = import_module(f"lrfind.{room}.command").run(config, directory, observer)
        skipped = report.findings.skipped
        if report.findings.status is Status.INTERRUPTED:
            joined.left = True  # the others are in the middle of a step
        else:
            skipped = joined.union(skipped)
    about = {
        "count": config.ranks,
        "distributed": config.distributed.value,
        "global_batch_size": config.global_batch_size,
    }
    own = {**report.findings.own, "ranks": about}
    findings = dataclasses.replace(report.findings, skipped=skipped, own=own)
    return dataclasses.replace(report, findings=findings)


def _work(room: str, config: Any) -> None:
    """What every rank but the first does: the same work, of which nothing is kept."""
    from lrfind.execution.distributed import joined_ranks
    from lrfind.report.observers import Nobody

    _backend(config)  # and with it the GPU of this rank
    config = _without_saving(config)
    with tempfile.TemporaryDirectory(prefix="lrfind-") as folder:
        report: Report = import_module(f"lrfind.{room}.command").run(config, Path(folder), Nobody())
    ranks = joined_ranks()
    assert ranks is not None
    ranks.union(report.findings.skipped)


def _problems(command: str, config: Any) -> list[str]:
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from lrfind.tasks.frameworks import framework_of

    said = f"ranks={config.ranks}:"
    problems: list[str] = []
    if command not in _COMMANDS:
        problems.append(
            f"{said} {command} works in one process so far; {', '.join(_COMMANDS)} work on several ranks. "
            f"Run lrfind {command} without ranks and without torchrun."
        )
    if HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN:
        problems += multirun_problems(config)
    framework = framework_of(config.model)[0]
    if framework is not None:
        problems.append(
            f"{said} model={framework} works in one process on the command line; in Python range_test, "
            "refine and verify work on every rank of a process group."
        )
    if config.compile:
        problems.append(f"{said} a compiled model works in one process so far: use compile=false.")
    if config.distributed is Distributed.FSDP and config.precision is Precision.FP16:
        problems.append(
            "distributed=fsdp: its gradients cannot be scaled for precision=fp16 here: use precision=bf16 or "
            "distributed=ddp."
        )
    if config.distributed is Distributed.FSDP and config.channels_last:
        problems.append(
            "distributed=fsdp: torch shards contiguous parameters only: use channels_last=false or "
            "distributed=ddp."
        )
    if config.device == "mps" or config.device.startswith("cuda:"):
        problems.append(
            f"{said} each rank takes a device of its own, and device={config.device} is one: use device=cuda "
            "for a GPU each (CUDA_VISIBLE_DEVICES chooses which), or device=cpu."
        )
    settings = getattr(config, "range", None)
    if settings is not None and settings.groups.value == "each":
        problems.append(
            f"{said} groups are swept one by one in one process so far: use range.groups=ratio, or leave "
            "ranks out."
        )
    verify = getattr(config, "verify", None)
    if verify is not None and verify.resume is not None:
        problems.append(
            f"{said} verify.resume goes on with the runs of a launcher, each in one process: leave ranks out."
        )
    refine = getattr(config, "refine", None)
    if refine is not None and refine.strategy.value == "stacked":
        problems.append(
            f"{said} seeds and rates are not trained side by side on ranks: use refine.strategy=auto."
        )
    if refine is not None and refine.resume is not None and config.distributed is Distributed.FSDP:
        problems.append(
            "distributed=fsdp: each rank has a part of the model alone, so a sweep is not saved and cannot "
            "be taken up: use distributed=ddp, or leave refine.resume out."
        )
    return problems


def _simplified(config: Any) -> Any:
    """The config with what ranks leave no choice about."""
    if config.distributed is Distributed.AUTO:
        config = dataclasses.replace(config, distributed=Distributed.DDP)
    refine = getattr(config, "refine", None)
    if refine is None:
        return config
    refine = dataclasses.replace(refine, strategy=type(refine.strategy)("sequential"))
    config = dataclasses.replace(config, refine=refine)
    return _without_saving(config) if config.distributed is Distributed.FSDP else config


def _without_saving(config: Any) -> Any:
    """The config with which a sweep leaves no state: that of rank 0 serves all, where each has the model."""
    refine = getattr(config, "refine", None)
    if refine is None:
        return config
    return dataclasses.replace(config, refine=dataclasses.replace(refine, save_every=None))


def _backend(config: TaskConfig) -> str:
    """What the model's collectives go over; on GPUs this rank takes its own."""
    import torch

    wanted = config.device in ("auto", "cuda") and torch.cuda.is_available()
    if not wanted:
        if config.device == "cuda":
            raise DeviceError("device=cuda is not there: torch sees no GPU. Use device=cpu.")
        return "gloo"
    here = int(os.environ.get("LOCAL_WORLD_SIZE", config.ranks))
    count = torch.cuda.device_count()
    if count < here:
        raise DeviceError(
            f"ranks={config.ranks} needs a GPU for each rank, and this machine has {count} for {here}: use "
            f"ranks={count}, or device=cpu."
        )
    torch.cuda.set_device(local_rank())
    return "cpu:gloo,cuda:nccl"


def _give_up(message: str, interrupted: bool) -> None:
    from lrfind.report import console

    console.error(message)
    os._exit(ExitCode.INTERRUPTED if interrupted else ExitCode.UNUSABLE)


def launch_beside_rank_0(command: str, words: Sequence[str], job: Job, show: Show) -> int:
    """Runs a command on a rank of torchrun's that is not the first: it writes nothing.

    It ends with 0 however it ended: as soon as one rank fails torchrun ends the others, and rank 0 is to say
    why.
    """
    from lrfind.cli.app import launch

    with tempfile.TemporaryDirectory(prefix="lrfind-") as folder:
        launch(command, [*words, f"hydra.run.dir={folder}", "hydra.output_subdir=null"], job, show)
    return 0
