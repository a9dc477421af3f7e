"""Read image files with Pillow and stack them to one array."""

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


def image_files(folder: Path) -> list[Path]:
    """Return the image files directly in a folder, by name, without hidden ones."""
    visible = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != ".")
    return sorted(path for path in visible if path.is_file())


def open_image(path: Path) -> PILImage:
    """Return the image of one file, rotated as its EXIF orientation says.

    Raises:
        DataError: not an image, or a damaged one.
    """
    try:
        with Image.open(path) as opened:
            return ImageOps.exif_transpose(opened)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        raise DataError(f"{path} must be a whole image, got: {problem}; replace or remove it.") from None


def resize(side: int | None) -> Callable[[PILImage], PILImage]:
    """Return a function that resizes an image to side x side pixels; unchanged for None."""
    return lambda image: image.resize((side, side), Image.Resampling.BILINEAR) if side else image


def stack(images: Iterable[tuple[object, PILImage]], prepare: Callable[[PILImage], PILImage]) -> NDArray[np.uint8]:
    """Return images as one array of shape (N, C, H, W): one channel if all are gray, else RGB.

    Transparency is dropped.

    Args:
        images: a name for the messages and the image, taken one by one.
        prepare: applied to each image first.

    Raises:
        DataError: images of different sizes, or more than 8 bits per channel.
    """
    arrays: list[NDArray[np.uint8]] = []
    first: tuple[object, tuple[int, int]] | None = None
    for name, image in images:
        if image.mode in _DEEP:
            raise DataError(
                f"an image must have 8 bits per channel, got mode {image.mode} in {name}; convert it to 8 bits."
            )
        # Before resizing: a palette has no intermediate colours.
        whole = prepare(image.convert("L" if image.mode in GRAY else "RGB"))
        first = first or (name, whole.size)
        if whole.size != first[1]:
            (w, h), (width, height) = first[1], whole.size
            raise DataError(
                f"all images must be of one size, got {w}x{h} in {first[0]} and {width}x{height} in {name}; "
                "resize them, or give a side to resize all to."
            )
        pixels = np.asarray(whole)
        arrays.append(pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1))
    channels = max((array.shape[0] for array in arrays), default=1)
    return np.stack([np.broadcast_to(array, (channels, *array.shape[1:])) for array in arrays])
