"""The peak that a run names for a policy, in place of the rate that it suggests for a constant one."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from lrfind.suggestion import rate_text, rounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lrfind.suggestion import Suggestion


def as_peak(suggestion: Suggestion, policy: str, named: Mapping[str, float]) -> Suggestion:
    """The suggestion that a policy begins with: the peak that is named for it, its bracket moved along.

    Args:
        suggestion: For a constant rate.
        policy: The name of the policy.
        named: The peaks that the run names, by policy; for another policy the suggestion stays what it is.
    """
    lr = named.get(policy)
    if lr is None or lr == suggestion.lr:
        return suggestion
    factor = lr / suggestion.lr
    return dataclasses.replace(
        suggestion,
        lr=lr,
        low=rounded(suggestion.low * factor),
        high=rounded(suggestion.high * factor),
        reason=f"{factor:.3g} times the suggestion of {rate_text(suggestion.lr)} for a constant rate, as was "
        f"measured to be better for the peak of {policy}. {suggestion.reason}",
    )
