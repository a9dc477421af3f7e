"""Style loss: Gram matrices of random convolution filters.

Source: Ustyuzhaninov, Brendel, Gatys and Bethge, "Texture Synthesis Using Shallow Convolutional Networks with
Random Filters", 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import conv2d, relu

SIZES = (3, 7, 11)
_COUNT = 16


@cache
def filters(size: int) -> Tensor:
    """Return 16 random filters, the same in every trial: one layer that is never trained.

    Each has mean 0 and norm 1, so the filters respond to contrast and structure, not to brightness.

    Returns:
        Shape (16, 1, size, size).

    Example:
        >>> filters(7).shape
        torch.Size([16, 1, 7, 7])
    """
    weights = torch.randn(_COUNT, 1, size, size, generator=torch.Generator().manual_seed(size))
    weights -= weights.mean(dim=(1, 2, 3), keepdim=True)
    weights /= weights.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()
    return weights


def gram(images: Tensor, weights: Tensor) -> Tensor:
    """Return ``G_ij``, the mean over positions of ``F_i F_j``, where ``F = relu(weights * images)``.

    Args:
        images: shape (N, 1, H, W).
        weights: shape (K, 1, size, size); no border is added.

    Returns:
        Shape (N, K, K): it does not depend on H and W, so a crop can be compared with a larger texture.

    Example:
        >>> gram(torch.ones(1, 1, 4, 4), torch.tensor([2.0, -1.0]).view(2, 1, 1, 1))
        tensor([[[4., 0.], [0., 0.]]])
    """
    features = relu(conv2d(images, weights.to(images))).flatten(2)
    return features @ features.mT / features.shape[2]


def grams(images: Tensor) -> list[Tensor]:
    """Return the Gram matrices of images of shape (N, 1, H, W), one for each size of ``SIZES``.

    Example:
        >>> [each.shape for each in grams(torch.zeros(2, 1, 16, 16))]
        [torch.Size([2, 16, 16]), torch.Size([2, 16, 16]), torch.Size([2, 16, 16])]
    """
    return [gram(images, filters(size)) for size in SIZES]


def style_loss(images: Tensor, texture: Sequence[Tensor]) -> Tensor:
    """Return the squared distance of the images' Gram matrices from a texture's, relative to the texture's own.

    Args:
        images: shape (N, 1, H, W).
        texture: `grams` of one texture.

    Returns:
        Shape (N,): the mean over ``SIZES`` of ``|G - T|^2 / |T|^2``; 0 for the texture, 1 without
        contrast.

    Example:
        >>> texture = torch.eye(16).view(1, 1, 16, 16)
        >>> style_loss(torch.cat((texture, 0 * texture)), grams(texture))
        tensor([0., 1.])
    """
    distances = [
        (image - target).square().sum(dim=(1, 2)) / target.square().sum()
        for image, target in zip(grams(images), texture, strict=True)
    ]
    return torch.stack(distances).mean(dim=0)
