"""Corruptions of images in [0, 1] at five severities, the same for every norm of a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

SEVERITIES = (1, 2, 3, 4, 5)


def _noise(images: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """Gaussian noise of standard deviation 0.1 to 0.5."""
    return images + 0.1 * severity * torch.randn(images.shape, generator=rng)


def _salt_and_pepper(images: Tensor, severity: int, rng: torch.Generator) -> Tensor:
    """4 to 20 % of the pixels replaced by black or white."""
    chance = torch.rand(images.shape, generator=rng)
    share = 0.04 * severity
    return images.masked_fill(chance < share / 2, 0.0).masked_fill(chance > 1 - share / 2, 1.0)


def _blur(images: Tensor, severity: int, rng: torch.Generator) -> Tensor:  # noqa: ARG001  not random
    """A Gaussian of standard deviation 0.3 to 1.1 pixels, borders repeated."""
    sigma = 0.1 + 0.2 * severity
    weights = torch.exp(-0.5 * (torch.arange(-3, 4) / sigma) ** 2)
    kernel = torch.outer(weights, weights) / weights.sum() ** 2
    padded = pad(images.flatten(0, 1).unsqueeze(1), (3, 3, 3, 3), mode="replicate")
    return conv2d(padded, kernel.view(1, 1, 7, 7)).view(images.shape)


def _contrast(images: Tensor, severity: int, rng: torch.Generator) -> Tensor:  # noqa: ARG001  not random
    """Contrast reduced to 84 to 20 % around each image's mean."""
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return mean + (1 - 0.16 * severity) * (images - mean)


CORRUPTIONS: Mapping[str, Callable[[Tensor, int, torch.Generator], Tensor]] = MappingProxyType(
    {"noise": _noise, "salt and pepper": _salt_and_pepper, "blur": _blur, "contrast": _contrast}
)


def corrupt(images: Tensor, name: str, severity: int, seed: int) -> Tensor:
    """Return images under one corruption.

    Args:
        images: shape (N, C, H, W), values in [0, 1].
        name: a name of ``CORRUPTIONS``.
        severity: 1 to 5.
        seed: decides the noise; the same seed gives every norm the same noise.

    Example:
        >>> corrupt(torch.zeros(1, 1, 8, 8), "contrast", 3, seed=0).abs().max()
        tensor(0.)
    """
    place = list(CORRUPTIONS).index(name)
    rng = torch.Generator().manual_seed(1_000_000 * place + 10_000 * severity + seed)
    return CORRUPTIONS[name](images, severity, rng)
