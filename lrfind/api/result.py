"""What the Python functions return: the JSON record, and three files that are written on request."""

from __future__ import annotations

import base64
import html
import io
import time
import warnings
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from lrfind.api.arguments import in_arguments
from lrfind.errors import UserError
from lrfind.report.files import write_whole
from lrfind.report.record import Findings, record, to_json
from lrfind.schedules.peaks import named_peaks
from lrfind.suggestion import Group, rate_text

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    import pandas
    import torch
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch.optim import Optimizer

    from lrfind.plotting.page import Page
    from lrfind.plotting.panel import Panel
    from lrfind.suggestion import Suggestion


class Result(ABC):
    """What a command found, and the three files it can leave."""

    __slots__ = ()
    content: dict[str, Any]

    @property
    @abstractmethod
    def suggestion(self) -> Suggestion | None:
        """The suggested rate; None where there is none."""

    @property
    @abstractmethod
    def verdict(self) -> str:
        """What was found, and what to do about it, in a sentence or two."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """The optimizer's groups with the suggested rate of each; none where it has only one."""
        return tuple(Group(**each) for each in self.content.get("groups", ()))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the result should know, each in a sentence or two."""
        return tuple(self.content.get("warnings", ()))

    @property
    def peaks(self) -> dict[str, float]:
        """The rate to give a schedule as its peak, by policy; of those alone for which it was measured."""
        return named_peaks(self.content.get("peaks", ()))

    @abstractmethod
    def _page(self) -> Page:
        """The command's picture."""

    @abstractmethod
    def _panel(self) -> Panel:
        """The panel of it that says most."""

    @abstractmethod
    def _csv(self) -> str: ...

    def plot(self, path: str | os.PathLike[str] | None = None, *, ax: Axes | None = None) -> Figure:
        """Draws the command's picture, without pyplot and without a window.

        Args:
            path: Where to write it as a PNG as well; None: nowhere.
            ax: Axes of a figure of your own, to draw the panel of the curve into (of a refined sweep that of
                the last round, of `verify` the losses at the end) instead of the whole picture; its scales,
                limits and ticks are set.

        Raises:
            OutputError: It cannot be written there.
        """
        from lrfind.plotting.draw import draw, draw_into, png

        figure = draw(self._page()) if ax is None else draw_into(self._panel(), ax)
        if path is not None:
            write_whole(path, png(figure))
        return figure

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes the command's CSV.

        Raises:
            OutputError: It cannot be written there.
        """
        write_whole(path, self._csv())

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Writes the JSON record.

        Raises:
            OutputError: It cannot be written there.
        """
        write_whole(path, to_json(self.content))

    def to_dataframe(self) -> pandas.DataFrame:
        """The command's CSV as a table of pandas, a row a measurement.

        Raises:
            UserError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise UserError("to_dataframe() needs pandas: pip install pandas.") from error
        return pandas.read_csv(io.StringIO(self._csv()))

    def apply(self, optimizer: Optimizer | Sequence[Optimizer]) -> float:
        """Sets the suggested rate in an optimizer, or in several; all groups keep the ratio of their rates.

        After `range_test(..., groups="each")` every group gets its own. A scheduler that is made afterwards
        begins there; one that was made before has its own rates, and a warning says so.

        Args:
            optimizer: The fastest of its groups gets the rate itself.

        Returns:
            The rate of the fastest group.

        Raises:
            UserError: There is no suggestion; the message says why. Or the groups are others.
        """
        from lrfind.own_code import caller_level
        from lrfind.training.optimizer import LearningRate, as_one, set_initial_rates, set_rate

        if self.suggestion is None:
            raise UserError(f"there is no learning rate to apply. {self.verdict}")
        one, rates = as_one(optimizer), self._rate_of_each()
        if rates is None:
            LearningRate(one)(self.suggestion.lr)
        elif len(rates) == len(one.param_groups):
            for group, lr in zip(one.param_groups, rates, strict=True):
                set_rate(group, lr)
        else:
            raise UserError(
                f"the optimizer has {len(one.param_groups)} groups of parameters, and there are rates for "
                f"{len(rates)}."
            )
        if set_initial_rates(one):
            warnings.warn(
                "the optimizer has a scheduler, which sets the rates that it was made with and not this one: "
                "make it again, after apply().",
                stacklevel=caller_level(),
            )
        return self.suggestion.lr

    def _rate_of_each(self) -> list[float] | None:
        """The rate of every group where each was found by itself; None where they keep their ratio."""
        return None

    def _repr_html_(self) -> str:
        """What a notebook shows: the suggestion, the verdict and the picture, without any magic command."""
        from lrfind.plotting.draw import draw, png

        found = self.suggestion
        head = ""
        if found is not None:
            between = f"bracket {rate_text(found.low)} to {rate_text(found.high)}"
            head = f"<b>{rate_text(found.lr)}</b> ({between})<br>"
        picture = base64.b64encode(png(draw(self._page()))).decode()
        said = html.escape(self.verdict)
        return f'<p>{head}{said}</p><img style="max-width: 100%" src="data:image/png;base64,{picture}">'


def content_of(
    *,
    began: float,
    device: torch.device,
    arguments: Mapping[str, Any],
    task: str,
    notes: Sequence[str] = (),
    **found: Any,
) -> dict[str, Any]:
    """The JSON record of a function's call.

    `began` is `time.perf_counter()` at the start, `arguments` are the plain ones of the call, by the name of
    the function, and `task` is what was trained, which they do not tell; what was found bears the names of
    `Findings`.
    """
    said = [in_arguments(note) for note in notes]
    findings = Findings(seed=None, device=str(device), config=arguments, notes=said, **found)
    return record(findings, seconds=time.perf_counter() - began) | {"task": task}
