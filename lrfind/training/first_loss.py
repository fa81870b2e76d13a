"""Whether a criterion suits the outputs and the target that it first meets, said before it is computed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from lrfind.errors import BatchError, DataError
from lrfind.training.batch import described

if TYPE_CHECKING:
    from collections.abc import Callable


class FirstLoss:
    """Holds outputs and target against the criterion.

    On a GPU a label outside the outputs is a crash without a message.

    Args:
        criterion: The loss function; other than those of torch for class labels all pass.
        highest_label: The highest class label of the data, where known.
        num_classes: The number of classes of the data, where known.
        on_note: Told where the model has another number of outputs, or ends in a softmax too many.
    """

    def __init__(
        self,
        criterion: Any,
        *,
        highest_label: int | None,
        num_classes: int | None,
        on_note: Callable[[str], None] | None,
    ) -> None:
        self._criterion = criterion
        self._highest_label = -1 if highest_label is None else highest_label
        self._num_classes = num_classes
        self._on_note = on_note

    def check(self, outputs: Any, target: Any) -> None:
        """Says what is wrong.

        Raises:
            BatchError: The criterion is for other outputs.
            DataError: A label lies outside the outputs.
        """
        if not _takes_labels(self._criterion):
            return
        _check_labels(self._highest_label, outputs, target, ignored_label(self._criterion))
        self._hold_against_classes(outputs, target)
        _check_log_probabilities(self._criterion, outputs)
        if not _takes_scores(self._criterion) or not isinstance(outputs, Tensor):
            return
        _check_several_outputs(outputs)
        if self._on_note is not None and _are_probabilities(outputs):
            lowest = math.log1p((outputs.shape[1] - 1) / math.e)  # where the right one is 1 and the others 0
            self._on_note(
                "the model's outputs add up to 1 for each sample, as a softmax makes them, and cross entropy "
                f"takes the softmax itself: with a second one no sample's loss comes below {lowest:.3g}, and "
                "its slope is small. Leave the softmax out of the model."
            )

    def _hold_against_classes(self, outputs: Any, target: Any) -> None:
        if self._num_classes is None or self._on_note is None or not _one_score_a_class(outputs, target):
            return
        count = outputs.shape[1]
        if count > self._num_classes:
            self._on_note(
                f"the model has {count} outputs, and the data {self._num_classes} classes: it first learns "
                f"that {count - self._num_classes} of them never come, and that fall is measured, too. Give "
                f"the model {self._num_classes} outputs, unless more are meant."
            )
        elif count < self._num_classes:
            self._on_note(
                f"the model has {count} outputs, and the data say that they have {self._num_classes} "
                f"classes: a label above {count - 1} would end the run. Give the model {self._num_classes} "
                "outputs."
            )


def _takes_labels(criterion: Any) -> bool:
    """Whether a criterion is one of torch's that take one class label a sample."""
    functions = (nn.functional.cross_entropy, nn.functional.nll_loss)
    return (
        isinstance(criterion, (nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss))
        or getattr(criterion, "func", criterion) in functions
    )


_MOST_SMOOTHED = 0.5
"""Label smoothing up to which a loss can come clearly below that of any blind answer."""


def is_cross_entropy(criterion: Any) -> bool:
    """Whether a criterion is the mean cross-entropy of class labels, weighted and smoothed or not."""
    if isinstance(criterion, nn.MultiMarginLoss) or not _takes_labels(criterion):
        return False
    mean = _argument(criterion, "reduction") in ("mean", None)
    return mean and smoothing_and_weights(criterion)[0] <= _MOST_SMOOTHED


def smoothing_and_weights(criterion: Any) -> tuple[float, Tensor | None]:
    """By how much a cross-entropy smooths the labels, and its weights of the classes."""
    return _argument(criterion, "label_smoothing") or 0.0, _argument(criterion, "weight")


def is_odds(criterion: Any) -> bool:
    """Whether a criterion is the mean cross-entropy of yes or no, log 2 where both are equally likely."""
    function = nn.functional.binary_cross_entropy_with_logits
    odds = isinstance(criterion, nn.BCEWithLogitsLoss) or getattr(criterion, "func", criterion) is function
    weighted = any(_argument(criterion, name) is not None for name in ("weight", "pos_weight"))
    return odds and not weighted and _argument(criterion, "reduction") in ("mean", None)


def is_squared_error(criterion: Any) -> bool:
    """Whether a criterion is the mean squared error."""
    squared = isinstance(criterion, nn.MSELoss)
    squared = squared or getattr(criterion, "func", criterion) is nn.functional.mse_loss
    return squared and _argument(criterion, "reduction") in ("mean", None)


def _argument(criterion: Any, name: str) -> Any:
    """What a criterion was given, be it a module or a function; None where nothing."""
    return getattr(criterion, name, getattr(criterion, "keywords", {}).get(name))


def ignored_label(criterion: Any) -> int:
    """The label that a criterion leaves out."""
    given = _argument(criterion, "ignore_index")
    return -100 if given is None else int(given)


def _check_labels(highest: int, outputs: Any, target: Any, ignored: int) -> None:
    if not _one_score_a_class(outputs, target):
        return
    count = outputs.shape[1]
    seen = target[target != ignored]
    lowest = int(seen.min()) if len(seen) else 0
    highest = max(highest if highest != ignored else -1, int(seen.max()) if len(seen) else -1)
    if highest >= count:
        raise DataError(
            f"data: the labels go up to {highest}, and the model has {count} outputs, for labels 0 to "
            f"{count - 1}. Give the model at least {highest + 1} outputs, or labels that start at 0."
        )
    if lowest < 0:
        raise DataError(
            f"data: there is a label {lowest}; labels must lie in 0 to {count - 1}. If it stands "
            f"for none, give the criterion ignore_index={lowest}."
        )


def _one_score_a_class(outputs: Any, target: Any) -> bool:
    labels = isinstance(target, Tensor) and not target.is_floating_point() and target.ndim == 1
    return labels and isinstance(outputs, Tensor) and outputs.ndim == 2


def _check_log_probabilities(criterion: Any, outputs: Any) -> None:
    takes_them = isinstance(criterion, nn.NLLLoss)
    takes_them = takes_them or getattr(criterion, "func", criterion) is nn.functional.nll_loss
    if takes_them and isinstance(outputs, Tensor) and (highest := float(outputs.detach().max())) > 1e-3:
        raise BatchError(
            f"criterion: nll takes log-probabilities, which are at most 0, and the model gives up to "
            f"{highest:.3g}: the loss would fall without end. Use torch.nn.CrossEntropyLoss, or end the "
            "model with a log-softmax."
        )


def _takes_scores(criterion: Any) -> bool:
    """Whether a criterion is the cross-entropy of torch's that takes the softmax itself."""
    function = nn.functional.cross_entropy
    return isinstance(criterion, nn.CrossEntropyLoss) or getattr(criterion, "func", criterion) is function


def _are_probabilities(outputs: Tensor) -> bool:
    """Whether outputs are shares of the classes already."""
    if outputs.ndim < 2 or not outputs.is_floating_point() or not outputs.numel():
        return False
    outputs = outputs.detach()
    rounding = 1e-2 if outputs.dtype.itemsize < 4 else 1e-3
    off = (outputs.float().sum(1) - 1).abs().max()
    return bool((outputs.min() >= 0) & (off < rounding))


def _check_several_outputs(outputs: Tensor) -> None:
    """One class is always the right one: the loss would be 0 whatever the model learns."""
    if outputs.ndim < 2 or outputs.shape[1] != 1:
        return
    if outputs.ndim > 2:
        raise BatchError(
            "criterion: cross entropy finds the classes along the second axis of the outputs, which is 1 in "
            f"{described(outputs)}: the model must give a score a class and sample. Does it flatten pictures "
            "before its linear layers (torch.nn.Flatten())?"
        )
    raise BatchError(
        "criterion: cross entropy is of several classes, and the model has one output, with which it is "
        "always 0. Use torch.nn.MSELoss for numbers, torch.nn.BCEWithLogitsLoss for two classes, or give "
        "the model an output a class."
    )
