"""Builders of normalization layers by name: batch, layer, instance, group, RMS, local response, modern ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import gcd

import torch
from torch import Tensor, nn
from torch.nn import functional

from localnorm.errors import LabError
from localnorm.spec import LRNSpec
from localnorm.torch.gdn import GDN
from localnorm.torch.modern_norms import (
    BatchRenorm,
    Derf,
    DyT,
    EvoNormS0,
    FilterResponseNorm,
    GlobalResponseNorm,
    PixelNorm,
)
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


def _needs_positions(name: str, dims: int) -> None:
    if dims == 0:
        raise LabError(
            f"{name} needs positions to take its statistics over, got an input of rank 2 (samples, channels); use "
            "layer or group there."
        )


def _dyt(num_channels: int, dims: int, alpha: float = 0.5) -> nn.Module:  # noqa: ARG001
    return DyT(num_channels, alpha)


def _derf(num_channels: int, dims: int, alpha: float = 0.5, shift: float = 0.0) -> nn.Module:  # noqa: ARG001
    return Derf(num_channels, alpha, shift)


def _grn(num_channels: int, dims: int) -> nn.Module:
    _needs_positions("grn", dims)
    return GlobalResponseNorm(num_channels)


def _frn(num_channels: int, dims: int, eps: float = 1e-6) -> nn.Module:
    _needs_positions("frn", dims)
    return FilterResponseNorm(num_channels, eps)


def _evonorm_s0(num_channels: int, dims: int, groups: float = 8, eps: float = 1e-5) -> nn.Module:  # noqa: ARG001
    return EvoNormS0(num_channels, gcd(int(groups), num_channels), eps)


def _batch_renorm(num_channels: int, dims: int, momentum: float = 0.01, eps: float = 1e-5) -> nn.Module:  # noqa: ARG001
    return BatchRenorm(num_channels, momentum, eps)


def _pixel(num_channels: int, dims: int, eps: float = 1e-8) -> nn.Module:  # noqa: ARG001
    return PixelNorm(eps)


def _gdn(num_channels: int, dims: int, gamma: float = 0.1) -> nn.Module:  # noqa: ARG001
    return GDN(num_channels, gamma_init=gamma)


BUILDERS: Mapping[str, Callable[..., nn.Module]] = {
    "none": _none,
    "local": _local,
    "local-learned": partial(_local, learnable=True),
    "batch": _batch,
    "layer": _layer,
    "instance": _instance,
    "group": _group,
    "rms": _rms,
    "dyt": _dyt,
    "derf": _derf,
    "grn": _grn,
    "frn": _frn,
    "evonorm-s0": _evonorm_s0,
    "batch-renorm": _batch_renorm,
    "pixel": _pixel,
    "gdn": _gdn,
}
"""``BUILDERS[name](num_channels, dims, **hyperparameters)``; dims is the number of axes after (N, C)."""
