"""Norms and their replacements since 2017: DyT, Derf, GRN, FRN, EvoNorm-S0, batch renormalization, PixelNorm.

Each takes (N, C, ...) and has its parameters per channel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _by_channel(values: Tensor, x: Tensor) -> Tensor:
    """Return one value per channel in the shape that broadcasts over (N, C, ...)."""
    return values.view(-1, *[1] * (x.ndim - 2))


def _positions(x: Tensor) -> tuple[int, ...]:
    return tuple(range(2, x.ndim))


class _Affine(nn.Module):
    """A norm with a gain and a bias per channel."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))

    def _scaled(self, x: Tensor) -> Tensor:
        return x * _by_channel(self.weight, x) + _by_channel(self.bias, x)


class DyT(_Affine):
    """Dynamic tanh: ``weight * tanh(alpha * x) + bias``, with one learned alpha.

    Source: Zhu et al., "Transformers without Normalization", arXiv 2503.10622.

    Args:
        num_channels: C.
        alpha: the start value of alpha.

    Example:
        >>> DyT(2)(torch.tensor([[0.0, 2.0]])).round(decimals=3)
        tensor([[0.0000, 0.7620]], grad_fn=<RoundBackward1>)
    """

    def __init__(self, num_channels: int, alpha: float = 0.5) -> None:
        super().__init__(num_channels)
        self.alpha = nn.Parameter(torch.tensor(float(alpha)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the result for x of shape (N, C, ...)."""
        return self._scaled(torch.tanh(self.alpha * x))


class Derf(_Affine):
    """Dynamic erf: ``weight * erf(alpha * x + shift) + bias``, with one learned alpha and shift.

    Source: Chen et al., "Stronger Normalization-Free Transformers", arXiv 2512.10938.

    Args:
        num_channels: C.
        alpha: the start value of alpha.
        shift: the start value of the shift.

    Example:
        >>> Derf(2)(torch.tensor([[0.0, 2.0]])).round(decimals=3)
        tensor([[0.0000, 0.8430]], grad_fn=<RoundBackward1>)
    """

    def __init__(self, num_channels: int, alpha: float = 0.5, shift: float = 0.0) -> None:
        super().__init__(num_channels)
        self.alpha = nn.Parameter(torch.tensor(float(alpha)))
        self.shift = nn.Parameter(torch.tensor(float(shift)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the result for x of shape (N, C, ...)."""
        return self._scaled(torch.erf(self.alpha * x + self.shift))


class GlobalResponseNorm(nn.Module):
    """Global response normalization: ``x + gamma * x * g / mean over channels of g + beta``.

    g is the Euclidean norm of a channel over its positions. gamma and beta start at 0, so that the layer starts as
    the identity.

    Source: Woo et al., "ConvNeXt V2", arXiv 2301.00808.

    Args:
        num_channels: C.
        eps: added to the mean.

    Example:
        >>> GlobalResponseNorm(3)(torch.ones(1, 3, 2, 2)).sum().item()
        12.0
    """

    needs_positions = True

    def __init__(self, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.gamma = nn.Parameter(torch.zeros(num_channels))
        self.beta = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the result for x of shape (N, C, ...)."""
        size = torch.linalg.vector_norm(x, dim=_positions(x), keepdim=True)
        share: Tensor = size / (size.mean(dim=1, keepdim=True) + self.eps)
        return x + _by_channel(self.gamma, x) * (x * share) + _by_channel(self.beta, x)


class FilterResponseNorm(_Affine):
    """Filter response normalization with its thresholded linear unit.

    ``max(weight * x / sqrt(mean of x^2 over positions + eps) + bias, tau)``, with a learned tau per channel, which
    stands for the activation.

    Source: Singh and Krishnan, "Filter Response Normalization Layer", arXiv 1911.09737.

    Args:
        num_channels: C.
        eps: added to the mean.

    Example:
        >>> FilterResponseNorm(1)(torch.tensor([[[3.0, -3.0]]])).round(decimals=3)
        tensor([[[1., 0.]]], grad_fn=<RoundBackward1>)
    """

    needs_positions = True

    def __init__(self, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__(num_channels)
        self.eps = eps
        self.tau = nn.Parameter(torch.zeros(num_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the result for x of shape (N, C, ...)."""
        mean_square = x.square().mean(dim=_positions(x), keepdim=True)
        return torch.maximum(self._scaled(x * torch.rsqrt(mean_square + self.eps)), _by_channel(self.tau, x))


class EvoNormS0(_Affine):
    """EvoNorm-S0: ``weight * x * sigmoid(v * x) / sqrt(variance of the group + eps) + bias``.

    Groups are those of group normalization; v is learned per channel. It stands for norm and activation.

    Source: Liu et al., "Evolving Normalization-Activation Layers", arXiv 2004.02967.

    Args:
        num_channels: C.
        groups: must divide C.
        eps: added to the variance.

    Example:
        >>> EvoNormS0(4, groups=2)(torch.randn(2, 4, 3, 3)).shape
        torch.Size([2, 4, 3, 3])
    """

    def __init__(self, num_channels: int, groups: int = 8, eps: float = 1e-5) -> None:
        super().__init__(num_channels)
        self.groups, self.eps = groups, eps
        self.v = nn.Parameter(torch.ones(num_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the result for x of shape (N, C, ...)."""
        grouped = x.reshape(x.shape[0], self.groups, -1)
        variance = grouped.var(dim=2, correction=0, keepdim=True)
        gated = (x * torch.sigmoid(_by_channel(self.v, x) * x)).reshape(grouped.shape)
        return self._scaled((gated * torch.rsqrt(variance + self.eps)).reshape(x.shape))


class PixelNorm(nn.Module):
    """Pixelwise feature normalization: ``x / sqrt(mean of x^2 over channels + eps)``, without parameters.

    It is LRN over all channels with alpha = 1/C, beta = 1/2, k = eps.

    Source: Karras et al., "Progressive Growing of GANs", arXiv 1710.10196.

    Args:
        eps: added to the mean.

    Example:
        >>> PixelNorm()(torch.tensor([[3.0, -3.0]]))
        tensor([[ 1., -1.]])
    """

    def __init__(self, eps: float = 1e-8) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return the result for x of shape (N, C, ...)."""
        return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + self.eps)


class BatchRenorm(_Affine):
    """Batch renormalization: batch normalization corrected towards its running statistics.

    In training ``weight * ((x - m) / s * r + d) + bias``, with mean m and deviation s of the mini-batch,
    ``r = clip(s / running s, 1 / r_max, r_max)`` and ``d = clip((m - running m) / running s, -d_max, d_max)`` held
    constant by the gradient; in evaluation by the running statistics. The bounds follow the paper's schedule in a
    hundredth of its steps: batch normalization for 50, then d_max grows to 5 at step 250 and r_max to 3 at 400.

    Source: Ioffe, "Batch Renormalization", arXiv 1702.03275.

    Args:
        num_channels: C.
        momentum: share of a new batch in the running statistics.
        eps: added to the variance.

    Example:
        >>> BatchRenorm(1)(torch.tensor([[1.0], [3.0]])).round(decimals=3)
        tensor([[-1.],
                [ 1.]], grad_fn=<RoundBackward1>)
    """

    running_mean: Tensor
    running_deviation: Tensor
    steps: Tensor
    _START, _D_AT, _R_AT, _D_MAX, _R_MAX = 50, 250, 400, 5.0, 3.0

    def __init__(self, num_channels: int, momentum: float = 0.01, eps: float = 1e-5) -> None:
        super().__init__(num_channels)
        self.momentum, self.eps = momentum, eps
        self.register_buffer("running_mean", torch.zeros(num_channels))
        self.register_buffer("running_deviation", torch.ones(num_channels))
        self.register_buffer("steps", torch.tensor(0))

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Return r_max and d_max at the number of steps taken."""
        share = [(self.steps - self._START) / (end - self._START) for end in (self._R_AT, self._D_AT)]
        r, d = (part.clamp(0, 1) for part in share)
        return 1 + (self._R_MAX - 1) * r, self._D_MAX * d

    def forward(self, x: Tensor) -> Tensor:
        """Return the result for x of shape (N, C, ...)."""
        running_mean, running_deviation = (
            _by_channel(values, x) for values in (self.running_mean, self.running_deviation)
        )
        if not self.training:
            return self._scaled((x - running_mean) / running_deviation)
        axes = (0, *_positions(x))
        variance, mean = torch.var_mean(x, dim=axes, correction=0, keepdim=True)
        deviation = torch.sqrt(variance + self.eps)
        with torch.no_grad():
            r_max, d_max = self.bounds()
            r = (deviation / running_deviation).clamp(1 / r_max, r_max)
            d = ((mean - running_mean) / running_deviation).clamp(-d_max, d_max)
            self.running_mean.lerp_(mean.flatten().to(self.running_mean), self.momentum)
            self.running_deviation.lerp_(deviation.flatten().to(self.running_deviation), self.momentum)
            self.steps.add_(1)
        return self._scaled((x - mean) / deviation * r + d)
