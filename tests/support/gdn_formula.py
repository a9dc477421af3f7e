"""Generalized divisive normalization in float64 NumPy, the oracle of its APIs."""

from __future__ import annotations

import numpy as np


def gdn(x: np.ndarray, beta: np.ndarray, gamma: np.ndarray, *, power: int, inverse: bool, axis: int) -> np.ndarray:
    """Return the formula in the widest float of the platform."""
    wide = np.moveaxis(np.asarray(x, np.longdouble), axis, -1)
    beta, gamma = np.maximum(beta, 1e-6).astype(np.longdouble), np.maximum(gamma, 0).astype(np.longdouble)
    s = np.abs(wide) ** power @ gamma.T + beta
    root = s ** (np.longdouble(1) / power)
    return np.moveaxis(wide * root if inverse else wide / root, -1, axis)
