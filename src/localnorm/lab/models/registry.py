"""Registry of image models: the lab's by name, user-defined ones by ``package.module:function``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from localnorm.errors import ModelError, UnknownNameError
from localnorm.lab.models.article_cnn import article_cnn
from localnorm.lab.models.check import check_model, placed
from localnorm.lab.models.libraries import from_library
from localnorm.lab.models.small_cnn import small_cnn
from localnorm.lab.norms import Builder
from localnorm.lab.plugins import import_user_defined
from localnorm.torch.swap.norms import swap_each

Shape = tuple[int, int, int]
"""Channels, height and width of an image."""

CLASSES = ("num_classes", "classes")
CHANNELS = ("in_chans", "in_channels", "channels")
SIDE = ("img_size", "image_size", "side")

MODELS: Mapping[str, Callable[..., nn.Module]] = MappingProxyType(
    {"textbook_cnn": article_cnn, "small_cnn": small_cnn}
)


@dataclass(frozen=True)
class ImageModel:
    """A classifier of images that takes any norm.

    Attributes:
        name: a name of ``MODELS``, ``timm:NAME`` and the like, or ``package.module:function``.
        make: the callable of that name.
        swapped: whether it takes no norm_layer: the normalization layers of its result are swapped.
    """

    name: str
    make: Callable[..., nn.Module]
    swapped: bool = False

    def build(self, norm_layer: Builder, *, shape: Shape, classes: int) -> nn.Module:
        """Return the model for images of one shape, after a copy has passed `check_model`.

        The check restores torch's random state, so every norm starts from the same weights.

        Args:
            norm_layer: ``norm_layer(num_channels) -> Module``; the model calls it with the number of channels
                and nothing else but timm's device and dtype, for features of shape (N, C, H, W).
            shape: channels, height and width of the images.
            classes: number of classes.

        Raises:
            ModelError: the model can't be built so, refuses such images, gives no (N, classes), or does not
                apply the norm as it must; or the norm changes a shape.

        Example:
            >>> model = find_model("small_cnn").build(nn.BatchNorm2d, shape=(1, 28, 28), classes=10)
            >>> [layer.num_features for layer in model if isinstance(layer, nn.BatchNorm2d)]
            [32, 64, 128]
        """
        arguments = self._arguments(shape, classes)

        def make(norm: Builder) -> nn.Module:
            if not self.swapped:
                return self.make(norm_layer=norm, **arguments)
            return _with_norms(self.name, self.make(**arguments), norm, torch.zeros(2, *shape))

        check_model(self.name, make, norm_layer, shape, classes)
        model = make(placed(norm_layer))
        if any(is_lazy(parameter) for parameter in model.parameters()):
            # The optimizer needs their shapes, which they take from a first input.
            with torch.no_grad():
                model.eval()(torch.zeros(1, *shape))
        return model

    def _arguments(self, shape: Shape, classes: int) -> dict[str, Any]:
        """Return the arguments of the callable beside norm_layer.

        By name if its signature has the name. Through ``**kwargs``, as in most of torchvision and timm:
        num_classes always, and in_chans if the images do not have the three channels that both expect;
        torchvision's models refuse it, having no other number of channels.
        """
        parameters = inspect.signature(self.make).parameters
        arguments: dict[str, Any] = {name: classes for name in CLASSES if name in parameters}
        arguments.update({name: shape[0] for name in CHANNELS if name in parameters})
        if _any_keyword(self.make):
            if not any(name in arguments for name in CLASSES):
                arguments["num_classes"] = classes
            if shape[0] != 3 and not any(name in arguments for name in CHANNELS):
                arguments["in_chans"] = shape[0]
        arguments.update({name: max(shape[1:]) for name in SIDE if name in parameters})
        return arguments


def _with_norms(name: str, model: object, norm_layer: Builder, example: Tensor) -> nn.Module:
    """Swap every normalization layer of a model for what the builder of norms for (N, C, H, W) returns."""
    if not isinstance(model, nn.Module):
        raise ModelError(f"a model must be a torch.nn.Module, got {type(model).__name__} from {name}; return one.")
    report = swap_each(model, norm_layer, example)
    if report.left:
        raise ModelError(f"every normalization layer of a model must be one that can be swapped, got\n{report}.")
    if not report:
        raise ModelError(
            f"a model must have normalization layers, got {name}, in which none was found; give the function an "
            "argument norm_layer, and call it with a number of channels for every norm."
        )
    return model


def _any_keyword(function: Callable[..., object]) -> bool:
    kinds = (parameter.kind for parameter in inspect.signature(function).parameters.values())
    return inspect.Parameter.VAR_KEYWORD in kinds


def find_model(name: str) -> ImageModel:
    """Return an image model by name, a library's by ``timm:NAME``, or a user-defined ``package.module:function``.

    If the function, or class, has an argument ``norm_layer`` or takes ``**kwargs``, as torchvision's and timm's
    models do, it is called with the norm. Else its normalization layers are swapped, as
    `localnorm.torch.swap_norms` does; so are those of the libraries' models. See `ImageModel.build` for its other
    arguments.

    Raises:
        UnknownNameError: no model of that name, or nothing that can be called at that place.
        MissingExtraError: the library that the name begins with can't be imported (an ImportError).
        ModelError: it needs other arguments.

    Example:
        >>> find_model("textbook_cnn").name
        'textbook_cnn'
        >>> find_model("torch.nn:Linear")
        Traceback (most recent call last):
        localnorm.errors.ModelError: a model must need no arguments but num_classes, in_chans and img_size, ...
    """
    if name in MODELS:
        return ImageModel(name, MODELS[name])
    if library_model := from_library(name):
        return ImageModel(name, library_model, swapped=True)
    found = import_user_defined("model", name, MODELS)
    if not callable(found):
        raise UnknownNameError(
            f"a user-defined model must be a callable that returns a Module, got {found!r} at {name}; name the "
            "function that builds it."
        )
    try:
        parameters = inspect.signature(found).parameters
    except ValueError as problem:  # some callables of C have none
        raise ModelError(
            f"a model must be a function of Python, got {name}: {problem}; write one around it."
        ) from None
    swapped = "norm_layer" not in parameters and not _any_keyword(found)
    if swapped:
        known = {*CLASSES, *CHANNELS, *SIDE}
        needed = [
            p.name
            for p in parameters.values()
            if p.default is p.empty and p.kind != p.VAR_POSITIONAL and p.name not in known
        ]
        if needed:
            raise ModelError(
                f"a model must need no arguments but {CLASSES[0]}, {CHANNELS[0]} and {SIDE[0]}, got "
                f"{name}({', '.join(parameters)}); give {', '.join(needed)} a default, or wrap it in a function."
            )
    return ImageModel(name, found, swapped=swapped)
