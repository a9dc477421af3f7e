"""Generalized divisive normalization (GDN): readings of a layer's beta and gamma."""

from __future__ import annotations

import numpy as np

from localnorm.legacy.readings import Array, Reading

FORMULAS = {
    "gdn": "x / sqrt(beta + gamma x^2)",
    "igdn": "x * sqrt(beta + gamma x^2)",
    "gdn1": "x / (beta + gamma |x|)",
    "igdn1": "x * (beta + gamma |x|)",
}


def gdn_reading(name: str, beta: Array, gamma: Array) -> Reading:
    """Return the reading of that name in `FORMULAS`, for beta (C,) and gamma (C, C) as they enter the formula.

    Example:
        >>> one = gdn_reading("gdn", np.zeros(2), np.ones((2, 2)))
        >>> one.forward(np.array([[3.0, 4.0]]))
        array([[0.6, 0.8]])
    """

    def forward(x: Array) -> Array:
        square = "1" not in name
        pool = np.einsum("ij,nj...->ni...", gamma, x**2 if square else np.abs(x))
        total = beta.reshape(-1, *[1] * (x.ndim - 2)) + pool
        with np.errstate(all="ignore"):
            factor = np.sqrt(total) if square else total
            y: Array = x * factor if name.startswith("i") else x / factor
        return y

    channels = len(beta)
    return Reading(name, f"{FORMULAS[name]}, {channels} channels", forward, axis=1)


def from_compressai(stored: Array, pedestal: Array, bound: Array) -> Array:
    """Return a parameter from CompressAI's, the square root of the value plus a pedestal.

    Source: NonNegativeParametrizer in compressai/ops/parametrizers.py.

    Example:
        >>> from_compressai(np.array([2.0, 0.0]), np.array(1.0), np.array(1.0))
        array([3., 0.])
    """
    value: Array = np.maximum(stored, bound) ** 2 - pedestal
    return value
