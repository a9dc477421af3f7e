"""Compose detection scenes: digits of varied size on squares of texture, with their boxes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from localnorm.lab.tasks.subset import Subset

SIDE = 64
"""Height and width of a scene in pixels."""
SQUARE = 128
"""Height and width of the texture squares that scenes are cut from."""
MOST = 5
"""Digits in a scene, at most."""
SMALLEST, LARGEST = 12, 28
"""Height of a digit in pixels."""

PixelBox = tuple[int, int, int, int]

_INK = 0.25  # Least ink of a digit's box: fainter strokes are invisible on a texture.
_OVERLAP = 0.1  # Of the smaller of two boxes.
_TRIES = 20  # Random positions tried per digit.
_DIMMED = 0.6  # Factor of a texture's brightness: some gravel is as bright as ink.
_BRIGHTNESS = (0.8, 1.0)  # Of the ink of a digit.


def _cut_out(digit: Tensor) -> Tensor:
    """Return the rows and columns of a digit that hold visible ink, of shape (1, 1, height, width)."""
    rows, columns = ((digit >= _INK).any(dim).nonzero()[:, 0] for dim in (1, 0))
    return digit[None, None, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _free(box: PixelBox, others: list[PixelBox]) -> bool:
    """Whether a box overlaps each of the others by less than a tenth of the smaller one."""
    for other in others:
        width = min(box[2], other[2]) - max(box[0], other[0])
        height = min(box[3], other[3]) - max(box[1], other[1])
        smaller = min((right - left) * (bottom - top) for left, top, right, bottom in (box, other))
        if width > 0 and height > 0 and width * height >= _OVERLAP * smaller:
            return False
    return True


def _place(height: int, width: int, others: list[PixelBox], rng: np.random.Generator) -> PixelBox | None:
    """Return a free box for a digit of this size in a scene, None if none was found."""
    tops, lefts = (rng.integers(SIDE - length + 1, size=_TRIES).tolist() for length in (height, width))
    boxes = ((left, top, left + width, top + height) for top, left in zip(tops, lefts, strict=True))
    return next((box for box in boxes if _free(box, others)), None)


def _scene(
    source: Subset, squares: list[Tensor], rng: np.random.Generator
) -> tuple[Tensor, list[tuple[int, PixelBox]]]:
    """Return one scene of shape (SIDE, SIDE) and its classes and boxes."""
    y, x = rng.integers(SQUARE - SIDE + 1, size=2)
    scene = _DIMMED * squares[rng.integers(len(squares))][y : y + SIDE, x : x + SIDE]
    shown: list[tuple[int, PixelBox]] = []
    for which in rng.integers(len(source.labels), size=rng.integers(1, MOST + 1)):
        digit = _cut_out(source.inputs[which, 0])
        height = int(rng.integers(SMALLEST, LARGEST + 1))
        width = round(height * digit.shape[3] / digit.shape[2])
        box = _place(height, width, [other for _, other in shown], rng)
        if box:
            left, top, right, bottom = box
            ink = interpolate(digit, (height, width), mode="bilinear")[0, 0]
            # Alpha blending by the density of the ink.
            scene[top:bottom, left:right].lerp_(torch.tensor(rng.uniform(*_BRIGHTNESS), dtype=ink.dtype), ink)
            shown.append((int(source.labels[which]), box))
    return scene, shown


def compose(source: Subset, squares: list[Tensor], count: int, rng: np.random.Generator) -> Subset:
    """Return scenes of random digits from source, on squares of texture.

    Each scene shows 1 to 5 digits, 12 to 28 pixels high, whose boxes share less than a tenth of the smaller one; a
    digit without a free position is left out. The ink is blended into the dimmed texture.

    Args:
        source: digits of shape (M, 1, 8, 8) in [0, 1] and their classes.
        squares: images of shape (128, 128) in [0, 1].
        count: number of scenes.
        rng: source of the random numbers.

    Returns:
        Scenes of shape (count, 1, 64, 64) in [0, 1]; labels of shape (count, 5, 5): class, left, top, right,
        bottom in pixels, class -1 and zeros in padding.

    Example:
        >>> block = Subset(torch.ones(1, 1, 8, 8), torch.tensor([7]))
        >>> scene = compose(block, [torch.zeros(128, 128)], 1, np.random.default_rng(0))
        >>> left, top, right, bottom = scene.labels[0, 0, 1:].int()
        >>> bool(scene.inputs[0, 0, top:bottom, left:right].all())
        True
    """
    scenes, labels = torch.empty(count, 1, SIDE, SIDE), torch.zeros(count, MOST, 5)
    labels[..., 0] = -1
    for i in range(count):
        scenes[i, 0], shown = _scene(source, squares, rng)
        labels[i, : len(shown)] = torch.tensor([(kind, *box) for kind, box in shown]).float()
    return Subset(scenes, labels)
