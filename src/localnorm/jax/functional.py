"""`local_response_norm` for JAX arrays, as a primitive with rules for derivatives in both modes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.interpreters import ad
from jax.typing import ArrayLike

from localnorm.axes import channel_axis, check_channels, window_axes
from localnorm.errors import DTypeError
from localnorm.jax.array_ops import OPERATIONS
from localnorm.jax.ffi import Operations, Settings, primitive, varying_alike
from localnorm.kernels.arithmetic import Arithmetic
from localnorm.spec import LRNSpec

JVP = Callable[..., tuple[list[Array], list[Array]]]
_DTYPES = ("float16", "bfloat16", "float32", "float64")


def local_response_norm(x: ArrayLike, spec: LRNSpec, axis: int = -1) -> Array:
    """Divide each activation by its neighbours.

    ``y_c = x_c / (k + alpha * sum_{j in W(c)} x_j^2)^beta``, where the window ``W(c)`` and alpha are those of
    the spec: across channels, or within each channel over the last ``spec.spatial`` axes other than `axis`.

    The arithmetic is in float32 (float64 for float64), and the result is rounded once. If squares overflow or
    underflow the result is still right.

    On a CPU, XLA calls the native kernel; `localnorm.jax.ffi` lists when array operations run instead, which
    compute the same. The kernel keeps subnormal numbers; with array operations XLA flushes them to 0 on a CPU.

    Works under ``jax.jit``, ``jax.vmap``, ``jax.grad`` and ``jax.jvp`` of any order, ``jax.linearize``, and
    ``jax.shard_map`` over any axis that the window does not span. Both modes keep only `x`.

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
        # A conversion of complex numbers would drop their imaginary part.
        is_complex = jnp.issubdtype(array.dtype, jnp.complexfloating)
        advice = (
            "normalize abs(x), or x.real and x.imag each"
            if is_complex
            else "convert it, e.g. x.astype(jnp.float32)"
        )
        raise DTypeError(f"x must be float16, bfloat16, float32 or float64, got {array.dtype}; {advice}.")
    # Counted from the last axis: vmap puts axes in front.
    axes = tuple(a - array.ndim for a in window_axes(spec, array.ndim, axis))
    channel = channel_axis(array.ndim, axis)
    for value in learned.values():
        if value.ndim:
            check_channels(value.shape[0], array.shape[channel], channel)
    shape = tuple(-1 if a == channel else 1 for a in range(array.ndim))
    wide = {name: value.reshape(shape).astype(_wide(array)) for name, value in learned.items()}
    operands = varying_alike([array, *wide.values()])
    results: list[Array] = _value_p.bind(*operands, settings=Settings(spec, axes, tuple(wide)))
    return results[0]


def _wide(x: Array) -> str:
    return "float64" if x.dtype == jnp.float64 else "float32"


def _arithmetic(x: Array, settings: Settings) -> Arithmetic:
    axes = tuple(axis % x.ndim for axis in settings.axes)
    return Arithmetic(OPERATIONS, settings.spec, axes, _wide(x), x.dtype.name)


def _value(x: Array, *values: Array, settings: Settings) -> list[Array]:
    learned = dict(zip(settings.names, values, strict=True))
    return [_arithmetic(x, settings).forward(x.astype(_wide(x)), learned).astype(x.dtype)]


def _tangent(x: Array, dx: Array, *values: Array, settings: Settings) -> list[Array]:
    count, wide = len(settings.names), _wide(x)
    learned, tangents = (dict(zip(settings.names, part, strict=True)) for part in (values[:count], values[count:]))
    dy = _arithmetic(x, settings).tangent(x.astype(wide), dx.astype(wide), learned, tangents)
    return [dy.astype(x.dtype)]


def _gradients(x: Array, grad: Array, *values: Array, settings: Settings) -> list[Array]:
    learned, wide = dict(zip(settings.names, values, strict=True)), _wide(x)
    gradients = _arithmetic(x, settings).backward(x.astype(wide), grad.astype(wide), learned)
    sums = [
        gradients.values[name].sum([a for a, n in enumerate(value.shape) if n == 1], keepdims=True)
        for name, value in learned.items()
    ]
    return [gradients.x.astype(x.dtype), *sums]


_value_p = primitive("lrn", _value, slice(0, 1), "localnorm_xla_forward")
_tangent_p = primitive("lrn_tangent", _tangent, slice(0, 1))
_gradients_p = primitive("lrn_gradients", _gradients, slice(1, None), "localnorm_xla_backward")


def _value_jvp(
    primals: Sequence[Array], tangents: Sequence[Any], *, settings: Settings
) -> tuple[list[Array], list[Array]]:
    (x, *values), (dx, *dvalues) = primals, _instantiated(tangents)
    y = _value_p.bind(*primals, settings=settings)
    return y, _tangent_p.bind(x, dx, *values, *dvalues, settings=settings)


def _linear_jvp(linear: Any, operations: Operations, is_linear: Callable[[int, Settings], bool]) -> JVP:  # noqa: ANN401
    """Return the rule for a primitive that is linear in some operands: itself if only these have tangents."""

    def rule(
        primals: Sequence[Array], tangents: Sequence[Any], *, settings: Settings
    ) -> tuple[list[Array], list[Array]]:
        moved = [i for i, tangent in enumerate(tangents) if type(tangent) is not ad.Zero]
        every = _instantiated(tangents)
        if all(is_linear(i, settings) for i in moved):
            mixed = [every[i] if is_linear(i, settings) else primal for i, primal in enumerate(primals)]
            return linear.bind(*primals, settings=settings), linear.bind(*mixed, settings=settings)
        result: tuple[list[Array], list[Array]] = jax.jvp(
            partial(operations, settings=settings), tuple(primals), tuple(every)
        )
        return result

    return rule


def _tangent_transpose(cotangents: Sequence[Any], *operands: Any, settings: Settings) -> list[Any]:  # noqa: ANN401
    [grad], count = _instantiated(cotangents), len(settings.names)
    x, values = operands[0], operands[2 : 2 + count]
    gx, *gvalues = _gradients_p.bind(x, grad, *values, settings=settings)
    wanted = [None, gx, *([None] * count), *gvalues]
    return [g if isinstance(of, ad.UndefinedPrimal) else None for g, of in zip(wanted, operands, strict=True)]


def _gradients_transpose(cotangents: Sequence[Any], *operands: Any, settings: Settings) -> list[Any]:  # noqa: ANN401
    x, _, *values = operands
    dx, *dvalues = _instantiated(cotangents)
    [dy] = _tangent_p.bind(x, dx, *values, *dvalues, settings=settings)
    return [None, dy, *([None] * len(values))]


def _instantiated(tangents: Sequence[Any]) -> list[Array]:
    return [ad.instantiate_zeros(tangent) for tangent in tangents]  # type: ignore[no-untyped-call]


ad.primitive_jvps[_value_p] = _value_jvp
ad.primitive_jvps[_tangent_p] = _linear_jvp(
    _tangent_p, _tangent, lambda i, settings: i == 1 or i >= 2 + len(settings.names)
)
ad.primitive_jvps[_gradients_p] = _linear_jvp(_gradients_p, _gradients, lambda i, _: i == 1)
ad.primitive_transposes[_tangent_p] = _tangent_transpose
ad.primitive_transposes[_gradients_p] = _gradients_transpose
