"""Files appear whole or not at all, and a CSV cell is spelled exactly."""

import errno
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


def test_a_link_keeps_pointing_where_it_points(tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    write_whole(tmp_path / "link.csv", "new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "new"


def test_a_device_is_written_to_and_not_replaced():
    write_whole(os.devnull, "gone")
    assert Path(os.devnull).is_char_device()


def test_csv_quotes_what_holds_a_comma():
    assert csv_text(["a", "b"], [["x,y", None]]) == 'a,b\n"x,y",\n'
