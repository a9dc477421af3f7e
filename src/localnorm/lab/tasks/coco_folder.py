"""A folder of the user's own in COCO's format: images and their boxes, for object detection."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from localnorm.errors import DataError
from localnorm.lab.models.detector import Detector
from localnorm.lab.tasks.corruptions import CORRUPTIONS
from localnorm.lab.tasks.detection import detection
from localnorm.lab.tasks.task import Part, Split, Task

PARTS = ("train", "val", "test")
SHARES = (0.6, 0.2)
"""Of a folder that is not split: to train and to choose by; the rest is to test."""


@dataclass(frozen=True)
class _Listed:
    """One image of an annotations.json: its file, its size in pixels and its rows (class, box)."""

    file: Path
    size: tuple[int, int]
    rows: list[tuple[float, ...]]


def _content(folder: Path) -> dict[str, Any]:
    """Read an annotations.json and check that it holds the three lists of the format."""
    path = folder / "annotations.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(
            "a COCO folder must hold images/ and annotations.json, or train/, val/ and test/ that each do, got no "
            f"{path}; see docs/lab.md, 'Detection on your own images'."
        ) from None
    except ValueError as problem:
        raise DataError(f"annotations must be JSON, got {problem} in {path}; export them again.") from None
    for name in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(name), list) or not content[name]:
            raise DataError(
                f"annotations must hold a list {name!r} that is not empty, got none in {path}; export them in "
                "COCO's format for object detection."
            )
    checked: dict[str, Any] = content
    return checked


def _categories(content: dict[str, Any]) -> dict[int, str]:
    """Return the categories' names by id, in the order of the ids: a category's place there is its class."""
    return {kind["id"]: str(kind["name"]) for kind in sorted(content["categories"], key=lambda kind: kind["id"])}


def _row(note: dict[str, Any], classes: list[int], size: tuple[int, int], path: Path) -> tuple[float, ...]:
    """Return the class and the edges of one annotation, cut at the borders of its image."""
    if note["category_id"] not in classes:
        raise DataError(
            f"an annotation's category must be one of the ids {classes}, got {note['category_id']!r} in {path}; "
            "add it to the list of categories."
        )
    left, top, width, height = (float(number) for number in note["bbox"])
    edges = (max(left, 0.0), max(top, 0.0), min(left + width, size[0]), min(top + height, size[1]))
    # Written so that a NaN fails too.
    if not (edges[2] > edges[0] and edges[3] > edges[1]):
        raise DataError(
            f"a box [left, top, width, height] must show some of its image of {size[0]}x{size[1]} pixels, got "
            f"{note['bbox']} in {path}; correct or remove it."
        )
    return (float(classes.index(note["category_id"])), *edges)


def _list(folder: Path) -> tuple[list[_Listed], dict[int, str]]:
    """Return what an annotations.json says of its images, in its order, and its categories."""
    path = folder / "annotations.json"
    content = _content(folder)
    try:
        names = _categories(content)
        images = {
            image["id"]: _Listed(folder / "images" / image["file_name"], (image["width"], image["height"]), [])
            for image in content["images"]
        }
        for note in content["annotations"]:
            if note["image_id"] not in images:
                raise DataError(
                    f"an annotation must be of a listed image, got image_id {note['image_id']!r} in {path}; add "
                    "it to the list of images."
                )
            if not note.get("iscrowd", 0):
                image = images[note["image_id"]]
                image.rows.append(_row(note, list(names), image.size, path))
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        if isinstance(problem, DataError):
            raise
        raise DataError(
            "an image must have id, file_name, width and height, an annotation image_id, category_id and bbox of "
            f"4 numbers, a category id and name; got {type(problem).__name__}: {problem} in {path}; export it again."
        ) from None
    return list(images.values()), names


def _read(image: _Listed, side: int, channels: int) -> Tensor:
    """Return one image of shape (channels, side, side) in [0, 1]."""
    try:
        with Image.open(image.file) as opened:
            if opened.size != image.size:
                raise DataError(
                    f"an image must have the size that annotations.json says, {image.size[0]}x{image.size[1]}, "
                    f"got {opened.size[0]}x{opened.size[1]} in {image.file}; annotate the image that is there."
                )
            pixels = opened.convert("L" if channels == 1 else "RGB").resize(
                (side, side), Image.Resampling.BILINEAR
            )
    except FileNotFoundError:
        raise DataError(
            f"every image that annotations.json lists must be there, got no {image.file}; add it or take it off "
            "the list."
        ) from None
    except (OSError, SyntaxError) as problem:
        raise DataError(f"an image must be readable, got {problem} in {image.file}; copy it again.") from None
    return torch.from_numpy(np.array(pixels, dtype=np.float32).reshape(side, side, channels) / 255).permute(
        2, 0, 1
    )


def _part(images: list[_Listed], side: int, channels: int, name: str) -> Part:
    """Read images, and pad their boxes to the number of the image with the most."""
    most = max((len(image.rows) for image in images), default=0)
    if not most:
        raise DataError(
            f"each part must show at least one box, got none among the {len(images)} images to {name}; "
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
    return Part(torch.stack([_read(image, side, channels) for image in images]), labels)


def coco_folder(path: str | Path, seed: int = 0, *, side: int = 64, channels: int = 3) -> Split:
    """Return images and boxes of a folder in COCO's format.

    The folder holds either ``train/``, ``val/`` and ``test/``, each with ``images/`` and ``annotations.json``, and
    is then split so for every seed; or ``images/`` and ``annotations.json`` itself, and is then split by the seed:
    60 % of the images to train, 20 % to choose by, the rest to test.

    Every image is resized to side x side pixels (bilinear, the aspect ratio is not kept) and its boxes are scaled
    with it, cut at its borders. Classes are numbered from 0 in the order of the category ids. Crowd regions
    (``iscrowd`` 1) are left out; images without a box are kept.

    Args:
        path: the folder.
        seed: decides the split of a folder that is not split.
        side: height and width of the images returned, in pixels.
        channels: 1 for grey images, 3 for colour.

    Returns:
        Inputs of shape (N, channels, side, side) in [0, 1]; labels of shape (N, M, 5): class, left, top, right,
        bottom in pixels of the resized image, class -1 and zeros in padding.

    Raises:
        DataError: a missing file, no annotations, an unknown category, a box outside its image, an image of
            another size than said or cut short, parts that differ in their categories, or a part without a box.

    Source:
        https://cocodataset.org/#format-data

    Example:
        >>> coco_folder("no/such/folder")
        Traceback (most recent call last):
        localnorm.errors.DataError: a COCO folder must hold images/ and annotations.json, ...
    """
    _check(side, channels)
    folder = Path(path)
    if (folder / PARTS[0]).is_dir():
        listed = [_list(folder / name) for name in PARTS]
        parts = [images for images, _ in listed]
        for name, (_, names) in zip(PARTS, listed, strict=True):
            if names != listed[0][1]:
                raise DataError(
                    f"the parts must have the same categories, got {names} in {name}/ and {listed[0][1]} in "
                    f"{PARTS[0]}/; export them together."
                )
    else:
        images, _ = _list(folder)
        order = np.random.default_rng(seed).permutation(len(images))
        ends = np.cumsum([round(share * len(images)) for share in SHARES])
        parts = [[images[i] for i in chosen] for chosen in np.split(order, ends)]
    return Split(*(_part(part, side, channels, name) for part, name in zip(parts, PARTS, strict=True)))


def _check(side: int, channels: int) -> None:
    if channels not in (1, 3):
        raise DataError(f"channels must be 1 for grey or 3 for colour, got {channels}; choose one of them.")
    if side < 1:
        raise DataError(f"side must be at least 1 pixel, got {side}; 64 is the size of the lab's own scenes.")


def coco_task(path: str | Path, *, side: int = 64, channels: int = 3) -> Task:
    """Return the task of finding what a folder in COCO's format shows; see `coco_folder`.

    Args:
        path: the folder.
        side: height and width that its images are resized to, in pixels.
        channels: 1 for grey images, 3 for colour.

    Raises:
        DataError: as `coco_folder` does, here for the annotations only.

    Example:
        >>> coco_task("no/such/folder")
        Traceback (most recent call last):
        localnorm.errors.DataError: a COCO folder must hold images/ and annotations.json, ...
    """
    _check(side, channels)
    folder = Path(path)
    _, names = _list(folder / PARTS[0] if (folder / PARTS[0]).is_dir() else folder)
    return Task(
        name=f"coco:{folder}",
        about=f"the images of {folder} at {side}x{side} pixels and their boxes of {', '.join(names.values())}",
        model="detector",
        dims=2,
        objective=detection(),
        load=partial(coco_folder, folder, side=side, channels=channels),
        build=partial(Detector, channels=channels, classes=len(names)),
        corruptions=tuple(CORRUPTIONS),
    )
