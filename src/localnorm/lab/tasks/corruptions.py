"""Corruptions of images in [0, 1] at five severities, the same for every norm of a seed.

After Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
2019: three of noise, two of blur, contrast, brightness and pixelation. Occlusion is after DeVries and Taylor,
"Improved Regularization of Convolutional Neural Networks with Cutout", 2017. The severities, described in
`localnorm.lab.descriptions.CORRUPTIONS`, suit images as small as 8x8.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, conv2d, grid_sample, pad

SEVERITIES = (1, 2, 3, 4, 5)
_BRIGHTEST = (60, 25, 12, 5, 3)
"""Photons that a white pixel counts on average, by severity: those of Hendrycks and Dietterich."""
_GREY = 0.5


def _noise(images: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    return images + 0.1 * severity * torch.randn(images.shape, generator=rng)


def _salt_and_pepper(images: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    chance = torch.rand(images.shape, generator=rng)
    share = 0.04 * severity
    return images.masked_fill(chance < share / 2, 0.0).masked_fill(chance > 1 - share / 2, 1.0)


def _blur(images: Tensor, severity: int, rng: torch.Generator) -> Tensor:  # noqa: ARG001  not random
    # Borders are repeated.
    sigma = 0.1 + 0.2 * severity
    weights = torch.exp(-0.5 * (torch.arange(-3, 4) / sigma) ** 2)
    kernel = torch.outer(weights, weights) / weights.sum() ** 2
    padded = pad(images.flatten(0, 1).unsqueeze(1), (3, 3, 3, 3), mode="replicate")
    return conv2d(padded, kernel.view(1, 1, 7, 7)).view(images.shape)


def _contrast(images: Tensor, severity: int, rng: torch.Generator) -> Tensor:  # noqa: ARG001  not random
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (1 - 0.16 * severity) * (images - mean)


def _shot_noise(images: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    photons = _BRIGHTEST[severity - 1]
    return torch.poisson(images.clamp(min=0) * photons, rng) / photons


def _motion_blur(images: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Mean along a line through each pixel; borders are repeated."""
    angles = math.pi * torch.rand(len(images), generator=rng)
    # In grid_sample's coordinates an image is 2 wide and 2 high.
    directions = torch.stack((angles.cos() * 2 / images.shape[3], angles.sin() * 2 / images.shape[2]), dim=1)
    identity = torch.eye(2, 3).expand(len(images), 2, 3)
    # Half a pixel apart.
    offsets = torch.linspace(-severity / 2, severity / 2, 2 * severity + 1)
    total = torch.zeros_like(images)
    for offset in offsets:
        moved = identity + torch.cat((torch.zeros(len(images), 2, 2), (offset * directions).unsqueeze(2)), dim=2)
        grid = affine_grid(moved, list(images.shape), align_corners=False)
        total += grid_sample(images, grid, padding_mode="border", align_corners=False)
    return total / len(offsets)


def _brightness(images: Tensor, severity: int, rng: torch.Generator) -> Tensor:  # noqa: ARG001  not random
    return images + 0.1 * severity


def _pixelate(images: Tensor, severity: int, rng: torch.Generator) -> Tensor:  # noqa: ARG001  not random
    for axis in (2, 3):
        shares = _shares(images.shape[axis], max(1, round((1 - 0.15 * severity) * images.shape[axis])))
        # Down and up again; torch's area resizing lets windows overlap unless the side is a multiple.
        images = torch.tensordot(images, shares.T @ (shares / shares.sum(1, keepdim=True)), ([axis], [1])).movedim(
            -1, axis
        )
    return images


def _shares(side: int, kept: int) -> Tensor:
    """Return the share of each of `side` pixels in each of `kept` wider ones: shape (kept, side)."""
    starts = torch.arange(kept).unsqueeze(1) * side / kept
    pixels = torch.arange(side)
    return (torch.minimum(starts + side / kept, pixels + 1) - torch.maximum(starts, pixels)).clamp(min=0)


def _occlusion(images: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    inside = torch.ones(len(images), 1, 1, 1, dtype=torch.bool)
    for axis in (2, 3):
        side = images.shape[axis]
        covered = round(severity * side / 8)
        starts = torch.randint(side - covered + 1, (len(images), 1), generator=rng)
        along = torch.arange(side) - starts
        shape = [len(images), 1, 1, 1]
        shape[axis] = side
        inside = inside & ((along >= 0) & (along < covered)).view(shape)
    return images.masked_fill(inside, _GREY)


CORRUPTIONS: Mapping[str, Callable[[Tensor, int, torch.Generator], Tensor]] = MappingProxyType(
    {
        "noise": _noise,
        "salt and pepper": _salt_and_pepper,
        "shot noise": _shot_noise,
        "blur": _blur,
        "motion blur": _motion_blur,
        "contrast": _contrast,
        "brightness": _brightness,
        "pixelate": _pixelate,
        "occlusion": _occlusion,
    }
)


def corrupt(images: Tensor, name: str, severity: int, seed: int) -> Tensor:
    """Return corrupted images, clipped to [0, 1].

    Args:
        images: shape (N, C, H, W), values in [0, 1], at least 8 x 8 pixels.
        name: a name of ``CORRUPTIONS``.
        severity: 1 to 5.
        seed: decides the noise; the same seed gives every norm the same noise.

    Example:
        >>> corrupt(torch.zeros(1, 1, 8, 8), "contrast", 3, seed=0).abs().max()
        tensor(0.)
    """
    place = list(CORRUPTIONS).index(name)
    rng = torch.Generator().manual_seed(1_000_000 * place + 10_000 * severity + seed)
    return CORRUPTIONS[name](images, severity, rng).clamp(0, 1)
