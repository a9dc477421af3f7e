"""Writers of small data sets: IDX, CIFAR-10's binary version, folders of images."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def random_pixels(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def idx(array: NDArray[np.uint8]) -> bytes:
    """Return an array as IDX, by hand: 0, 0, the type code of bytes, the number of axes, their sizes, bytes."""
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder: Path, part: str, images: NDArray[np.uint8], labels: list[int], *, zipped: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for kind, axes, array in (("images", 3, images), ("labels", 1, np.array(labels, np.uint8))):
        path = folder / f"{part}-{kind}-idx{axes}-ubyte"
        if zipped:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            path.write_bytes(idx(array))


def write_cifar(path: Path, images: NDArray[np.uint8], labels: list[int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True))
    )


def write_pictures(folder: Path, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
    """Write arrays of shape (H, W) or (H, W, 3) under their paths in the folder."""
    for name, pixels in pictures.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / name)
