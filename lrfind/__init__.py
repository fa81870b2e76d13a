"""Which learning rate? The learning-rate range test, from a config to a number, a picture and a record.

The public names are loaded on first use, so that `import lrfind` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lrfind.version import __version__

if TYPE_CHECKING:
    from lrfind import policies
    from lrfind.api import RangeTestResult, range_test
    from lrfind.api_refine import RefineResult, refine
    from lrfind.core.curve import Curve, Status
    from lrfind.core.suggest import Suggestion
    from lrfind.errors import UserError

__all__ = [
    "Curve",
    "RangeTestResult",
    "RefineResult",
    "Status",
    "Suggestion",
    "UserError",
    "__version__",
    "policies",
    "range_test",
    "refine",
]

_HOMES = {
    "Curve": "lrfind.core.curve",
    "RangeTestResult": "lrfind.api",
    "RefineResult": "lrfind.api_refine",
    "Status": "lrfind.core.curve",
    "Suggestion": "lrfind.core.suggest",
    "UserError": "lrfind.errors",
    "range_test": "lrfind.api",
    "refine": "lrfind.api_refine",
}


_MODULES = {"policies": "lrfind.policies"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'lrfind' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
