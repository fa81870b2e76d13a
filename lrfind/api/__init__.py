"""The Python functions: what the commands do, on a model, an optimizer and a loader of one's own."""

from lrfind.api.compare import CompareResult, compare
from lrfind.api.range_test import RangeTestResult, range_test
from lrfind.api.refine import RefineResult, refine
from lrfind.api.trial import TrialResult, try_policies
from lrfind.api.verify import VerifyResult, verify

__all__ = [
    "CompareResult",
    "RangeTestResult",
    "RefineResult",
    "TrialResult",
    "VerifyResult",
    "compare",
    "range_test",
    "refine",
    "try_policies",
    "verify",
]
