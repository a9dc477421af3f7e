"""Image folders: a folder for each class, below folders for train, validation and test where there are such."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from localnorm.errors import DataError
from localnorm.lab.data.data import Data, Images
from localnorm.lab.data.images import PILImage, open_picture, picture_files, resize, stack

PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}
"""The names that a part's top folder may have."""
_PART_NAMES = {name for names in PARTS.values() for name in names}


def subfolders(path: Path) -> list[Path]:
    """Return the folders in a folder by name, hidden ones left out."""
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and folder.name[0] != ".")


def found(path: Path) -> bool:
    """Whether there are folders that could be classes."""
    return bool(subfolders(path))


def read(path: Path, side: int | None = None) -> Data:
    """Return the data of a folder; a class is a folder that holds pictures.

    Args:
        path: holds a folder for each class, or top folders train, validation and test that do.
        side: resize every picture to side x side pixels.

    Raises:
        DataError: a class without pictures, one that training lacks, a damaged picture, differing sizes.
    """
    top = subfolders(path)
    # A class may be called "train", beside "plane" and "car".
    if not any(folder.name.lower() in PARTS["train"] and not picture_files(folder) for folder in top):
        classes = tuple(folder.name for folder in top)
        return Data(str(path), classes, _part(path, classes, side))
    if strange := [folder.name for folder in top if folder.name.lower() not in _PART_NAMES]:
        raise DataError(
            f"beside train there may be only validation and test, got {strange[0]!r} in {path}; move it "
            "elsewhere, or put all classes on one level."
        )
    parts = {part: [folder for folder in top if folder.name.lower() in names] for part, names in PARTS.items()}
    if doubled := [folders for folders in parts.values() if len(folders) > 1]:
        raise DataError(f"a part must have one folder, got {doubled[0][0]} and {doubled[0][1]}; join them.")
    classes = tuple(folder.name for folder in subfolders(parts["train"][0]))
    return Data(str(path), classes, **{part: _part(f[0], classes, side) for part, f in parts.items() if f})


def _part(path: Path, classes: tuple[str, ...], side: int | None) -> Images:
    """Return the images of the class folders in a folder."""
    files: list[Path] = []
    labels: list[int] = []
    for folder in subfolders(path):
        if folder.name not in classes:
            raise DataError(
                f"every class must be among those of training, {', '.join(classes)}, got {folder}; move it or add "
                "training images."
            )
        here = picture_files(folder)
        if not here:
            raise DataError(
                f"a class folder must hold pictures, got none in {folder}; add some, or move the folder elsewhere."
            )
        files += here
        labels += [classes.index(folder.name)] * len(here)
    if not files:
        raise DataError(f"a folder of images must hold a folder for each class, got none in {path}; add them.")
    pixels = stack(((file, open_picture(file)) for file in files), resize(side))
    return Images(pixels, np.asarray(labels, np.int64))


def read_people(path: Path, prepare: Callable[[PILImage], PILImage]) -> Data:
    """Return the people with at least two pictures; a person is a folder that holds pictures.

    Args:
        path: holds a folder for each person, as ``lfw/Person_Name/Person_Name_0001.jpg``, or a folder ``lfw``.
        prepare: brings every picture to one size.

    Raises:
        DataError: no folder, fewer than two people with two pictures, or a damaged picture.
    """
    if not path.is_dir():
        raise DataError(f"people must be in a folder that exists, got {str(path)!r}; check the spelling.")
    here = path / "lfw" if (path / "lfw").is_dir() else path
    pictures = {folder.name: picture_files(folder) for folder in subfolders(here)}
    several = {person: files for person, files in pictures.items() if len(files) > 1}
    if len(several) < 2:
        raise DataError(
            "people to recognize must have two pictures each, as in lfw/Person_Name/Person_Name_0001.jpg, "
            f"got {len(several)} such people among {len(pictures)} folders in {here}; add pictures."
        )
    files = [file for person in several.values() for file in person]
    labels = np.repeat(np.arange(len(several)), [len(person) for person in several.values()])
    return Data(
        str(here), tuple(several), Images(stack(((file, open_picture(file)) for file in files), prepare), labels)
    )
