"""Read image folders: one folder per class, optionally below folders for train, validation and test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from localnorm.errors import DataError
from localnorm.lab.data.data import Data, Images
from localnorm.lab.data.images import PILImage, image_files, open_image, stack
from localnorm.lab.data.stream import stream_or_stack

SPLIT_FOLDERS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing"),
}
"""Possible names of a split's top folder."""
_SPLIT_NAMES = {name for names in SPLIT_FOLDERS.values() for name in names}


def subfolders(path: Path) -> list[Path]:
    """Return the folders in a folder by name, hidden ones left out."""
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and folder.name[0] != ".")


def detected(path: Path) -> bool:
    """Whether there are folders that could be classes."""
    return bool(subfolders(path))


def read(path: Path, side: int | None = None, *, skip: bool = False) -> Data:
    """Return the data of a folder; a class is a folder that holds images.

    Args:
        path: holds a folder for each class, or folders train, validation and test that do.
        side: resize every image to side x side pixels.
        skip: leave out damaged images.

    Raises:
        DataError: a class without images, a class without training images, a damaged image, different sizes.
    """
    top = subfolders(path)
    # A class may be called "train", beside "plane" and "car".
    if not any(folder.name.lower() in SPLIT_FOLDERS["train"] and not image_files(folder) for folder in top):
        classes = tuple(folder.name for folder in top)
        return Data(str(path), classes, _class_folders(path, classes, side, skip=skip))
    if strange := [folder.name for folder in top if folder.name.lower() not in _SPLIT_NAMES]:
        raise DataError(
            f"beside train there may be only validation and test, got {strange[0]!r} in {path}; move it "
            "elsewhere, or put all classes on one level."
        )
    parts = {
        part: [folder for folder in top if folder.name.lower() in names] for part, names in SPLIT_FOLDERS.items()
    }
    if doubled := [folders for folders in parts.values() if len(folders) > 1]:
        raise DataError(f"a split must have one folder, got {doubled[0][0]} and {doubled[0][1]}; join them.")
    classes = tuple(folder.name for folder in subfolders(parts["train"][0]))
    read = {part: _class_folders(f[0], classes, side, skip=skip) for part, f in parts.items() if f}
    return Data(str(path), classes, **read)


def _class_folders(path: Path, classes: tuple[str, ...], side: int | None, *, skip: bool) -> Images:
    """Return the images of the class folders in a folder."""
    files: list[Path] = []
    labels: list[int] = []
    for folder in subfolders(path):
        if folder.name not in classes:
            raise DataError(
                f"every class must be among those of training, {', '.join(classes)}, got {folder}; move it or add "
                "training images."
            )
        here = image_files(folder)
        if not here:
            raise DataError(
                f"a class folder must hold images, got none in {folder}; add some, or move the folder elsewhere."
            )
        files += here
        labels += [classes.index(folder.name)] * len(here)
    if not files:
        raise DataError(f"a folder of images must hold a folder for each class, got none in {path}; add them.")
    pixels = stream_or_stack(list(map(str, files)), partial(_open, files), side, skip=skip)
    return Images(pixels, np.asarray(labels, np.int64))


def _open(files: Sequence[Path], place: int) -> PILImage:
    return open_image(files[place])


def read_people(path: Path, prepare: Callable[[PILImage], PILImage]) -> Data:
    """Return the people with at least two images; a person is a folder that holds images.

    Args:
        path: holds a folder for each person, as ``lfw/Person_Name/Person_Name_0001.jpg``, or a folder ``lfw``.
        prepare: applied to every image, to make them one size.

    Raises:
        DataError: no folder, fewer than two people with two images, or a damaged image.
    """
    if not path.is_dir():
        raise DataError(f"people must be in a folder that exists, got {str(path)!r}; check the spelling.")
    here = path / "lfw" if (path / "lfw").is_dir() else path
    images = {folder.name: image_files(folder) for folder in subfolders(here)}
    several = {person: files for person, files in images.items() if len(files) > 1}
    if len(several) < 2:
        raise DataError(
            "people to recognize must have two images each, as in lfw/Person_Name/Person_Name_0001.jpg, "
            f"got {len(several)} such people among {len(images)} folders in {here}; add images."
        )
    files = [file for person in several.values() for file in person]
    labels = np.repeat(np.arange(len(several)), [len(person) for person in several.values()])
    return Data(
        str(here), tuple(several), Images(stack(((file, open_image(file)) for file in files), prepare), labels)
    )
