"""Weight standardization of convolutions, plain and scaled, and adaptive gradient clipping."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrize import register_parametrization

RELU_GAIN = (2 / (1 - 1 / torch.pi)) ** 0.5
"""Makes the variance after a relu of standard normal inputs 1."""


class Standardized(nn.Module):
    """A convolution's weights with mean 0 and variance 1 for each output channel.

    Source: Qiao et al., "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization", arXiv
    1903.10520.

    Args:
        eps: added to the variance.
    """

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weights of shape (out, in, ...), standardized."""
        flat = weight.flatten(1)
        variance, mean = torch.var_mean(flat, dim=1, correction=0, keepdim=True)
        return ((flat - mean) * torch.rsqrt(variance + self.eps)).view_as(weight)


class ScaledStandardized(nn.Module):
    """Standardized weights divided by the square root of the fan-in, times a learned gain and that of relu.

    Source: Brock et al., "High-Performance Large-Scale Image Recognition Without Normalization", arXiv 2102.06171.

    Args:
        out_channels: number of output channels, each with a gain.
        eps: smallest variance times fan-in.
    """

    def __init__(self, out_channels: int, eps: float = 1e-4) -> None:
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(out_channels))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weights of shape (out, in, ...), standardized and scaled."""
        flat = weight.flatten(1)
        variance, mean = torch.var_mean(flat, dim=1, correction=0, keepdim=True)
        scale = torch.rsqrt((variance * flat.shape[1]).clamp(min=self.eps)) * self.gain.unsqueeze(1)
        scaled: Tensor = RELU_GAIN * (flat - mean) * scale
        return scaled.view_as(weight)


def standardize_weights(model: nn.Module, *, scaled: bool = False) -> int:
    """Standardize the weights of a model's convolutions at each use: those with a fan-in above 1, not transposed.

    Args:
        model: changed in place, by torch's parametrizations.
        scaled: as normalizer-free networks do it, with a learned gain; default as with group normalization.

    Returns:
        The number of convolutions.

    Example:
        >>> conv = nn.Conv2d(3, 8, 3)
        >>> standardize_weights(nn.Sequential(conv))
        1
        >>> round(conv.weight[0].std(correction=0).item(), 2)
        1.0
    """
    every = [module for module in model.modules() if isinstance(module, _ConvNd) and not module.transposed]
    convolutions = [conv for conv in every if conv.weight[0].numel() > 1]
    for conv in convolutions:
        weights = ScaledStandardized(conv.weight.shape[0]) if scaled else Standardized()
        register_parametrization(conv, "weight", weights.to(conv.weight))
    return len(convolutions)


def clipped_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters for adaptive gradient clipping: all but those of the last linear layer.

    Example:
        >>> len(clipped_parameters(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))))
        2
    """
    linear = [module for module in model.modules() if isinstance(module, nn.Linear)]
    last = {id(parameter) for parameter in linear[-1].parameters()} if linear else set()
    return [parameter for parameter in model.parameters() if id(parameter) not in last]


@torch.no_grad()
def clip_gradients(parameters: Iterable[nn.Parameter], clip: float, eps: float = 1e-3) -> None:
    """Clip each unit's gradient to ``clip * max(norm of the unit's weights, eps)``: adaptive gradient clipping.

    A unit is the fan-in of an output: a row of a linear layer, a filter of a convolution; of a vector all of it.

    Source: Brock et al., arXiv 2102.06171, section 4.1.

    Args:
        parameters: those whose gradients are clipped in place.
        clip: largest ratio of the norms.
        eps: smallest norm of the weights that counts.

    Example:
        >>> weight = nn.Parameter(torch.tensor([[3.0, 4.0]]))
        >>> weight.grad = torch.tensor([[30.0, 40.0]])
        >>> clip_gradients([weight], clip=0.1)
        >>> weight.grad
        tensor([[0.3000, 0.4000]])
    """
    for parameter in parameters:
        if parameter.grad is None:
            continue
        axes = tuple(range(1, parameter.ndim)) or None
        most = clip * torch.linalg.vector_norm(parameter, dim=axes, keepdim=True).clamp(min=eps)
        norm = torch.linalg.vector_norm(parameter.grad, dim=axes, keepdim=True)
        parameter.grad.mul_(torch.where(norm > most, most / norm.clamp(min=1e-6), 1.0))
