"""Error of an implementation in a benchmark case, checked before it is timed."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.speed.cpu.case import FORWARD, Array, Case, CaseData
from localnorm import reference

OURS_AT_MOST = 8.0
"""Machine epsilons of the dtype; above it the program stops."""
BASELINE_AT_MOST = 16.0
"""Machine epsilons of the dtype; above it a baseline is shown as inaccurate and not compared."""


def worst_error(case: Case, data: CaseData, result: Array) -> float:
    """Return the largest error of a result in machine epsilons of the dtype.

    The result is that of the arrays that are timed. Positions are independent of each other, so some of
    them in the first and the last sample are enough. An output's error is relative to the output; a gradient is a
    difference of terms that may cancel, so its error is relative to the sum of their magnitudes.
    """
    x, grad, computed = (_some(a) for a in (_wide(data.x), _wide(data.grad), result))
    wanted = reference.forward(x, case.spec)
    scale = np.abs(wanted)
    if case.measure != FORWARD:
        first = np.abs(grad * wanted / x)  # |g| s^-beta
        wanted = reference.gradients(x, grad, case.spec).x
        # For |x| and |g| the gradient is the first term's magnitude less the second's.
        scale = 2 * first - reference.gradients(np.abs(x), np.abs(grad), case.spec).x
    limits = torch.finfo(data.x.dtype)
    errors = np.abs(computed - wanted) / np.maximum(scale, limits.smallest_normal)
    return float(errors.max() / limits.eps)


def _wide(tensor: torch.Tensor) -> Array:
    array: Array = tensor.cpu().double().numpy()
    return array


def _some(a: Array) -> Array:
    return np.asarray(a[:: max(1, len(a) - 1), :, ::5, ::5], np.float64)
