"""Loading old Keras models with LRN: custom objects that build the right layer, and Lambdas replaced unrun."""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras

from localnorm.axes import whole_axis
from localnorm.errors import ConversionError
from localnorm.keras.layer import LocalResponseNormalization
from localnorm.keras.pooled import PooledResponseNormalization
from localnorm.legacy.keras_config import OldLayer, as_layer, old_model
from localnorm.legacy.readings import LINEAGES, PooledSpec, Reading, Rule, Values, choose, reading
from localnorm.legacy.rewritten import with_input_layers, with_registered_lambdas
from localnorm.spec import LRNSpec
from localnorm.spelling import nearest

Choice = str | LRNSpec | PooledSpec
Layer = Any
"""A layer of Keras, which has no type hints."""
_CLASSES = (
    "LRN",
    "LRN2D",
    "LRNLayer",
    "LRN_layer",
    "LocalResponseNorm",
    "LocalResponseNormalization",
    "LocalResponseNormalizationLayer",
)
_LAMBDA = "localnorm>Lambda"
"""The registered name that sends a Lambda of a ``.keras`` file to `legacy_objects`; Keras's own has none."""


def legacy_objects(
    lrn: Choice | Mapping[str, Choice | Layer] | None = None,
    *,
    values: Values | None = None,
    axis: int | None = None,
    names: Iterable[str] = (),
) -> dict[str, Any]:
    """Return ``custom_objects`` with which Keras loads an old model's LRN layers as the layers that they were.

    Old LRN layers were classes of the model's author. Their arguments n, alpha, beta and k meant different things
    under the same names, so the meaning must be named by `lrn`. Arguments with one meaning, such as TensorFlow's
    depth_radius, need no name; nor does a Lambda that calls tf.nn.lrn, whose bytecode is parsed and never run.
    Other Lambdas are left to Keras, which refuses their bytecode. Each layer's reading is printed on stderr.

    Args:
        lrn: what the layers compute: "caffe" (alpha / n, axis 1), "l2net" (the same, axis -1), "paper" (alpha,
            axis 1), "identity", "book", "gamornet", "book_within", "tensorflow" (n is a radius), or a spec; or a
            dict of such by the name of a layer or class. In a dict, a layer of Keras replaces Lambdas without LRN,
            e.g. ``{"LRN": "l2net", "Lambda": keras.layers.ReLU()}``. ``localnorm inspect`` lists all readings.
        values: arguments that the file doesn't keep, e.g. ``{"n": 5, "alpha": 1e-4, "beta": 0.75, "k": 1}``.
        axis: the channel axis, in place of that of the published layer, which `lrn` implies; -1 for a spec.
        names: further names of LRN classes in the file.

    Raises:
        ConversionError: an unknown name; on loading: an ambiguous layer without a name (a ValueError).
        AxisError: `axis` is no whole number (a ValueError and IndexError).
        SpecError: on loading: values that define no LRN (a ValueError).

    Source: the published layers that docs/old-models.md lists.

    Example:
        >>> config = {"name": "norm1", "n": 5, "alpha": 1e-4, "beta": 0.75, "k": 2}
        >>> legacy_objects("paper")["LRN"].from_config(config).spec
        LRNSpec(lo=2, hi=2, alpha=0.0001, beta=0.75, k=2.0)
    """
    _check(lrn)
    axis = None if axis is None else whole_axis(axis)
    classes = [name for short in (*_CLASSES, *names) for name in (short, f"Custom>{short}")]
    loaders = {name: _Loader(name, lrn, values, axis) for name in classes}
    of_lambda = _Loader("Lambda", lrn, values, axis)
    return {**loaders, "Lambda": of_lambda, _LAMBDA: of_lambda}


def _check(lrn: object) -> None:
    """Raise ConversionError for what is no choice of a reading."""
    for choice in lrn.values() if isinstance(lrn, Mapping) else () if lrn is None else (lrn,):
        if isinstance(choice, str) and choice not in LINEAGES:
            raise ConversionError(
                f"lrn must be one of {', '.join(LINEAGES)}, or a spec, got {choice!r}; {nearest(choice, LINEAGES)}"
            )
        if not isinstance(choice, Choice) and not (
            isinstance(lrn, Mapping) and isinstance(choice, keras.layers.Layer)
        ):
            raise ConversionError(
                f"lrn must be a name, a spec or a dict of such, got {choice!r}; pass lrn='caffe', for example."
            )


class _Loader:
    """Stands for the class of an old layer: Keras calls `from_config`."""

    def __init__(self, name: str, lrn: object, values: Values | None, axis: int | None) -> None:
        self.name, self.lrn, self.values, self.axis = name, lrn, values, axis
        self.first: bool | None = None
        """Whether the model's other layers have channels first, if that is known."""

    def from_config(self, config: dict[str, Any]) -> Layer:
        """Return the layer that computes what the old one did."""
        name = str(config.get("name", self.name))
        choice = self._choice(name)
        layer = as_layer(self.name, config)
        if isinstance(choice, keras.layers.Layer):
            if layer is None or self._names(name):
                sys.stderr.write(f"localnorm: layer {name!r} ({self.name}) replaced by {type(choice).__name__}\n")
                return type(choice).from_config({**choice.get_config(), "name": name})
            choice = None  # It stands for Lambdas without LRN.
        if layer is None and (self.name != "Lambda" or self._names(name)):
            # A class that `names` lists, or a Lambda that `lrn` does.
            layer = OldLayer(name, self.name, config)
        if layer is None:
            return keras.layers.Lambda.from_config(config)
        one = self._reading(layer, choice)
        sys.stderr.write(f"localnorm: layer {name!r} ({layer.class_name}) read as {one.name}: {one.text}\n")
        unlike = None if self.first is None else -1 if self.first else 1
        if self.axis is None and isinstance(one.rule, LRNSpec) and one.axis == unlike:
            warnings.warn(
                f"layer {name!r} is read with channel axis {one.axis}, but the model's other layers have channels "
                f"{'first' if self.first else 'last'}: right if its code did that. Pass axis to say so.",
                stacklevel=2,
            )
        return _built(one, _common(config))

    def _names(self, name: str) -> bool:
        return isinstance(self.lrn, Mapping) and name in self.lrn

    def _choice(self, name: str) -> Any:  # noqa: ANN401  a checked one is a `Choice`
        if isinstance(self.lrn, Mapping):
            return self.lrn.get(name, self.lrn.get(self.name.rpartition(">")[2]))
        return self.lrn

    def _reading(self, layer: OldLayer, choice: Any) -> Reading:  # noqa: ANN401
        understood = layer.call is not None and layer.call.arguments is not None
        if isinstance(choice, LRNSpec | PooledSpec) and (self._names(layer.name) or not understood):
            return reading("given", choice, -1 if self.axis is None else self.axis)
        available = layer.readings(self.values)
        if not available:
            raise ConversionError(
                f"Lambda {layer.name!r} must be a plain call of tf.nn.lrn to be read without running it, got "
                f"other code; say what it computes: lrn={{{layer.name!r}: LRNSpec.from_tensorflow(...)}}."
            )
        if len(available) == 1:
            return available[0]
        if choice is None:
            shown = ", ".join(f"{key}={value!r}" for key, value in layer.values.items())
            raise ConversionError(
                f"lrn must name what layer {layer.name!r} computes, got nothing: {layer.class_name}({shown}) is "
                f"ambiguous. Pass lrn={available[0].name!r} or one of {', '.join(r.name for r in available[1:])}. "
                "localnorm inspect FILE shows how they differ."
            )
        one = choose(available, str(choice), layer.name)
        return one if self.axis is None else reading(one.name, one.rule, self.axis)


def _common(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that every layer of Keras has; a dtype policy by its name."""
    common = {key: config[key] for key in ("name", "trainable", "dtype") if key in config}
    dtype = common.get("dtype")
    if isinstance(dtype, Mapping):
        common["dtype"] = dtype.get("config", {}).get("name", "float32")
    return common


def _built(one: Reading, common: dict[str, Any]) -> Layer:
    rule: Rule = one.rule
    if rule is None:
        return keras.layers.Identity(**common)
    if isinstance(rule, PooledSpec):
        return PooledResponseNormalization(**asdict(rule), **common)
    return LocalResponseNormalization.from_spec(rule, one.axis, **common)


def load_legacy_model(
    file: str | Path,
    lrn: Choice | Mapping[str, Choice | Layer] | None = None,
    *,
    values: Values | None = None,
    axis: int | None = None,
    names: Iterable[str] = (),
) -> keras.Model:
    """Load an old model with its LRN layers, uncompiled, on any backend.

    The same as ``keras.saving.load_model(file, legacy_objects(...), compile=False)``, for more files: Lambdas in
    ``.keras`` files, which custom objects don't reach, and Sequential models of Keras before 2.3. Warns of a
    channel axis that is not that of the model's convolutions and poolings, unless `axis` is given.

    Args:
        file: a ``.h5``, ``.hdf5`` or ``.keras`` file.
        lrn: see `legacy_objects`.
        values: see `legacy_objects`.
        axis: see `legacy_objects`.
        names: see `legacy_objects`.

    Raises:
        ModelFileError: a damaged file, an archive that expands beyond measure, a model of Keras 1 (a ValueError).
        ConversionError: an ambiguous layer without a name, or an unknown name (a ValueError).

    Source: `legacy_objects`.

    Example:
        >>> load_legacy_model(getfixture("tmp_path") / "absent.keras")
        Traceback (most recent call last):
        ...
        localnorm.errors.ModelFileError: absent.keras must be a readable zip archive, got [Errno 2] No ...
    """
    path = Path(file)
    _check(lrn)
    with tempfile.TemporaryDirectory() as folder:
        if path.suffix == ".keras":
            named = set(lrn) if isinstance(lrn, Mapping) else set()
            path, config = with_registered_lambdas(path, Path(folder), named, _LAMBDA)
        else:
            path, config = with_input_layers(path, Path(folder))
        objects = legacy_objects(lrn, values=values, axis=axis, names=names)
        first = old_model(config).channels_first
        for loader in objects.values():
            loader.first = first
        return keras.saving.load_model(path, objects, compile=False)
