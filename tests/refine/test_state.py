"""The saved state of a sweep: written whole, read back as it was."""

import math

import numpy as np
import pytest

from lrfind.refine.results import RoundPlan, RoundResult, SeedResult
from lrfind.refine.segments import Segment
from lrfind.refine.state import (
    Part,
    StateFile,
    part_as_plain,
    part_from_plain,
    read_state,
    round_as_plain,
    round_from_plain,
)
from lrfind.suggestion import Status

TRACK = SeedResult(0.5, ((0.25, math.inf), (math.nan,)))


def test_a_part_comes_back_as_it_was():
    part = Part("continued", [TRACK], [Status.NONFINITE], [SeedResult(1.0, ())], 12, {"side_by_side": False})
    again = part_from_plain(part_as_plain(part))
    assert repr(again) == repr(part)


@pytest.mark.parametrize("restarted", [False, True])
def test_a_round_comes_back_as_it_was(restarted):
    plan = RoundPlan((Segment.of("0.1", "0.3", "0.1", 2),), "because", "fine")
    measured = RoundResult(plan, (TRACK,), Status.NONFINITE, restarted=restarted)
    again = round_from_plain(round_as_plain(measured))
    assert repr(again) == repr(measured)
    assert again.plan == plan


def test_a_part_of_another_version_is_said_to_be_one():
    with pytest.raises(ValueError, match="saved by another version of lrfind"):
        part_from_plain({"tracks": []})


def test_a_file_is_due_after_a_while_and_never_where_none_is_wanted(tmp_path):
    path = tmp_path / "state.npz"
    assert not StateFile(path, None).due
    assert not StateFile(path, 1000).due
    file = StateFile(path, 0)
    assert file.due
    file.write({"one": np.arange(3)})
    assert read_state(path)["one"].tolist() == [0, 1, 2]
    file.give_up()
    assert not file.due
    file.remove()
    with pytest.raises(ValueError, match="holds no saved state"):
        read_state(path)


def test_a_file_that_was_cut_short_or_holds_a_pickle_is_refused(tmp_path):
    path = tmp_path / "state.npz"
    StateFile(path, 0).write({"one": np.arange(1000)})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"state\.npz cannot be read"):
        read_state(path)
    np.savez(path, one=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"state\.npz cannot be read"):
        read_state(path)
