"""Load user data for image classification: MNIST and CIFAR-10 files, image folders, Hugging Face datasets.

Only ``hub:NAME`` downloads.
"""

from __future__ import annotations

from pathlib import Path

from localnorm.errors import DataError
from localnorm.lab.data import cifar, folder, hub, idx
from localnorm.lab.data.data import Data, Images
from localnorm.lab.data.folder import read_people

__all__ = ["HUB", "Data", "Images", "load_data", "read_people"]

HUB = "hub:"
_FORMATS = (
    f"{', '.join(idx.NAMES)} (plain or .gz), data_batch_*.bin with test_batch.bin, a folder of images for each "
    "class, or the files of datasets.save_to_disk"
)


def load_data(location: str, *, side: int | None = None, skip: bool = False) -> Data:
    """Read a data set, whose format is recognized from its files.

    Args:
        location: a folder, or ``hub:NAME`` for Hugging Face `datasets` (extra ``datasets``), where NAME is a data
            set of the hub or a folder that `datasets` can load; ``hub:NAME#COLUMN`` names the column of labels.
        side: resize every image of an image folder or of `datasets` to side x side pixels, ignoring the aspect
            ratio; None keeps their size, which must then be the same.
        skip: leave out damaged images of an image folder or of `datasets` when they are used; default refuse them.

    Returns:
        8-bit images of shape (N, C, H, W) and integer labels from 0, with the official splits.
        `localnorm.lab.tasks.data_task` converts them to float32 in [0, 1] and splits off missing ones.

    Raises:
        DataError: nothing readable there, damaged files, images of different sizes, one class only.
        MissingExtraError: `datasets` is needed and not installed.

    Example:
        >>> load_data("no/such/folder")
        Traceback (most recent call last):
        localnorm.errors.DataError: data must be a folder that exists or hub:NAME, got 'no/such/folder'; ...
    """
    if side is not None and side < 1:
        raise DataError(f"side must be at least 1 pixel, got {side}; leave it out to keep their size.")
    if location.startswith(HUB):
        return hub.read(location.removeprefix(HUB), side, skip=skip)
    path = Path(location).expanduser()
    if not path.is_dir():
        kind = "a file" if path.exists() else "nothing"
        raise DataError(
            f"data must be a folder that exists or hub:NAME, got {location!r}; there is {kind} at "
            f"{path.absolute()}: check the spelling, and unpack archives first."
        )
    for reader in (idx, cifar):
        for place in (path, *(path / name for name in reader.FOLDERS)):
            if reader.detected(place):
                if side is not None:
                    raise DataError(
                        f"side is for image folders and hub:NAME, got side={side} for {place}, whose images "
                        "are of one size; leave it out."
                    )
                data: Data = reader.read(place)
                return data
    if hub.saved(path):
        return hub.read(str(path), side, skip=skip)
    if folder.detected(path):
        return folder.read(path, side, skip=skip)
    raise DataError(f"a data folder must hold {_FORMATS}; got {path}, which holds none of these: check the path.")
