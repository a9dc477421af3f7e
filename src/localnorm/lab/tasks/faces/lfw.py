"""Face recognition on photographs of people: the folders of "Labeled Faces in the Wild", or others like them.

Source: Huang et al., "Labeled Faces in the Wild: A Database for Studying Face Recognition in Unconstrained
Environments", 2007. The pairs of its protocol are not used: people are split anew by each seed.
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch

from localnorm.errors import DataError
from localnorm.lab.data import Data, read_people
from localnorm.lab.data.pictures import Picture, resize
from localnorm.lab.tasks.corruptions import CORRUPTIONS
from localnorm.lab.tasks.data_names import full, place_name, read_place_name
from localnorm.lab.tasks.default_schedules import faces_schedule
from localnorm.lab.tasks.faces.faces import embedder
from localnorm.lab.tasks.faces.objective import COMPARED, VERIFICATION
from localnorm.lab.tasks.task import Split, Subset, Task

LFW = "lfw:"
SIDE = 32
SHARE = 5
"""One person in five is to choose by, and one in five to test on."""
_WHOLE, _MARGIN = 250, 62


def lfw_task(folder: str, model: str = "small_cnn") -> Task:
    """Return the task of recognizing people from photographs, none of them in two parts.

    People with one picture are left out. A picture of 250x250, the size of LFW's own, is cut to its middle half,
    where the face is; any other is taken whole. All are resized to 32x32 pixels.

    Args:
        folder: holds ``Person_Name/Person_Name_0001.jpg``, or a folder ``lfw`` that does.
        model: ``textbook_cnn``, ``small_cnn``, or ``package.module:function``.

    Raises:
        DataError: fewer than ten people with two pictures.
        ModelError: the model has no argument norm_layer.
        UnknownNameError: no such model.

    Example:
        >>> lfw_task("no/such/folder")
        Traceback (most recent call last):
        localnorm.errors.DataError: people must be in a folder that exists, got ...
    """
    place = full(folder)
    data = _load(Path(place))
    people = len(data.classes)
    judged = people // SHARE
    # Two to choose by and two to test on: with one person there is no pair of two identities.
    if judged < 2:
        raise DataError(
            f"faces must be of at least {2 * SHARE} people with two pictures each, got {people} in "
            f"{data.name}; add some."
        )
    channels = data.shape[0]
    return Task(
        name=place_name(LFW, place, {}),
        about=f"{data.name}: {len(data.train.labels):,} photographs of {people:,} people with at least two each, "
        f"at {SIDE}x{SIDE} pixels: {people - 2 * judged:,} people to train, {judged:,} to choose, {judged:,} to "
        f"test, split anew by each seed; at most {COMPARED:,} photographs of a part are compared",
        model=model,
        dims=2,
        objective=VERIFICATION,
        load=partial(_split, data),
        build=embedder(model, shape=(channels, SIDE, SIDE), identities=people - 2 * judged),
        corruptions=tuple(CORRUPTIONS),
        schedule=faces_schedule(len(data.train.labels) * (people - 2 * judged) // people),
    )


def named_lfw_task(name: str, model: str | None) -> Task:
    """Return the task of a name that `lfw_task` gives.

    Raises:
        UnknownNameError: no such name.
    """
    place, _ = read_place_name(LFW, name, ())
    return lfw_task(place, model or "small_cnn")


def _prepare(picture: Picture) -> Picture:
    if picture.size == (_WHOLE, _WHOLE):
        picture = picture.crop((_MARGIN, _MARGIN, _WHOLE - _MARGIN, _WHOLE - _MARGIN))
    return resize(SIDE)(picture)


@lru_cache(maxsize=1)
def _load(place: Path) -> Data:
    return read_people(place, _prepare)


def _split(data: Data, seed: int) -> Split:
    """Return the pictures person by person, in an order of the seed; labels go on from part to part."""
    people = np.random.default_rng(seed).permutation(len(data.classes))
    judged = len(people) // SHARE
    place = np.empty_like(people)
    place[people] = np.arange(len(people))
    labels = place[data.train.labels]
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], [len(people) - 2 * judged, len(people) - judged])
    parts = (
        Subset(torch.from_numpy(data.train.pixels[places]).float() / 255, torch.from_numpy(labels[places]))
        for places in np.split(order, bounds)
    )
    return Split(*parts)
