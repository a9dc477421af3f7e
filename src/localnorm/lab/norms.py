"""Builders of the norms that the lab compares: ``builder(num_channels) -> Module``.

To add a norm, add its builder to ``BUILDERS`` of `localnorm.torch.norm_layers`, and its `NormInfo` to
``NORM_INFO`` of `localnorm.lab.study.registry`. To compare a user-defined norm, name it
``package.module:attribute``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import Parameter, signature
from types import MappingProxyType
from typing import Any

from torch import nn

from localnorm.errors import LabError, UnknownNameError
from localnorm.lab.plugins import import_user_defined
from localnorm.lab.study.registry import NORM_INFO, NormInfo
from localnorm.lab.study.search_space import Space
from localnorm.torch.norm_layers import BUILDERS
from localnorm.torch.weight_standardization import clip_gradients, standardize_weights

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
        change_model: changes the model that the norm was built into, before training, such as the weights of its
            convolutions.
        before_step: ``before_step(parameters, settings)`` changes gradients before each step of the optimizer.

    Example:
        >>> Norm("halved", "two", lambda num_channels, dims: nn.Hardtanh()).builder(dims=2)(8)
        Hardtanh(...)
    """

    name: str
    about: str
    make: Callable[..., nn.Module]
    space: Space = field(default_factory=dict)
    change_model: Callable[[nn.Module], object] | None = None
    before_step: Callable[[Sequence[nn.Parameter], Mapping[str, float]], None] | None = None

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


def _nf(num_channels: int, dims: int, clip: float = 0.01) -> nn.Module:  # noqa: ARG001  see `_clip`
    return nn.Identity()


def _clip(parameters: Sequence[nn.Parameter], settings: Mapping[str, float]) -> None:
    clip_gradients(parameters, settings.get("clip", 0.01))


_MAKE: Mapping[str, Callable[..., nn.Module]] = {**BUILDERS, "ws-group": BUILDERS["group"], "nf": _nf}
_MORE: Mapping[str, Mapping[str, Any]] = {
    "ws-group": {"change_model": standardize_weights},
    "nf": {"change_model": partial(standardize_weights, scaled=True), "before_step": _clip},
}
NORMS: Mapping[str, Norm] = MappingProxyType(
    {
        name: Norm(name, info.about, _MAKE[name], info.space, **_MORE.get(name, {}))
        for name, info in NORM_INFO.items()
    }
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
        return replace(imported, name=name)
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
