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
from localnorm.lab.tasks.corruptions import CORRUPTIONS
from localnorm.lab.tasks.detection import detection
from localnorm.lab.tasks.task import Part, Split, Task

TRAIN, VALIDATION, TEST = 600, 150, 300
SIDE = 64
MOST = 5
"""Digits in a scene, at most."""
SMALLEST, LARGEST = 12, 28
"""Height of a digit in pixels."""
EPOCHS, LEARNING_RATE, BATCH_SIZE = 15, 3e-3, 16
"""What Adam needs here with most norms."""

Box = tuple[int, int, int, int]

TEXTURES = ("brick", "grass", "gravel")
_SQUARE = 128  # Side of the squares of a texture that are dealt out to the parts: 16 a texture.
_SQUARES = (9, 3, 4)  # Squares of each texture for train, validation and test.
_INK = 0.25  # What counts as part of a digit: the faintest strokes can't be seen on a texture.
_OVERLAP = 0.1  # The share of a digit's box that another may cover.
_TRIES = 20  # Places tried for a digit.
_DIMMED = 0.6  # Of a texture's brightness: some gravel is as bright as ink.
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
        squares = [
            square for row in torch.split(texture(name), _SQUARE) for square in torch.split(row, _SQUARE, dim=1)
        ]
        order = iter(rng.permutation(len(squares)))
        for part, count in zip(dealt, _SQUARES, strict=True):
            part += [squares[next(order)] for _ in range(count)]
    return dealt


def _cut_out(digit: Tensor) -> Tensor:
    """Return the rows and columns of a digit that hold visible ink, of shape (1, 1, height, width)."""
    rows, columns = ((digit >= _INK).any(dim).nonzero()[:, 0] for dim in (1, 0))
    return digit[None, None, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _free(box: Box, others: list[Box]) -> bool:
    """Whether a box shares less than a tenth of itself, and of the other, with each of the others."""
    for other in others:
        width = min(box[2], other[2]) - max(box[0], other[0])
        height = min(box[3], other[3]) - max(box[1], other[1])
        smaller = min((right - left) * (bottom - top) for left, top, right, bottom in (box, other))
        if width > 0 and height > 0 and width * height >= _OVERLAP * smaller:
            return False
    return True


def _place(height: int, width: int, others: list[Box], rng: np.random.Generator) -> Box | None:
    """Return where a digit of this size may stand in a scene, None where no place was found."""
    tops, lefts = (rng.integers(SIDE - length + 1, size=_TRIES).tolist() for length in (height, width))
    boxes = ((left, top, left + width, top + height) for top, left in zip(tops, lefts, strict=True))
    return next((box for box in boxes if _free(box, others)), None)


def _scene(source: Part, squares: list[Tensor], rng: np.random.Generator) -> tuple[Tensor, list[tuple[int, Box]]]:
    """Return one scene of shape (SIDE, SIDE) and the classes and boxes of what it shows."""
    y, x = rng.integers(_SQUARE - SIDE + 1, size=2)
    scene = _DIMMED * squares[rng.integers(len(squares))][y : y + SIDE, x : x + SIDE]
    shown: list[tuple[int, Box]] = []
    for which in rng.integers(len(source.labels), size=rng.integers(1, MOST + 1)):
        digit = _cut_out(source.inputs[which, 0])
        height = int(rng.integers(SMALLEST, LARGEST + 1))
        width = round(height * digit.shape[3] / digit.shape[2])
        box = _place(height, width, [other for _, other in shown], rng)
        if box:
            left, top, right, bottom = box
            ink = interpolate(digit, (height, width), mode="bilinear")[0, 0]
            # The ink covers the texture as far as it is dense.
            scene[top:bottom, left:right].lerp_(torch.tensor(rng.uniform(*_BRIGHTNESS), dtype=ink.dtype), ink)
            shown.append((int(source.labels[which]), box))
    return scene, shown


def compose(source: Part, squares: list[Tensor], count: int, rng: np.random.Generator) -> Part:
    """Return scenes of digits drawn from source, on squares of texture.

    Each scene shows 1 to 5 digits, 12 to 28 pixels high, whose boxes share less than a tenth of the smaller one; a digit
    for which no place is found is left out. The ink is blended into the dimmed texture.

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
        labels[i, : len(shown)] = torch.tensor([(kind, *box) for kind, box in shown]).float()
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
