"""A small convolutional network for images of any size."""

from __future__ import annotations

from torch import nn

from localnorm.lab.norms import Builder

LARGEST = 32
"""Positions along a side of the norms' inputs at most; the first layer strides larger images down to it."""
POOLED = 4
"""Positions along a side after pooling; with one, the place of a feature would be lost."""


def small_cnn(norm_layer: Builder, *, channels: int = 3, side: int = 32, classes: int = 10) -> nn.Module:
    """Return three blocks of conv 3x3, relu, norm with 32, 64 and 128 channels, mean to 4x4, dense.

    Max-pooling halves the sides between the blocks. Convolutions are padded, and the last pooling takes any number
    of positions, so the height and width need not be equal.

    Args:
        norm_layer: ``norm_layer(num_channels) -> Module``.
        channels: channels of the images.
        side: the longer side of the images in pixels, at least 4; above 32 the first layer's stride is
            ``ceil(side / 32)``, and its kernel is as wide.
        classes: number of classes.

    Example:
        >>> small_cnn(nn.BatchNorm2d, channels=1, classes=7)(__import__("torch").zeros(2, 1, 28, 20)).shape
        torch.Size([2, 7])
    """
    stride = max(1, -(-side // LARGEST))
    kernel = max(3, stride)
    return nn.Sequential(
        nn.Conv2d(channels, 32, kernel, stride, padding=kernel // 2),
        nn.ReLU(),
        norm_layer(32),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        norm_layer(64),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 128, 3, padding=1),
        nn.ReLU(),
        norm_layer(128),
        nn.AdaptiveAvgPool2d(POOLED),
        nn.Flatten(),
        nn.Linear(128 * POOLED**2, classes),
    )
