"""How exact a result is, before it is timed: what is fast may pay for it there."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.cpu.case import BOTH, Array, Case, Given
from localnorm import reference

OURS_AT_MOST = 8.0
"""Epsilons of the dtype; with more the program stops."""
RIVAL_AT_MOST = 16.0
"""Epsilons of the dtype; a rival with more is shown as inaccurate and counts in no comparison."""


def worst_error(case: Case, numbers: Given, result: Array) -> float:
    """Return the worst error of a result in epsilons of the dtype.

    The result is of the very arrays that are timed. Positions do not depend on each other, so some of them, in the
    first and in the last sample, stand for all. An output's error is relative to the output; a gradient is a
    difference of terms that may cancel, so its error is relative to the sum of their magnitudes.
    """
    x, grad, found = (_some(a) for a in (_wide(numbers.x), _wide(numbers.grad), result))
    wanted = reference.forward(x, case.spec)
    scale = np.abs(wanted)
    if case.measure == BOTH:
        first = np.abs(grad * wanted / x)  # |g| s^-beta
        wanted = reference.gradients(x, grad, case.spec).x
        # For |x| and |g| the gradient is the first term's magnitude less the second's.
        scale = 2 * first - reference.gradients(np.abs(x), np.abs(grad), case.spec).x
    limits = torch.finfo(numbers.x.dtype)
    errors = np.abs(found - wanted) / np.maximum(scale, limits.smallest_normal)
    return float(errors.max() / limits.eps)


def _wide(tensor: torch.Tensor) -> Array:
    array: Array = tensor.cpu().double().numpy()
    return array


def _some(a: Array) -> Array:
    return np.asarray(a[:: max(1, len(a) - 1), :, ::5, ::5], np.float64)
