"""Generalized divisive normalization in JAX: `GDN`, `IGDN` and `GDN1` as Flax NNX modules, and `gdn`."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax import Array
from jax.typing import ArrayLike

from localnorm.axes import channel_axis, whole_axis
from localnorm.errors import AxisError, DTypeError
from localnorm.gdn_parameters import at_least_zero
from localnorm.learnable import checked_count

_RANGE = {"float32": (2.0**60, 2.0**66), "float64": (2.0**500, 2.0**520)}
"""Up to the first number squares are in range by a wide margin; larger ones are divided by the second."""


def gdn(
    x: ArrayLike,
    beta: ArrayLike,
    gamma: ArrayLike,
    *,
    axis: int = -1,
    power: int = 2,
    inverse: bool = False,
) -> Array:
    """Return ``x_i / (beta_i + sum_j gamma_ij |x_j|^power)^(1/power)``, or times that root.

    The arithmetic is in float32, in float64 for float64 input, and the result is rounded once. In float32 the
    gradient of the inverse is in range for x up to 2^60, that of the other for every x.

    Args:
        x: float16, bfloat16, float32 or float64, with C channels along `axis`.
        beta: shape (C,), above 0.
        gamma: shape (C, C), at least 0.
        axis: the channel axis; default -1.
        power: 2, or 1 for `GDN1`.
        inverse: multiply by the root; default False.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        DTypeError: integers, booleans or complex numbers (a TypeError).
        AxisError: no such axis, or another number of channels along it (a ValueError and IndexError).

    Source: Ballé, Laparra and Simoncelli, arXiv 1511.06281 and 1611.01704.

    Example:
        >>> gdn(jnp.array([0.0, 3.0 ** 0.5]), jnp.ones(2), jnp.eye(2))
        Array([0.       , 0.8660254], dtype=float32)
    """
    x = jnp.asarray(x)
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise DTypeError(f"x must have a float dtype, got {x.dtype}; convert it with x.astype(jnp.float32).")
    channel = channel_axis(x.ndim, axis)
    beta, gamma = jnp.asarray(beta), jnp.asarray(gamma)
    if x.shape[channel] != len(beta):
        raise AxisError(
            f"x must have {len(beta)} channels along axis={axis}, got {x.shape[channel]}; pass parameters of that "
            "size, or another axis."
        )
    wide = jnp.float64 if x.dtype == jnp.float64 else jnp.float32
    w = jnp.moveaxis(x.astype(wide), channel, -1)
    gamma, beta = gamma.astype(wide).T, beta.astype(wide)
    if power == 2:
        huge, unit = _RANGE[jnp.dtype(wide).name]
        small = jnp.where(jnp.abs(w) <= huge, w, 0)
        large = jnp.where(jnp.abs(w) <= huge, 0, w) / unit
        plain = jnp.matmul(small * small, gamma, precision="highest") + beta
        beyond = jnp.matmul(large * large, gamma, precision="highest")
        # Inside and outside of the root: the gradient of the branch not taken must be finite as well.
        scaled = jnp.where(beyond > 0, beyond + plain / unit / unit, 1)
        root = jnp.where(beyond > 0, unit * jnp.sqrt(scaled), jnp.sqrt(plain))
    else:
        root = jnp.matmul(jnp.abs(w), gamma, precision="highest") + beta
    y = w * root if inverse else w / root
    return jnp.moveaxis(y, -1, channel).astype(x.dtype)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _bounded(x: Array, bound: float) -> Array:
    """Return ``max(x, bound)``, whose gradient passes if a step along it raises x."""
    return jnp.maximum(x, bound)


def _forward(x: Array, bound: float) -> tuple[Array, Array]:
    return jnp.maximum(x, bound), x


def _backward(bound: float, x: Array, grad: Array) -> tuple[Array]:
    return (jnp.where((x >= bound) | (grad < 0), grad, 0.0),)


_bounded.defvjp(_forward, _backward)


class GDN(nnx.Module):
    """Generalized divisive normalization, ``y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2)``.

    The parameters are beta and gamma themselves, and the formula takes ``max(beta, beta_min)`` and
    ``max(gamma, 0)``, whose gradient passes if a step along it raises the value. Parameters of CompressAI and
    TensorFlow Compression: `localnorm.gdn_parameters`.

    Args:
        num_channels: channels, at least 1.
        inverse: multiply by the root instead, as `IGDN`; default False.
        axis: the channel axis; default -1, as in Flax.
        beta_min: the smallest beta in use, at least 0; default 1e-6.
        gamma_init: the initial gamma_ii, at least 0; default 0.1. Beta starts at 1, the rest of gamma at 0.
        rngs: taken and not used, as nothing is random.

    Raises:
        LearnableError: `num_channels` is not a whole number of at least 1 (a ValueError).
        SpecError: `beta_min` or `gamma_init` is negative or not finite (a ValueError).
        AxisError, DTypeError: see `gdn`.

    Source: Ballé, Laparra and Simoncelli, arXiv 1511.06281 and 1611.01704.

    Example:
        >>> GDN(2, gamma_init=1.0)(jnp.array([[0.0, 3.0 ** 0.5]]))
        Array([[0.       , 0.8660254]], dtype=float32)
    """

    _power = 2

    def __init__(
        self,
        num_channels: int,
        inverse: bool = False,
        *,
        axis: int = -1,
        beta_min: float = 1e-6,
        gamma_init: float = 0.1,
        rngs: nnx.Rngs | None = None,  # noqa: ARG002  every layer of Flax takes it
    ) -> None:
        self.num_channels = checked_count(num_channels)
        self.inverse = bool(inverse)
        self.axis = whole_axis(axis)
        self.beta_min = at_least_zero("beta_min", beta_min)
        self.beta = nnx.Param(jnp.ones(self.num_channels))
        self.gamma = nnx.Param(at_least_zero("gamma_init", gamma_init) * jnp.eye(self.num_channels))

    def __call__(self, x: ArrayLike) -> Array:
        """Normalize `x`."""
        beta, gamma = _bounded(self.beta[...], self.beta_min), _bounded(self.gamma[...], 0.0)
        return gdn(x, beta, gamma, axis=self.axis, power=self._power, inverse=self.inverse)


class IGDN(GDN):
    """`GDN` with ``inverse=True``: its approximate inverse in a decoder.

    Example:
        >>> IGDN(1, gamma_init=1.0)(jnp.array([[3.0 ** 0.5]]))
        Array([[3.4641016]], dtype=float32)
    """

    def __init__(self, num_channels: int, **options: float) -> None:
        super().__init__(num_channels, inverse=True, **options)  # type: ignore[arg-type]


class GDN1(GDN):
    """GDN with absolute values and no root, ``y_i = x_i / (beta_i + sum_j gamma_ij |x_j|)``.

    Source: Johnston, Eban, Gordon and Ballé, "Computationally efficient neural image
    compression", arXiv 1912.08771.

    Example:
        >>> GDN1(1, gamma_init=1.0)(jnp.array([[3.0]]))
        Array([[0.75]], dtype=float32)
    """

    _power = 1
