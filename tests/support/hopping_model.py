"""A model that adds a tensor of the CPU, which fails on every other device."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class _Hops(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(64, 10))
        self.offset = torch.ones(10)  # no buffer, so that it stays where it is

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.layers(x)
        return scores + self.offset


def build() -> nn.Module:
    """Return the model."""
    return _Hops()
