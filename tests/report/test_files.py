"""Files appear whole or not at all, and a CSV cell is spelled exactly."""

import csv
import errno
import io
import math
import os
from pathlib import Path

import pytest

from lrfind.errors import OutputError
from lrfind.report.files import csv_text, write_whole


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_with_its_line_ends_as_they_are_and_nothing_beside_it(tmp_path):
    write_whole(tmp_path / "a.txt", "one\ntwo ✓\n")
    assert (tmp_path / "a.txt").read_bytes() == "one\ntwo ✓\n".encode()
    assert names_in(tmp_path) == ["a.txt"]


def test_a_file_has_the_permissions_that_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "a.txt", "a")
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_leftovers_and_says_what_to_do(tmp_path, monkeypatch, at):
    path = tmp_path / "range.csv"
    write_whole(path, "old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full) if at == "fsync" else monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(
        OutputError, match=r"range\.csv cannot be written: no space .* hydra\.run\.dir=FOLDER"
    ):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["range.csv"]


def test_an_interrupt_in_the_middle_of_writing_leaves_the_old_file_and_no_leftovers(tmp_path, monkeypatch):
    path = tmp_path / "range.csv"
    write_whole(path, "old")

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["range.csv"]


def test_a_path_that_cannot_be_is_refused_in_words(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path, reason in (
        ("absent/a.csv", "its folder does not exist"),
        ("file/a.csv", "is a file, not a folder"),
        ("folder", "a folder of that name is in the way"),
        ("x" * 300, "the name is too long"),
    ):
        with pytest.raises(OutputError, match=reason):
            write_whole(tmp_path / path, "")
    assert names_in(tmp_path) == ["file", "folder"]


def test_nothing_is_written_through_a_link(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "folder").mkdir()
    for name, target in (
        ("a", "real.csv"),
        ("b", "folder"),
        ("c", "absent/file"),
        ("d", os.devnull),
        ("e", "e"),
    ):
        (tmp_path / name).symlink_to(target)
        write_whole(tmp_path / name, "new")
        assert not (tmp_path / name).is_symlink()
        assert (tmp_path / name).read_text() == "new"
    assert (tmp_path / "real.csv").read_text() == "old"
    assert names_in(tmp_path / "folder") == []


def test_a_folder_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "folder").symlink_to("real")
    write_whole(tmp_path / "folder" / "range.csv", "new")
    assert (tmp_path / "real" / "range.csv").read_text() == "new"


def test_a_device_is_written_to_and_not_replaced():
    write_whole(os.devnull, "gone")
    assert Path(os.devnull).is_char_device()


def test_a_link_of_the_system_is_written_to_and_not_replaced():
    if not Path("/dev/fd").is_symlink():
        pytest.skip("this system has no /dev/fd")
    reader, writer = os.pipe()
    write_whole(f"/dev/fd/{writer}", "through")
    os.close(writer)
    with os.fdopen(reader) as stream:
        assert stream.read() == "through"


def test_a_pipe_of_the_users_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_whole(tmp_path / "pipe", "through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)


def test_a_text_cell_is_no_formula_and_a_number_is_as_it_was():
    texts = ["=1+1", "+cmd", "-x", "@sum", "\t=1", "\r=1", "＝1", "model=cnn", "a-b", "'=1", ""]
    _header, *lines = csv.reader(io.StringIO(csv_text(["a"], [[text] for text in texts]), newline=""))
    assert [line[0] if line else "" for line in lines] == [
        *("'=1+1", "'+cmd", "'-x", "'@sum", "'\t=1", "'\n=1", "'＝1", "model=cnn", "a-b", "'=1", "")
    ]
    assert csv_text(["a", "b"], [[-1.5, "-inf"], [-2, "-1e-5"], [-math.inf, None]]) == (
        "a,b\n-1.5,-inf\n-2,-1e-5\n-inf,\n"
    )


def test_csv_quotes_what_holds_a_comma():
    assert csv_text(["a", "b"], [["x,y", None]]) == 'a,b\n"x,y",\n'
