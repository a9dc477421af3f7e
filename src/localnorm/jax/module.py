"""`LocalResponseNorm` as a Flax NNX module, with fixed or learned k, alpha and beta."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import jax.numpy as jnp
from flax import nnx
from jax import Array

from localnorm.axes import whole_axis
from localnorm.errors import LearnableError
from localnorm.jax.functional import apply_spec
from localnorm.learnable import checked_count, learnable_names
from localnorm.spec import LRNSpec


class LocalResponseNorm(nnx.Module):
    """Local response normalization as a Flax NNX module.

    ``y_c = x_c / (k + alpha * sum_{j in W(c)} x_j^2)^beta``; see `localnorm.jax.local_response_norm` for the
    definition, the dtypes and the errors of the call.

    A learned value is ``initial * exp(p)``, with p an ``nnx.Param`` named ``log_k``, ``log_alpha`` or
    ``log_beta`` that starts at 0: always positive, and initially exactly that of the spec.

    Args:
        spec: the normalization, or the initial values of a learned one.
        axis: the channel axis; default -1, as in Flax.
        learnable: True to learn k, alpha and beta, or the names of those to learn; default False.
        per_channel: learn one value for each channel instead of one for all; default False.
        num_channels: the extent of the channel axis; needed with `per_channel`.

    Raises:
        LearnableError: an unknown name, an initial value of 0, or no `num_channels` (a ValueError).
        AxisError: `axis` is not a whole number (a ValueError and IndexError).

    Source: Krizhevsky, Sutskever and Hinton, NIPS 2012, section 3.3.

    Example:
        >>> layer = LocalResponseNorm(LRNSpec.from_paper(), learnable={"alpha"})
        >>> layer(jnp.ones((4, 7, 7, 32))).shape
        (4, 7, 7, 32)
        >>> layer.alpha
        Array(0.0001, dtype=float32)
    """

    def __init__(
        self,
        spec: LRNSpec,
        *,
        axis: int = -1,
        learnable: bool | str | Iterable[str] = False,
        per_channel: bool = False,
        num_channels: int | None = None,
        rngs: nnx.Rngs | None = None,  # noqa: ARG002  every layer of Flax takes it
    ) -> None:
        self.spec = spec
        self.axis = whole_axis(axis)
        self.learnable = learnable_names(learnable, spec)
        if per_channel and self.learnable and num_channels is None:
            raise LearnableError(
                "per_channel=True needs the number of channels, got num_channels=None; pass e.g. num_channels=32."
            )
        shape = (checked_count(num_channels),) if per_channel and self.learnable else ()
        for name in self.learnable:
            setattr(self, f"log_{name}", nnx.Param(jnp.zeros(shape)))

    def value(self, name: str) -> float | Array:
        """Return k, alpha or beta: a number, or an array if it is learned."""
        initial: float = getattr(self.spec, name)
        if name not in self.learnable:
            return initial
        learned: Array = initial * jnp.exp(getattr(self, f"log_{name}")[...])
        return learned

    @property
    def k(self) -> float | Array:
        """The constant in the denominator."""
        return self.value("k")

    @k.setter
    def k(self, value: float) -> None:
        self._set("k", value)

    @property
    def alpha(self) -> float | Array:
        """Factor of the sum of squares."""
        return self.value("alpha")

    @alpha.setter
    def alpha(self, value: float) -> None:
        self._set("alpha", value)

    @property
    def beta(self) -> float | Array:
        """The exponent."""
        return self.value("beta")

    @beta.setter
    def beta(self, value: float) -> None:
        self._set("beta", value)

    def _set(self, name: str, value: float) -> None:
        if name in self.learnable:
            raise LearnableError(f"{name} is learned and can't be set to {value!r}; set the parameter log_{name}.")
        self.spec = replace(self.spec, **{name: value})  # type: ignore[arg-type]

    def __call__(self, x: Array) -> Array:
        """Normalize x."""
        learned = {name: jnp.asarray(self.value(name)) for name in self.learnable}
        return apply_spec(x, self.spec, self.axis, learned)
