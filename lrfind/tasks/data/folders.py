"""Which pictures a folder holds, and the class of each."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from lrfind.errors import DataError

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
"""What counts as a picture, in lower case."""

Found = tuple[list[str], list[int], list[str]]
"""Paths, the class index of each, and the names of the classes in their order."""


def find_dogbreed(root: str) -> Found:
    """Find pictures in class folders, or in Kaggle's layout: `train/<id>.jpg` beside `labels.csv`."""
    folder = _existing_folder(root)
    table, train = folder / "labels.csv", folder / "train"
    if _class_folders(train) or not table.is_file():
        return find_class_folders(root)
    if not train.is_dir():
        raise DataError(
            f"data.root={root}: there is a labels.csv, but no folder train/ beside it with the pictures. "
            "Unpack the archive of pictures there."
        )
    return _labelled_pictures(table, train)


def find_class_folders(root: str) -> Found:
    """Find pictures in `root/<class>/`, however deep, or in `root/train/<class>/`.

    Classes are ordered by name. Hidden files and folders are left alone, and so are links that lead around in
    a circle or into the folder of another class.

    Raises:
        DataError: Where the folder is missing, holds no picture or a single class.
    """
    folder = _existing_folder(root)
    if _class_folders(folder / "train"):
        folder = folder / "train"
    paths: list[str] = []
    labels: list[int] = []
    classes: list[str] = []
    empty: list[str] = []
    class_folders = _class_folders(folder)
    for class_folder in class_folders:
        pictures = _pictures_below(class_folder, besides=[folder, *class_folders])
        if not pictures:
            empty.append(class_folder.name)
            continue
        paths += pictures
        labels += [len(classes)] * len(pictures)
        classes.append(class_folder.name)
    where = f"data.root={root}" if str(folder) == root else f"data.root={root}: {folder}"
    if not classes and any(_is_picture(name.name) for name in folder.iterdir()):
        raise DataError(
            f"{where} holds pictures, but no class folders. Move the pictures of each class into a "
            "folder that bears its name."
        )
    if not classes:
        raise DataError(
            f"{where} holds no pictures: expected <class>/<picture> with one of "
            f"{', '.join(sorted(EXTENSIONS))}. Give the folder that holds the class folders."
        )
    if len(classes) == 1:
        besides = f" ({len(empty)} more folders hold no picture)" if empty else ""
        raise DataError(
            f"{where} holds the single class {classes[0]!r}{besides}, and there is nothing to learn "
            "from one class. Give the folder that holds one folder a class."
        )
    return paths, labels, classes


def _labelled_pictures(table: Path, train: Path) -> Found:
    """Read Kaggle's table and match it with the pictures; neither side may have an entry of its own."""
    breeds = _read_table(table)
    pictures = {Path(path).stem: path for path in _pictures_below(train, besides=[])}
    if not pictures:
        raise DataError(f"{train} holds no pictures. Unpack the archive of pictures there.")
    absent = [name for name in breeds if name not in pictures]
    if absent:
        raise DataError(
            f"{table} names {len(absent)} pictures that are not in {train}, the first {absent[0]!r}. Copy "
            "them there, or take their lines out of the table."
        )
    unlabelled = [path for name, path in pictures.items() if name not in breeds]
    if unlabelled:
        raise DataError(
            f"{train} holds {len(unlabelled)} pictures without a label in {table}, the first "
            f"{Path(unlabelled[0]).name!r}. Add their lines, or move them away."
        )
    classes = sorted(set(breeds.values()))
    if len(classes) == 1:
        raise DataError(
            f"{table} names the single breed {classes[0]!r}, and there is nothing to learn from one."
        )
    index = {breed: number for number, breed in enumerate(classes)}
    return [pictures[name] for name in breeds], [index[breed] for breed in breeds.values()], classes


def _read_table(table: Path) -> dict[str, str]:
    try:
        # utf-8-sig: spreadsheets put a byte order mark in front, which would become part of the first column.
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = reader.fieldnames or []
            if "id" not in columns or "breed" not in columns:
                raise DataError(
                    f"{table} must begin with a line that names the columns id and breed, got "
                    f"{','.join(columns)!r}."
                )
            breeds: dict[str, str] = {}
            for row in reader:
                name, breed = (row["id"] or "").strip(), (row["breed"] or "").strip()
                if not name or not breed:
                    raise DataError(
                        f"{table}, line {reader.line_num}: an id and a breed are needed, got {row}."
                    )
                if name in breeds:
                    raise DataError(
                        f"{table}, line {reader.line_num}: {name!r} was named before. Delete one line."
                    )
                breeds[name] = breed
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read as comma-separated text in UTF-8: {error}.") from error
    if not breeds:
        raise DataError(f"{table} names no picture at all: a line id,breed a picture is needed.")
    return breeds


def _existing_folder(root: str) -> Path:
    folder = Path(root).expanduser()
    if not folder.exists():
        raise DataError(
            f"data.root={root}: there is no such folder"
            f"{'' if folder.is_absolute() else f' ({folder.absolute()})'}. Give the right one."
        )
    if not folder.is_dir():
        raise DataError(f"data.root={root}: this is a file. Give the folder that holds the pictures.")
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise DataError(f"data.root={root}: the folder cannot be read: {error.strerror}.") from error
    return folder


def _class_folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    entries = [entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    own = os.path.realpath(folder)
    real = [os.path.realpath(entry) for entry in entries if not entry.is_symlink()]
    return sorted(entry for entry in entries if not entry.is_symlink() or _is_elsewhere(entry, own, real))


def _is_elsewhere(link: Path, folder: str, others: list[str]) -> bool:
    """Whether a link leads neither around in a circle nor into one of the other folders."""
    leads_to = os.path.realpath(link)
    return not _contains(leads_to, folder) and not any(_contains(other, leads_to) for other in others)


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in EXTENSIONS  # noqa: PTH122 (speed)


def _pictures_below(folder: Path, *, besides: list[Path]) -> list[str]:
    """Paths of the pictures in a folder, however deep; each folder is entered once, whatever links there are.

    A link that leads into one of the folders in `besides` is left alone: its pictures are others'.
    """
    own = os.path.realpath(folder)
    others = [path for path in map(os.path.realpath, besides) if path != own]
    entered: set[str] = set()

    def is_own(path: str) -> bool:
        if not Path(path).is_symlink():
            return True
        real = os.path.realpath(path)
        # What lies above one of those folders, or in one that is not above this one, is not of this class;
        # what lies in this one is found without the link.
        around = any(_contains(real, other) for other in [own, *others])
        inside = any(_contains(other, real) and not _contains(other, own) for other in others)
        if around or inside or _contains(own, real) or real in entered:
            return False
        entered.add(real)
        return True

    found: list[str] = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [
            name for name in folders if not name.startswith(".") and is_own(f"{parent}{os.sep}{name}")
        ]
        found += [f"{parent}{os.sep}{name}" for name in files if _is_picture(name)]
    return sorted(found)


def _contains(folder: str, path: str) -> bool:
    """Whether a real path is that of the folder or of something in it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
