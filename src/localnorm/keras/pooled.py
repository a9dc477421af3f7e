"""`PooledResponseNormalization`, a layer of old Keras models that is no LRN, kept for their weights."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import keras

from localnorm.errors import AxisError
from localnorm.legacy.readings import PooledSpec

Tensor = Any


@keras.saving.register_keras_serializable(package="localnorm")
class PooledResponseNormalization(keras.layers.Layer):  # type: ignore[misc]
    """Normalization by average pooling, of models after Gulli and Pal's book: ``x / (k + alpha * mean)^beta``.

    ``mean`` is that of the squares of ``size`` x ``size`` pixels that lie in the image, summed over all channels
    if `across`. Use `LocalResponseNormalization` in a new model.

    Args:
        size: pixels along each side, at least 1.
        alpha: factor of the mean, at least 0.
        beta: the exponent.
        k: the constant, at least 0.
        across: sum the means of all channels; default True.
        **kwargs: arguments of every Keras layer: name, dtype, trainable.

    Shapes:
        input: (N, H, W, C), a float dtype. The output has the same shape and dtype.

    Raises:
        SpecError: a value breaks one of these rules (a ValueError).
        AxisError: an input of another rank (a ValueError and IndexError).

    Source: `localnorm.legacy.readings.PooledSpec`.

    Example:
        >>> layer = PooledResponseNormalization(size=5, alpha=1e-4, beta=0.75, k=1.0)
        >>> tuple(layer(keras.ops.ones((4, 7, 7, 32))).shape)
        (4, 7, 7, 32)
    """

    def __init__(
        self,
        size: int,
        alpha: float,
        beta: float,
        k: float,
        *,
        across: bool = True,
        **kwargs: Any,  # noqa: ANN401  Keras's own
    ) -> None:
        super().__init__(**kwargs)
        self.spec = PooledSpec(size, alpha, beta, k, across)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Check the rank of the input."""
        if len(input_shape) != 4:
            raise AxisError(f"inputs must be (N, H, W, C), got shape {tuple(input_shape)}; add the missing axes.")
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        """Normalize inputs, in float32 or wider."""
        ops, spec = keras.ops, self.spec
        wide = "float64" if keras.backend.standardize_dtype(inputs.dtype) == "float64" else "float32"
        x = ops.cast(inputs, wide)
        mean = self._sums(ops.square(x)) / self._sums(ops.ones_like(x[:1]))
        if spec.across:
            mean = ops.sum(mean, axis=-1, keepdims=True)
        return ops.cast(x / ops.power(spec.k + spec.alpha * mean, spec.beta), inputs.dtype)

    def _sums(self, values: Tensor) -> Tensor:
        """Return the sums over the windows; explicit zeros, as backends count padding differently."""
        size = self.spec.size
        side = ((size - 1) // 2, size // 2)
        padded = keras.ops.pad(values, ((0, 0), side, side, (0, 0)))
        return keras.ops.average_pool(padded, size, 1, "valid", data_format="channels_last") * size**2

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), **asdict(self.spec)}
