"""`LocalResponseNormalization` as a Keras 3 layer, with fixed or learned k, alpha and beta."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

import keras

from localnorm.axes import channel_axis, whole_axis, window_axes
from localnorm.errors import AxisError, DTypeError, LearnableError
from localnorm.keras.dispatch import apply_spec
from localnorm.learnable import learnable_names
from localnorm.spec import LRNSpec

Tensor = Any
_DTYPES = ("float16", "bfloat16", "float32", "float64")


@keras.saving.register_keras_serializable(package="localnorm")
class LocalResponseNormalization(keras.layers.Layer):  # type: ignore[misc]
    """Local response normalization as a Keras layer, with the parameters and the formula of the paper.

    ``y_c = x_c / (k + alpha * sum_{j in W(c)} x_j^2)^beta``: alpha multiplies the sum, and the window ``W(c)``
    reaches ``n // 2`` channels to both sides of c, cut at the borders. The function is the same on every backend:
    the arithmetic is in float32 or wider and the result is rounded once to the layer's compute dtype.

    A learned value is ``initial * exp(p)``, with p a weight named ``log_k``, ``log_alpha`` or ``log_beta`` that
    starts at 0: always positive, and initially exactly the given value.

    Args:
        alpha: factor of the sum of squares; default 1e-4.
        beta: the exponent; default 0.75.
        k: the constant in the denominator; default 2.
        n: channels in the window, at least 1; an even n means the next odd one; default 5.
        axis: the channel axis; default -1, channels last.
        learnable: True to learn k, alpha and beta, or the names of those to learn; default False.
        per_channel: learn one value for each channel instead of one for all; default False.
        **kwargs: arguments of every Keras layer: name, dtype, trainable.

    Input and output have the same shape, of rank 1 or more, and a float dtype.

    Raises:
        SpecError: a hyperparameter that defines no LRN (a ValueError).
        LearnableError: an unknown name, or an initial value of 0 (a ValueError).
        AxisError: the input has no such axis (a ValueError and IndexError).
        DTypeError: integer or boolean input (a TypeError).
        BackendError: the Keras backend is not TensorFlow, JAX or torch (a ValueError).

    Source: Krizhevsky, Sutskever and Hinton, NIPS 2012, section 3.3.

    Example:
        >>> layer = LocalResponseNormalization(alpha=1e-4, beta=0.75, k=2, n=5)
        >>> tuple(layer(keras.ops.ones((4, 7, 7, 32))).shape)
        (4, 7, 7, 32)
    """

    def __init__(
        self,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 2,
        n: int = 5,
        axis: int = -1,
        *,
        learnable: bool | str | Iterable[str] = False,
        per_channel: bool = False,
        **kwargs: Any,  # noqa: ANN401  Keras's own
    ) -> None:
        super().__init__(**kwargs)
        self._set_spec(LRNSpec.from_paper(n, k, alpha, beta), axis, learnable, per_channel)

    def _set_spec(
        self, spec: LRNSpec, axis: int, learnable: bool | str | Iterable[str], per_channel: bool
    ) -> None:
        self.spec = spec
        self.axis = whole_axis(axis)
        self.learnable = list(learnable_names(learnable, spec))
        self.per_channel = bool(per_channel)
        self.supports_masking = True

    @classmethod
    def from_spec(
        cls,
        spec: LRNSpec,
        axis: int = -1,
        *,
        learnable: bool | str | Iterable[str] = False,
        per_channel: bool = False,
        **kwargs: Any,  # noqa: ANN401
    ) -> LocalResponseNormalization:
        """Build the layer from any spec, even one whose window the paper's parameters can't express.

        Example:
            >>> LocalResponseNormalization.from_spec(LRNSpec.from_torch(4)).spec
            LRNSpec(lo=2, hi=1, alpha=2.5e-05, beta=0.75, k=1.0)
        """
        # Not by the constructor of a subclass, whose arguments may be others.
        layer: LocalResponseNormalization = cls.__new__(cls, axis=axis, **kwargs)  # type: ignore[call-arg]
        LocalResponseNormalization.__init__(layer, axis=axis, **kwargs)
        layer._set_spec(spec, axis, learnable, per_channel)
        return layer

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Check the axis against the input and create the weights."""
        window_axes(self.spec, len(input_shape), self.axis)
        channels = input_shape[channel_axis(len(input_shape), self.axis)]
        if self.per_channel and self.learnable and channels is None:
            raise AxisError(
                f"per_channel=True needs a known number of channels, got an input of shape {tuple(input_shape)}; "
                "give the input a fixed extent along the channel axis."
            )
        for name in self.learnable:
            weight = self.add_weight(
                shape=(channels,) if self.per_channel else (),
                initializer="zeros",
                name=f"log_{name}",
                # In half precision, alpha could only change in steps of a thousandth.
                dtype="float64" if self.compute_dtype == "float64" else "float32",
                autocast=False,
            )
            setattr(self, f"log_{name}", weight)
        self.built = True

    def value(self, name: str) -> float | Tensor:
        """Return k, alpha or beta: a number, or a tensor if it is learned."""
        initial: float = getattr(self.spec, name)
        if name not in self.learnable:
            return initial
        if not self.built:
            raise LearnableError(f"{name} has no value before the layer is built; call it once.")
        return keras.ops.exp(getattr(self, f"log_{name}")) * initial

    @property
    def alpha(self) -> float | Tensor:
        """Factor of the sum of squares."""
        return self.value("alpha")

    @alpha.setter
    def alpha(self, value: float) -> None:
        self._set("alpha", value)

    @property
    def beta(self) -> float | Tensor:
        """The exponent."""
        return self.value("beta")

    @beta.setter
    def beta(self, value: float) -> None:
        self._set("beta", value)

    @property
    def k(self) -> float | Tensor:
        """The constant in the denominator."""
        return self.value("k")

    @k.setter
    def k(self, value: float) -> None:
        self._set("k", value)

    def _set(self, name: str, value: float) -> None:
        if name in self.learnable:
            raise LearnableError(f"{name} is learned and can't be set to {value!r}; set the weight log_{name}.")
        self.spec = replace(self.spec, **{name: value})  # type: ignore[arg-type]

    @property
    def n(self) -> int:
        """Channels in the window."""
        return self.spec.size

    def call(self, inputs: Tensor) -> Tensor:
        """Normalize inputs."""
        self._check_dtype(inputs)
        learned = {name: keras.ops.convert_to_tensor(self.value(name)) for name in self.learnable}
        return apply_spec(inputs, self.spec, self.axis, learned)

    def compute_output_spec(self, inputs: Tensor) -> keras.KerasTensor:
        """Return shape and dtype of the output without computing it."""
        self._check_dtype(inputs)
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the input."""
        return input_shape

    def _check_dtype(self, inputs: Tensor) -> None:
        dtype = keras.backend.standardize_dtype(inputs.dtype)
        if dtype not in _DTYPES:
            # A conversion of complex numbers would drop their imaginary part.
            advice = (
                "normalize keras.ops.abs(x), or keras.ops.real(x) and keras.ops.imag(x) each"
                if dtype.startswith("complex")
                else 'convert them, e.g. keras.ops.cast(x, "float32")'
            )
            raise DTypeError(f"inputs must be float16, bfloat16, float32 or float64, got {dtype}; {advice}.")

    def get_config(self) -> dict[str, Any]:
        """Return the configuration that `from_config` rebuilds the layer from."""
        config: dict[str, Any] = super().get_config()
        definition = {"spec": asdict(self.spec), "axis": self.axis}
        return {**config, **definition, "learnable": self.learnable, "per_channel": self.per_channel}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LocalResponseNormalization:
        """Build the layer from `get_config`, or from the arguments of the constructor."""
        if "spec" not in config:
            return cls(**config)
        rest = {name: value for name, value in config.items() if name != "spec"}
        return cls.from_spec(LRNSpec(**config["spec"]), **rest)
