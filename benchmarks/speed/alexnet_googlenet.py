"""AlexNet and GoogLeNet as published, with random weights and any layer in place of LRN."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Norm = Callable[[], nn.Module]

PAPER = (5, 5e-4, 0.75, 2.0)
"""AlexNet's size, alpha, beta and k; its alpha of 1e-4 multiplies the sum, torch's the mean."""


def alexnet(norm: Norm, divided_by: int = 1) -> nn.Sequential:
    """Return the network of Krizhevsky, Sutskever and Hinton (2012), its grouped convolutions and dropout too.

    Args:
        norm: builds the layer after the first and the second convolution.
        divided_by: of the channels; 1 is the paper's network.
    """
    c1, c2, c3, full, classes = (width // divided_by for width in (96, 256, 384, 4096, 1000))
    return nn.Sequential(
        *(nn.Conv2d(3, c1, 11, stride=4), nn.ReLU(inplace=True), norm(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(c1, c2, 5, padding=2, groups=2), nn.ReLU(inplace=True), norm(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(c2, c3, 3, padding=1), nn.ReLU(inplace=True)),
        *(nn.Conv2d(c3, c3, 3, padding=1, groups=2), nn.ReLU(inplace=True)),
        *(nn.Conv2d(c3, c2, 3, padding=1, groups=2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2)),
        *(nn.Flatten(), nn.Dropout(), nn.Linear(c2 * 36, full), nn.ReLU(inplace=True)),
        *(nn.Dropout(), nn.Linear(full, full), nn.ReLU(inplace=True), nn.Linear(full, classes)),
    )


class _Inception(nn.Module):
    """Four parallel branches: 1x1; 1x1 and 3x3; 1x1 and 5x5; max-pool and 1x1."""

    def __init__(self, into: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            (
                _conv(into, one, 1),
                nn.Sequential(_conv(into, three[0], 1), _conv(*three, 3)),
                nn.Sequential(_conv(into, five[0], 1), _conv(*five, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, padding=1), _conv(into, pool, 1)),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def _conv(into: int, out: int, side: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(into, out, side, stride, padding=side // 2), nn.ReLU(inplace=True))


# Channels of the branches: 1x1; 3x3 and 5x5, each with what it is reduced to before; behind the pool.
_BLOCKS = (
    (64, (96, 128), (16, 32), 32),
    (128, (128, 192), (32, 96), 64),
    None,
    (192, (96, 208), (16, 48), 64),
    (160, (112, 224), (24, 64), 64),
    (128, (128, 256), (24, 64), 64),
    (112, (144, 288), (32, 64), 64),
    (256, (160, 320), (32, 128), 128),
    None,
    (256, (160, 320), (32, 128), 128),
    (384, (192, 384), (48, 128), 128),
)
"""Inception 3a to 5b of table 1; None is a max-pool."""


def googlenet(norm: Norm, divided_by: int = 1) -> nn.Sequential:
    """Return the network of Szegedy et al. (2014), "Going Deeper with Convolutions", without auxiliary heads.

    Args:
        norm: builds the layer after the first pool and the third convolution.
        divided_by: of the channels; 1 is the paper's network.
    """

    def cut(channels: int) -> int:
        return max(1, channels // divided_by)

    layers: list[nn.Module] = [
        *(_conv(3, cut(64), 7, stride=2), nn.MaxPool2d(3, 2, ceil_mode=True), norm()),
        *(_conv(cut(64), cut(64), 1), _conv(cut(64), cut(192), 3), norm(), nn.MaxPool2d(3, 2, ceil_mode=True)),
    ]
    channels = cut(192)
    for block in _BLOCKS:
        if block is None:
            layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            continue
        one, three, five, pool = block
        t, f = (cut(three[0]), cut(three[1])), (cut(five[0]), cut(five[1]))
        layers.append(_Inception(channels, cut(one), t, f, cut(pool)))
        channels = cut(one) + t[1] + f[1] + cut(pool)
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.4), nn.Linear(channels, cut(1000)))
    return nn.Sequential(*layers, *head)
