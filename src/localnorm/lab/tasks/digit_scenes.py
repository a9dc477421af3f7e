"""Scenes of handwritten digits on real textures, to be found and read: object detection.

Sources: the digits of `localnorm.lab.tasks.digits`; the photographs of brick, grass and gravel that scikit-image's
wheel carries, 512x512 pixels, released under CC0.
"""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import as_file, files

import numpy as np
import torch
from skimage.io import imread
from torch import Tensor
from torch.nn.functional import interpolate

from localnorm.errors import DataError
from localnorm.lab.models.detector import Detector
from localnorm.lab.tasks import digits
from localnorm.lab.tasks.boxes import area, intersection
from localnorm.lab.tasks.corruptions import CORRUPTIONS
from localnorm.lab.tasks.detection import detection
from localnorm.lab.tasks.task import Part, Split, Task

TRAIN, VALIDATION, TEST = 600, 150, 300
SIDE = 64
MOST = 5
"""Digits in a scene, at most."""
SMALLEST, LARGEST = 14, 32
"""Height of a digit in pixels."""
EPOCHS, LEARNING_RATE, BATCH_SIZE = 20, 3e-3, 32
"""What Adam needs here with most norms."""

TEXTURES = ("brick", "grass", "gravel")
_SQUARE = 128  # Side of the squares of a texture that are dealt out to the parts: 16 a texture.
_SQUARES = (9, 3, 4)  # Squares of each texture for train, validation and test.
_INK = 0.25  # What counts as part of a digit: the faintest strokes can't be seen on a texture.
_OVERLAP = 0.1  # The share of a digit's box that another may cover.
_TRIES = 20  # Places tried for a digit.
_BRIGHTNESS = (0.8, 1.0)


@cache
def texture(name: str) -> Tensor:
    """Return one of ``TEXTURES`` as an image of shape (512, 512) in [0, 1].

    It is read from scikit-image's own folder: ``skimage.data`` downloads what it does not find there.

    Raises:
        DataError: this scikit-image does not carry it.

    Example:
        >>> texture("brick").shape
        torch.Size([512, 512])
    """
    source = files("skimage") / "data" / f"{name}.png"
    if not source.is_file():
        raise DataError(
            f"the scenes need {name}.png in the folder of scikit-image, got none at {source}; install a wheel of "
            "scikit-image 0.24 or later."
        )
    with as_file(source) as path:
        return torch.from_numpy(imread(path).astype(np.float32) / 255)


def _squares(rng: np.random.Generator) -> list[list[Tensor]]:
    """Cut the textures into squares and deal them out: those of train, of validation and of test."""
    dealt: list[list[Tensor]] = [[] for _ in _SQUARES]
    for name in TEXTURES:
        squares = [part for row in texture(name).split(_SQUARE) for part in row.split(_SQUARE, dim=1)]
        order = iter(rng.permutation(len(squares)))
        for part, count in zip(dealt, _SQUARES, strict=True):
            part += [squares[next(order)] for _ in range(count)]
    return dealt


def _cut_out(digit: Tensor) -> Tensor:
    """Return the rows and columns of a digit that hold visible ink."""
    rows, columns = ((digit >= _INK).any(dim).nonzero()[:, 0] for dim in (1, 0))
    return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _covers(box: tuple[int, ...], others: list[tuple[int, ...]]) -> bool:
    """Whether a box shares more than a tenth of itself, or of another, with one of the others."""
    boxes = torch.tensor([box, *others], dtype=torch.float32)
    smaller = torch.minimum(area(boxes[:1]), area(boxes[1:]))
    return bool((intersection(boxes[:1], boxes[1:]) > _OVERLAP * smaller).any())


def _scene(source: Part, squares: list[Tensor], rng: np.random.Generator) -> tuple[Tensor, list[tuple[int, ...]]]:
    """Return one scene of shape (SIDE, SIDE) and what stands in it: class, left, top, right, bottom."""
    square = squares[rng.integers(len(squares))]
    y, x = rng.integers(_SQUARE - SIDE + 1, size=2)
    scene = square[y : y + SIDE, x : x + SIDE].clone()
    shown: list[tuple[int, ...]] = []
    for which in rng.integers(len(source.labels), size=rng.integers(1, MOST + 1)):
        digit = _cut_out(source.inputs[which, 0])
        height = int(rng.integers(SMALLEST, LARGEST + 1))
        width = round(height * digit.shape[1] / digit.shape[0])
        width = min(width, SIDE)
        for top, left in zip(
            rng.integers(SIDE - height + 1, size=_TRIES), rng.integers(SIDE - width + 1, size=_TRIES), strict=True
        ):
            box = (int(left), int(top), int(left) + width, int(top) + height)
            if not _covers(box, [other[1:] for other in shown]):
                ink = interpolate(digit[None, None], (height, width), mode="bilinear")[0, 0]
                place = scene[top : top + height, left : left + width]
                place += ink * (float(rng.uniform(*_BRIGHTNESS)) - place)
                shown.append((int(source.labels[which]), *box))
                break
    return scene, shown


def compose(source: Part, squares: list[Tensor], count: int, rng: np.random.Generator) -> Part:
    """Return scenes of digits drawn from source, on squares of texture.

    Each scene shows 1 to 5 digits, 14 to 32 pixels high, none of them covered by a tenth or more by another; a
    digit for which no place is found is left out. The ink is blended into the texture.

    Args:
        source: digits of shape (M, 1, 8, 8) in [0, 1] and their classes.
        squares: images of shape (128, 128) in [0, 1].
        count: number of scenes.
        rng: decides everything.

    Returns:
        Scenes of shape (count, 1, 64, 64) in [0, 1]; labels of shape (count, 5, 5): class, left, top, right,
        bottom in pixels, class -1 and zeros in padding.
    """
    scenes, labels = torch.empty(count, 1, SIDE, SIDE), torch.zeros(count, MOST, 5)
    labels[..., 0] = -1
    for i in range(count):
        scenes[i, 0], shown = _scene(source, squares, rng)
        labels[i, : len(shown)] = torch.tensor(shown, dtype=torch.float32)
    return Part(scenes, labels)


@lru_cache(maxsize=4)  # 17 MB a seed; a worker's trials come seed by seed.
def load(seed: int) -> Split:
    """Return scenes whose digits and squares of texture are dealt out to the parts anew by each seed.

    No image of a digit and no pixel of a texture is in two parts. The digits are split as those of
    `localnorm.lab.tasks.digits` are.

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
    "anew by each seed of digits and textures of their own",
    model="detector",
    dims=2,
    objective=detection(),
    load=load,
    build=Detector,
    corruptions=tuple(CORRUPTIONS),
)
