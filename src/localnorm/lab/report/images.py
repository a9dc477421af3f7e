"""Images made by trained models, from their records: stylized photographs and detections in scenes."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localnorm.lab.measures.judged import judged_runs
from localnorm.lab.records.record import Record, key
from localnorm.lab.study.study import Study, TaskStudy

_FORMATS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}
"""First bytes of the file formats shown."""
_SCENES = 3


@dataclass(frozen=True)
class ShownBox:
    """A box in an image, in pixels.

    Attributes:
        label: the class.
        x: left.
        y: top.
        width: of the box.
        height: of the box.
        score: of a detection; None for a true box.
    """

    label: int
    x: float
    y: float
    width: float
    height: float
    score: float | None = None


@dataclass(frozen=True)
class ModelImage:
    """One norm's image, or the original.

    Attributes:
        norm: the norm; empty for the original.
        uri: a data URI; empty for a scene without an image.
        boxes: true boxes of the original, a model's detections in the others.
        record_keys: key of the record that holds it; empty for the original.
    """

    norm: str
    uri: str
    boxes: tuple[ShownBox, ...] = ()
    record_keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageGroup:
    """The same photograph or scene with every norm, the original first.

    Attributes:
        seed: of the trials.
        images: the original, then one per norm.
        width: in pixels; 0 for photographs.
        height: in pixels; 0 for photographs.
    """

    seed: int
    images: tuple[ModelImage, ...]
    width: float = 0
    height: float = 0


def stylized(study: Study, task: TaskStudy, records: Collection[Record]) -> ImageGroup | None:
    """Return the photograph that the first seed with any stylized, at each norm's chosen setting."""
    for seed, runs in _by_seed(study, task, records):
        photographs = (image_uri(record.results.get("photograph_png")) for record in runs.values())
        images = tuple(
            ModelImage(norm, uri, record_keys=(key(record.job),))
            for norm, record in runs.items()
            if (uri := image_uri(record.results.get("stylized_png")))
        )
        photograph = next(filter(None, photographs), "")
        if images and photograph:
            return ImageGroup(seed, (ModelImage("", photograph), *images))
    return None


def scenes(study: Study, task: TaskStudy, records: Collection[Record]) -> tuple[ImageGroup, ...]:
    """Return the first test scenes of the first seed with any, at each norm's chosen setting."""
    for seed, runs in _by_seed(study, task, records):
        with_scenes = {norm: record for norm, record in runs.items() if _has_scenes(record)}
        if with_scenes:
            count = len(next(iter(with_scenes.values())).results["scenes"])
            return tuple(_scene(seed, i, with_scenes) for i in range(min(_SCENES, count)))
    return ()


def image_uri(text: object) -> str:
    """Return the data URI of a PNG or JPEG in base64; empty for anything else.

    Example:
        >>> image_uri("iVBORw0KGgoAAAA=")
        'data:image/png;base64,iVBORw0KGgoAAAA='
        >>> image_uri("<svg>")
        ''
    """
    if not isinstance(text, str):
        return ""
    try:
        start = base64.b64decode(text, validate=True)[:8]
    except (binascii.Error, ValueError):
        return ""
    found = next((name for magic, name in _FORMATS.items() if start.startswith(magic)), "")
    return f"data:image/{found};base64,{text}" if found else ""


def _by_seed(
    study: Study, task: TaskStudy, records: Collection[Record]
) -> Iterator[tuple[int, Mapping[str, Record]]]:
    """Yield the chosen runs of each seed by norm, both in the study's order."""
    runs = judged_runs(study, task, records)
    for seed in study.seeds:
        of_seed = {norm: runs[norm, seed] for norm in study.norms if (norm, seed) in runs}
        if of_seed:
            yield seed, of_seed


def _has_scenes(record: Record) -> bool:
    """Whether a record holds scenes; a user-defined task may store something else under that name."""
    found = record.results.get("scenes")
    return (
        isinstance(found, list)
        and bool(found)
        and all(isinstance(scene, dict) and {"true", "found"} <= set(scene) for scene in found)
    )


def _scene(seed: int, number: int, runs: Mapping[str, Record]) -> ImageGroup:
    # A seed's scenes are the same for every norm.
    first: Mapping[str, Any] = next(iter(runs.values())).results["scenes"][number]
    uri = image_uri(first.get("jpeg"))
    true = tuple(_box(label, None, *edges) for label, *edges in first["true"])
    detected = tuple(
        ModelImage(
            norm, uri, tuple(_box(*box) for box in record.results["scenes"][number]["found"]), (key(record.job),)
        )
        for norm, record in runs.items()
    )
    images = (ModelImage("", uri, true), *detected)
    return ImageGroup(seed, images, *(first.get("size") or _enclosing([b for i in images for b in i.boxes])))


def _box(label: float, score: float | None, left: float, top: float, right: float, bottom: float) -> ShownBox:
    return ShownBox(int(label), left, top, round(right - left, 1), round(bottom - top, 1), score)


def _enclosing(boxes: Sequence[ShownBox]) -> tuple[float, float]:
    """Return a size that holds every box, for records of versions that did not store it."""
    right = max((box.x + box.width for box in boxes), default=1.0)
    bottom = max((box.y + box.height for box in boxes), default=1.0)
    return float(math.ceil(right)), float(math.ceil(bottom))
