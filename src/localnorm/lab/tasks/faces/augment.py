"""Augmentation of face images: random rotation, scale, shift, gamma, contrast, brightness and noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

BRIGHTNESS = 0.15
"""Added, at most this much either way."""
CONTRAST = 0.4
"""Around the image's mean, the factor is 1 plus or minus this."""
GAMMA = 0.5
"""The exponent is 2 to the power of at most this, either way."""
NOISE = 0.05
"""The largest standard deviation of the Gaussian noise."""
TURN = 15.0
"""Degrees either way."""
SHIFT = 0.12
"""Share of the side, either way along each axis."""
SCALE = 0.15
"""The factor is 1 plus or minus this."""


def views(images: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Return `count` random views of each image, one after the other.

    Rotation, scale, shift, gamma, contrast, brightness and noise are uniform over the ranges above for each view.
    Nothing is mirrored; borders are repeated.

    Args:
        images: shape (N, C, H, W), values in [0, 1].
        count: views of each image.
        rng: source of the random numbers.

    Returns:
        Shape (count * N, C, H, W), values in [0, 1], the views of the first image first.

    Example:
        >>> views(torch.rand(3, 1, 8, 8), 2, torch.Generator().manual_seed(0)).shape
        torch.Size([6, 1, 8, 8])
    """
    augmented = images.repeat_interleave(count, dim=0)

    def uniform(*columns: int) -> Tensor:
        """Return uniform numbers in [-1, 1], one for each view."""
        return 2 * torch.rand(len(augmented), *columns, generator=rng) - 1

    angle, scale = math.radians(TURN) * uniform(), 1 + SCALE * uniform()
    cos, sin = scale * angle.cos(), scale * angle.sin()
    # grid_sample's coordinates go from -1 to 1 along a side.
    shift = 2 * SHIFT * uniform(2)
    affine = torch.stack((torch.stack((cos, -sin, shift[:, 0]), 1), torch.stack((sin, cos, shift[:, 1]), 1)), 1)
    grid = affine_grid(affine, list(augmented.shape), align_corners=False)
    augmented = grid_sample(augmented, grid, padding_mode="border", align_corners=False)

    each = (1, 1, 1)
    augmented = augmented.clamp(0, 1) ** (2 ** (GAMMA * uniform(*each)))
    mean = augmented.mean(dim=(1, 2, 3), keepdim=True)
    augmented = mean + (1 + CONTRAST * uniform(*each)) * (augmented - mean) + BRIGHTNESS * uniform(*each)
    noise = NOISE * torch.rand(len(augmented), *each, generator=rng)
    return (augmented + noise * torch.randn(augmented.shape, generator=rng)).clamp(0, 1)
