"""`local_response_norm` for JAX arrays, with a custom derivative rule."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from localnorm.axes import channel_axis, check_channels, window_axes
from localnorm.errors import DTypeError
from localnorm.jax.array_ops import OPERATIONS
from localnorm.kernels.arithmetic import Arithmetic
from localnorm.spec import LRNSpec

_DTYPES = ("float16", "bfloat16", "float32", "float64")


def local_response_norm(x: ArrayLike, spec: LRNSpec, axis: int = -1) -> Array:
    """Divide each activation by its neighbours.

    ``y_c = x_c / (k + alpha * sum_{j in W(c)} x_j^2)^beta``, where the window ``W(c)`` and alpha are those of
    the spec: across channels, or within each channel over the last ``spec.spatial`` axes other than `axis`.

    The arithmetic is in float32 (float64 for float64), and the result is rounded once. If squares overflow or
    underflow the result is still right. XLA flushes subnormal numbers to 0 on a CPU.

    Works under ``jax.jit``, ``jax.vmap``, ``jax.grad`` of any order, and ``jax.shard_map`` over any axis that the
    window does not span. ``jax.hessian``, forward mode over ``jax.grad``, works; forward mode of the function
    itself (``jax.jvp``, ``jax.jacfwd``) raises an error of JAX. The backward pass keeps only `x`.

    Args:
        x: float16, bfloat16, float32 or float64 (if JAX has it enabled), of rank 1 or more.
        spec: the normalization.
        axis: the channel axis; default -1, as in Flax.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        DTypeError: integers, booleans, complex numbers or 8-bit floats (a TypeError).
        AxisError: no such axis, or too few axes for the spec (a ValueError and IndexError).

    Source: Krizhevsky, Sutskever and Hinton, NIPS 2012, section 3.3.

    Example:
        >>> x = jnp.array([[3.0, 4.0, 0.0]])
        >>> local_response_norm(x, LRNSpec(lo=1, hi=1, alpha=1.0, beta=0.5, k=0.0))
        Array([[0.6, 0.8, 0. ]], dtype=float32)
    """
    return apply_spec(x, spec, axis, {})


def apply_spec(x: ArrayLike, spec: LRNSpec, axis: int, learned: dict[str, Array]) -> Array:
    """Check x and axis, then normalize; the one entry that function, module and Keras layer share.

    `learned` replaces the spec's k, alpha or beta: scalars, or vectors along the channel axis.
    """
    array = jnp.asarray(x)
    if array.dtype.name not in _DTYPES:
        raise DTypeError(
            f"x must be float16, bfloat16, float32 or float64, got {array.dtype}; "
            "convert it, e.g. x.astype(jnp.float32)."
        )
    axes = window_axes(spec, array.ndim, axis)
    channel = channel_axis(array.ndim, axis)
    for value in learned.values():
        if value.ndim:
            check_channels(value.shape[0], array.shape[channel], channel)
    shape = tuple(-1 if a == channel else 1 for a in range(array.ndim))
    wide = {name: value.reshape(shape).astype(_wide(array)) for name, value in learned.items()}
    return _normalize(array, wide, spec, axes)


def _wide(x: Array) -> str:
    return "float64" if x.dtype == jnp.float64 else "float32"


def _arithmetic(x: Array, spec: LRNSpec, axes: tuple[int, ...]) -> Arithmetic:
    return Arithmetic(OPERATIONS, spec, axes, _wide(x), x.dtype.name)


def _value(x: Array, learned: dict[str, Array], spec: LRNSpec, axes: tuple[int, ...]) -> Array:
    y: Array = _arithmetic(x, spec, axes).forward(x.astype(_wide(x)), learned)
    return y.astype(x.dtype)


_normalize = jax.custom_vjp(_value, nondiff_argnums=(2, 3))


def _forward(
    x: Array, learned: dict[str, Array], spec: LRNSpec, axes: tuple[int, ...]
) -> tuple[Array, tuple[Array, dict[str, Array]]]:
    # Not `_normalize`: forward mode over reverse mode differentiates this, and custom_vjp has no rule for it.
    return _value(x, learned, spec, axes), (x, learned)


def _backward(
    spec: LRNSpec, axes: tuple[int, ...], residuals: tuple[Array, dict[str, Array]], grad: Array
) -> tuple[Array, dict[str, Array]]:
    x, learned = residuals
    wide = _wide(x)
    gradients = _arithmetic(x, spec, axes).backward(x.astype(wide), grad.astype(wide), learned)
    sums = {
        name: gradients.values[name].sum([a for a, n in enumerate(value.shape) if n == 1], keepdims=True)
        for name, value in learned.items()
    }
    return gradients.x.astype(x.dtype), sums


_normalize.defvjp(_forward, _backward)
