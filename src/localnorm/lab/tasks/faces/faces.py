"""Face verification on scikit-image's LFW crops: an embedding trained on some faces, tested on others.

Source: the 100 face crops of 25x25 pixels in scikit-image, from Huang et al., "Labeled Faces in
the Wild", 2007.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from skimage.data import lfw_subset
from torch import Tensor, nn

from localnorm.lab.models.registry import Shape, find_model
from localnorm.lab.norms import Builder
from localnorm.lab.tasks.corruptions import CORRUPTIONS
from localnorm.lab.tasks.default_schedules import faces_schedule
from localnorm.lab.tasks.faces.augment import views
from localnorm.lab.tasks.faces.objective import VERIFICATION, Embedding
from localnorm.lab.tasks.subset import Split, Subset
from localnorm.lab.tasks.task import Task

TRAIN, VALIDATION, TEST = 50, 20, 30
VIEWS, JUDGED_VIEWS = 20, 10
SIZE = 64
"""Dimension of an embedding."""


@cache
def _crops() -> Tensor:
    """Return the faces, shape (100, 1, 25, 25); the next 100 images show none."""
    # In [0, 1], although its docstring says bytes.
    images = np.asarray(lfw_subset()[:100], np.float32)  # type: ignore[no-untyped-call]
    return torch.from_numpy(images).unsqueeze(1)


def load(seed: int) -> Split:
    """Return views of shape (N, 1, 25, 25) in [0, 1]; no face is in two subsets, and no label.

    Example:
        >>> split = load(0)
        >>> [part.labels.unique().numel() for part in (split.train, split.validation, split.test)]
        [50, 20, 30]
    """
    rng = torch.Generator().manual_seed(seed)
    crops = _crops()[torch.randperm(TRAIN + VALIDATION + TEST, generator=rng)]
    labels = torch.arange(len(crops))

    def subset(first: int, count: int, each: int) -> Subset:
        some = slice(first, first + count)
        return Subset(views(crops[some], each, rng), labels[some].repeat_interleave(each))

    return Split(
        subset(0, TRAIN, VIEWS),
        subset(TRAIN, VALIDATION, JUDGED_VIEWS),
        subset(TRAIN + VALIDATION, TEST, JUDGED_VIEWS),
    )


def embedder(model: str, *, shape: Shape, identities: int) -> Callable[[Builder], nn.Module]:
    """Return a builder of an embedding network: an image model whose class scores are the embedding.

    Args:
        model: ``textbook_cnn``, ``small_cnn``, or ``package.module:function``.
        shape: channels, height and width of the images.
        identities: number trained on.

    Raises:
        ModelError: the model has no argument norm_layer.
        UnknownNameError: no such model.

    Example:
        >>> build = embedder("small_cnn", shape=(1, 25, 25), identities=50)
        >>> build(nn.BatchNorm2d)(torch.zeros(2, 1, 25, 25)).shape
        torch.Size([2, 64])
    """
    found = find_model(model)
    return lambda norm_layer: Embedding(found.build(norm_layer, shape=shape, classes=SIZE), SIZE, identities)


face_embedder = partial(embedder, shape=(1, 25, 25), identities=TRAIN)

FACES = Task(
    name="faces",
    about=f"scikit-image's 100 face crops of 25x25 pixels: {TRAIN} to train, {VALIDATION} to choose, {TEST} to "
    f"test, split by the seed. A face is one crop, not one person: its views ({VIEWS} to "
    f"train, {JUDGED_VIEWS} to choose and test) are that crop under random changes of light and pose",
    model="small_cnn",
    dims=2,
    objective=VERIFICATION,
    load=load,
    build=face_embedder("small_cnn"),
    corruptions=tuple(CORRUPTIONS),
    most_corrupted=150,
    schedule=faces_schedule(TRAIN * VIEWS),
)
