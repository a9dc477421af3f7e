"""Modules that fit a norm for (N, C, H, W) to inputs of other layouts, and keep an activation behind it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn.modules.instancenorm import _InstanceNorm

from localnorm.errors import LabError


class _Adapter(nn.Module):
    """A module around a norm, whose gain some models read."""

    norm: nn.Module

    @property
    def weight(self) -> object:
        """The gain of the norm."""
        return self.norm.weight


class TokenNorm(_Adapter):
    """Normalize (..., C): each token by itself, or for batch statistics over all tokens of the batch.

    The tokens are given to the norm as (tokens, C, 1, 1).

    Args:
        norm: a norm for (N, C, H, W).

    Raises:
        LabError: instance normalization, which needs positions.
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        if isinstance(norm, _InstanceNorm) or getattr(norm, "needs_positions", False):
            name = "instance normalization" if isinstance(norm, _InstanceNorm) else type(norm).__name__
            raise LabError(
                f"{name} needs positions to take its statistics over, got a norm over the last "
                "axis, which normalizes each token alone; use layer, rms or group there."
            )
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x of shape (..., C)."""
        y: Tensor = self.norm(x.reshape(-1, x.shape[-1], 1, 1))
        return y.reshape(x.shape)


class AnyRankNorm(_Adapter):
    """Normalize (N, C, ...) of any rank by a norm for (N, C, H, W), to which all positions are one axis.

    Args:
        norm: a norm for (N, C, H, W).
    """

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x of shape (N, C, ...)."""
        if x.ndim == 2 and isinstance(self.norm, _InstanceNorm):
            raise LabError(
                "instance normalization needs positions to take its statistics over, got an input of rank 2 "
                "(samples, channels); use layer or group there."
            )
        y: Tensor = self.norm(x if x.ndim == 4 else x.reshape(*x.shape[:2], -1, 1))
        return y.reshape(x.shape)


class NormActivation(nn.Module):
    """A norm, then the dropout and activation of the layer that it replaces.

    Args:
        norm: the norm.
        rest: what follows it, in order.
    """

    def __init__(self, norm: nn.Module, rest: Sequence[nn.Module]) -> None:
        super().__init__()
        self.norm = norm
        self.rest = nn.Sequential(*rest)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize x and apply what follows."""
        y: Tensor = self.rest(self.norm(x))
        return y
