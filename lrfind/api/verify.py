"""Short runs around a learning rate for Python: on a model, an optimizer and a loader of one's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lrfind.api.arguments import (
    for_python,
    in_arguments,
    of_arguments,
    plain_arguments,
    refuse_problems,
)
from lrfind.api.caller import Caller
from lrfind.api.result import Result, content_of
from lrfind.config.schema import Precision
from lrfind.errors import UserError
from lrfind.execution.distributed import all_ranks
from lrfind.range_test.config import RangeSettings
from lrfind.range_test.run import run_range_test
from lrfind.range_test.slower_sweep import AUTO_SWEEPS
from lrfind.report.load import horizon_of
from lrfind.schedules.peaks import named_peaks
from lrfind.suggestion import Status, Suggestion
from lrfind.tasks.own import OwnTraining
from lrfind.tasks.own_checks import batches_given, in_batches
from lrfind.tasks.own_runs import RepeatedTask, SeededTask
from lrfind.training.batch import num_samples
from lrfind.verify.candidates import Role
from lrfind.verify.config import VerifySettings
from lrfind.verify.plan import CONSTANT, DEFAULT_STEPS
from lrfind.verify.report import verify_csv, verify_record
from lrfind.verify.run import Runs, verify_rate
from lrfind.verify.target import Checked, announce_range_test, as_wanted, suggested

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import torch
    from torch import nn
    from torch.optim import Optimizer

    from lrfind.api.range_test import RangeTestResult
    from lrfind.api.refine import RefineResult
    from lrfind.plotting.page import Page
    from lrfind.plotting.panel import Panel
    from lrfind.report.observers import Observer
    from lrfind.training.objective import Criterion, Forward
    from lrfind.training.snapshot import Snapshot
    from lrfind.training.task import Task
    from lrfind.verify.judge import Judgement
    from lrfind.verify.run import Verified
    from lrfind.verify.search_run import VerifyStep


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class VerifyResult(Result):
    """Whether a learning rate holds against others.

    Attributes:
        found: What was measured, rate by rate and seed by seed, and what that says.
        title: What was trained, for the picture.
        content: The JSON record, as plain dicts and lists.
    """

    found: Verified
    title: str
    content: dict[str, Any]

    def __repr__(self) -> str:
        """Short: the suggestion, or that there is none, whether the rate holds, and the verdict."""
        found = "no suggestion" if self.suggestion is None else f"lr={self.suggestion.lr:g}"
        checked = self.found.checked.lr
        return f"VerifyResult({found}, checked={checked}, holds={self.holds}, verdict={self.verdict!r})"

    @property
    def suggestion(self) -> Suggestion | None:
        """The rate to take; None where there is none."""
        return self.found.conclusion.suggestion

    @property
    def verdict(self) -> str:
        """Whether the rate holds, and what to do, in a sentence or two."""
        return self.found.conclusion.verdict

    @property
    def judgement(self) -> Judgement | None:
        """Every rate's mean, spread and distance from the best; None where there was no rate to run."""
        return self.found.judgement

    @property
    def holds(self) -> bool | None:
        """Whether the rate holds; None where nothing can be said."""
        return None if self.judgement is None else self.judgement.holds

    def _page(self) -> Page:
        from lrfind.verify.plot import verify_page

        return verify_page(self.found.trials, self.judgement, self.title)

    def _panel(self) -> Panel:
        from lrfind.verify.ends_plot import ends_panel

        assert self.found.trials is not None
        return ends_panel(self.found.trials, self.judgement)

    def _csv(self) -> str:
        return verify_csv(self.found.trials)


@for_python
def verify(
    model: nn.Module,
    optimizer: Optimizer,
    criterion: Criterion | None,
    loader: Iterable[Any],
    held_out: Iterable[Any],
    *,
    around: float | Suggestion | RangeTestResult | RefineResult | None = None,
    lr: float | None = None,
    steps: int | str = DEFAULT_STEPS,
    schedule: str = CONSTANT,
    budget: int | None = None,
    seeds: int = 3,
    margin: float = 0.1,
    initialise: Callable[[nn.Module], None] | None = None,
    batch_size: int | None = None,
    accumulation_steps: int = 1,
    clip_grad_norm: float | None = None,
    precision: Precision | str = Precision.FP32,
    scaler: torch.amp.GradScaler | None = None,
    forward: Forward | None = None,
    on_step: Callable[[VerifyStep], None] | None = None,
    progress: bool | None = None,
) -> VerifyResult:
    """Searches around a learning rate, and says whether it holds, or which one does.

    Within a seed all rates share initial weights, batches and random numbers. Everything is put back, as
    `range_test` says; on several ranks it is called as that is, and the held-out loss is the mean over them.

    Args:
        model: On the device it is to be trained on; batches are moved there.
        optimizer: Over its parameters. Groups keep the ratio of their rates.
        criterion: `criterion(model(inputs), target)`; None where the model, or `forward`, returns the loss.
        loader: Any iterable of batches: `(inputs, target, ...)` or a dict. It is started again for each rate,
            and its order begins again with it, so it may be no iterator.
        held_out: Fixed batches that are not trained on; by their loss, in eval mode, the rates are compared.
        around: The rate to check, or the suggestion or result that it comes from; None: what a range test of
            the same objects with the default settings suggests.
        lr: A rate that is in use already: is it still sensible?
        steps: Steps after which a rate is judged, or `"3 epochs"`.
        schedule: What the rate does meanwhile: `"constant"`, or a policy of `policies` with it as its peak.
        budget: The most training steps in all, a range test included; None: that of the range test and eight
            runs.
        seeds: The most seeds, for the noise. Random streams and the loader's generators
            are seeded with 0, 1, ... and `initialise` is called; for 1, without `initialise`, nothing is.
        margin: How much worse a rate may be, as a share of the drop from the initial to the best final loss.
        initialise: Draws initial weights; None: every seed begins with the weights that are given.
        batch_size: Samples a batch in place of the loader's own, which must then be a `DataLoader` of torch's
            own class, without a sampler of batches; None: as the loader has them.
        accumulation_steps: Batches a step.
        clip_grad_norm: Largest norm of the gradient; None: no limit.
        precision: `fp32`, `bf16` or `fp16`, by autocast.
        scaler: Your gradient scaler; None makes one where the precision is fp16.
        forward: `forward(model, batch)` in place of `model(inputs)`.
        on_step: Told how far it is, of the range test as well; an exception that it raises is passed on.
        progress: Whether to show how far it is, below a notebook's cell or on stderr. None: in a notebook.

    Returns:
        Whether the rate holds, the suggestion (None where there is none) and ways to write them down.

    Raises:
        UserError: An argument, the model, the optimizer or a batch cannot be used. It is a ValueError.
        KeyboardInterrupt: It was interrupted.
    """
    given = dict(locals())
    arguments = plain_arguments(given)
    loader = in_batches(loader, batch_size)
    named = around if isinstance(around, (int, float)) and not isinstance(around, bool) else None
    settings = VerifySettings(
        lr=lr, around=named, steps=steps, schedule=schedule, budget=budget, seeds=seeds, margin=margin
    )
    refuse_problems(settings)
    if isinstance(loader, Iterator):
        raise UserError(
            "the loader is an iterator, which gives each batch once: verify trains every rate from the same "
            "batches on. Give the DataLoader itself, or an object whose __iter__ makes a new iterator."
        )
    held_out = batches_given(held_out, "held_out")
    with all_ranks(arguments | {"around": repr(around)}) as ranks:
        own = of_arguments(OwnTraining, given, loader=loader)
        task = own.task(validation=held_out, validation_name="held_out", peers=ranks)
        assert task.validation is not None
        samples = sum(map(num_samples, task.validation))
        observer = Caller(on_step, progress=progress)
        began = time.perf_counter()
        with own.preserved(task) as start:
            runs = Runs(
                SeededTask(task, loader, start, seeds=seeds, initialise=initialise),
                settings,
                observer,
                held_out=samples,
                divergence=RangeSettings(),
                range_test=RangeSettings() if around is None else None,
            )
            if named is None:
                checked = _suggested(around, task, loader, start, observer, runs.plan.range_steps)
            else:
                checked = Checked(named, Role.GIVEN, source="given as around")
            found = verify_rate(runs, as_wanted(checked, settings, observer), settings)
        if found.interrupted:
            raise KeyboardInterrupt
    found = found.in_words(in_arguments)
    content = content_of(
        command="verify",
        status=Status.COMPLETED,
        suggestion=found.conclusion.suggestion,
        rules=found.checked.rules,
        verdict=found.conclusion.verdict,
        steps=found.steps,
        began=began,
        device=task.device,
        arguments={"verify": arguments},
        task=task.title,
        own=verify_record(found),
        groups=found.groups,
        notes=found.notes,
        skipped=found.skipped,
    )
    return VerifyResult(found, task.title, content)


def _suggested(
    around: Suggestion | RangeTestResult | RefineResult | Any,
    task: Task,
    loader: Iterable[Any],
    start: Snapshot,
    observer: Observer,
    most_steps: int,
) -> Checked:
    """The rate of a suggestion: the one given, or that of a range test made for it."""
    if around is None:
        settings = RangeSettings()
        announce_range_test(settings, observer)
        sweep = RepeatedTask(task, loader, start, times=AUTO_SWEEPS, single_batch=False)
        found = run_range_test(sweep, settings, observer, most_steps=most_steps)
        return replace(suggested(found), verdict="")  # what it advises are no arguments of `verify`
    suggestion = around if isinstance(around, Suggestion) else around.suggestion
    peaks = {} if isinstance(around, Suggestion) else named_peaks(around.content.get("peaks", []))
    if suggestion is None:
        return Checked(None, Role.SUGGESTION, source="the result given as around")
    horizon = None if isinstance(around, Suggestion) else horizon_of(around.content)
    source = "the suggestion given as around"
    return Checked(
        suggestion.lr, Role.SUGGESTION, suggestion, source=source, peaks=peaks, whose="", horizon=horizon
    )
