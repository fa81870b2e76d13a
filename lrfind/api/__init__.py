"""The Python functions: what the commands do, on a model, an optimizer and a loader of one's own."""

from lrfind.api.range_test import RangeTestResult, range_test
from lrfind.api.refine import RefineResult, refine

__all__ = ["RangeTestResult", "RefineResult", "range_test", "refine"]
