"""A small single-stage, anchor-free detector (FCOS on one level)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from localnorm.lab.norms import Builder

STRIDE = 4
"""Pixels from one cell to the next."""

_PRIOR = 0.01  # Initial score: nearly all cells are background, whose loss would dominate.
_MEAN, _SPREAD = 0.4, 0.25  # Of images: a network without a norm needs inputs near 0.
_LARGEST = 5.0  # Keeps a distance finite if training diverges: exp(5) strides are 594 pixels.


def centres(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Return the centres of the cells of an image as (x, y) in pixels, row by row.

    Args:
        height: of the image, in pixels.
        width: of the image, in pixels.
        device: of the result; the CPU by default.

    Returns:
        Shape (ceil(height / 4) * ceil(width / 4), 2).

    Example:
        >>> centres(4, 8)
        tensor([[2., 2.],
                [6., 2.]])
    """
    rows, columns = (torch.arange(math.ceil(side / STRIDE), device=device) for side in (height, width))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return STRIDE * (torch.stack((x, y), dim=-1).reshape(-1, 2) + 0.5)


class Detector(nn.Module):
    """Predicts one box and a score for each class at every cell of a grid, without anchors.

    Four blocks of conv 3x3, relu, norm, the first two of stride 2 and the last of dilation 2, then conv 1x1 to
    ``4 + classes`` numbers per cell, with a receptive field of 31 x 31 pixels. A cell at (x, y)
    predicts the distances (l, t, r, b) to the four edges of its box, as logarithms of multiples of the stride
    s = 4:

        box = (x - s exp(l), y - s exp(t), x + s exp(r), y + s exp(b)).

    This is FCOS (Tian, Shen, Chen and He, "FCOS: Fully Convolutional One-Stage Object Detection", 2019) on a
    single level and without its centre-ness branch: the score itself rates the box.

    Args:
        norm_layer: ``norm_layer(num_channels) -> Module``.
        channels: channels of the images.
        classes: number of classes.

    Example:
        >>> Detector(nn.BatchNorm2d)(torch.zeros(2, 1, 64, 64)).shape
        torch.Size([2, 256, 14])
    """

    def __init__(self, norm_layer: Builder, *, channels: int = 1, classes: int = 10) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        # Multiples of 32, so that every number of groups in the search space divides them.
        for width, stride, dilation in ((32, 2, 1), (64, 2, 1), (64, 1, 1), (64, 1, 2)):
            convolution = nn.Conv2d(before, width, 3, stride, padding=dilation, dilation=dilation)
            layers += [convolution, nn.ReLU(), norm_layer(width)]
            before = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(before, 4 + classes, 1)
        with torch.no_grad():
            for layer in self.body:
                if isinstance(layer, nn.Conv2d):
                    # Keeps the scale of activations from layer to layer, which matters most without a norm.
                    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            self.head.bias[4:] = math.log(_PRIOR / (1 - _PRIOR))  # type: ignore[index]

    def forward(self, x: Tensor) -> Tensor:
        """Return (left, top, right, bottom) in pixels and the classes' logits of every cell.

        Args:
            x: images of shape (N, C, H, W).

        Returns:
            Shape (N, ceil(H / 4) * ceil(W / 4), 4 + classes).
        """
        output = self.head(self.body((x - _MEAN) / _SPREAD)).flatten(2).transpose(1, 2)
        distances = STRIDE * output[..., :4].clamp(max=_LARGEST).exp()
        places = centres(x.shape[2], x.shape[3]).to(x)
        return torch.cat((places - distances[..., :2], places + distances[..., 2:], output[..., 4:]), dim=-1)
