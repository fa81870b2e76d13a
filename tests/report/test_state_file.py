"""The file that a run keeps to go on with: whole, when it is time, without pickles, with a checksum."""

import io
import os
import random
import zipfile

import numpy as np
import pytest

from lrfind.errors import OutputError
from lrfind.report import state_file
from lrfind.report.state_file import StateFile, arrays_as_bytes, arrays_of, read_state

ARRAYS = {"a": np.arange(300, dtype=np.uint8), "b": np.zeros(0, dtype=np.uint8), "c": np.array(3.5)}


def content():
    return arrays_as_bytes(ARRAYS)


def test_the_state_is_saved_when_it_is_time_whole_and_without_pickles(tmp_path):
    file = StateFile(tmp_path / "state.npz", 0.0, pytest.fail)
    assert file.due
    file.write(content)
    assert read_state(tmp_path / "state.npz", arrays_of)["a"].tolist() == ARRAYS["a"].tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    file.remove()
    with pytest.raises(ValueError, match="it holds no saved state"):
        read_state(tmp_path / "state.npz", arrays_of)
    assert not StateFile(tmp_path / "state.npz", None, pytest.fail).due
    assert not StateFile(tmp_path / "state.npz", 60.0, pytest.fail).due


def test_a_saving_that_takes_long_comes_less_often(tmp_path, monkeypatch):
    clock = iter([0.0, 100.0, 110.0, 110.0, 200.0, 320.0])
    monkeypatch.setattr(state_file, "perf_counter", lambda: next(clock))
    file = StateFile(tmp_path / "state.npz", 10.0, pytest.fail)
    file.write(content)  # takes 10 s: the next one is due 200 s later
    assert not file.due
    assert file.due
    file.give_up()
    clock = iter([1e9])
    assert not file.due


def test_a_state_that_cannot_be_saved_is_told_once_and_saved_later(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(state_file, "perf_counter", lambda: clock[0])
    told = []
    folder = tmp_path / "run"
    file = StateFile(folder / "state.npz", 0.0, told.append)
    for _ in range(3):
        file.write(content)  # its folder is not there
    assert len(told) == 1
    assert told[0].startswith(f"{folder / 'state.npz'} cannot be written: its folder does not exist.")
    assert told[0].endswith("The run goes on, and its state will be saved when that can be done.")
    assert not file.due
    clock[0] = 1.0
    assert file.due
    folder.mkdir()
    file.write(content)
    assert read_state(folder / "state.npz", arrays_of).keys() == ARRAYS.keys()
    assert file.due


def test_a_saving_that_fails_leaves_the_state_before_it(tmp_path, monkeypatch):
    told = []
    file = StateFile(tmp_path / "state.npz", 0.0, told.append)
    file.write(content)

    def full(path, content):
        raise OutputError("no space is left on the disk.")

    monkeypatch.setattr(state_file, "write_whole", full)
    file.write(lambda: b"")
    assert len(told) == 1
    assert read_state(tmp_path / "state.npz", arrays_of).keys() == ARRAYS.keys()


def test_what_was_saved_comes_back_and_states_of_before_there_were_checksums_do_too():
    again = arrays_of(arrays_as_bytes(ARRAYS))
    assert again.keys() == ARRAYS.keys()
    assert all(np.array_equal(again[name], ARRAYS[name]) for name in ARRAYS)
    stream = io.BytesIO()
    np.savez(stream, **ARRAYS)
    assert arrays_of(stream.getvalue()).keys() == ARRAYS.keys()


def test_a_flipped_bit_is_told_wherever_it_is():
    generator = random.Random(0)
    whole = arrays_as_bytes(ARRAYS)
    for _ in range(300):
        flipped = bytearray(whole)
        place = generator.randrange(len(flipped))
        flipped[place] ^= 1 << generator.randrange(8)
        try:
            again = arrays_of(bytes(flipped))
        except state_file.DAMAGED:
            continue
        # What zip does not look at, such as a date, may differ.
        assert {name: (array.dtype, array.tolist()) for name, array in again.items()} == {
            name: (array.dtype, array.tolist()) for name, array in ARRAYS.items()
        }


def packed_small():
    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.zeros(10**6, dtype=np.uint8))
    return stream.getvalue()


def pickled():
    stream = io.BytesIO()
    np.savez(stream, a=np.array([{}], dtype=object))
    return stream.getvalue()


def longer_than_it_is():
    stream = io.BytesIO()
    header = io.BytesIO()
    described = {"descr": "|u1", "fortran_order": False, "shape": (10**15,)}
    np.lib.format.write_array_header_1_0(header, described)
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.npy", header.getvalue() + b"abc")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"PK\x03\x04 cut off", "File is not a zip file"),
        (b"", "File is not a zip file"),
        (arrays_as_bytes(ARRAYS)[:200], "File is not a zip file"),
        (packed_small(), r"a\.npy is larger than the file"),
        (pickled(), r"a\.npy holds a pickle"),
        (longer_than_it_is(), r"a\.npy is not as long as it says"),
    ],
    ids=["zip's head", "empty", "cut short", "bomb", "pickle", "length"],
)
def test_a_file_that_is_no_state_is_refused(tmp_path, content, match):
    path = tmp_path / "state.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"^state\.npz cannot be read: {match}"):
        read_state(path, arrays_of)


def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "state.npz")
    with pytest.raises(ValueError, match="it is no ordinary file"):
        read_state(tmp_path / "state.npz", arrays_of)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ValueError, match="it is no ordinary file"):
        read_state(tmp_path / "folder", arrays_of)
