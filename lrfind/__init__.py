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

_HOMES = {
    "CompareResult": "lrfind.api",
    "Curve": "lrfind.range_test.curve",
    "RangeTestResult": "lrfind.api",
    "RefineResult": "lrfind.api",
    "Status": "lrfind.suggestion",
    "Suggestion": "lrfind.suggestion",
    "TrialResult": "lrfind.api",
    "UserError": "lrfind.errors",
    "VerifyResult": "lrfind.api",
    "compare": "lrfind.api",
    "range_test": "lrfind.api",
    "refine": "lrfind.api",
    "try_policies": "lrfind.api",
    "verify": "lrfind.api",
}


_MODULES = {"policies": "lrfind.policies"}


class _Package(ModuleType):
    """The package, in which a public function is found under its name although a room is called the same.

    The import system sets every room that is imported, `lrfind.refine` for one, as an attribute of the
    package. Left to itself, that would hide the function of the same name from then on.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'lrfind' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
