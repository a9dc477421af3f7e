"""Models of torchvision, timm and transformers by name, built from their configuration without weights."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from torch import Tensor, nn

from localnorm.errors import MissingExtraError, ModelError, UnknownNameError

_PACKAGES: Mapping[str, str] = MappingProxyType(
    {"torchvision": "torchvision", "timm": "timm", "hf": "transformers"}
)
"""The package of each prefix."""


class Rgb(nn.Module):
    """A model of images with three channels that takes gray ones, whose channel is repeated.

    Args:
        model: takes (N, 3, H, W).
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Return the model's scores."""
        y: Tensor = self.model(x.expand(-1, 3, -1, -1))
        return y


class Logits(nn.Module):
    """A model of transformers that returns its logits alone.

    Args:
        model: returns an object with an attribute logits.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.model(x).logits
        return logits


def from_library(name: str) -> Callable[..., nn.Module] | None:
    """Return ``make(num_classes, in_chans, img_size) -> Module`` of a model by name; None if no library is named.

    The name is ``torchvision:resnet18``, ``timm:convnext_atto,drop_path_rate=0.1``, or ``hf:vit``, a type of model
    of transformers for image classification. No weights are loaded.

    Raises:
        MissingExtraError: the library can't be imported (an ImportError).
        UnknownNameError: it has no such model (a ValueError).
        ModelError: options that are not of the form key=value (a ValueError).

    Example:
        >>> from_library("torch.nn:Linear") is None
        True
    """
    prefix, _, rest = name.partition(":")
    if prefix not in _PACKAGES:
        _refuse_misspelt(prefix, name)
        return None
    model, *options = rest.split(",")
    values = dict(map(_option, options))
    try:
        package = importlib.import_module(_PACKAGES[prefix])
    except (ImportError, RuntimeError) as problem:
        raise MissingExtraError(
            f"{name} needs {_PACKAGES[prefix]}, which can't be imported here ({problem}); install it with: "
            f"pip install {_PACKAGES[prefix]}."
        ) from problem
    return {"torchvision": _torchvision, "timm": _timm, "hf": _transformers}[prefix](package, model, values)


def _refuse_misspelt(prefix: str, name: str) -> None:
    """Raise an error if a prefix is almost a library's name, and no module has it."""
    near = difflib.get_close_matches(prefix, _PACKAGES, n=1, cutoff=0.75)
    if near and prefix.isidentifier() and importlib.util.find_spec(prefix) is None:
        raise UnknownNameError(
            f"a model of a library must begin with one of {', '.join(_PACKAGES)}, got {name!r}; did you mean "
            f"{near[0]}:{name.partition(':')[2]}?"
        )


def _torchvision(package: ModuleType, name: str, values: dict[str, Any]) -> Callable[..., nn.Module]:
    _check("torchvision", name, package.models.list_models(module=package.models))

    def make(num_classes: int, in_chans: int) -> nn.Module:
        if in_chans not in (1, 3):
            raise ModelError(
                f"torchvision's models take images of 3 channels, or of 1, which is repeated, got {in_chans}; "
                "use a model of timm, or your own function."
            )
        model: nn.Module = package.models.get_model(name, weights=None, num_classes=num_classes, **values)
        return model if in_chans == 3 else Rgb(model)

    return make


def _timm(package: ModuleType, name: str, values: dict[str, Any]) -> Callable[..., nn.Module]:
    _check("timm", name, package.list_models())

    def make(num_classes: int, in_chans: int, img_size: int) -> nn.Module:
        arguments = {"pretrained": False, "num_classes": num_classes, "in_chans": in_chans, **values}
        try:
            # Transformers need the size for their positions; most other models refuse it.
            model: nn.Module = package.create_model(name, **{"img_size": img_size, **arguments})
        except TypeError:
            model = package.create_model(name, **arguments)
        return model

    return make


def _transformers(package: ModuleType, name: str, values: dict[str, Any]) -> Callable[..., nn.Module]:
    auto = package.AutoModelForImageClassification
    _check("transformers", name, sorted({config.model_type for config in auto._model_mapping}))  # noqa: SLF001

    def make(num_classes: int, in_chans: int, img_size: int) -> nn.Module:
        sizes = {"num_labels": num_classes, "num_channels": in_chans, "image_size": img_size}
        config = package.AutoConfig.for_model(name, **{**sizes, **values})
        return Logits(auto.from_config(config))

    return make


def _check(library: str, name: str, known: Iterable[str]) -> None:
    names = list(known)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        raise UnknownNameError(
            f"{library} has no model {name!r} among its {len(names)}; "
            + (f"the nearest names are {', '.join(near)}." if near else "check the spelling.")
        )


def _option(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not (equals and key.isidentifier()):
        raise ModelError(f"options of a model must be key=value, separated by commas, got {text!r}.")
    for kind in (int, float):
        try:
            return key, kind(value)
        except ValueError:
            continue
    return key, {"true": True, "false": False}.get(value.lower(), value)
