"""Image classification on a user's own data: a task named after the data, that any worker can make again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from localnorm.errors import DataError
from localnorm.lab.data import Data, Images, load_data
from localnorm.lab.models.registry import Shape, find_model
from localnorm.lab.norms import Builder
from localnorm.lab.tasks.corruptions import CORRUPTIONS
from localnorm.lab.tasks.data_names import full, place_name, read_place_name
from localnorm.lab.tasks.default_schedules import images_schedule
from localnorm.lab.tasks.task import Split, Subset, Task, classification

DATA = "data:"
SHARE = 5
"""A part that the data lack is one image in five of the training images."""
_OPTIONS = ("examples", "side")


def classifier(model: str, *, shape: Shape, classes: int) -> Callable[[Builder], nn.Module]:
    """Return what builds an image model by name, for images of one shape.

    Raises:
        ModelError: the model has no argument norm_layer.
        UnknownNameError: no such model.

    Example:
        >>> classifier("small_cnn", shape=(1, 8, 8), classes=3)(nn.BatchNorm2d)(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 3])
    """
    found = find_model(model)
    return lambda norm_layer: found.build(norm_layer, shape=shape, classes=classes)


def data_task(
    where: str, model: str = "small_cnn", *, examples: int | None = None, side: int | None = None
) -> Task:
    """Return the task of classifying the images of a data set.

    Its name, ``data:WHERE?examples=N&side=N``, says all that decides its data, so that `find_task` makes the same
    task from a record.

    Args:
        where: a folder or ``hub:NAME``, as for `load_data`.
        model: ``textbook_cnn``, ``small_cnn``, or ``package.module:function``.
        examples: at most so many images in each of the three parts, drawn by the seed with equal shares of each
            class; None takes all.
        side: resize every image to side x side pixels; None takes them as they are.

    Raises:
        DataError: no data there to learn from, or fewer than 3 images of a class that has to be split.
        ModelError: the model has no argument norm_layer.
        UnknownNameError: no such model.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from PIL import Image
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("dark", "light"):
        ...     (folder / name).mkdir()
        ...     for n in range(5):
        ...         Image.new("L", (8, 6), 100 * n).save(folder / name / f"{n}.png")
        >>> part = data_task(str(folder)).load(0).train
        >>> part.inputs.shape, part.inputs.max()
        (torch.Size([6, 1, 6, 8]), tensor(1.))
    """
    if examples is not None and examples < 2:
        raise DataError(f"examples must be at least 2 a part, got {examples}; leave it out to take all.")
    place = full(where)
    data = _load(place, side)
    classes = len(data.classes)
    if data.validation is None or data.test is None:
        _splittable(data)
    return Task(
        name=place_name(DATA, place, {"examples": examples, "side": side}),
        about=_about(data, examples),
        model=model,
        dims=2,
        objective=classification(classes),
        load=partial(_split, data, examples),
        build=classifier(model, shape=cast("Shape", data.shape), classes=classes),
        corruptions=tuple(CORRUPTIONS),
        most_corrupted=1000,
        schedule=images_schedule(_to_train(data, examples)),
    )


def named_data_task(name: str, model: str | None) -> Task:
    """Return the task of a name that `data_task` gives.

    Raises:
        UnknownNameError: no such name.
    """
    place, options = read_place_name(DATA, name, _OPTIONS)
    return data_task(place, model or "small_cnn", **options)


@lru_cache(maxsize=1)
def _load(where: str, side: int | None) -> Data:
    """Keep the last data set: a worker trains many trials on it."""
    return load_data(where, side=side)


def _to_train(data: Data, examples: int | None) -> int:
    """Return how many images are left to train on, once what is missing is split off."""
    count = len(data.train.labels)
    left = count - (3 - len(data.parts)) * (count // SHARE)
    return left if examples is None else min(examples, left)


def _splittable(data: Data) -> None:
    counts = np.bincount(data.train.labels, minlength=len(data.classes))
    rare = [f"{data.classes[label]} ({counts[label]})" for label in np.flatnonzero((counts > 0) & (counts < 3))]
    if rare:
        raise DataError(
            "a class must have at least 3 training images, one for each part, where the data lack a validation or "
            f"test part, got {', '.join(rare)} in {data.name}; add images or take the class away."
        )


def _about(data: Data, examples: int | None) -> str:
    """Say in words what the parts are."""
    sizes = ", ".join(f"{len(images.labels):,} {part}" for part, images in data.parts.items())
    missing = [part for part in ("validation", "test") if part not in data.parts]
    channels, height, width = data.shape
    drawn = f"; {' and '.join(missing)} split off train by the seed, one in {SHARE} each" if missing else ""
    limited = f"; at most {examples:,} a part, drawn by the seed" if examples else ""
    return (
        f"{data.name}: images of {channels}x{height}x{width} in {len(data.classes)} classes ({sizes})"
        f"{drawn}{limited}"
    )


def _split(data: Data, examples: int | None, seed: int) -> Split:
    """Return the official parts, and those that are missing split off train, with equal shares of each class."""
    rng = np.random.default_rng(seed)
    parts: Mapping[str, Images] = data.parts
    chosen = {part: np.arange(len(images.labels)) for part, images in parts.items()}
    size = len(data.train.labels) // SHARE
    for part in ("test", "validation"):
        if part not in parts:
            taken = draw(data.train.labels[chosen["train"]], size, rng)
            chosen[part] = chosen["train"][taken]
            chosen["train"] = np.delete(chosen["train"], taken)

    def part_of(name: str) -> Subset:
        images, places = parts.get(name, data.train), chosen[name]
        if examples is not None and examples < len(places):
            places = places[draw(images.labels[places], examples, rng)]
        pixels = torch.from_numpy(images.pixels[places]).float() / 255
        return Subset(pixels, torch.from_numpy(images.labels[places]))

    return Split(part_of("train"), part_of("validation"), part_of("test"))


def draw(labels: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Draw that many places at random, so that each class has its share to within one example.

    scikit-learn's stratified splits refuse classes with one example, and sizes below the number of classes.

    Args:
        labels: shape (N,).
        size: how many places, at most N.
        rng: decides which.

    Example:
        >>> labels = np.repeat([0, 1], [80, 20])
        >>> np.bincount(labels[draw(labels, 10, np.random.default_rng(0))])
        array([8, 2])
    """
    order = rng.permutation(len(labels))
    counts = np.bincount(labels)
    # The examples of each class stand at equal distances in [0, 1), from a random start; the lowest are taken.
    ranks = np.empty(len(labels))
    for label in np.flatnonzero(counts):
        here = order[labels[order] == label]
        ranks[here] = (np.arange(len(here)) + rng.random()) / len(here)
    return np.argsort(ranks, kind="stable")[:size]
