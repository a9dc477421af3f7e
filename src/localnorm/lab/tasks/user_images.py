"""Image classification on user data: a task named after the data, which any worker can rebuild from its name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from localnorm.errors import DataError
from localnorm.lab.data import Data, Images, load_data
from localnorm.lab.data.stream import ImageStream
from localnorm.lab.models.registry import Shape, find_model
from localnorm.lab.norms import Builder
from localnorm.lab.tasks.augment import augment as crop_and_flip
from localnorm.lab.tasks.corruptions import CORRUPTIONS
from localnorm.lab.tasks.data_names import full, place_name, read_place_name
from localnorm.lab.tasks.default_schedules import images_schedule
from localnorm.lab.tasks.subset import Split, StreamedSubset, Subset
from localnorm.lab.tasks.task import Task, classification

DATA = "data:"
HELD_OUT = 5
"""A missing subset is split off the training images, one image in five."""
_OPTIONS = ("examples", "side", "augment", "skip_corrupt")


def classifier(model: str, *, shape: Shape, classes: int) -> Callable[[Builder], nn.Module]:
    """Return a builder of an image model by name, for images of one shape.

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
    location: str,
    model: str = "small_cnn",
    *,
    examples: int | None = None,
    side: int | None = None,
    augment: int | None = None,
    skip_corrupt: int | None = None,
) -> Task:
    """Return the task of classifying the images of a data set.

    Its name, ``data:WHERE?examples=N&side=N&augment=1&skip_corrupt=1``, identifies the data, so that `find_task`
    rebuilds the task from a record.

    Args:
        location: a folder or ``hub:NAME``, as for `load_data`.
        model: ``textbook_cnn``, ``small_cnn``, or ``package.module:function``.
        examples: at most so many images in each of the three subsets, drawn by the seed with equal shares of each
            class; None takes all.
        side: resize every image to side x side pixels; None keeps their size.
        augment: 1 to crop and flip training images at random, see `localnorm.lab.tasks.augment`.
        skip_corrupt: 1 to leave out damaged images, which the records count; None refuses them.

    Raises:
        DataError: no training data there, or fewer than 3 images of a class that has to be split.
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
        raise DataError(f"examples must be at least 2 per subset, got {examples}; leave it out to take all.")
    place = full(location)
    data = _load(place, side, bool(skip_corrupt))
    classes = len(data.classes)
    if data.validation is None or data.test is None:
        _splittable(data)
    options = {
        "examples": examples,
        "side": side,
        "augment": augment or None,
        "skip_corrupt": skip_corrupt or None,
    }
    return Task(
        name=place_name(DATA, place, options),
        about=_about(data, examples) + ("; cropped and flipped at random in training" if augment else ""),
        model=model,
        dims=2,
        objective=classification(classes),
        load=partial(_split, data, examples),
        build=classifier(model, shape=cast("Shape", data.shape), classes=classes),
        corruptions=tuple(CORRUPTIONS),
        pooled=data.validation is None and data.test is None,
        most_corrupted=_most_corrupted(data),
        augment=crop_and_flip if augment else None,
        schedule=images_schedule(_to_train(data, examples)),
    )


def named_data_task(name: str, model: str | None) -> Task:
    """Return the task of a name made by `data_task`.

    Raises:
        UnknownNameError: no such name.
    """
    place, options = read_place_name(DATA, name, _OPTIONS)
    return data_task(place, model or "small_cnn", **options)


@lru_cache(maxsize=1)
def _load(location: str, side: int | None, skip: bool) -> Data:
    """Keep the last data set: a worker trains many trials on it."""
    return load_data(location, side=side, skip=skip)


def _most_corrupted(data: Data) -> int:
    """Return how many test images are corrupted at most: a thousand, or of large images 64 MB in float32."""
    return max(100, min(1000, 16 * 2**20 // math.prod(data.shape)))


def _to_train(data: Data, examples: int | None) -> int:
    """Return how many images there are to train on."""
    return _sizes(data, examples)["train"]


def _sizes(data: Data, examples: int | None) -> dict[str, int]:
    """Return the number of images in each subset, after the missing ones are split off."""
    count = len(data.train.labels)
    sizes = dict.fromkeys(("validation", "test"), count // HELD_OUT)
    sizes["train"] = count - (3 - len(data.parts)) * (count // HELD_OUT)
    sizes |= {name: len(images.labels) for name, images in data.parts.items() if name != "train"}
    return {name: size if examples is None else min(examples, size) for name, size in sizes.items()}


def _splittable(data: Data) -> None:
    counts = np.bincount(data.train.labels, minlength=len(data.classes))
    rare = [f"{data.classes[label]} ({counts[label]})" for label in np.flatnonzero((counts > 0) & (counts < 3))]
    if rare:
        raise DataError(
            "a class must have at least 3 training images, one per subset, if the data have no validation or test "
            f"subset, got {', '.join(rare)} in {data.name}; add images or remove the class."
        )


def _about(data: Data, examples: int | None) -> str:
    """Describe the data and the sizes of the subsets; `coarse_test` reads the test size."""
    sizes = _sizes(data, examples)
    missing = [subset for subset in ("validation", "test") if subset not in data.parts]
    channels, height, width = data.shape
    split = f"; {' and '.join(missing)} split off train by the seed, one in {HELD_OUT} each" if missing else ""
    limited = f"; at most {examples:,} per subset, drawn by the seed" if examples else ""
    return (
        f"{data.name}: images of {channels}x{height}x{width} in {len(data.classes)} classes: "
        f"{sizes['train']:,} to train, {sizes['validation']:,} to choose, {sizes['test']:,} to test"
        f"{split}{limited}"
    )


def _split(data: Data, examples: int | None, seed: int) -> Split:
    """Return the official subsets; missing ones are split off train, with equal shares of each class."""
    rng = np.random.default_rng(seed)
    parts: Mapping[str, Images] = data.parts
    chosen = {part: np.arange(len(images.labels)) for part, images in parts.items()}
    size = len(data.train.labels) // HELD_OUT
    for part in ("test", "validation"):
        if part not in parts:
            taken = stratified_sample(data.train.labels[chosen["train"]], size, rng)
            chosen[part] = chosen["train"][taken]
            chosen["train"] = np.delete(chosen["train"], taken)

    def subset(name: str) -> Subset:
        images, places = parts.get(name, data.train), chosen[name]
        if examples is not None and examples < len(places):
            places = places[stratified_sample(images.labels[places], examples, rng)]
        labels = torch.from_numpy(images.labels[places])
        if isinstance(images.pixels, ImageStream):
            return StreamedSubset(images.pixels.select(places), labels)
        return Subset(torch.from_numpy(images.pixels[places]).float() / 255, labels)

    return Split(subset("train"), subset("validation"), subset("test"))


def stratified_sample(labels: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return indices of a random sample in which each class has its share, to within one example.

    scikit-learn's stratified splits refuse classes with one example, and sizes below the number of classes.

    Args:
        labels: shape (N,).
        size: number of indices, at most N.
        rng: decides which.

    Example:
        >>> labels = np.repeat([0, 1], [80, 20])
        >>> np.bincount(labels[stratified_sample(labels, 10, np.random.default_rng(0))])
        array([8, 2])
    """
    order = rng.permutation(len(labels))
    counts = np.bincount(labels)
    # The examples of each class get equally spaced ranks in [0, 1), from a random start; the lowest are taken.
    ranks = np.empty(len(labels))
    for label in np.flatnonzero(counts):
        here = order[labels[order] == label]
        ranks[here] = (np.arange(len(here)) + rng.random()) / len(here)
    return np.argsort(ranks, kind="stable")[:size]
