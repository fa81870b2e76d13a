"""Which learning rate? The learning-rate range test, from a config to a number, a picture and a record.

The public names are loaded on first use, so that `import lrfind` costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lrfind.version import __version__

if TYPE_CHECKING:
    from lrfind import policies
    from lrfind.api import (
        CompareResult,
        RangeTestResult,
        RefineResult,
        TrialResult,
        VerifyResult,
        compare,
        range_test,
        refine,
        try_policies,
        verify,
    )
    from lrfind.errors import UserError
    from lrfind.range_test.curve import Curve
    from lrfind.suggestion import Status, Suggestion

__all__ = [
    "CompareResult",
    "Curve",
    "RangeTestResult",
    "RefineResult",
    "Status",
    "Suggestion",
    "TrialResult",
    "UserError",
    "VerifyResult",
    "__version__",
    "compare",
    "policies",
    "range_test",
    "refine",
    "try_policies",
    "verify",
]

_ELSEWHERE = {
    "Curve": "lrfind.range_test.curve",
    "Status": "lrfind.suggestion",
    "Suggestion": "lrfind.suggestion",
    "UserError": "lrfind.errors",
}
"""Where the public names are that are not in `lrfind.api`."""


class _Package(ModuleType):
    """The package, in which a public function is found under its name although a room is called the same.

    The import system sets every room that is imported, `lrfind.refine` for one, as an attribute of the
    package. Left to itself, that would hide the function of the same name from then on.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and name != "policies" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name == "policies":
        return import_module("lrfind.policies")
    if name not in __all__:
        raise AttributeError(f"module 'lrfind' has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE.get(name, "lrfind.api")), name)


def __dir__() -> list[str]:
    return __all__
