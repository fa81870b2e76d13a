"""What a value must satisfy beyond its type; each problem names the key, the rule and what came."""

from __future__ import annotations

import math
import re
from typing import Any

from lrfind.compare.config import CompareConfig, problems_of_compare
from lrfind.config.schema import RangeConfig, RangeSettings, RefineConfig, RefineSettings, Restart, TaskConfig
from lrfind.range_test.ladder import Spacing
from lrfind.refine.segments import around, rounds_of
from lrfind.schedule.config import ScheduleConfig, schedule_problems
from lrfind.verify.config import VerifyConfig, problems_of_verify

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def problems_of(config: Any) -> list[str]:
    """All that is wrong with the values of a config, one sentence or two each."""
    problems: list[str] = []
    if isinstance(config, TaskConfig):
        problems += _task(config)
    if isinstance(config, RangeConfig):
        problems += _range(config.range)
    if isinstance(config, RefineConfig):
        problems += _refine(config.refine)
        if config.seed + config.refine.seeds > 2**32:
            problems.append("refine.seeds counts on from seed, and must stay below 2^32.")
    if isinstance(config, VerifyConfig):
        problems += problems_of_verify(config)
    if isinstance(config, ScheduleConfig):
        problems += schedule_problems(config.schedule)
        if config.seed + (config.schedule.seeds or 0) > 2**32:
            problems.append("schedule.seeds counts on from seed, and must stay below 2^32.")
    if isinstance(config, CompareConfig):
        problems += problems_of_compare(config)
    return problems


def _task(config: TaskConfig) -> list[str]:
    problems = []
    if not _DEVICE.fullmatch(config.device):
        problems.append(f"device must be auto, cpu, cuda, cuda:N or mps, got {config.device!r}.")
    problems += _at_least(1, batch_size=config.batch_size, accumulation_steps=config.accumulation_steps)
    problems += _at_least(0, seed=config.seed)
    if config.seed >= 2**32:
        problems.append(f"seed must be below 2^32, which is what NumPy takes, got {config.seed}.")
    if config.num_workers is not None:
        problems += _at_least(0, num_workers=config.num_workers)
    if config.clip_grad_norm is not None and not 0 < config.clip_grad_norm < math.inf:
        problems.append(f"clip_grad_norm must be greater than 0, or null, got {config.clip_grad_norm}.")
    return problems


def _range(range_: RangeSettings) -> list[str]:
    problems = _at_least(2, **{"range.num_steps": range_.num_steps})
    for key, rate in (("range.start_lr", range_.start_lr), ("range.end_lr", range_.end_lr)):
        if not math.isfinite(rate):
            problems.append(f"{key} must be finite, got {rate}.")
    lowest_ok = range_.start_lr > 0 or (range_.start_lr == 0 and range_.spacing is Spacing.LINEAR)
    if not lowest_ok:
        bound = "greater than 0" if range_.spacing is Spacing.GEOMETRIC else "0 or greater"
        problems.append(
            f"range.start_lr must be {bound} on a {range_.spacing.value} ladder, got {range_.start_lr:g}."
        )
    if range_.start_lr >= range_.end_lr:
        problems.append(
            f"range.end_lr must be greater than range.start_lr, got start {range_.start_lr:g} and end "
            f"{range_.end_lr:g}."
        )
    if not 0 <= range_.beta < 1:
        problems.append(f"range.beta must be at least 0 and below 1, got {range_.beta:g}.")
    if range_.stop_factor is not None and not range_.stop_factor > 1:
        problems.append(
            f"range.stop_factor must be greater than 1, or null for never, got {range_.stop_factor:g}."
        )
    for key, skipped in (("range.skip_start", range_.skip_start), ("range.skip_end", range_.skip_end)):
        if skipped is not None:
            problems += _at_least(0, **{key: skipped})
            if skipped >= range_.num_steps >= 2:
                problems.append(
                    f"{key} must be less than range.num_steps={range_.num_steps}, or nothing is left to "
                    f"read; got {skipped}."
                )
    problems += _at_least(1, **{"range.repeats": range_.repeats})
    problems += _at_least(0, **{"range.validation.samples": range_.validation.samples}) + _at_least(
        1, **{"range.validation.every": range_.validation.every}
    )
    return problems


def _refine(refine: RefineSettings) -> list[str]:
    problems = _at_least(
        1,
        **{
            "refine.iterations": refine.iterations,
            "refine.subset": refine.subset,
            "refine.seeds": refine.seeds,
        },
    )
    if refine.around is None:
        try:
            given = len(rounds_of(refine.segments))
        except ValueError as error:
            problems.append(f"refine.segments: {error}.")
        else:
            if refine.rounds is not None and 1 <= refine.rounds < given:
                problems.append(
                    f"refine.rounds is {refine.rounds}, and refine.segments gives {given} rounds: leave "
                    "refine.rounds at null, or give fewer."
                )
    elif refine.iterations >= 1:
        try:
            around(refine.around, refine.iterations)
        except ValueError:
            problems.append(f"refine.around must be greater than 0 and finite, got {refine.around:g}.")
    if refine.rounds is not None:
        problems += _at_least(1, **{"refine.rounds": refine.rounds})
    if refine.save_every is not None and not refine.save_every >= 0:
        problems.append(
            f"refine.save_every must be at least 0, or null for never, got {refine.save_every:g}."
        )
    if refine.halving and refine.restart is Restart.FALSE:
        problems.append("refine.halving needs refine.restart=true: a continued sweep cannot drop a rate.")
    return problems


def _at_least(least: int, **values: int) -> list[str]:
    return [f"{key} must be at least {least}, got {value}." for key, value in values.items() if value < least]
