"""The norms that the lab compares; each is built by ``builder(num_channels) -> Module``.

To add one, add a `Norm` to ``NORMS``; to compare one of your own, name it ``package.module:attribute``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import gcd
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from localnorm.errors import LabError, UnknownNameError
from localnorm.lab.plugins import import_own
from localnorm.lab.study.search_space import Choice, LogUniform, Space, Uniform
from localnorm.spec import LRNSpec
from localnorm.torch import LocalResponseNorm

Builder = Callable[[int], nn.Module]


@dataclass(frozen=True)
class Norm:
    """One norm of the lab.

    Attributes:
        name: the name on the command line and in records.
        about: what it divides by, in a few words.
        make: ``make(num_channels, dims, **settings) -> Module``, where dims is the number of axes after
            (N, C); settings left out take their defaults.
        space: the norm's own hyperparameters and where to draw them from.
    """

    name: str
    about: str
    make: Callable[..., nn.Module]
    space: Space = field(default_factory=dict)

    def builder(self, dims: int, settings: tuple[tuple[str, float], ...] = ()) -> Builder:
        """Return ``builder(num_channels) -> Module`` for inputs of rank dims + 2."""
        return lambda num_channels: self.make(num_channels, dims, **dict(settings))


class RMSNorm(nn.Module):
    """Divides each sample by its root mean square over channels and positions; one gain a channel.

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


_BATCH = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_INSTANCE = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)


def _none(num_channels: int, dims: int) -> nn.Module:  # noqa: ARG001  every norm is made by one call
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
    # A model of a user's own may have 12 channels somewhere: then as many groups as divide both.
    return nn.GroupNorm(gcd(int(groups), num_channels), num_channels, eps=eps)


def _rms(num_channels: int, dims: int, eps: float = 1e-5) -> nn.Module:  # noqa: ARG001
    return RMSNorm(num_channels, eps)


_EPS = LogUniform(1e-7, 1e-1)
_LOCAL: Space = {
    "n": Choice((3, 5, 7, 9, 11)),
    "k": LogUniform(0.1, 10),
    "alpha": LogUniform(1e-5, 1),
    "beta": Uniform(0.25, 1.5),
}

NORMS: Mapping[str, Norm] = MappingProxyType(
    {
        norm.name: norm
        for norm in (
            Norm("none", "nothing: the activations as they are", _none),
            Norm(
                "local",
                "the activations of neighbouring channels (textbook: n=5, k=2, alpha=1e-4, beta=0.75)",
                _local,
                _LOCAL,
            ),
            Norm(
                "local-learned",
                "the activations of neighbouring channels, with k, alpha and beta learned from the textbook's on",
                partial(_local, learnable=True),
                _LOCAL,
            ),
            Norm(
                "batch",
                "the mean and variance of each channel over the mini-batch",
                _batch,
                {"momentum": LogUniform(0.01, 0.9), "eps": _EPS},
            ),
            Norm("layer", "the mean and variance of all activations of a sample", _layer, {"eps": _EPS}),
            Norm("instance", "the mean and variance of each channel of a sample", _instance, {"eps": _EPS}),
            Norm(
                "group",
                "the mean and variance of each group of channels of a sample",
                _group,
                {"groups": Choice((1, 2, 4, 8, 16, 32)), "eps": _EPS},
            ),
            Norm("rms", "the root mean square of all activations of a sample", _rms, {"eps": _EPS}),
        )
    }
)


def find_norm(name: str) -> Norm:
    """Return a norm by name, or your own by ``package.module:attribute``.

    The attribute is a `Norm`, or any ``builder(num_channels) -> Module``, which has no hyperparameters to draw.

    Raises:
        UnknownNameError: no norm of that name, or nothing usable at that place.

    Example:
        >>> find_norm("group").about
        'the mean and variance of each group of channels of a sample'
        >>> find_norm("torch.nn:BatchNorm2d").builder(2)(8)
        BatchNorm2d(8, ...)
    """
    if name in NORMS:
        return NORMS[name]
    found = import_own("norm", name, NORMS)
    if isinstance(found, Norm):
        return Norm(name, found.about, found.make, found.space)
    if not callable(found):
        raise UnknownNameError(
            f"a norm of your own must be a Norm or a callable that takes num_channels, got {found!r} at {name}; "
            "see CONTRIBUTING.md, 'Add a norm'."
        )
    try:
        inspect.signature(found).bind(8)
    except TypeError as problem:
        raise UnknownNameError(
            f"a norm of your own must be callable with a number of channels alone, got {name}: {problem}; to try "
            "norms in a model of your own, name that with --model."
        ) from None
    except ValueError:
        pass  # A builtin may have no signature; what it does is seen when it is called.
    return Norm(name, f"your own: {name}", lambda num_channels, dims: found(num_channels))  # noqa: ARG005
