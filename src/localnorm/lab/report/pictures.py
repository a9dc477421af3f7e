"""Pictures that trained models made, from their records: photographs stylized, things found in scenes."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from localnorm.lab.measures.select import chosen_runs, of_trials
from localnorm.lab.records.record import Record, key
from localnorm.lab.study.study import Study, TaskStudy

_KINDS = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg"}
"""How the files start whose pictures are shown."""
_SCENES = 3


@dataclass(frozen=True)
class Picture:
    """One norm's picture.

    Attributes:
        norm: the norm.
        source: a data URI.
        evidence: the key of the record that holds it.
    """

    norm: str
    source: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Stylized:
    """One photograph stylized with each norm.

    Attributes:
        seed: of the trials.
        photograph: as the networks were given it, a data URI.
        pictures: a norm each.
    """

    seed: int
    photograph: str
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Box:
    """A box in a scene, in pixels.

    Attributes:
        kind: the class.
        x: left.
        y: top.
        width: of the box.
        height: of the box.
        score: how sure the model is of it; None where it is a true one.
    """

    kind: int
    x: float
    y: float
    width: float
    height: float
    score: float | None = None


@dataclass(frozen=True)
class Scene:
    """What one norm's model found in a scene.

    Attributes:
        norm: the norm.
        found: boxes that the model drew.
        evidence: the key of the record that holds them.
    """

    norm: str
    found: tuple[Box, ...]
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class View:
    """One scene as each norm's model sees it.

    Attributes:
        picture: a data URI; empty where the records hold none.
        width: of the scene in pixels.
        height: of the scene in pixels.
        true: the boxes that there are.
        scenes: a norm each.
    """

    picture: str
    width: float
    height: float
    true: tuple[Box, ...]
    scenes: tuple[Scene, ...]


@dataclass(frozen=True)
class Scenes:
    """The same scenes with each norm.

    Attributes:
        seed: of the trials.
        views: a scene each.
    """

    seed: int
    views: tuple[View, ...]


def stylized(study: Study, task: TaskStudy, records: Collection[Record]) -> Stylized | None:
    """Return the photograph that the first seed with any stylized, at each norm's chosen setting."""
    for seed, runs in _by_seed(study, task, records):
        photographs = (picture_uri(record.results.get("photograph_png")) for record in runs.values())
        pictures = tuple(
            Picture(norm, uri, (key(record.job),))
            for norm, record in runs.items()
            if (uri := picture_uri(record.results.get("stylized_png")))
        )
        photograph = next(filter(None, photographs), "")
        if pictures and photograph:
            return Stylized(seed, photograph, pictures)
    return None


def scenes(study: Study, task: TaskStudy, records: Collection[Record]) -> Scenes | None:
    """Return the first scenes that the first seed with any was tested on, at each norm's chosen setting."""
    for seed, runs in _by_seed(study, task, records):
        told = {norm: record for norm, record in runs.items() if _shows_scenes(record)}
        if told:
            first = next(iter(told.values())).results["scenes"]
            return Scenes(seed, tuple(_view(i, told) for i in range(min(_SCENES, len(first)))))
    return None


def picture_uri(text: object) -> str:
    """Return the data URI of a PNG or JPEG in base64, nothing where a record holds something else.

    Example:
        >>> picture_uri("iVBORw0KGgoAAAA=")
        'data:image/png;base64,iVBORw0KGgoAAAA='
        >>> picture_uri("<svg>")
        ''
    """
    if not isinstance(text, str):
        return ""
    try:
        start = base64.b64decode(text, validate=True)[:8]
    except (binascii.Error, ValueError):
        return ""
    kind = next((kind for magic, kind in _KINDS.items() if start.startswith(magic)), "")
    return f"data:image/{kind};base64,{text}" if kind else ""


def _by_seed(
    study: Study, task: TaskStudy, records: Collection[Record]
) -> Iterator[tuple[int, Mapping[str, Record]]]:
    """Yield the chosen runs of each seed by norm, both in the study's order."""
    runs = chosen_runs(of_trials(records, study.grid_trials(task)), study.norms)
    for seed in study.seeds:
        own = {norm: runs[norm, seed] for norm in study.norms if (norm, seed) in runs}
        if own:
            yield seed, own


def _shows_scenes(record: Record) -> bool:
    """Whether a record holds scenes; a task of a user's own may call something else so."""
    found = record.results.get("scenes")
    return (
        isinstance(found, list)
        and bool(found)
        and all(isinstance(scene, dict) and {"true", "found"} <= set(scene) for scene in found)
    )


def _view(number: int, told: Mapping[str, Record]) -> View:
    # The scenes of a seed are the same for every norm, so the first record speaks for all of them.
    first: Mapping[str, Any] = next(iter(told.values())).results["scenes"][number]
    true = tuple(_box(kind, None, *edges) for kind, *edges in first["true"])
    drawn = tuple(
        Scene(norm, tuple(_box(*box) for box in record.results["scenes"][number]["found"]), (key(record.job),))
        for norm, record in told.items()
    )
    width, height = first.get("size") or _enough(true, drawn)
    return View(picture_uri(first.get("jpeg")), width, height, true, drawn)


def _box(kind: float, score: float | None, left: float, top: float, right: float, bottom: float) -> Box:
    return Box(int(kind), left, top, round(right - left, 1), round(bottom - top, 1), score)


def _enough(true: tuple[Box, ...], drawn: tuple[Scene, ...]) -> tuple[float, float]:
    """Return a size that holds every box: early records do not say that of their scenes."""
    boxes = [*true, *(box for scene in drawn for box in scene.found)]
    right = max((box.x + box.width for box in boxes), default=1.0)
    bottom = max((box.y + box.height for box in boxes), default=1.0)
    return float(math.ceil(right)), float(math.ceil(bottom))
