"""Pictures of any format that Pillow reads, brought to one array."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from localnorm.errors import DataError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm"})
GRAY = frozenset({"1", "L"})
_DEEP = frozenset({"I", "F", "I;16", "I;16L", "I;16B", "I;16N"})

PILImage = Image.Image


def picture_files(folder: Path) -> list[Path]:
    """Return the picture files that lie directly in a folder, by name, hidden ones left out."""
    visible = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != ".")
    return sorted(path for path in visible if path.is_file())


def open_picture(path: Path) -> PILImage:
    """Return the picture of one file, turned as its camera was held.

    Raises:
        DataError: no picture, or a damaged one.
    """
    try:
        with Image.open(path) as opened:
            return ImageOps.exif_transpose(opened)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        raise DataError(f"{path} must be a whole picture, got: {problem}; replace it or take it away.") from None


def resize(side: int | None) -> Callable[[PILImage], PILImage]:
    """Return what brings a picture to side x side pixels; the picture as it is for None."""
    return lambda picture: picture.resize((side, side), Image.Resampling.BILINEAR) if side else picture


def stack(pictures: Iterable[tuple[object, PILImage]], prepare: Callable[[PILImage], PILImage]) -> NDArray[np.uint8]:
    """Return pictures as one array of shape (N, C, H, W): one channel where all are gray, else red, green, blue.

    Transparency is dropped.

    Args:
        pictures: what to call each picture, and the picture; taken one by one.
        prepare: done to each picture first.

    Raises:
        DataError: two pictures of differing sizes, or more than 8 bits a channel.
    """
    arrays: list[NDArray[np.uint8]] = []
    first: tuple[object, tuple[int, int]] | None = None
    for name, picture in pictures:
        if picture.mode in _DEEP:
            raise DataError(
                f"a picture must have 8 bits a channel, got mode {picture.mode} in {name}; convert it to 8 bits."
            )
        # Before the picture is resized: a palette has no colours between its own.
        whole = prepare(picture.convert("L" if picture.mode in GRAY else "RGB"))
        first = first or (name, whole.size)
        if whole.size != first[1]:
            (w, h), (width, height) = first[1], whole.size
            raise DataError(
                f"all images must be of one size, got {w}x{h} in {first[0]} and {width}x{height} in {name}; "
                "resize them, or give a side that all are resized to."
            )
        pixels = np.asarray(whole)
        arrays.append(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))
    channels = max((array.shape[0] for array in arrays), default=1)
    return np.stack([np.broadcast_to(array, (channels, *array.shape[1:])) for array in arrays])
