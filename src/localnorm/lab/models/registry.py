"""Registry of image models: the lab's by name, user-defined ones by ``package.module:function``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from localnorm.errors import ModelError, UnknownNameError
from localnorm.lab.models.article_cnn import article_cnn
from localnorm.lab.models.check import check_model, placed
from localnorm.lab.models.small_cnn import small_cnn
from localnorm.lab.norms import Builder
from localnorm.lab.plugins import import_user_defined

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
        name: a name of ``MODELS``, or ``package.module:function``.
        make: the callable of that name.
    """

    name: str
    make: Callable[..., nn.Module]

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
        check_model(self.name, lambda norm: self.make(norm_layer=norm, **arguments), norm_layer, shape, classes)
        model = self.make(norm_layer=placed(norm_layer), **arguments)
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


def _any_keyword(function: Callable[..., object]) -> bool:
    kinds = (parameter.kind for parameter in inspect.signature(function).parameters.values())
    return inspect.Parameter.VAR_KEYWORD in kinds


def find_model(name: str) -> ImageModel:
    """Return an image model by name, or a user-defined one by ``package.module:function``.

    The function, or class, has an argument ``norm_layer`` or takes ``**kwargs``, as torchvision's and timm's
    models do. See `ImageModel.build` for its other arguments.

    Raises:
        UnknownNameError: no model of that name, or nothing that can be called at that place.
        ModelError: it has no argument norm_layer.

    Example:
        >>> find_model("textbook_cnn").name
        'textbook_cnn'
        >>> find_model("torch.nn:Linear")
        Traceback (most recent call last):
        localnorm.errors.ModelError: a model must have an argument norm_layer, ...
    """
    if name in MODELS:
        return ImageModel(name, MODELS[name])
    found = import_user_defined("model", name, MODELS)
    if not callable(found):
        raise UnknownNameError(
            f"a user-defined model must be a callable that returns a Module, got {found!r} at {name}; name the "
            "function that builds it."
        )
    try:
        names = list(inspect.signature(found).parameters)
    except ValueError:  # some callables of C have none
        names = []
    if "norm_layer" not in names and not (names and _any_keyword(found)):
        raise ModelError(
            f"a model must have an argument norm_layer, which it calls with a number of channels to get a norm, "
            f"got {name}({', '.join(names)}); add it, and call it for every norm."
        )
    return ImageModel(name, found)
