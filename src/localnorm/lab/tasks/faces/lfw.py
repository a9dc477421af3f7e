"""Face verification on folders of people, as in "Labeled Faces in the Wild".

Source: Huang et al., "Labeled Faces in the Wild: A Database for Studying Face Recognition in Unconstrained
Environments", 2007. The pairs of its protocol are not used: people are split by the seed.
"""

from __future__ import annotations

from functools import lru_cache, partial
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from localnorm.errors import DataError
from localnorm.lab.data import Data, read_people
from localnorm.lab.data.images import PILImage, resize
from localnorm.lab.tasks.corruptions import CORRUPTIONS
from localnorm.lab.tasks.data_names import full, place_name, read_place_name
from localnorm.lab.tasks.default_schedules import faces_schedule
from localnorm.lab.tasks.faces.faces import embedder
from localnorm.lab.tasks.faces.objective import COMPARED, VERIFICATION
from localnorm.lab.tasks.subset import Split, Subset
from localnorm.lab.tasks.task import Task

LFW = "lfw:"
SIDE = 32
HELD_OUT_PEOPLE = 5
"""One person in five is for validation, and one in five for the test."""
_WHOLE, _MARGIN = 250, 62


def lfw_task(folder: str, model: str = "small_cnn") -> Task:
    """Return the task of recognizing people from photographs, nobody in two subsets.

    People with one image are left out. An image of 250x250, LFW's size, is cut to its middle half, which holds the
    face; others are kept whole. All are resized to 32x32 pixels.

    Args:
        folder: holds ``Person_Name/Person_Name_0001.jpg``, or a folder ``lfw`` that does.
        model: ``textbook_cnn``, ``small_cnn``, or ``package.module:function``.

    Raises:
        DataError: fewer than ten people with two images.
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
    held_out = people // HELD_OUT_PEOPLE
    # With one person in a subset there is no pair of two identities.
    if held_out < 2:
        raise DataError(
            f"faces must be of at least {2 * HELD_OUT_PEOPLE} people with two images each, got {people} in "
            f"{data.name}; add some."
        )
    channels = data.shape[0]
    return Task(
        name=place_name(LFW, place, {}),
        about=f"{data.name}: {len(data.train.labels):,} photographs of {people:,} people with at least two each, "
        f"at {SIDE}x{SIDE} pixels: {people - 2 * held_out:,} people to train, {held_out:,} to choose, "
        f"{held_out:,} to test, split by the seed; at most {COMPARED:,} photographs of a subset are compared",
        model=model,
        dims=2,
        objective=VERIFICATION,
        load=partial(_split, data),
        build=embedder(model, shape=(channels, SIDE, SIDE), identities=people - 2 * held_out),
        corruptions=tuple(CORRUPTIONS),
        schedule=faces_schedule(len(data.train.labels) * (people - 2 * held_out) // people),
    )


def named_lfw_task(name: str, model: str | None) -> Task:
    """Return the task of a name made by `lfw_task`.

    Raises:
        UnknownNameError: no such name.
    """
    place, _ = read_place_name(LFW, name, ())
    return lfw_task(place, model or "small_cnn")


def _prepare(image: PILImage) -> PILImage:
    if image.size == (_WHOLE, _WHOLE):
        image = image.crop((_MARGIN, _MARGIN, _WHOLE - _MARGIN, _WHOLE - _MARGIN))
    return resize(SIDE)(image)


@lru_cache(maxsize=1)
def _load(place: Path) -> Data:
    return read_people(place, _prepare)


def _split(data: Data, seed: int) -> Split:
    """Return the images by person, in the seed's order; labels continue from one subset to the next."""
    people = np.random.default_rng(seed).permutation(len(data.classes))
    held_out = len(people) // HELD_OUT_PEOPLE
    place = np.empty_like(people)
    place[people] = np.arange(len(people))
    labels = place[data.train.labels]
    order = np.argsort(labels, kind="stable")
    bounds = np.searchsorted(labels[order], [len(people) - 2 * held_out, len(people) - held_out])
    pixels = cast("NDArray[np.uint8]", data.train.pixels)  # people are read into memory
    parts = (
        Subset(torch.from_numpy(pixels[places]).float() / 255, torch.from_numpy(labels[places]))
        for places in np.split(order, bounds)
    )
    return Split(*parts)
