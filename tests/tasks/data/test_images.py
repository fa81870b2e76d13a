"""Folders of pictures: what is found, what is decoded, what is kept."""

import pickle
from time import process_time

import numpy as np
import pytest
import torch
from PIL import Image

from lrfind.errors import DataError
from lrfind.tasks import data
from lrfind.tasks.data.decode import UnreadableError, read_square
from lrfind.tasks.data.images import PictureFolder


def save(path, image=None, size=(12, 10), colour=(200, 30, 90), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = image or Image.new("RGB", size, colour)
    image.save(path, **options)
    return str(path)


def picture(tmp_path, image, name="picture.png", size=8, **options):
    return read_square(save(tmp_path / name, image, **options), size)


def assert_colour(pixels, expected, tolerance=0):
    assert pixels.dtype == torch.uint8
    assert pixels.shape[0] == 3
    difference = (pixels.flatten(1).int() - torch.tensor(expected).view(3, 1)).abs().max()
    assert int(difference) <= tolerance


# ---- decoding


def test_a_jpeg_of_one_colour_keeps_it(tmp_path):
    image = Image.new("RGB", (40, 30), (200, 30, 90))
    assert_colour(picture(tmp_path, image, "a.JPEG"), (200, 30, 90), tolerance=2)


@pytest.mark.parametrize("name", ["grey.png", "grey.jpg"])
def test_grey_becomes_three_equal_channels(tmp_path, name):
    assert_colour(picture(tmp_path, Image.new("L", (9, 9), 77), name), (77, 77, 77), tolerance=1)


def test_a_cmyk_jpeg_keeps_its_colour(tmp_path):
    image = Image.new("RGB", (16, 16), (200, 30, 90)).convert("CMYK")
    assert_colour(picture(tmp_path, image, "cmyk.jpg", quality=95), (200, 30, 90), tolerance=4)


def test_a_palette_becomes_its_colours(tmp_path):
    image = Image.new("RGB", (9, 9), (10, 250, 60)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert_colour(picture(tmp_path, image), (10, 250, 60))


def test_a_transparent_palette_is_laid_on_white(tmp_path):
    image = Image.new("P", (9, 9), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    assert_colour(picture(tmp_path, image, "one.png", transparency=0), (255, 255, 255))
    # Alpha in bytes, an entry a colour, is what PIL warns of when it is converted carelessly.
    assert_colour(picture(tmp_path, image, "bytes.png", transparency=bytes([0, 255])), (255, 255, 255))


@pytest.mark.parametrize(
    ("mode", "colour", "expected"),
    [
        ("RGBA", (200, 30, 90, 255), (200, 30, 90)),
        ("RGBA", (200, 30, 90, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 0, 51), (204, 204, 204)),
        ("LA", (40, 255), (40, 40, 40)),
        ("LA", (40, 0), (255, 255, 255)),
        ("1", 1, (255, 255, 255)),
    ],
)
def test_transparency_shows_white(tmp_path, mode, colour, expected):
    assert_colour(picture(tmp_path, Image.new(mode, (9, 9), colour)), expected)


@pytest.mark.parametrize(("wide", "narrow"), [(0, 0), (300, 1), (32896, 128), (65535, 255)])
def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path, wide, narrow):
    image = Image.fromarray(np.full((9, 9), wide, dtype=np.uint16))
    assert image.mode == "I;16"
    assert_colour(picture(tmp_path, image), (narrow,) * 3)


def test_the_middle_square_of_a_wide_picture_is_taken(tmp_path):
    pixels = np.zeros((10, 30, 3), dtype=np.uint8)
    pixels[:, 10:20] = (255, 128, 0)
    assert_colour(picture(tmp_path, Image.fromarray(pixels), size=10), (255, 128, 0))


def test_resizing_averages_over_all_pixels(tmp_path):
    # Columns of 0 and 255 average to the middle; without antialias a pixel would be one or the other.
    pixels = np.zeros((64, 64), dtype=np.uint8)
    pixels[:, ::2] = 255
    shrunk = picture(tmp_path, Image.fromarray(pixels), size=8)
    assert 118 < int(shrunk[:, :, 1:-1].min()) <= int(shrunk[:, :, 1:-1].max()) < 138


def test_a_small_picture_is_enlarged(tmp_path):
    assert picture(tmp_path, Image.new("RGB", (3, 2), (1, 2, 3)), size=16).shape == (3, 16, 16)


def test_both_decoders_of_jpegs_agree(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    smooth = Image.fromarray(noise).resize((160, 120), Image.Resampling.BICUBIC)
    path = save(tmp_path / "a.jpg", smooth, quality=90)
    fast = read_square(path, 64)
    monkeypatch.setattr("lrfind.tasks.data.decode.jpeg_decoder", lambda: None)
    assert int((fast.int() - read_square(path, 64).int()).abs().max()) <= 3
    # A large file is decoded at a fraction of its size, and looks the same but for rounding.
    large = smooth.resize((1600, 1200), Image.Resampling.BICUBIC)
    path = save(tmp_path / "large.jpg", large, quality=90)
    assert int((fast.int() - read_square(path, 64).int()).abs().max()) <= 12


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("kept", [0.0, 0.02, 0.5])
def test_a_truncated_picture_cannot_be_read(tmp_path, suffix, kept):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"a{suffix}"
    save(path, Image.fromarray(noise))
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(UnreadableError):
        read_square(str(path), 8)


def test_a_jpeg_with_something_after_its_end_is_read(tmp_path):
    path = tmp_path / "a.jpg"
    save(path)
    path.write_bytes(path.read_bytes() + b"appended by a camera")
    assert_colour(read_square(str(path), 8), (200, 30, 90), tolerance=2)


def test_numbers_of_unknown_range_are_refused_rather_than_clipped(tmp_path):
    path = save(tmp_path / "a.tif", Image.new("F", (9, 9), 0.5))
    with pytest.raises(UnreadableError, match="floating-point"):
        read_square(path, 8)


# ---- which pictures


@pytest.fixture
def dogs(tmp_path):
    for breed, count in (("Beagle", 3), ("Boxer", 2)):
        for number in range(count):
            save(tmp_path / breed / f"{number}.jpg", colour=(10 * number, 100, 200))
    return tmp_path


def test_class_folders_are_classes_in_the_order_of_their_names(dogs):
    for read in (data.dogbreed(str(dogs), image_size=8), data.imagefolder(str(dogs), image_size=8)):
        assert read.dataset.classes == ["Beagle", "Boxer"]
        assert read.labels.tolist() == [0, 0, 0, 1, 1]
        assert (read.num_outputs, read.input_shape) == (2, (3, 8, 8))


def test_class_folders_may_lie_in_train(tmp_path):
    for part in ("train", "val"):
        for breed in ("a", "b"):
            save(tmp_path / part / breed / "0.jpg")
    read = data.imagefolder(str(tmp_path), image_size=8)
    assert read.dataset.classes == ["a", "b"]
    assert all("train" in path for path in read.dataset.paths)


def test_extensions_know_no_case_and_hidden_files_are_left_alone(tmp_path):
    save(tmp_path / "a" / "0.JPEG", format="JPEG")
    save(tmp_path / "a" / "deeper" / "1.Png", format="PNG")
    save(tmp_path / "b" / "2.jpg")
    (tmp_path / "b" / "._2.jpg").write_bytes(b"left by a file manager")
    (tmp_path / "b" / "notes.txt").write_text("no picture")
    save(tmp_path / ".ipynb_checkpoints" / "3.jpg")
    read = data.imagefolder(str(tmp_path), image_size=8)
    assert [path.rsplit("/", 1)[1] for path in read.dataset.paths] == ["0.JPEG", "1.Png", "2.jpg"]
    assert read.num_outputs == 2


def kaggle(root, lines, names):
    for name in names:
        save(root / "train" / f"{name}.jpg")
    (root / "labels.csv").write_text("\n".join(["id,breed", *lines]) + "\n")
    return str(root)


def test_kaggles_layout_takes_labels_from_the_table(tmp_path):
    root = kaggle(tmp_path, ["b1,pug", "a2,boxer", "c3,pug"], ["a2", "b1", "c3"])
    read = data.dogbreed(root, image_size=8)
    assert read.dataset.classes == ["boxer", "pug"]
    labels = {
        path.rsplit("/", 1)[1]: int(label)
        for path, label in zip(read.dataset.paths, read.labels, strict=True)
    }
    assert labels == {"b1.jpg": 1, "a2.jpg": 0, "c3.jpg": 1}


@pytest.mark.parametrize(
    ("lines", "names", "message"),
    [
        (
            ["a,pug", "b,boxer", "c,pug", "d,pug"],
            ["a", "b"],
            r"labels\.csv names 2 pictures .* the first 'c'",
        ),
        (["a,pug", "b,boxer"], ["a", "b", "c"], r"train holds 1 pictures without a label .*'c\.jpg'"),
        (["a,pug", "b"], ["a", "b"], r"labels\.csv, line 3: an id and a breed are needed"),
        (["a,pug", "a,boxer"], ["a"], r"line 3: 'a' was named before"),
        (["a,pug", "b,pug"], ["a", "b"], "single breed 'pug'"),
        ([], ["a"], "names no picture at all"),
        (["a,pug"], [], "there is a labels.csv, but no folder train/"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(tmp_path, lines, names, message):
    with pytest.raises(DataError, match=message):
        data.dogbreed(kaggle(tmp_path, lines, names))


@pytest.mark.parametrize("content", [b"name;breed\na;pug\n", b"", b"\xff\xfe\x00bad"])
def test_a_malformed_table_is_named(tmp_path, content):
    save(tmp_path / "train" / "a.jpg")
    (tmp_path / "labels.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"labels\.csv"):
        data.dogbreed(str(tmp_path))


@pytest.mark.parametrize("make", [data.dogbreed, data.imagefolder])
def test_folders_that_cannot_be_used_say_why(tmp_path, make):
    with pytest.raises(DataError, match=r"data\.root=.*nowhere: there is no such folder"):
        make(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="holds no pictures: expected <class>/<picture>"):
        make(str(tmp_path))
    loose = save(tmp_path / "loose.jpg")
    with pytest.raises(DataError, match="this is a file"):
        make(loose)
    with pytest.raises(DataError, match="holds pictures, but no class folders"):
        make(str(tmp_path))
    save(tmp_path / "only" / "a.jpg")
    with pytest.raises(DataError, match="holds the single class 'only'"):
        make(str(tmp_path))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"single class 'only' \(1 more folders hold no picture\)"):
        make(str(tmp_path))


def test_arguments_out_of_range_name_their_key(dogs):
    with pytest.raises(DataError, match=r"data\.image_size must be at least 1, got 0"):
        data.imagefolder(str(dogs), image_size=0)
    with pytest.raises(DataError, match=r"data\.on_error must be raise or skip, got ignore"):
        data.imagefolder(str(dogs), on_error="ignore")


# ---- the data set


def test_a_batch_is_the_stacked_samples(dogs):
    pictures = data.imagefolder(str(dogs), image_size=8).dataset
    batch = pictures.__getitems__([4, 0, 2])
    assert batch.labels.tolist() == [1, 0, 0]
    assert batch.skipped == []
    for row, index in enumerate((4, 0, 2)):
        image, label = pictures[index]
        assert torch.equal(batch.images[row], image)
        assert int(label) == int(batch.labels[row])


def test_a_corrupt_picture_is_named_with_the_remedy(dogs):
    (dogs / "Boxer" / "1.jpg").write_bytes(b"\xff\xd8 no picture")
    pictures = data.imagefolder(str(dogs), image_size=8).dataset
    with pytest.raises(DataError, match=r"Boxer.1\.jpg cannot be read as a picture: .*data\.on_error=skip"):
        pictures.__getitems__([0, 4])
    with pytest.raises(DataError, match=r"Boxer.1\.jpg"):
        pictures[4]


def test_skip_leaves_a_corrupt_picture_out_and_names_it_every_time(dogs):
    bad = dogs / "Beagle" / "1.jpg"
    bad.write_bytes(b"")
    pictures = data.imagefolder(str(dogs), image_size=8, on_error="skip").dataset
    for _ in range(2):
        batch = pictures.__getitems__([0, 1, 4])
        assert batch.images.shape == (2, 3, 8, 8)
        assert batch.labels.tolist() == [0, 1]
        assert batch.skipped == [str(bad)]
    assert pictures.cached() is None


def test_a_picture_is_decoded_once(dogs):
    pictures = data.imagefolder(str(dogs), image_size=8).dataset
    first = pictures.__getitems__([0, 1, 2, 3, 4])
    for path in dogs.rglob("*.jpg"):
        path.unlink()
    again = pictures.__getitems__([0, 1, 2, 3, 4])
    assert torch.equal(first.images, again.images)
    images, labels = pictures.cached()
    assert torch.equal(images.permute(0, 3, 1, 2), first.images)
    assert labels.tolist() == [0, 0, 0, 1, 1]


def test_a_batch_does_not_change_the_cache(dogs):
    pictures = data.imagefolder(str(dogs), image_size=8).dataset
    for _ in range(2):
        batch = pictures.__getitems__([0, 1])
        kept = batch.images.clone()
        batch.images.zero_()
        assert torch.equal(pictures.__getitems__([0, 1]).images, kept)


def test_without_memory_there_is_no_cache_and_the_same_pictures(dogs):
    kept = data.imagefolder(str(dogs), image_size=8).dataset
    paths, labels, classes = kept.paths, kept.labels.tolist(), kept.classes
    bare = PictureFolder(paths, labels, classes, image_size=8, cache_bytes=5 * 8 * 8 * 3 - 1)
    for _ in range(2):
        assert torch.equal(bare.__getitems__([3, 1]).images, kept.__getitems__([3, 1]).images)
    kept.__getitems__(range(5))
    bare.__getitems__(range(5))
    assert kept.cached() is not None
    assert bare.cached() is None


def test_a_pickled_copy_decodes_anew(dogs):
    pictures = data.imagefolder(str(dogs), image_size=8).dataset
    batch = pictures.__getitems__([0, 4])
    copied = pickle.loads(pickle.dumps(pictures))
    assert torch.equal(copied.__getitems__([0, 4]).images, batch.images)
    assert copied.cached() is None


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_cache_is_twenty_times_as_fast_as_decoding(tmp_path, one_thread):
    noise = np.random.default_rng(0).integers(0, 256, (375, 500, 3), dtype=np.uint8)
    paths = [save(tmp_path / f"{number}.jpg", Image.fromarray(noise)) for number in range(8)]
    pictures = PictureFolder(paths, [0] * 8, ["a"], image_size=224)

    def seconds():
        # Of this process on its core: others on the machine do not count.
        start = process_time()
        pictures.__getitems__(range(8))
        return process_time() - start

    from_disk = seconds()
    assert from_disk > 20 * min(seconds() for _ in range(5))


def test_real_photographs_all_decode(shared_data):
    pictures = data.dogbreed(str(shared_data / "dogbreed-fullsize"), image_size=64).dataset
    assert len(pictures) == len(pictures.classes) == 118
    batch = pictures.__getitems__(range(118))
    assert batch.images.shape == (118, 3, 64, 64)
    # One of the photographs is grey.
    grey = (batch.images == batch.images[:, :1]).flatten(1).all(dim=1)
    assert int(grey.sum()) >= 1


def test_real_dogs_lie_in_train(shared_data):
    read = data.dogbreed(str(shared_data / "dogbreed"))
    assert read.num_outputs == 10
    assert all("train" in path for path in read.dataset.paths)
