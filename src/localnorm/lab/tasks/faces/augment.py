"""Views of a picture: the small changes of light and pose that a camera makes."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

BRIGHTNESS = 0.15
"""Added, at most so much either way."""
CONTRAST = 0.4
"""Around the picture's mean, the factor 1 give or take so much."""
GAMMA = 0.5
"""The exponent, 2 to the power of so much either way."""
NOISE = 0.05
"""The largest standard deviation of the Gaussian noise."""
TURN = 15.0
"""Degrees either way."""
SHIFT = 0.12
"""Share of the side, either way along each axis."""
SCALE = 0.15
"""The factor 1 give or take so much."""


def views(images: Tensor, count: int, rng: torch.Generator) -> Tensor:
    """Return count views of each picture, one after the other; none of them is the picture itself.

    Each view has its own rotation, scale, shift, gamma, contrast, brightness and noise, uniform over the ranges
    above. Nothing is mirrored. What comes into view at a border repeats the border.

    Args:
        images: shape (N, C, H, W), values in [0, 1].
        count: views of each.
        rng: decides all of them.

    Returns:
        Shape (count * N, C, H, W), values in [0, 1], the views of the first picture first.

    Example:
        >>> views(torch.rand(3, 1, 8, 8), 2, torch.Generator().manual_seed(0)).shape
        torch.Size([6, 1, 8, 8])
    """
    seen = images.repeat_interleave(count, dim=0)

    def drawn(*columns: int) -> Tensor:
        """Uniform numbers in [-1, 1], one for each view."""
        return 2 * torch.rand(len(seen), *columns, generator=rng) - 1

    angle, scale = math.radians(TURN) * drawn(), 1 + SCALE * drawn()
    cos, sin = scale * angle.cos(), scale * angle.sin()
    # grid_sample counts from -1 to 1 along a side, so a share of the side is twice as much there.
    shift = 2 * SHIFT * drawn(2)
    turned = torch.stack((torch.stack((cos, -sin, shift[:, 0]), 1), torch.stack((sin, cos, shift[:, 1]), 1)), 1)
    grid = affine_grid(turned, list(seen.shape), align_corners=False)
    seen = grid_sample(seen, grid, padding_mode="border", align_corners=False)

    each = (1, 1, 1)
    seen = seen.clamp(0, 1) ** (2 ** (GAMMA * drawn(*each)))
    mean = seen.mean(dim=(1, 2, 3), keepdim=True)
    seen = mean + (1 + CONTRAST * drawn(*each)) * (seen - mean) + BRIGHTNESS * drawn(*each)
    noise = NOISE * torch.rand(len(seen), *each, generator=rng)
    return (seen + noise * torch.randn(seen.shape, generator=rng)).clamp(0, 1)
