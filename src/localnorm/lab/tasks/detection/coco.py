"""Object detection on user data: a folder in COCO's format."""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from localnorm.errors import DataError, UnknownNameError
from localnorm.lab.models.detector import Detector
from localnorm.lab.tasks.corruptions import CORRUPTIONS
from localnorm.lab.tasks.data_names import full, place_name, read_place_name
from localnorm.lab.tasks.default_schedules import scenes_schedule
from localnorm.lab.tasks.detection.coco_annotations import Listed, listing
from localnorm.lab.tasks.detection.objective import detection
from localnorm.lab.tasks.subset import Split, Subset
from localnorm.lab.tasks.task import Task

COCO = "coco:"
_OPTIONS = ("side", "channels")
SPLITS = ("train", "val", "test")
SHARES = (0.6, 0.2)
"""Training and validation shares of a folder without splits; the rest is for testing."""


@lru_cache(maxsize=10_000)  # 12 kB per image of the usual size; every trial of a worker reads all of them.
def _read(file: Path, size: tuple[int, int], side: int, channels: int) -> Tensor:
    """Return one image of bytes, shape (channels, side, side)."""
    try:
        with Image.open(file) as opened:
            if opened.size != size:
                raise DataError(
                    f"an image must have its size in annotations.json, {size[0]}x{size[1]}, "
                    f"got {opened.size[0]}x{opened.size[1]} in {file}; annotate that image."
                )
            if opened.mode[0] in "IF":
                raise DataError(
                    f"an image must have 8 bits per channel, got mode {opened.mode} in {file}; convert it."
                )
            pixels = opened.convert("L" if channels == 1 else "RGB").resize(
                (side, side), Image.Resampling.BILINEAR
            )
    except FileNotFoundError:
        raise DataError(
            f"every image that annotations.json lists must be there, got no {file}; add it or remove it "
            "from the list."
        ) from None
    except (OSError, SyntaxError) as problem:
        raise DataError(f"an image must be readable, got {problem} in {file}; copy it again.") from None
    return torch.from_numpy(np.array(pixels, dtype=np.uint8).reshape(side, side, channels)).permute(2, 0, 1)


def _subset(images: list[Listed], side: int, channels: int, name: str) -> Subset:
    """Read images, and pad their boxes to the largest number per image."""
    most = max((len(image.rows) for image in images), default=0)
    if not most:
        raise DataError(
            f"each split must have at least one box, got none among the {len(images)} images to {name}; "
            "annotate more images."
        )
    labels = torch.zeros(len(images), most, 5)
    labels[..., 0] = -1
    for i, image in enumerate(images):
        if image.rows:
            width, height = (side / length for length in image.size)
            labels[i, : len(image.rows)] = torch.tensor(image.rows) * torch.tensor(
                [1, width, height, width, height]
            )
    pixels = torch.stack([_read(image.file, image.size, side, channels) for image in images])
    return Subset(pixels.contiguous().float() / 255, labels)


def coco_folder(path: str | Path, seed: int = 0, *, side: int = 64, channels: int = 3) -> Split:
    """Return images and boxes of a folder in COCO's format.

    The folder holds either ``train/``, ``val/`` and ``test/``, each with ``images/`` and ``annotations.json``, for
    every seed; or ``images/`` and ``annotations.json`` itself, which the seed splits: 60 % of the images to train,
    20 % to choose, the rest to test.

    Every image is resized to side x side pixels (bilinear, the aspect ratio is not kept) with its boxes, which
    are clipped. Classes are numbered from 0 in the order of the category ids. Crowd regions
    (``iscrowd`` 1) are left out; images without a box are kept.

    Args:
        path: the folder.
        seed: of the split of a folder without splits.
        side: height and width of the images returned, in pixels.
        channels: 1 for grey images, 3 for colour.

    Returns:
        Inputs of shape (N, channels, side, side) in [0, 1]; labels of shape (N, M, 5): class, left, top, right,
        bottom in pixels of the resized image, class -1 and zeros in padding.

    Raises:
        DataError: a missing file, no annotations, an unknown category, a box outside its image, an image of
            another size than listed, of more than 8 bits per channel or truncated, splits with different
            categories, or a split without a box.

    Source:
        https://cocodataset.org/#format-data

    Example:
        >>> coco_folder("no/such/folder")
        Traceback (most recent call last):
        localnorm.errors.DataError: a COCO folder must hold images/ and annotations.json, ...
    """
    _check(side, channels)
    folder = Path(path)
    if (folder / SPLITS[0]).is_dir():
        listed = [listing(folder / name) for name in SPLITS]
        parts = [images for images, _ in listed]
        for name, (_, names) in zip(SPLITS, listed, strict=True):
            if names != listed[0][1]:
                raise DataError(
                    f"the splits must have the same categories, got {names} in {name}/ and {listed[0][1]} in "
                    f"{SPLITS[0]}/; export them together."
                )
    else:
        images, _ = listing(folder)
        order = np.random.default_rng(seed).permutation(len(images))
        ends = np.cumsum([round(share * len(images)) for share in SHARES])
        parts = [[images[i] for i in chosen] for chosen in np.split(order, ends)]
    return Split(*(_subset(part, side, channels, name) for part, name in zip(parts, SPLITS, strict=True)))


def _check(side: int, channels: int) -> None:
    if channels not in (1, 3):
        raise DataError(f"channels must be 1 for grey or 3 for colour, got {channels}; choose one of them.")
    if side < 1:
        raise DataError(f"side must be at least 1 pixel, got {side}; 64 is the size of the digit scenes.")


def coco_task(path: str | Path, *, side: int = 64, channels: int = 3) -> Task:
    """Return the detection task of a folder in COCO's format; see `coco_folder`.

    Its name, ``coco:FOLDER?side=N&channels=N``, identifies the data, so that `find_task` rebuilds the task from a
    record.

    Args:
        path: the folder.
        side: height and width of the resized images, in pixels.
        channels: 1 for grey images, 3 for colour.

    Raises:
        DataError: as `coco_folder`, for the annotations only.

    Example:
        >>> coco_task("no/such/folder")
        Traceback (most recent call last):
        localnorm.errors.DataError: a COCO folder must hold images/ and annotations.json, ...
    """
    _check(side, channels)
    place = full(str(path))
    folder = Path(place)
    split = (folder / SPLITS[0]).is_dir()
    images, names = listing(folder / SPLITS[0] if split else folder)
    return Task(
        name=place_name(COCO, place, {"side": side, "channels": channels}),
        about=f"the images of {folder} at {side}x{side} pixels and their boxes of {', '.join(names.values())}",
        model="detector",
        dims=2,
        objective=detection(),
        load=partial(coco_folder, folder, side=side, channels=channels),
        build=partial(Detector, channels=channels, classes=len(names)),
        corruptions=tuple(CORRUPTIONS),
        most_corrupted=100,
        schedule=scenes_schedule(len(images) if split else round(SHARES[0] * len(images))),
    )


def named_coco_task(name: str, model: str | None) -> Task:
    """Return the task of a name made by `coco_task`.

    Raises:
        UnknownNameError: no such name, or another model than the detector.
    """
    place, options = read_place_name(COCO, name, _OPTIONS)
    task = coco_task(place, **options)
    if model not in (None, task.model):
        raise UnknownNameError(
            f"the model of {COCO}FOLDER must be {task.model}, got {model!r}; user-defined models are for "
            "classification and faces."
        )
    return task
