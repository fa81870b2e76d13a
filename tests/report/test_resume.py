"""What a run that was cut off keeps, and when the next one may go on with it."""

import io
from dataclasses import dataclass, field

import numpy as np
import pytest

from lrfind.errors import ConfigError
from lrfind.report import resume
from lrfind.report.resume import CutOff, StateFile, arrays_of, comparable, read_state


def test_the_state_is_saved_when_it_is_time_whole_and_without_pickles(tmp_path):
    file = StateFile(tmp_path / "state.npz", 0.0)
    assert file.due
    file.write({"a": np.arange(3)})
    assert read_state(tmp_path / "state.npz", arrays_of)["a"].tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    file.remove()
    with pytest.raises(ValueError, match="it holds no saved state"):
        read_state(tmp_path / "state.npz", arrays_of)
    assert not StateFile(tmp_path / "state.npz", None).due
    assert not StateFile(tmp_path / "state.npz", 60.0).due


def test_a_file_that_is_no_state_or_holds_a_pickle_is_refused(tmp_path):
    path = tmp_path / "state.npz"
    path.write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ValueError, match=r"state\.npz cannot be read"):
        read_state(path, arrays_of)
    stream = io.BytesIO()
    np.savez(stream, a=np.array([{}], dtype=object))
    path.write_bytes(stream.getvalue())
    with pytest.raises(ValueError, match="cannot be read"):
        read_state(path, arrays_of)


def test_a_file_that_was_cut_short_is_refused_and_one_that_is_given_up_is_never_due(tmp_path):
    path = tmp_path / "state.npz"
    file = StateFile(path, 0)
    file.write({"one": np.arange(1000)})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"state\.npz cannot be read"):
        read_state(path, arrays_of)
    file.give_up()
    assert not file.due


def test_a_saving_that_takes_long_comes_less_often(tmp_path, monkeypatch):
    clock = iter([0.0, 100.0, 110.0, 110.0, 200.0, 320.0])
    monkeypatch.setattr(resume, "perf_counter", lambda: next(clock))
    file = StateFile(tmp_path / "state.npz", 10.0)
    file.write({"a": np.arange(3)})  # takes 10 s: the next one is due 200 s later
    assert not file.due
    assert file.due


@dataclass
class Inner:
    rounds: int = 2
    save_every: float = 60.0


@dataclass
class Outer:
    seed: int = 0
    refine: Inner = field(default_factory=Inner)


def test_an_experiment_is_the_same_but_for_the_keys_that_are_free():
    free = ("refine.save_every",)
    began = comparable(Outer(), free=free)
    assert began == {"seed": 0, "refine.rounds": 2}
    before = CutOff("out", "refine.resume", "sweep")
    before.check(began, comparable(Outer(refine=Inner(save_every=1.0)), free=free))
    with pytest.raises(
        ConfigError,
        match=r"^refine\.resume=out is another experiment: refine\.rounds was 2 there and is 3 here; "
        r"seed was 0 there and is 1 here\. Give the overrides .*overrides\.yaml\)\.$",
    ):
        before.check(began, comparable(Outer(1, Inner(3)), free=free))


def test_of_many_differences_the_first_four_are_named():
    with pytest.raises(ConfigError, match=r"d was 1 there and is None here; \.\.\.\. Give"):
        CutOff("out", "k", "sweep").check(dict.fromkeys("abcde", 1), {})


def test_a_run_directory_that_is_none_and_a_state_that_is_none_say_what_to_do(tmp_path):
    before = CutOff(str(tmp_path / "absent"), "compare.resume", "comparison")
    with (
        pytest.raises(ConfigError, match="is no directory: give the run directory of the comparison"),
        before.taken_up(""),
    ):
        raise AssertionError
    before = CutOff(str(tmp_path), "compare.resume", "comparison")
    with (
        pytest.raises(
            ConfigError,
            match=r"cannot go on: it holds no saved state\. A comparison that was finished leaves none, "
            r"or so: run it again without compare\.resume\.$",
        ),
        before.taken_up(", or so") as directory,
    ):
        read_state(directory / "state.npz", arrays_of)
