"""Scope of a norm: the inputs that one output depends on, from the Jacobian in float64."""

from __future__ import annotations

from typing import Any

import torch

from localnorm.lab.norms import Norm
from localnorm.lab.study.training_config import CPU

SHAPE = (3, 32, 5, 5)
"""Samples, channels, height and width of the input."""
OUTPUT = (1, 13, 2, 2)
"""The output whose dependence is measured."""


def probe_scope(norms: list[Norm], device: str = CPU) -> dict[str, Any]:
    """Return, for each norm, the inputs that ``y[OUTPUT]`` depends on.

    The gradient of that one output with respect to every input is one row of the Jacobian; an input is
    reached if it is not exactly zero there. Norms are in training mode.

    Args:
        norms: the norms.
        device: a kind of device with float64.

    Returns:
        For each norm: ``reach`` in words, the number of ``samples``, ``channels`` and ``positions`` reached,
        ``offsets`` of the lowest and highest channel, ``mask``: for each sample and channel a string of
        0 and 1, one per position; and the ``shape`` of the input and the index of the ``output``.

    Example:
        >>> from localnorm.lab.norms import find_norm
        >>> probe_scope([find_norm("local")])["local"]["offsets"]
        [-2, 2]
    """
    return {norm.name: _reach(norm, device) for norm in norms}


def _reach(norm: Norm, device: str) -> dict[str, Any]:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(SHAPE, generator=rng, dtype=torch.float64).to(device).requires_grad_()
    module = norm.builder(dims=2)(SHAPE[1]).double().to(device)
    (row,) = torch.autograd.grad(module(x)[OUTPUT], x)
    mask = (row != 0).cpu()
    samples, channels = mask.any(dim=(1, 2, 3)), mask.any(dim=(0, 2, 3))
    positions = mask.any(dim=0).any(dim=0)
    reached = channels.nonzero().flatten().tolist()
    return {
        "reach": _in_words(samples, channels, positions),
        "samples": int(samples.sum()),
        "channels": int(channels.sum()),
        "positions": int(positions.sum()),
        "offsets": [reached[0] - OUTPUT[1], reached[-1] - OUTPUT[1]] if reached else [],
        "mask": ["".join(str(int(v)) for v in row.flatten()) for row in mask.flatten(0, 1)],
        "shape": list(SHAPE),
        "output": list(OUTPUT),
    }


def _in_words(samples: torch.Tensor, channels: torch.Tensor, positions: torch.Tensor) -> str:
    """Return the name of the reach, which the claims about scope are compared with."""
    if int(samples.sum()) > 1:
        return "mini-batch"
    some_channels, some_positions = int(channels.sum()), int(positions.sum())
    if not some_channels:
        return "nothing"
    if some_channels == 1 and some_positions == 1:
        return "itself"
    if bool(channels.all() & positions.all()):
        return "single layer"
    if some_channels == 1 and bool(positions.all()):
        return "one channel"
    if bool(positions.all()):
        return "group of channels"
    return "local neighbourhood"
