"""CIFAR-10 in its binary version: records of a label and 3x32x32 bytes, channels first.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from localnorm.errors import DataError
from localnorm.lab.data.data import Data, Images, labelled

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py")
_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32


def _python_version(folder: Path) -> bool:
    return (folder / "data_batch_1").is_file() or (folder / "batches.meta").is_file()


def detected(folder: Path) -> bool:
    """Whether a folder holds batches, in the binary version or in the Python version, which `read` refuses."""
    return any(folder.glob("data_batch_*.bin")) or (folder / "test_batch.bin").is_file() or _python_version(folder)


def read(folder: Path) -> Data:
    """Return the data of a folder; the test batch may be missing.

    Raises:
        DataError: no training batch, a truncated batch, a label out of range, or the Python version.
    """
    batches = sorted(folder.glob("data_batch_*.bin"))
    if not batches and _python_version(folder):
        raise DataError(
            f"CIFAR-10 must be its binary version (cifar-10-binary.tar.gz, data_batch_1.bin), got the Python "
            f"version in {folder}, whose pickles would run code; download the binary version from the same page."
        )
    if not batches:
        raise DataError(
            f"{folder} must hold data_batch_1.bin beside test_batch.bin, got no training batch; add it."
        )
    parts = [_read(path) for path in batches]
    train = Images(
        *(np.concatenate(arrays) for arrays in zip(*((p.pixels, p.labels) for p in parts), strict=True))
    )
    test = folder / "test_batch.bin"
    return Data(str(folder), CLASSES, train, test=_read(test) if test.is_file() else None)


def _read(path: Path) -> Images:
    size = path.stat().st_size
    if size % _RECORD or not size:
        raise DataError(
            f"{path} must hold whole records of {_RECORD} bytes, got {size} bytes, which is {size // _RECORD} "
            f"records and {size % _RECORD} bytes; it is truncated or of another format: get it anew."
        )
    records = np.fromfile(path, np.uint8).reshape(-1, _RECORD)
    return labelled(records[:, 1:].reshape(-1, *_SHAPE), records[:, 0], len(CLASSES), path)
