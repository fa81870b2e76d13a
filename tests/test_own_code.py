"""Of an exception's frames those are shown that are a user's own."""

import sys

import pytest
import torch

from lrfind.own_code import (
    Frame,
    add_note,
    ends_in_own_code,
    own_frames,
    place_text,
    raised_text,
    sample_index,
)
from lrfind.training.smoothing import ExponentialAverage


def raised(call, *given) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of whatever kind
        call(*given)
    return caught.value


def multiply():
    return torch.zeros(2, 3) @ torch.zeros(2, 3)


def call_ours():
    ExponentialAverage("no number")


def test_frames_of_torch_and_of_ours_are_left_out():
    error = raised(torch.nn.Linear(2, 1).register_forward_hook(lambda *args: multiply()) and multiply)
    assert [frame.function for frame in own_frames(error)] == ["raised", "multiply"]
    error = raised(torch.nn.Sequential(torch.nn.Linear(2, 1)), torch.zeros(1, 3))
    assert [frame.function for frame in own_frames(error)] == ["raised"]


def test_a_defect_of_ours_does_not_end_in_own_code():
    assert ends_in_own_code(raised(multiply))
    assert not ends_in_own_code(raised(call_ours))


def test_a_syntax_error_has_the_place_it_names():
    error = raised(compile, "x = (\n", "mine.py", "exec")
    assert own_frames(error)[-1] == Frame("mine.py", 1, "")
    assert raised_text(error) == "SyntaxError: '(' was never closed"


def test_the_frames_in_the_text_of_a_workers_exception_are_read():
    text = (
        "Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
        f'  File "{torch.__file__}", line 3, in fetch\n    data\n'
        '  File "/home/me/mine.py", line 12, in __getitem__\n    raise KeyError\nValueError: 3'
    )
    frames = own_frames(ValueError(text))
    assert frames == (Frame("/home/me/mine.py", 12, "__getitem__"),)
    assert place_text(frames) == " (mine.py, line 12, in __getitem__)"
    assert place_text(()) == ""


def test_frames_of_an_installed_package_stand_in_where_there_are_no_others(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "zoo"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("def model(): return 1 / 0\n")
    monkeypatch.syspath_prepend(str(package.parent))
    import zoo

    sys.modules.pop("zoo")
    error = raised(zoo.model)
    error.__traceback__ = error.__traceback__.tb_next
    assert [frame.function for frame in own_frames(error)] == ["model"]
    assert not ends_in_own_code(error)


class Numbered:
    def __getitem__(self, index):
        raise ValueError(index)


def test_the_sample_that_a_data_set_failed_at_is_seen():
    assert sample_index(raised(Numbered().__getitem__, 41)) == 41
    assert sample_index(raised(Numbered().__getitem__, slice(3))) is None
    assert sample_index(raised(multiply)) is None


def test_a_note_is_seen_with_the_exception():
    error = ValueError("mine")
    add_note(error, "lrfind: said so")
    assert error.__notes__ == ["lrfind: said so"]
    if sys.version_info < (3, 11):
        assert str(error) == "mine\nlrfind: said so"
