"""`local_response_norm` for JAX arrays, with a custom derivative rule."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from localnorm.axes import channel_axis, check_channels, window_axes
from localnorm.errors import DTypeError
from localnorm.jax.array_ops import OPERATIONS
from localnorm.jax.ffi import with_cpu_kernel
from localnorm.kernels.arithmetic import Arithmetic
from localnorm.spec import LRNSpec

_DTYPES = ("float16", "bfloat16", "float32", "float64")


def local_response_norm(x: ArrayLike, spec: LRNSpec, axis: int = -1) -> Array:
    """Divide each activation by its neighbours.

    ``y_c = x_c / (k + alpha * sum_{j in W(c)} x_j^2)^beta``, where the window ``W(c)`` and alpha are those of
    the spec: across channels, or within each channel over the last ``spec.spatial`` axes other than `axis`.

    The arithmetic is in float32 (float64 for float64), and the result is rounded once. If squares overflow or
    underflow the result is still right.

    On a CPU, XLA calls the native kernel; `localnorm.jax.ffi` lists when array operations run instead, which
    compute the same. The kernel keeps subnormal numbers; with array operations XLA flushes them to 0 on a CPU.

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
    # Counted from the last axis: vmap puts axes in front.
    axes = tuple(a - array.ndim for a in window_axes(spec, array.ndim, axis))
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
    return Arithmetic(OPERATIONS, spec, tuple(axis % x.ndim for axis in axes), _wide(x), x.dtype.name)


def _array_value(x: Array, learned: dict[str, Array], spec: LRNSpec, axes: tuple[int, ...]) -> Array:
    y: Array = _arithmetic(x, spec, axes).forward(x.astype(_wide(x)), learned)
    return y.astype(x.dtype)


def _array_gradients(
    x: Array, grad: Array, learned: dict[str, Array], spec: LRNSpec, axes: tuple[int, ...]
) -> tuple[Array, dict[str, Array]]:
    wide = _wide(x)
    found = _arithmetic(x, spec, axes).backward(x.astype(wide), grad.astype(wide), learned)
    sums = {
        name: found.values[name].sum([a for a, n in enumerate(value.shape) if n == 1], keepdims=True)
        for name, value in learned.items()
    }
    return found.x.astype(x.dtype), sums


_kernel_value = with_cpu_kernel("localnorm_xla_forward", lambda x, spec, axes: _array_value(x, {}, spec, axes))
_kernel_gradient = with_cpu_kernel(
    "localnorm_xla_backward", lambda x, grad, spec, axes: _array_gradients(x, grad, {}, spec, axes)[0]
)


def _value(x: Array, learned: dict[str, Array], spec: LRNSpec, axes: tuple[int, ...]) -> Array:
    return _array_value(x, learned, spec, axes) if learned else _kernel_value(x, spec=spec, axes=axes)


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
    if learned:
        return _array_gradients(x, grad, learned, spec, axes)
    return _kernel_gradient(x, grad, spec=spec, axes=axes), {}


_normalize.defvjp(_forward, _backward)
