"""Read and check an annotations.json in COCO's format."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localnorm.errors import DataError


@dataclass(frozen=True)
class Listed:
    """One listed image.

    Attributes:
        file: its expected path.
        size: width and height in pixels.
        rows: class, left, top, right and bottom of each box.
    """

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
            f"{path}; see docs/bring-your-own.md, 'Object detection'."
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
    """Return the categories' names by id, in the order of the ids: a category's index there is its class."""
    return {kind["id"]: str(kind["name"]) for kind in sorted(content["categories"], key=lambda kind: kind["id"])}


def _row(note: dict[str, Any], classes: list[int], size: tuple[int, int], path: Path) -> tuple[float, ...]:
    """Return the class and the edges of one annotation, clipped to its image."""
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
            f"a box [left, top, width, height] must overlap its image of {size[0]}x{size[1]} pixels, got "
            f"{note['bbox']} in {path}; correct or remove it."
        )
    return (float(classes.index(note["category_id"])), *edges)


def listing(folder: Path) -> tuple[list[Listed], dict[int, str]]:
    """Return the images of a folder's annotations.json, in its order, and the categories' names by id.

    A category's index among the sorted ids is its class. Boxes are clipped to their images; crowd regions
    (``iscrowd`` 1) are left out.

    Args:
        folder: holds ``images/`` and ``annotations.json``.

    Raises:
        DataError: no such file, not COCO's format, no annotations, an unknown category or image, or a box outside
            its image.

    Example:
        >>> listing(Path("no/such/folder"))
        Traceback (most recent call last):
        localnorm.errors.DataError: a COCO folder must hold images/ and annotations.json, ...
    """
    path = folder / "annotations.json"
    content = _content(folder)
    try:
        names = _categories(content)
        images = {
            image["id"]: Listed(folder / "images" / image["file_name"], (image["width"], image["height"]), [])
            for image in content["images"]
        }
        for name, known in (("images", images), ("categories", names)):
            if len(known) < len(content[name]):
                raise DataError(f"the ids of {name} must differ, got one twice in {path}; export it again.")
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
            f"4 numbers, a category id and name, got {type(problem).__name__}: {problem} in {path}; export it "
            "again."
        ) from None
    return list(images.values()), names
