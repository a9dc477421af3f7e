"""Style transfer: photographs of varied contrast are to look like gravel and keep their content.

Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization: The Missing Ingredient for Fast Stylization",
2016. They argue that the result should not depend on the contrast of the photograph, so here the network is given
each one with its contrast reduced at random, and the content is compared with the photograph as it was.
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
from localnorm.lab.tasks.style.gram import grams, style_loss
from localnorm.lab.tasks.style.photographs import crops, photograph, png, vary_contrast
from localnorm.lab.tasks.task import Objective, Split, Subset, Task

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
"""Enough for Adam to tell the norms apart; no loss has stopped falling."""
_OF_TRAIN, _OF_VALIDATION = 4, 1  # photographs; the other two are for the test
_SHRINK_PHOTOGRAPH, _SHRINK_TEXTURE = 3, 2  # so that a crop holds things, and some pebbles
_COARSE = 4
_CONTENT_WEIGHT = 20.0  # style loss of a photograph 0.8, content loss 0.3: neither is drowned by the other
_AT_ONCE = 64


def load(seed: int) -> Split:
    """Return crops of shape (N, 1, 48, 48), of varied contrast; the labels are the same crops as they were.

    The photographs are dealt out anew for each seed: four to train, one to choose, two to test.

    Example:
        >>> split = load(0)
        >>> len(split.train.labels), len(split.validation.labels), len(split.test.labels)
        (256, 64, 64)
    """
    rng = torch.Generator().manual_seed(seed)
    order = [PHOTOGRAPHS[place] for place in torch.randperm(len(PHOTOGRAPHS), generator=rng).tolist()]
    held = _OF_TRAIN + _OF_VALIDATION
    dealt = ((order[:_OF_TRAIN], TRAIN), (order[_OF_TRAIN:held], VALIDATION), (order[held:], TEST))
    parts = []
    for names, count in dealt:
        whole = crops([photograph(name, _SHRINK_PHOTOGRAPH) for name in names], count, SIDE, rng)
        parts.append(Subset(vary_contrast(whole, rng), whole))
    return Split(*parts)


@cache
def _texture() -> tuple[Tensor, ...]:
    return tuple(grams(photograph(TEXTURE, _SHRINK_TEXTURE)[None, None]))


def content_loss(images: Tensor, photographs: Tensor) -> Tensor:
    """Return how much the coarse content of images differs from that of photographs, but for the brightness.

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
        (style_loss(images, _texture()), _CONTENT_WEIGHT * content_loss(images, photographs)),
    )


def _loss(model: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
    return _losses(model(inputs), labels).sum(dim=0).mean()


def _parts(model: nn.Module, part: Subset) -> Tensor:
    """Return style and content loss of the stylized crops, in percent of the loss of the crops as they came."""
    stylized, unchanged = torch.zeros(2), torch.zeros(())
    for inputs, labels in zip(*(torch.split(each, _AT_ONCE) for each in (part.inputs, part.labels)), strict=True):
        stylized = stylized + _losses(model(inputs), labels).sum(dim=1)
        unchanged = unchanged + _losses(inputs, labels).sum()
    return 100 * stylized / unchanged


def _error(model: nn.Module, part: Subset) -> float:
    return round(_parts(model, part).sum().item(), 4)


def _details(model: nn.Module, part: Subset) -> Mapping[str, Any]:
    style, content = _parts(model, part).tolist()
    given = part.inputs[:1]
    return {
        "style_error": round(style, 4),
        "content_error": round(content, 4),
        "photograph_png": png(given[0, 0]),
        "stylized_png": png(model(given)[0, 0]),
    }


STYLE = Task(
    name="style",
    about=f"scikit-image's photographs in grey, crops of {SIDE}x{SIDE} pixels of varied contrast, to be gravel: "
    f"{TRAIN} of four photographs to train, {VALIDATION} of another to choose, {TEST} of two more to test, dealt "
    "out anew by each seed",
    model="stylizer",
    dims=2,
    objective=Objective(
        measured_as="style loss plus content loss of the stylized crops, relative to the crops unchanged",
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
