"""Read MNIST and Fashion-MNIST in IDX format, plain or gzipped.

Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits"; a file is a magic number, the sizes
of its axes, all big-endian 32-bit, and bytes.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from localnorm.errors import DataError
from localnorm.lab.data.data import Data, Images, labelled

TRAIN = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")
TEST = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
NAMES = (*TRAIN, *TEST)
FOLDERS = ("raw", "MNIST/raw", "FashionMNIST/raw")
CLASSES = 10
_BYTES = 0x08
"""The type code in the third byte of the magic number; the fourth is the number of axes."""


def _find(folder: Path, name: str) -> Path | None:
    """Return the file of that name, plain before gzipped; None if there is neither."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def detected(folder: Path) -> bool:
    """Whether a folder holds one of the four files."""
    return any(_find(folder, name) for name in NAMES)


def read(folder: Path) -> Data:
    """Return the data of a folder; the test files may be missing, both together.

    Raises:
        DataError: a file is missing, truncated, of another format, or does not match the other file.
    """
    test = _pair(folder, *TEST) if any(_find(folder, name) for name in TEST) else None
    return Data(str(folder), tuple(map(str, range(CLASSES))), _pair(folder, *TRAIN), test=test)


def _pair(folder: Path, images: str, labels: str) -> Images:
    paths = [_find(folder, name) for name in (images, labels)]
    for name, path in zip((images, labels), paths, strict=True):
        if path is None:
            raise DataError(f"{folder} must hold {name} or {name}.gz beside the other files, got neither; add it.")
    pixels, answers = (_read(path, axes) for path, axes in zip(paths, (3, 1), strict=True) if path)
    if len(pixels) != len(answers):
        raise DataError(
            f"{paths[0]} and {paths[1]} must hold as many images as labels, got {len(pixels)} and {len(answers)}; "
            "they are not of one data set: get both files anew."
        )
    return labelled(pixels[:, None], answers, CLASSES, paths[1])


def _read(path: Path, axes: int) -> NDArray[np.uint8]:
    """Return the array of one file, which must have `axes` axes."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise DataError(f"{path} must be a whole gzip file, got: {problem}; get it anew.") from None
    header, magic = 4 * (1 + axes), _BYTES << 8 | axes
    if content[:4] != magic.to_bytes(4, "big"):
        raise DataError(
            f"{path} must start with the magic number 0x{magic:08x}, got 0x{content[:4].hex()}; it is another "
            "file under this name, or an archive that is not unpacked."
        )
    shape = tuple(np.frombuffer(content[4:header], ">u4").tolist()) if len(content) >= header else ()
    expected = header + math.prod(shape)
    if not shape or len(content) != expected:
        raise DataError(
            f"{path} must be {expected} bytes long as its header says, got {len(content)}; it is truncated or "
            "damaged: get it anew."
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)
