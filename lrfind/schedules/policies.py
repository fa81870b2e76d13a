"""The policies by name: which class each is, and what it takes."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from lrfind.errors import UserError
from lrfind.schedules.falling import Exp, Fixed, Inv, Linear, Multistep, Poly, Step
from lrfind.schedules.policy import LearningRatePolicy, Policy
from lrfind.schedules.rising import WSD, Cosine, Cyclic, OneCycle

if TYPE_CHECKING:
    from collections.abc import Mapping

POLICIES: Mapping[Policy, type[LearningRatePolicy]] = {
    each.policy: each
    for each in (Fixed, Step, Multistep, Exp, Inv, Poly, Linear, Cosine, OneCycle, Cyclic, WSD)
}
"""The classes, by name."""

PARAMETERS: Mapping[Policy, tuple[str, ...]] = {
    policy: made.parameters() for policy, made in POLICIES.items()
}
"""The names of what each policy takes beside a peak rate and a number of steps."""


def policy_of(name: str | Policy) -> Policy:
    """The policy of a name.

    Raises:
        UserError: There is none of that name; the message names the nearest.
    """
    names = [each.value for each in Policy]
    if name in names:
        return Policy(name)
    close = difflib.get_close_matches(str(name), names, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    raise UserError(
        f"{name if name != '' else repr(name)} is no policy.{meant} The policies: {', '.join(names)}."
    )
