"""Readings of an old LRN layer: each formula that published layers with the same arguments compute, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from localnorm import reference
from localnorm.conversion import real, whole
from localnorm.errors import ConversionError, SpecError
from localnorm.spec import LRNSpec
from localnorm.spelling import nearest

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PooledSpec:
    """A normalization by average pooling: ``y = x / (k + alpha * mean)^beta``, which is no LRN.

    ``mean`` is that of the squares of ``size`` x ``size`` pixels that lie in the image, an even size reaching one
    further down and right. With `across` it is summed over all channels. Channels are last.

    Args:
        size: pixels along each side, at least 1.
        alpha: factor of the mean, at least 0.
        beta: the exponent.
        k: the constant, at least 0.
        across: sum the means of all channels.

    Raises:
        SpecError: a value breaks one of these rules (a ValueError).

    Source: LocalResponseNormalization in copies of Gulli and Pal, "Deep Learning with Keras", 2017, among them
    aritraghsh09/GaMorNet.

    Example:
        >>> PooledSpec(1, alpha=1.0, beta=0.5, k=0.0, across=True).forward(np.array([[[[3.0, 4.0]]]]))
        array([[[[0.6, 0.8]]]])
    """

    size: int
    alpha: float
    beta: float
    k: float
    across: bool

    def __post_init__(self) -> None:
        whole("size", self.size, 1)
        real("alpha", self.alpha, 0.0)
        real("beta", self.beta)
        real("k", self.k, 0.0)

    def forward(self, x: Array) -> Array:
        """Normalize an array (N, H, W, C)."""
        # A wider window holds nothing more.
        sides = [(min((self.size - 1) // 2, n - 1), min(self.size // 2, n - 1)) for n in x.shape[1:3]]
        extents = [low + high + 1 for low, high in sides]

        def sums(values: Array) -> Array:
            windows = sliding_window_view(np.pad(values, [(0, 0), *sides, (0, 0)]), extents, axis=(1, 2))
            total: Array = windows.sum(axis=(-2, -1))
            return total

        mean = sums(x**2) / sums(np.ones_like(x))
        if self.across:
            mean = mean.sum(axis=-1, keepdims=True)
        with np.errstate(all="ignore"):
            y: Array = x / (self.k + self.alpha * mean) ** self.beta
        return y


Rule = LRNSpec | PooledSpec | None
"""A normalization; None for the identity."""


@dataclass(frozen=True)
class Reading:
    """One meaning of a layer.

    Attributes:
        name: the name to choose it by.
        text: what it computes.
        forward: computes it, in float64.
        rule: the normalization, for layers of Keras.
        axis: its channel axis.
    """

    name: str
    text: str
    forward: Callable[[Array], Array]
    rule: Rule = None
    axis: int = -1


def reading(name: str, rule: Rule, axis: int = -1) -> Reading:
    """Return the reading of a rule.

    Example:
        >>> reading("paper", LRNSpec.from_paper(), axis=1).text
        'LRNSpec(lo=2, hi=2, alpha=0.0001, beta=0.75, k=2.0), axis 1'
    """
    if rule is None:
        return Reading(name, "y = x", lambda x: x)
    if isinstance(rule, PooledSpec):
        over = "all channels" if rule.across else "one channel"
        text = (
            f"x / ({rule.k:g} + {rule.alpha:g} * mean)^{rule.beta:g}, mean of squares over "
            f"{rule.size} x {rule.size} pixels, {'summed over ' if rule.across else ''}{over}, axis -1"
        )
        return Reading(name, text, rule.forward, rule)

    def forward(x: Array) -> Array:
        extent = max(x.shape) - 1  # A wider window holds nothing more.
        window = (min(rule.lo, extent), min(rule.hi, extent))
        return reference.forward(x, LRNSpec(*window, rule.alpha, rule.beta, rule.k, rule.spatial), axis)

    return Reading(name, f"{rule}, axis {axis}", forward, rule, axis)


Values = Mapping[str, Any]
_Build = Callable[[int, float, float, float], Rule]


@dataclass(frozen=True)
class _Lineage:
    """A family of published layers with arguments n, alpha, beta and k."""

    build: _Build
    axis: int = -1


def _torch(n: int, alpha: float, beta: float, k: float) -> Rule:
    # The loop over n channels starts n // 2 below, as torch's window does.
    return LRNSpec.from_torch(n, alpha, beta, k)


def _paper(n: int, alpha: float, beta: float, k: float) -> Rule:
    return LRNSpec.from_paper(n, k, alpha, beta)


# fmt: off
LINEAGES: Mapping[str, _Lineage] = {
    "caffe": _Lineage(_torch, axis=1),  # flyyufelix/cnn_finetune, googlenet_custom_layers.py
    "l2net": _Lineage(_torch),  # virtualgraham/L2-Net-Python-Keras: the same, channels last
    "paper": _Lineage(_paper, axis=1),  # pylearn2's, as in Cloud-CV/Fabrik, keras_app/custom_layers/lrn.py
    "identity": _Lineage(lambda *_: None),  # the same in Keras 1 and 2, which never call its get_output
    "book": _Lineage(lambda n, alpha, beta, k: PooledSpec(max(n // 2, 1), alpha / n, beta, k, across=True)),
    "gamornet": _Lineage(lambda n, alpha, beta, k: PooledSpec(n, alpha, beta, k, across=True)),
    "book_within": _Lineage(lambda n, alpha, beta, k: PooledSpec(n, alpha, beta, k, across=False)),
    "tensorflow": _Lineage(lambda n, alpha, beta, k: LRNSpec.from_tensorflow(n, k, alpha, beta)),  # n a radius
}
# fmt: on
"""The readings of a layer that keeps n, alpha, beta and k, by name."""

_SIZES, _RADII = ("n", "size"), ("depth_radius", "radius")


def _first(values: Values, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in values), None)


def readings(values: Values) -> tuple[Reading, ...]:
    """Return every reading of the arguments that a layer keeps, of which more than one means they are ambiguous.

    Args:
        values: the layer's configuration in the file; other keys are ignored.

    Raises:
        ConversionError: the configuration keeps too little to compute anything (a ValueError).
        SpecError: all readings refuse the values (a ValueError).

    Example:
        >>> [one.name for one in readings({"depth_radius": 2, "bias": 1, "alpha": 1e-4, "beta": 0.75})]
        ['tensorflow']
        >>> [one.name for one in readings({"n": 5, "k": 1, "alpha": 1e-4, "beta": 0.75})][:3]
        ['caffe', 'l2net', 'paper']
    """
    radius, size = _first(values, _RADII), _first(values, _SIZES)
    window = radius or ("local_size" if "local_size" in values else size)
    constant = _first(values, ("bias", "k"))
    missing = [name for name in ("alpha", "beta") if name not in values]
    missing += [] if constant else ["bias" if radius else "k"]
    missing = [*([] if window else ["n"]), *missing]
    if missing or window is None or constant is None:
        raise ConversionError(
            f"an LRN layer needs {', '.join(missing)}, which the file doesn't keep; pass them from the code that "
            "made the model, as values={...} of localnorm.keras.legacy_objects."
        )
    numbers = values[window], values["alpha"], values["beta"], values[constant]
    if radius:
        n, alpha, beta, k = numbers
        return (reading("tensorflow", LRNSpec.from_tensorflow(n, k, alpha, beta)),)
    if window == "local_size":
        return tuple(_of(numbers, {name: LINEAGES[name] for name in ("caffe", "l2net")}))
    return tuple(_of(numbers, LINEAGES))


def _of(numbers: tuple[Any, ...], lineages: Mapping[str, _Lineage]) -> Iterator[Reading]:
    """Yield the readings that allow the values; raise the last problem if none does."""
    n, alpha, beta, k = numbers
    size = whole("n", n, 1)
    checked = (size, real("alpha", alpha, 0.0), real("beta", beta), real("k", k, 0.0))
    for name, lineage in lineages.items():
        if name == "paper" and size % 2 == 0:
            continue  # Those layers refuse an even n.
        try:
            yield reading(name, lineage.build(*checked), lineage.axis)
        except SpecError:
            if name == "identity":
                raise


def choose(available: tuple[Reading, ...], name: str, layer: str) -> Reading:
    """Return the reading of that name.

    Raises:
        ConversionError: the layer has no such reading; the message names those it has (a ValueError).

    Example:
        >>> choose((reading("identity", None),), "identity", "norm1").text
        'y = x'
    """
    by_name = {one.name: one for one in available}
    if name in by_name:
        return by_name[name]
    raise ConversionError(
        f"lrn must be one of {', '.join(by_name)} for layer {layer!r}, got {name!r}; {nearest(name, by_name)}"
    )
