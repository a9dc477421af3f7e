"""Standard augmentation of training images: random crops and horizontal flips."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

SMALL = 64
"""Sides up to this get the crop of CIFAR, larger ones that of ImageNet."""
_AREA, _RATIO = (0.08, 1.0), (3 / 4, 4 / 3)


def augment(images: Tensor, seed: int) -> Tensor:
    """Return each image cropped at random and, every other time, flipped left to right; the shape stays.

    Images of at most `SMALL` pixels are shifted by up to an eighth of the side, with black borders. Of larger ones
    a box of 8 to 100 % of the area and an aspect ratio of 3/4 to 4/3 is resized to the whole, as in Szegedy et
    al., "Going deeper with convolutions", 2014.

    Args:
        images: shape (N, C, H, W).
        seed: equal seeds give equal crops.

    Example:
        >>> images = torch.rand(4, 3, 32, 32)
        >>> augment(images, 0).shape, torch.equal(augment(images, 0), augment(images, 0))
        (torch.Size([4, 3, 32, 32]), True)
    """
    rng = torch.Generator().manual_seed(seed)
    flipped = torch.rand(len(images), generator=rng) < 0.5
    cropped = _shifted(images, rng) if max(images.shape[2:]) <= SMALL else _resized(images, rng)
    return torch.where(flipped.view(-1, 1, 1, 1), cropped.flip(3), cropped)


def _shifted(images: Tensor, rng: torch.Generator) -> Tensor:
    count, _, height, width = images.shape
    border = max(height, width) // 8
    padded = pad(images, (border,) * 4)
    tops, lefts = torch.randint(0, 2 * border + 1, (2, count), generator=rng)
    rows = tops[:, None, None, None] + torch.arange(height)[:, None]
    columns = lefts[:, None, None, None] + torch.arange(width)
    samples = torch.arange(count)[:, None, None, None]
    channels = torch.arange(images.shape[1])[:, None, None]
    return padded[samples, channels, rows, columns]


def _resized(images: Tensor, rng: torch.Generator) -> Tensor:
    count = len(images)
    area = _AREA[0] + (_AREA[1] - _AREA[0]) * torch.rand(count, generator=rng)
    low, high = map(math.log, _RATIO)
    ratio = torch.exp(low + (high - low) * torch.rand(count, generator=rng))
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)
    # A box of these shares of the sides, anywhere within the image.
    x, y = ((1 - side) * (2 * torch.rand(count, generator=rng) - 1) for side in (width, height))
    boxes = torch.zeros(count, 2, 3)
    boxes[:, 0, 0], boxes[:, 1, 1], boxes[:, 0, 2], boxes[:, 1, 2] = width, height, x, y
    grid = affine_grid(boxes, list(images.shape), align_corners=False)
    return grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
