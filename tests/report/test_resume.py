"""What a run that was cut off keeps, and when the next one may go on with it."""

from dataclasses import dataclass, field

import pytest

from lrfind.errors import ConfigError
from lrfind.report.resume import CutOff, comparable
from lrfind.report.state_file import arrays_of, read_state


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
    with pytest.raises(ConfigError, match=r"d was 1 there and is 2 here; and others\. Give"):
        CutOff("out", "k", "sweep").check(dict.fromkeys("abcde", 1), dict.fromkeys("abcde", 2))


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


def test_a_run_of_another_version_goes_on_only_where_its_parts_stand_alone():
    before, now = {"seed": 0, "old": 1, "model.a": 1}, {"seed": 0, "new": 2, "model.a": 1}
    with pytest.raises(
        ConfigError,
        match=r"^refine\.resume=out was begun by another version of lrfind, whose settings are not these "
        r"\(new and old\): go on with that version, .* What it had measured stays in out\.$",
    ):
        CutOff("out", "refine.resume", "sweep").check(before, now)
    runs = CutOff("out", "compare.resume", "comparison")
    assert runs.check(before, now, versions=True) == ["new", "old"]
    with pytest.raises(
        ConfigError, match=r"is another experiment: model\.b was missing there and is null here"
    ):
        runs.check(before, now | {"model.b": None}, versions=True)
