"""A normalization layer in a file: its readings, and how far their outputs lie apart on random input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from localnorm.legacy.readings import Array, Reading

SCALES = (1.0, 30.0)
"""Standard deviations of the random inputs: normalized numbers, and those behind a convolution without a norm."""
_CHANNELS, _SIDE = 64, 9
_LONG = 60


@dataclass(frozen=True)
class NormLayer:
    """A layer that a file holds.

    Attributes:
        name: its name there.
        shown: its class with its arguments.
        readings: what it can mean; none if that can't be said, one if it is certain.
        remarks: what else to know.
        channels_first: the order of the axes of the input that readings are compared on.
        channels: of that input.
    """

    name: str
    shown: str
    readings: tuple[Reading, ...] = ()
    remarks: tuple[str, ...] = ()
    channels_first: bool = True
    channels: int = _CHANNELS

    def differences(self) -> list[tuple[float, ...]]:
        """Return the largest difference of each reading from the first one, relative to its largest output.

        One number for each of `SCALES`; infinite if an output is not finite.

        Example:
            >>> from localnorm.legacy.readings import readings
            >>> values = {"n": 5, "k": 1, "alpha": 1e-4, "beta": 0.75}
            >>> layer = NormLayer("norm1", "LRN", readings(values))
            >>> [f"{difference:.1g}" for difference in layer.differences()[2]]
            ['0.001', '0.4']
        """
        inputs = [scale * self.input() for scale in SCALES]
        outputs = [[one.forward(x) for x in inputs] for one in self.readings]
        return [tuple(map(largest_difference, of_one, outputs[0])) for of_one in outputs]

    def input(self) -> Array:
        """Return standard normal numbers in the order of axes that the layer has."""
        x: Array = np.random.default_rng(0).standard_normal((1, self.channels, _SIDE, _SIDE))
        return x if self.channels_first else np.moveaxis(x, 1, -1)


def largest_difference(y: Array, other: Array) -> float:
    """Return the largest difference relative to the largest number of `other`, infinite if one is not finite."""
    if not (np.isfinite(y).all() and np.isfinite(other).all()):
        return float("inf")
    return float(np.abs(y - other).max() / max(np.abs(other).max(), np.finfo(float).tiny))


@dataclass(frozen=True)
class Inspected:
    """What a file holds.

    Attributes:
        what: the kind of file.
        layers: its LRN-like and GDN layers.
        total: its layers in all, None if the file doesn't say.
        remarks: what holds for the file as a whole.
    """

    what: str
    layers: tuple[NormLayer, ...]
    total: int | None = None
    remarks: tuple[str, ...] = ()


def shown(name: str, values: Mapping[str, Any]) -> str:
    """Return a class and its arguments as a call, numbers of float32 as they were typed.

    Example:
        >>> shown("LRN", {"n": 5, "alpha": 9.999999747378752e-05})
        'LRN(n=5, alpha=0.0001)'
    """
    pairs = ((key, repr(as_typed(value))) for key, value in values.items())
    return f"{name}({', '.join(f'{key}={text[:_LONG]}' for key, text in pairs)})"


def as_typed(value: Any) -> Any:  # noqa: ANN401  any argument
    """Return a float that float32 holds exactly as the shortest one that rounds to it."""
    if isinstance(value, float) and np.isfinite(value) and float(np.float32(value)) == value:
        return float(str(np.float32(value)))
    return value
