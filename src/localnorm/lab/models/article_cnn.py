"""The article's convolutional network."""

from __future__ import annotations

from torch import nn

from localnorm.lab.norms import Builder


def article_cnn(norm_layer: Builder, *, channels: int = 1, side: int = 8, classes: int = 10) -> nn.Module:
    """Return conv 32 3x3, relu, norm, conv 64 3x3, relu, norm, max-pool, dense 128, dense.

    Convolutions are unpadded, as in the article's listing.

    Args:
        norm_layer: ``norm_layer(num_channels) -> Module``.
        channels: channels of the images.
        side: height and width of the images, at least 6.
        classes: number of classes.

    Example:
        >>> article_cnn(nn.BatchNorm2d)(__import__("torch").zeros(2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """
    return nn.Sequential(
        nn.Conv2d(channels, 32, 3),
        nn.ReLU(),
        norm_layer(32),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        norm_layer(64),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * ((side - 4) // 2) ** 2, 128),
        nn.ReLU(),
        nn.Linear(128, classes),
    )
