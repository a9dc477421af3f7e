"""Builders of normalization layers by name: batch, layer, instance, group, RMS and local response norm."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import gcd

import torch
from torch import Tensor, nn
from torch.nn import functional

from localnorm.errors import LabError
from localnorm.spec import LRNSpec
from localnorm.torch.module import LocalResponseNorm


class RMSNorm(nn.Module):
    """Divide each sample by its root mean square over channels and positions; one gain per channel.

    ``torch.nn.RMSNorm`` normalizes over trailing axes of a fixed size; this is the same function over all
    axes of a sample, whatever their size.
    """

    def __init__(self, num_channels: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(num_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x of shape (N, C, ...)."""
        scaled = functional.rms_norm(x, x.shape[1:], eps=self.eps)
        return scaled * self.weight.view(-1, *[1] * (x.ndim - 2))


ARTICLE_SPEC = LRNSpec.from_paper(5, 2.0, 1e-4, 0.75)
_BATCH = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_INSTANCE = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def _none(num_channels: int, dims: int) -> nn.Module:  # noqa: ARG001  all norms share one signature
    return nn.Identity()


def _local(
    num_channels: int,  # noqa: ARG001
    dims: int,  # noqa: ARG001
    n: float = 5,
    k: float = 2.0,
    alpha: float = 1e-4,
    beta: float = 0.75,
    *,
    learnable: bool = False,
) -> nn.Module:
    return LocalResponseNorm.from_spec(LRNSpec.from_paper(int(n), k, alpha, beta), learnable=learnable)


def _batch(num_channels: int, dims: int, momentum: float = 0.1, eps: float = 1e-5) -> nn.Module:
    return _BATCH[dims](num_channels, eps=eps, momentum=momentum)


def _layer(num_channels: int, dims: int, eps: float = 1e-5) -> nn.Module:  # noqa: ARG001
    return nn.GroupNorm(1, num_channels, eps=eps)


def _instance(num_channels: int, dims: int, eps: float = 1e-5) -> nn.Module:
    if dims == 0:
        raise LabError(
            "instance normalization needs positions to take its statistics over, got an input of rank 2 "
            "(samples, channels); use layer or group there."
        )
    return _INSTANCE[dims - 1](num_channels, eps=eps, affine=True)


def _group(num_channels: int, dims: int, groups: float = 8, eps: float = 1e-5) -> nn.Module:  # noqa: ARG001
    # A user-defined model may have 12 channels in a layer: use as many groups as divide both.
    return nn.GroupNorm(gcd(int(groups), num_channels), num_channels, eps=eps)


def _rms(num_channels: int, dims: int, eps: float = 1e-5) -> nn.Module:  # noqa: ARG001
    return RMSNorm(num_channels, eps)


BUILDERS: Mapping[str, Callable[..., nn.Module]] = {
    "none": _none,
    "local": _local,
    "local-learned": partial(_local, learnable=True),
    "batch": _batch,
    "layer": _layer,
    "instance": _instance,
    "group": _group,
    "rms": _rms,
}
"""``BUILDERS[name](num_channels, dims, **hyperparameters)``; dims is the number of axes after (N, C)."""
