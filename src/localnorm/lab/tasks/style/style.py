"""Style transfer task: photographs of varied contrast, restyled as gravel.

Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization: The Missing Ingredient for Fast Stylization",
2016. They argue that the result should not depend on the contrast of the photograph, so the network gets each one
with randomly reduced contrast, and the content is compared with the original.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from localnorm.lab.models.stylizer import stylizer
from localnorm.lab.study.training_config import TrainingConfig
from localnorm.lab.tasks.encode import encode
from localnorm.lab.tasks.style.gram import grams, style_loss
from localnorm.lab.tasks.style.photographs import crops, photograph, vary_contrast
from localnorm.lab.tasks.subset import Split, Subset
from localnorm.lab.tasks.task import Objective, Task

TEXTURE = "gravel.png"
PHOTOGRAPHS = (
    "astronaut.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "motorcycle_left.png",
    "rocket.jpg",
)
SIDE = 48
TRAIN, VALIDATION, TEST = 256, 64, 64
EPOCHS, LEARNING_RATE, BATCH_SIZE = 6, 3e-3, 8
"""Enough for Adam to separate the norms; every loss is still falling at the end."""
_OF_TRAIN, _OF_VALIDATION = 4, 1  # photographs; the other two are for testing
_SHRINK_PHOTOGRAPH, _SHRINK_TEXTURE = 3, 2  # so that a crop holds objects, and some pebbles
_COARSE = 4
_CONTENT_WEIGHT = 20.0  # balances a photograph's style loss of 0.8 and content loss of 0.3
_AT_ONCE = 64


def load(seed: int) -> Split:
    """Return crops of shape (N, 1, 48, 48), of varied contrast; the labels are the original crops.

    The photographs are split by the seed: four to train, one to choose, two to test.

    Example:
        >>> split = load(0)
        >>> len(split.train.labels), len(split.validation.labels), len(split.test.labels)
        (256, 64, 64)
    """
    rng = torch.Generator().manual_seed(seed)
    order = [PHOTOGRAPHS[place] for place in torch.randperm(len(PHOTOGRAPHS), generator=rng).tolist()]
    train_and_validation = _OF_TRAIN + _OF_VALIDATION
    photographs = (
        (order[:_OF_TRAIN], TRAIN),
        (order[_OF_TRAIN:train_and_validation], VALIDATION),
        (order[train_and_validation:], TEST),
    )
    parts = []
    for names, count in photographs:
        whole = crops([photograph(name, _SHRINK_PHOTOGRAPH) for name in names], count, SIDE, rng)
        parts.append(Subset(vary_contrast(whole, rng), whole))
    return Split(*parts)


@cache
def _texture() -> tuple[Tensor, ...]:
    return tuple(grams(photograph(TEXTURE, _SHRINK_TEXTURE)[None, None]))


def content_loss(images: Tensor, photographs: Tensor) -> Tensor:
    """Return the difference in coarse content between images and photographs, without the mean brightness.

    Args:
        images: shape (N, 1, H, W).
        photographs: of that shape.

    Returns:
        Shape (N,): the variance within each image of the difference of the means of 4x4 pixels.

    Example:
        >>> left, right = torch.zeros(1, 1, 4, 8), torch.zeros(1, 1, 4, 8)
        >>> left[..., :4], right[..., 4:] = 1, 1
        >>> content_loss(left, right), content_loss(left, left + 0.25)
        (tensor([1.]), tensor([0.]))
    """
    return avg_pool2d(images - photographs, _COARSE).var(dim=(1, 2, 3), correction=0)


def _losses(images: Tensor, photographs: Tensor) -> Tensor:
    """Return the two parts of the loss of each image, style and content: shape (2, N)."""
    return torch.stack(
        (
            style_loss(images, tuple(gram.to(images.device) for gram in _texture())),
            _CONTENT_WEIGHT * content_loss(images, photographs),
        ),
    )


def _loss(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    return _losses(model(inputs), labels).sum(dim=0).mean()


def _parts(model: nn.Module, subset: Subset) -> Tensor:
    """Return style and content loss of the stylized crops, in percent of the loss of the input crops."""
    stylized, unchanged = torch.zeros(2), torch.zeros(())
    for inputs, labels in zip(
        *(torch.split(each, _AT_ONCE) for each in (subset.inputs, subset.labels)), strict=True
    ):
        stylized = stylized + _losses(model(inputs), labels).sum(dim=1)
        unchanged = unchanged + _losses(inputs, labels).sum()
    return 100 * stylized / unchanged


def _error(model: nn.Module, subset: Subset) -> float:
    return round(_parts(model, subset).sum().item(), 4)


def _details(model: nn.Module, subset: Subset) -> Mapping[str, Any]:
    style, content = _parts(model, subset).tolist()
    first = subset.inputs[:1]
    return {
        "style_error": round(style, 4),
        "content_error": round(content, 4),
        "photograph_png": encode(first[0], "PNG"),
        "stylized_png": encode(model(first)[0], "PNG"),
    }


STYLE = Task(
    name="style",
    about=f"scikit-image's photographs in grey, crops of {SIDE}x{SIDE} pixels of varied contrast, restyled as "
    f"gravel: {TRAIN} of four photographs to train, {VALIDATION} of another to choose, {TEST} of two more to "
    "test, split by the seed",
    model="stylizer",
    dims=2,
    objective=Objective(
        measured_as="style loss plus content loss of the stylized crops, relative to the unchanged crops",
        unit="% of the loss unchanged",
        smallest_effect=2.0,
        loss=_loss,
        error=_error,
        details=_details,
    ),
    load=load,
    build=stylizer,
    kind="style",
    schedule=TrainingConfig(default_learning_rate=LEARNING_RATE, batch_size=BATCH_SIZE, epochs=EPOCHS),
)
