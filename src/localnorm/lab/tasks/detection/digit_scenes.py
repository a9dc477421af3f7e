"""Object detection task: handwritten digits on photographs of textures.

Sources: the digits of `localnorm.lab.tasks.digits`; the photographs of brick, grass and gravel in scikit-image's
wheel, 512x512 pixels, released under CC0.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from localnorm.lab.models.detector import Detector
from localnorm.lab.study.training_config import TrainingConfig
from localnorm.lab.tasks import digits
from localnorm.lab.tasks.corruptions import CORRUPTIONS
from localnorm.lab.tasks.detection.compose import LARGEST, MOST, SMALLEST, SQUARE, compose
from localnorm.lab.tasks.detection.objective import detection
from localnorm.lab.tasks.style.photographs import photograph
from localnorm.lab.tasks.subset import Split
from localnorm.lab.tasks.task import Task

TRAIN, VALIDATION, TEST = 600, 150, 300
EPOCHS, LEARNING_RATE, BATCH_SIZE = 15, 1e-2, 16
"""Enough for Adam to learn with and without a norm."""

TEXTURES = ("brick", "grass", "gravel")
_SQUARES = (9, 3, 4)  # Of the 16 of each texture: to train, validation and test.


def _squares(rng: np.random.Generator) -> list[list[Tensor]]:
    """Cut the textures into squares and split them: training, validation and test."""
    split: list[list[Tensor]] = [[] for _ in _SQUARES]
    for name in TEXTURES:
        squares = [
            square
            for row in torch.split(photograph(f"{name}.png"), SQUARE)
            for square in torch.split(row, SQUARE, dim=1)
        ]
        order = iter(rng.permutation(len(squares)))
        for squares_of_subset, count in zip(split, _SQUARES, strict=True):
            squares_of_subset += [squares[next(order)] for _ in range(count)]
    return split


@lru_cache(maxsize=4)  # 17 MB per seed; a worker's trials are ordered by seed.
def load(seed: int) -> Split:
    """Return scenes whose digits and texture squares are split by the seed.

    No image of a digit and no pixel of a texture is in two subsets. The digits are split as in
    `localnorm.lab.tasks.digits`.

    Example:
        >>> split = load(0)
        >>> split.test.inputs.shape, split.test.labels.shape
        (torch.Size([300, 1, 64, 64]), torch.Size([300, 5, 5]))
    """
    rng = np.random.default_rng(seed)
    images, squares = digits.load(seed), _squares(rng)
    return Split(
        compose(images.train, squares[0], TRAIN, rng),
        compose(images.validation, squares[1], VALIDATION, rng),
        compose(images.test, squares[2], TEST, rng),
    )


DIGIT_SCENES = Task(
    name="digit-scenes",
    about=f"scenes of 1 to {MOST} of scikit-learn's handwritten digits, {SMALLEST} to {LARGEST} pixels high, on "
    f"photographs of {', '.join(TEXTURES)}: {TRAIN} to train, {VALIDATION} to choose, {TEST} to test, composed "
    "by the seed from separate digits and textures",
    model="detector",
    dims=2,
    objective=detection(),
    load=load,
    build=Detector,
    corruptions=tuple(CORRUPTIONS),
    most_corrupted=50,
    schedule=TrainingConfig(
        learning_rates=(3e-3, 1e-2, 3e-2),
        default_learning_rate=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
    ),
)
