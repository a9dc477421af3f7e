"""Generalized divisive normalization as Keras 3 layers: `GDN`, `IGDN` and `GDN1`."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from localnorm.axes import channel_axis, whole_axis
from localnorm.errors import AxisError, DTypeError
from localnorm.gdn_parameters import at_least_zero

Tensor = Any
_DTYPES = ("float16", "bfloat16", "float32", "float64")
_RANGE = {"float32": (2.0**60, 2.0**66), "float64": (2.0**500, 2.0**520)}
"""Up to the first number squares are in range by a wide margin; larger ones are divided by the second."""


def _bounded(x: Tensor, bound: float) -> Tensor:
    """Return ``max(x, bound)``, whose gradient passes if a step along it raises x."""

    @ops.custom_gradient  # type: ignore[untyped-decorator]
    def bounded(x: Tensor) -> Tensor:
        def grad(*gradients: Tensor, upstream: Tensor = None) -> Tensor:
            given = gradients[0] if upstream is None else upstream
            return ops.where(ops.logical_or(x >= bound, given < 0), given, ops.zeros_like(given))

        return ops.maximum(x, bound), grad

    return bounded(x)


def _root(x: Tensor, beta: Tensor, gamma: Tensor, dtype: str) -> Tensor:
    """Return ``sqrt(beta + gamma x^2)`` along the last axis, robust to overflow of a square."""
    huge, unit = _RANGE[dtype]
    is_small = ops.abs(x) <= huge
    small, large = ops.where(is_small, x, ops.zeros_like(x)), ops.where(is_small, ops.zeros_like(x), x) / unit
    plain = ops.matmul(ops.square(small), gamma) + beta
    beyond = ops.matmul(ops.square(large), gamma)
    # Inside and outside of the root: the gradient of the branch not taken must be finite as well.
    scaled = ops.where(beyond > 0, beyond + plain / unit / unit, ops.ones_like(plain))
    return ops.where(beyond > 0, unit * ops.sqrt(scaled), ops.sqrt(plain))


@keras.saving.register_keras_serializable(package="localnorm")
class GDN(keras.layers.Layer):  # type: ignore[misc]
    """Generalized divisive normalization, ``y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2)``.

    The weights are beta and gamma themselves, and the formula takes ``max(beta, beta_min)`` and
    ``max(gamma, 0)``, whose gradient passes if a step along it raises the value. The arithmetic is in float32 or
    wider, and the result is rounded once to the layer's compute dtype; the gradient of the inverse is in range for
    x up to 2^60. `localnorm.gdn_parameters` reads weights of
    TensorFlow Compression and CompressAI, for ``layer.set_weights``.

    Args:
        inverse: multiply by the root instead, as `IGDN`; default False.
        axis: the channel axis; default -1, channels last.
        beta_min: the smallest beta in use, at least 0; default 1e-6.
        gamma_init: the initial gamma_ii, at least 0; default 0.1. Beta starts at 1, the rest of gamma at 0.
        **kwargs: arguments of every Keras layer: name, dtype, trainable.

    Input and output have the same shape, of rank 1 or more, and a float dtype.

    Raises:
        SpecError: `beta_min` or `gamma_init` is negative or not finite (a ValueError).
        AxisError: the input has no such axis, or an unknown number of channels (a ValueError and IndexError).
        DTypeError: integer or boolean input (a TypeError).

    Source: Ballé, Laparra and Simoncelli, arXiv 1511.06281 and 1611.01704.

    Example:
        >>> layer = GDN(gamma_init=1.0)
        >>> keras.ops.convert_to_numpy(layer(keras.ops.array([[0.0, 3.0 ** 0.5]]))).round(4)
        array([[0.   , 0.866]], dtype=float32)
    """

    _power = 2

    def __init__(
        self,
        inverse: bool = False,
        *,
        axis: int = -1,
        beta_min: float = 1e-6,
        gamma_init: float = 0.1,
        **kwargs: Any,  # noqa: ANN401  Keras's own
    ) -> None:
        super().__init__(**kwargs)
        self.inverse = bool(inverse)
        self.axis = whole_axis(axis)
        self.beta_min = at_least_zero("beta_min", beta_min)
        self.gamma_init = at_least_zero("gamma_init", gamma_init)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights."""
        count = input_shape[channel_axis(len(input_shape), self.axis)]
        if count is None:
            raise AxisError(
                f"the input of GDN must have a known number of channels along axis={self.axis}, got the shape "
                f"{tuple(input_shape)}; give it in keras.Input."
            )
        self.beta = self.add_weight(shape=(count,), initializer="ones", name="beta")
        identity = keras.initializers.Identity(self.gamma_init)
        self.gamma = self.add_weight(shape=(count, count), initializer=identity, name="gamma")
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Normalize `inputs`."""
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if dtype not in _DTYPES:
            raise DTypeError(f"the input of GDN must have a float dtype, got {dtype}; convert it to float32.")
        channel = channel_axis(len(inputs.shape), self.axis)
        wide = "float64" if dtype == "float64" else "float32"
        # The products are tensors: TensorFlow refuses a custom gradient of a variable.
        beta = ops.cast(_bounded(self.beta * 1.0, self.beta_min), wide)
        gamma = ops.cast(_bounded(self.gamma * 1.0, 0.0), wide)
        x = ops.moveaxis(ops.cast(inputs, wide), channel, -1)
        gamma = ops.transpose(gamma)
        root = _root(x, beta, gamma, wide) if self._power == 2 else ops.matmul(ops.abs(x), gamma) + beta
        y = x * root if self.inverse else x / root
        return ops.cast(ops.moveaxis(y, -1, channel), dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that rebuild the layer."""
        arguments = {"axis": self.axis, "beta_min": self.beta_min, "gamma_init": self.gamma_init}
        return {**super().get_config(), "inverse": self.inverse, **arguments}


@keras.saving.register_keras_serializable(package="localnorm")
class IGDN(GDN):
    """`GDN` with ``inverse=True``: its approximate inverse in a decoder.

    Example:
        >>> layer = IGDN(gamma_init=1.0)
        >>> keras.ops.convert_to_numpy(layer(keras.ops.array([[3.0 ** 0.5]]))).round(4)
        array([[3.4641]], dtype=float32)
    """

    def __init__(self, inverse: bool = True, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(inverse, **kwargs)


@keras.saving.register_keras_serializable(package="localnorm")
class GDN1(GDN):
    """GDN with absolute values and no root, ``y_i = x_i / (beta_i + sum_j gamma_ij |x_j|)``.

    Source: Johnston, Eban, Gordon and Ballé, "Computationally efficient neural image
    compression", arXiv 1912.08771.

    Example:
        >>> layer = GDN1(gamma_init=1.0)
        >>> keras.ops.convert_to_numpy(layer(keras.ops.array([[3.0]])))
        array([[0.75]], dtype=float32)
    """

    _power = 1
