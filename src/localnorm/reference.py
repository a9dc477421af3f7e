"""Reference implementation of LRN and its gradients in float64 NumPy: simple and accurate, not fast.

    y_c = x_c * s_c^-beta        s_c = k + alpha * sum_{j in W(c)} x_j^2        W(c) = [c - lo, c + hi]

Within a channel, c and j are positions and the window is a box of them. Every window is summed separately, so a
large value affects only the outputs whose window holds it. Squares are taken of ``x_j / m_c``, where ``m_c`` is a
power of two near the square root of the largest term of ``s_c`` (dividing by it is exact), so they neither
overflow nor underflow: ``s_c = m_c^2 * t_c``.

Inputs and results are float64. The arithmetic uses the platform's widest float, so that the reference is more
accurate than the APIs that are compared with it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from localnorm.axes import window_axes
from localnorm.spec import LRNSpec

Array = NDArray[np.float64]
Wide = NDArray[np.longdouble]


class Gradients(NamedTuple):
    """Gradients of ``sum(grad_output * y)``: `x` in the shape of the input, the others scalars."""

    x: Array
    k: float
    alpha: float
    beta: float


class _Parts(NamedTuple):
    """Intermediate values of the forward pass and the gradients, with the axes of the window (C) last."""

    x: Wide  # (..., C)
    ratios: Wide  # (..., C, elements of a window): x_j / m_c for j in W(c), 0 outside the borders
    m: Wide  # (..., C)
    squares: Wide  # (..., C): sum of the squared ratios
    t: Wide  # (..., C): s_c / m_c^2


def _last(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(-len(axes), 0))


def _box(starts: tuple[int, ...], extents: tuple[int, ...]) -> tuple[Any, ...]:
    """The index of a box in the last axes."""
    return (..., *(slice(start, start + extent) for start, extent in zip(starts, extents, strict=True)))


def _parts(x: ArrayLike, spec: LRNSpec, axes: tuple[int, ...]) -> _Parts:
    last = _last(axes)
    wide = np.moveaxis(np.asarray(x, np.float64).astype(np.longdouble), axes, last)
    padded = np.pad(wide, [(0, 0)] * (wide.ndim - len(axes)) + [(spec.lo, spec.hi)] * len(axes))
    windows = np.zeros((*wide.shape, spec.count), np.longdouble)
    if wide.size:
        windows = sliding_window_view(padded, (spec.size,) * len(axes), axis=last).reshape(windows.shape)
    largest = np.maximum(np.sqrt(spec.alpha) * np.abs(windows).max(axis=-1), np.sqrt(spec.k))
    exponent = np.frexp(np.where(np.isfinite(largest), largest, 1.0))[1]
    m = np.ldexp(np.longdouble(1), np.clip(exponent, -1021, 1023))
    ratios = windows / m[..., None]
    squares = np.sum(ratios**2, axis=-1)
    t = spec.k / m / m + (spec.alpha * squares if spec.alpha else 0.0)
    return _Parts(wide, ratios, m, squares, t)


def forward(x: ArrayLike, spec: LRNSpec, axis: int = 1) -> Array:
    """Return ``x_c / (k + alpha * sum_{j in W(c)} x_j^2)^beta``.

    Args:
        x: input of any rank from 1 up, taken as float64.
        spec: the normalization.
        axis: the channel axis; a window within a channel spans the last axes other than it.

    Returns:
        An array of the shape of `x`, float64.

    Source: Krizhevsky, Sutskever and Hinton, NIPS 2012, section 3.3.

    Example:
        >>> forward([[3.0, 4.0]], LRNSpec(lo=1, hi=1, alpha=1.0, beta=0.5, k=0.0))
        array([[0.6, 0.8]])
    """
    with np.errstate(all="ignore"):
        axes = window_axes(spec, np.ndim(x), axis)
        wide, _, m, _, t = _parts(x, spec, axes)
        # m^-beta twice rather than m^(-2 beta): only the final product may leave the range of float64.
        y = wide * m**-spec.beta * t**-spec.beta * m**-spec.beta
        return np.moveaxis(y.astype(np.float64), _last(axes), axes)


def gradients(x: ArrayLike, grad_output: ArrayLike, spec: LRNSpec, axis: int = 1) -> Gradients:
    """Return the gradients of ``sum(grad_output * forward(x))`` for x, k, alpha and beta.

    With ``h_c = g_c * x_c * s_c^(-beta - 1)``:

        x_j:    g_j * s_j^-beta  -  2 * alpha * beta * x_j * sum_{c: j in W(c)} h_c
        k:      -beta * sum_c h_c
        alpha:  -beta * sum_c g_c * y_c * sum_{j in W(c)} x_j^2 / s_c
        beta:   -sum_c g_c * y_c * log(s_c)

    Args:
        x: input of any rank from 1 up, taken as float64.
        grad_output: the gradient with respect to the output, in the shape of `x`.
        spec: the normalization.
        axis: the channel axis; a window within a channel spans the last axes other than it.

    Returns:
        A `Gradients`.

    Example:
        >>> gradients([[3.0, 4.0]], [[1.0, 0.0]], LRNSpec(lo=0, hi=0, alpha=0.0, beta=1.0, k=2.0)).x
        array([[0.5, 0. ]])
    """
    axes = window_axes(spec, np.ndim(x), axis)
    last = _last(axes)
    grad = np.moveaxis(np.asarray(grad_output, np.float64), axes, last)
    with np.errstate(all="ignore"):
        wide, ratios, m, squares, t = _parts(x, spec, axes)
        scale = t**-spec.beta
        # g_c * (x_c / m_c) * s_c^-beta / t_c, which is h_c * m_c: kept in range by the ratios.
        h_m = grad * (wide / m) * m**-spec.beta * scale * m**-spec.beta / t
        terms = h_m[..., None] * ratios
        extents = wide.shape[-len(axes) :]
        padded = [n + spec.lo + spec.hi for n in extents]
        through = np.zeros((*wide.shape[: -len(axes)], *padded), np.longdouble)
        for element, offsets in enumerate(np.ndindex(*(spec.size,) * len(axes))):
            through[_box(offsets, extents)] += terms[..., element]
        through = through[_box((spec.lo,) * len(axes), extents)]
        grad_x = grad * m**-spec.beta * scale * m**-spec.beta
        if spec.alpha:  # else the squares, which may have overflowed, have no effect
            grad_x = grad_x - 2 * spec.alpha * spec.beta * through
        y = wide * m**-spec.beta * scale * m**-spec.beta
        log_s = np.log(t) + 2 * np.log(m)
        return Gradients(
            np.moveaxis(grad_x.astype(np.float64), last, axes),
            float(-spec.beta * np.sum(h_m / m)),
            float(-spec.beta * np.sum(grad * y * (squares / t))),
            float(-np.sum(grad * y * log_s)),
        )
