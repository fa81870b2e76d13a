"""The saved state of a sweep: written whole, read back as it was."""

import json
import math

import pytest

from lrfind.refine.results import RoundPlan, RoundResult, SeedResult
from lrfind.refine.segments import Segment
from lrfind.refine.state import Part, as_plain, part_from_plain, round_from_plain
from lrfind.suggestion import Status

TRACK = SeedResult(0.5, ((0.25, math.inf), (math.nan,)), (False, True))


def test_a_part_comes_back_as_it_was():
    part = Part("continued", [TRACK], [Status.NONFINITE], [SeedResult(1.0, ())], 12, {"side_by_side": False})
    again = part_from_plain(json.loads(json.dumps(as_plain(part))))
    assert repr(again) == repr(part)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_round_comes_back_as_it_was(restarted):
    plan = RoundPlan((Segment.of("0.1", "0.3", "0.1", 2),), "because", "fine")
    measured = RoundResult(plan, (TRACK,), Status.NONFINITE, restarted=restarted)
    again = round_from_plain(json.loads(json.dumps(as_plain(measured))))
    assert repr(again) == repr(measured)
    assert again.plan == plan
