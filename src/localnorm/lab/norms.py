"""Builders of the norms that the lab compares: ``builder(num_channels) -> Module``.

To add a norm, add its builder to ``_MAKERS``, and its `NormInfo` to ``NORM_INFO`` of
`localnorm.lab.study.registry`. To compare a user-defined norm, name it ``package.module:attribute``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from inspect import Parameter, signature
from math import gcd
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from localnorm.errors import LabError, UnknownNameError
from localnorm.lab.plugins import import_user_defined
from localnorm.lab.study.registry import NORM_INFO, NormInfo
from localnorm.lab.study.search_space import Space
from localnorm.spec import LRNSpec
from localnorm.torch import LocalResponseNorm

Builder = Callable[[int], nn.Module]


@dataclass(frozen=True)
class Norm:
    """A norm that the lab can build.

    Attributes:
        name: the name on the command line and in records. A user-defined norm is known by
            ``package.module:attribute`` instead.
        about: the statistics that it divides by, in a few words.
        make: ``make(num_channels, dims, **settings) -> Module``, where dims is the number of axes after
            (N, C); settings left out take their defaults.
        space: the norm's hyperparameters and their ranges, searched and sampled by the lab.

    Example:
        >>> Norm("halved", "two", lambda num_channels, dims: nn.Hardtanh()).builder(dims=2)(8)
        Hardtanh(...)
    """

    name: str
    about: str
    make: Callable[..., nn.Module]
    space: Space = field(default_factory=dict)

    def builder(self, dims: int, settings: tuple[tuple[str, float], ...] = ()) -> Builder:
        """Return ``builder(num_channels) -> Module`` for inputs of rank dims + 2."""

        def build(num_channels: int) -> nn.Module:
            module: object = self.make(num_channels, dims, **dict(settings))
            if not isinstance(module, nn.Module):
                raise LabError(
                    f"a norm must be a torch.nn.Module, got {module!r} from the builder of {self.name}; return "
                    "the module there."
                )
            return module

        return build

    @property
    def info(self) -> NormInfo:
        """The norm as plain values."""
        return NormInfo(self.name, self.about, self.space)

    @property
    def defaults(self) -> tuple[tuple[str, float], ...]:
        """The defaults of the hyperparameters that have one in the signature of ``make``, sorted by name."""
        parameters = signature(self.make).parameters
        defaults = {name: parameters[name].default for name in sorted(self.space) if name in parameters}
        return tuple((name, float(value)) for name, value in defaults.items() if value is not Parameter.empty)


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


_MAKERS: Mapping[str, Callable[..., nn.Module]] = {
    "none": _none,
    "local": _local,
    "local-learned": partial(_local, learnable=True),
    "batch": _batch,
    "layer": _layer,
    "instance": _instance,
    "group": _group,
    "rms": _rms,
}
NORMS: Mapping[str, Norm] = MappingProxyType(
    {name: Norm(name, info.about, _MAKERS[name], info.space) for name, info in NORM_INFO.items()}
)


def find_norm(name: str) -> Norm:
    """Return a norm by name, or a user-defined one by ``package.module:attribute``.

    The attribute is a `Norm`, or any ``builder(num_channels) -> Module``, which has no hyperparameters to search.

    Raises:
        UnknownNameError: no norm of that name, or the attribute is neither a `Norm` nor a builder.

    Example:
        >>> find_norm("group").about
        'the mean and variance of each group of channels of a sample'
        >>> find_norm("torch.nn:BatchNorm2d").builder(2)(8)
        BatchNorm2d(8, ...)
    """
    if name in NORMS:
        return NORMS[name]
    imported = import_user_defined("norm", name, NORMS)
    if isinstance(imported, Norm):
        return Norm(name, imported.about, imported.make, imported.space)
    if not callable(imported):
        raise UnknownNameError(
            f"a user-defined norm must be a Norm or a callable that takes num_channels, got {imported!r} at {name}"
            "; see docs/bring-your-own.md, 'A norm'."
        )
    try:
        signature(imported).bind(8)
    except TypeError as problem:
        raise UnknownNameError(
            f"a user-defined norm must be callable with a number of channels alone, got {name}: {problem}; to try "
            "norms inside a user-defined model, name the model with --model."
        ) from None
    except ValueError:
        pass  # A builtin may have no signature; its error comes when it is called.
    return Norm(name, f"user-defined: {name}", lambda num_channels, dims: imported(num_channels))  # noqa: ARG005
