"""The LRN-like and GDN layers in the JSON configuration of a Keras model, of Keras 1, 2 and 3."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from localnorm.axes import whole_axis
from localnorm.errors import ConversionError
from localnorm.legacy.bytecode import LambdaCall, lambda_call
from localnorm.legacy.readings import Reading, Values, reading, readings
from localnorm.spec import LRNSpec

_LRN = re.compile(r"lrn|local_?response|response_?norm|cross_?(map|channel)_?(lrn|norm)", re.IGNORECASE)
_GDN = re.compile(r"(^|[^a-z])i?gdn|divisive", re.IGNORECASE)
_BASE = {"name", "trainable", "dtype", "batch_input_shape", "batch_shape", "input_dtype", "input_shape"}


def is_norm(class_name: str) -> bool:
    """Return whether a class is LRN-like or GDN by its name.

    Example:
        >>> [is_norm(name) for name in ("LRN2D", "GDN1", "LayerNorm", "CrossMapLRN2d")]
        [True, True, False, True]
    """
    return bool(_LRN.search(class_name) or _GDN.search(class_name))


class OldLayer(NamedTuple):
    """A layer as a file keeps it.

    Attributes:
        name: the layer's name.
        class_name: its class, without a package.
        values: its configuration without what every layer has.
        call: for a Lambda, the call in its code.
    """

    name: str
    class_name: str
    values: Values
    call: LambdaCall | None = None

    @property
    def is_gdn(self) -> bool:
        """Whether the layer is generalized divisive normalization."""
        return bool(_GDN.search(self.class_name))

    def readings(self, values: Values | None = None) -> tuple[Reading, ...]:
        """Return its readings, none for a Lambda that is not understood.

        Args:
            values: what the file lacks, from elsewhere.

        Raises:
            ConversionError: too few values (a ValueError).
            SpecError: wrong values (a ValueError).
            AxisError: the axis of localnorm's layer is no whole number (a ValueError and IndexError).
        """
        if self.call:
            if self.call.arguments is None:
                return ()
            return (reading("tensorflow", LRNSpec.from_tensorflow(**self.call.arguments)),)
        spec = self.values.get("spec")
        if isinstance(spec, Mapping):  # localnorm's layer
            axis = whole_axis(self.values.get("axis", -1))
            names = ", ".join(LRNSpec.__slots__)
            if ", ".join(spec) != names:
                raise ConversionError(f"spec must hold {names}, got {', '.join(spec)}; save the model again.")
            return (reading("localnorm", LRNSpec(**spec), axis),)
        return readings({**(values or {}), **self.values})


def as_layer(class_name: str, config: Mapping[str, Any]) -> OldLayer | None:
    """Return a layer if it is LRN-like or GDN, else None.

    Args:
        class_name: the class, of a registered one with its package.
        config: its configuration.

    Example:
        >>> as_layer("Custom>LRN", {"name": "norm1", "n": 5}).values
        {'n': 5}
        >>> as_layer("Conv2D", {"name": "conv1"}) is None
        True
    """
    name = str(config.get("name", class_name))
    short = class_name.rpartition(">")[2]
    if short == "Lambda":
        call = lambda_call(config.get("function"), config.get("arguments"))
        return OldLayer(name, short, {}, call) if call else None
    if not is_norm(short):
        return None
    return OldLayer(name, short, {key: value for key, value in config.items() if key not in _BASE})


class OldModel(NamedTuple):
    """What the configuration of a model says of normalization.

    Attributes:
        layers: the LRN-like and GDN layers.
        total: layers in all.
        channels_first: whether its convolutions and poolings have channels first, None if it has none or both.
    """

    layers: list[OldLayer]
    total: int
    channels_first: bool | None


def old_model(config: object) -> OldModel:
    """Return the LRN-like and GDN layers of a model's configuration, those of nested models and wrappers included.

    Example:
        >>> layers = [{"class_name": "LRN", "config": {"name": "norm1", "n": 5}}]
        >>> old_model({"class_name": "Sequential", "config": {"layers": layers}}).total
        1
    """
    layers, formats, count = [], set(), 0
    for class_name, values in objects(config):
        layer = as_layer(class_name, values)
        if layer:
            layers.append(layer)
        order = values.get("data_format", values.get("dim_ordering"))
        if isinstance(order, str):
            formats.add(order in ("channels_first", "th"))
        count += "name" in values and "layers" not in values and class_name != "InputLayer"
    return OldModel(layers, count, formats.pop() if len(formats) == 1 else None)


def objects(config: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield class and configuration of every object in a configuration, in its order."""
    for value in dicts(config):
        name, inner = value.get("class_name"), value.get("config")
        if isinstance(name, str) and isinstance(inner, dict):
            yield str(value.get("registered_name") or name), inner


def dicts(config: object) -> Iterator[dict[str, Any]]:
    """Yield every dict in a value of JSON, outer ones first; without recursion, as depth is the file's choice."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += reversed(value.values())
        elif isinstance(value, list):
            waiting += reversed(value)
