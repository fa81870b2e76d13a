"""Folders, files and archives that never end or are larger than they look: refused, and in time."""

import gzip
import os
import struct
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from lrfind.errors import DataError, ModelError
from lrfind.tasks.data.decode import UnreadableError, read_square
from lrfind.tasks.data.folders import find_class_folders, find_dogbreed
from lrfind.tasks.data.readers import read_mnist
from lrfind.tasks.models.weights import read_state_dict


def pictures(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / name)


@pytest.fixture
def root(tmp_path):
    for kind in ("cat", "dog"):
        pictures(tmp_path / "root" / kind, "a.png", "b.png")
        pictures(tmp_path / "root" / kind / "more", "c.png", "d.png")
    return tmp_path / "root"


@pytest.mark.parametrize("target", [".", "..", "../..", "../dog", "../dog/more", "more", "loop", "/"])
def test_a_link_in_a_class_folder_adds_nothing_of_others_and_nothing_twice(root, target):
    (root / "cat" / "loop").symlink_to(target)
    paths, labels, classes = find_class_folders(str(root))
    assert classes == ["cat", "dog"]
    assert labels == [0] * 4 + [1] * 4
    assert all(f"/{classes[label]}/" in path for path, label in zip(paths, labels, strict=True))


@pytest.mark.parametrize("target", [".", "..", "dog", "dog/more", "kitten"])
def test_a_class_folder_that_is_a_link_into_the_others_is_none(root, target):
    (root / "kitten").symlink_to(target)
    paths, _, classes = find_class_folders(str(root))
    assert (len(paths), classes) == (8, ["cat", "dog"])


def test_links_that_cross_end(root):
    (root / "cat" / "x").symlink_to(root / "dog", target_is_directory=True)
    (root / "dog" / "x").symlink_to(root / "cat", target_is_directory=True)
    (root / "dog" / "more" / "up").symlink_to("..")
    assert len(find_class_folders(str(root))[0]) == 8


def test_links_to_folders_elsewhere_are_followed(root, tmp_path):
    pictures(tmp_path / "store" / "x" / "deep", "e.png")
    (tmp_path / "store" / "x" / "deep" / "loop").symlink_to("..")
    (root / "cat" / "extra").symlink_to(tmp_path / "store" / "x", target_is_directory=True)
    pictures(tmp_path / "store" / "bird", "f.png")
    (root / "bird").symlink_to(tmp_path / "store" / "bird", target_is_directory=True)
    paths, labels, classes = find_class_folders(str(root))
    assert classes == ["bird", "cat", "dog"]
    assert [labels.count(i) for i in range(3)] == [1, 5, 4]
    assert str(root / "cat" / "extra" / "deep" / "e.png") in paths


def test_a_root_that_is_a_link_is_what_it_leads_to(root, tmp_path):
    (tmp_path / "link").symlink_to(root, target_is_directory=True)
    assert len(find_class_folders(str(tmp_path / "link"))[0]) == 8


def test_links_in_kaggles_layout_end_too(tmp_path):
    pictures(tmp_path / "train", "a.png", "b.png")
    (tmp_path / "train" / "loop").symlink_to(".")
    (tmp_path / "labels.csv").write_text("id,breed\na,x\nb,y\n")
    assert len(find_dogbreed(str(tmp_path))[0]) == 2


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a device", "folder", "socket", "large"])
def test_what_is_no_ordinary_file_is_no_picture(tmp_path, kind):
    path = tmp_path / "a.jpg"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = "/dev/zero"
    elif kind == "link to a device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        import socket

        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(str(path))
    else:
        with path.open("wb") as file:
            file.truncate(2 << 30)  # takes no room on the disk
    with pytest.raises(UnreadableError, match=r"no ordinary file|No such device|Is a directory|GiB are more"):
        read_square(str(path), 8)


def test_a_small_jpeg_that_promises_a_huge_one_is_refused(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg")
    content = bytearray((tmp_path / "a.jpg").read_bytes())
    frame = content.index(b"\xff\xc0")
    content[frame + 5 : frame + 9] = struct.pack(">HH", 65500, 65500)
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UnreadableError, match=r"decompression bomb|exceeds limit"):
        read_square(str(tmp_path / "a.jpg"), 8)


def idx(shape, values):
    return bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + bytes(values)


def test_a_small_archive_that_inflates_without_end_is_refused(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    with gzip.open(raw / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(idx((2, 2, 2), range(8)))
        for _ in range(64):
            file.write(bytes(1 << 20))
    with gzip.open(raw / "train-labels-idx1-ubyte.gz", "wb") as file:
        file.write(idx((2,), (0, 1)))
    with pytest.raises(DataError, match="it promises 24 bytes and holds more"):
        read_mnist("MNIST", str(tmp_path), False)
    with gzip.open(raw / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(idx((2, 2, 2), range(8)))
    images, labels = read_mnist("MNIST", str(tmp_path), False)
    assert images.flatten().tolist() == list(range(8))
    assert labels.tolist() == [0, 1]


@pytest.mark.parametrize("shape", [(2**32 - 1,) * 3, (2**31, 2**31, 4), (60_000, 2**16, 2**16)])
def test_a_header_that_promises_more_than_there_is_memory_is_refused(tmp_path, shape):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(idx(shape, ()))
    (raw / "train-labels-idx1-ubyte").write_bytes(idx((1,), (0,)))
    with pytest.raises(DataError, match=r"promises \d+ bytes, more than half of the memory"):
        read_mnist("MNIST", str(tmp_path), False)


def test_weights_that_inflate_are_refused_unread(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save({"weight": torch.zeros(1 << 20)}, path)
    assert list(read_state_dict(path)) == ["weight"]
    with (
        zipfile.ZipFile(path) as whole,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", compression=zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in whole.infolist():
            bomb.writestr(entry.filename, whole.read(entry))
    with pytest.raises(ModelError, match=r"an archive of 0\.0 MiB that inflates to 4 MiB"):
        read_state_dict(tmp_path / "bomb.pt")


def test_an_ordinary_picture_is_read_as_before(tmp_path):
    values = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert np.array_equal(read_square(str(tmp_path / "a.png"), 8).permute(1, 2, 0).numpy(), values)
