"""The numbers that a pass is given: the values, and the limits within which its arithmetic is right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localnorm.kernels.cpu.compiled import wide_type
from localnorm.kernels.cpu.power import split_exponent
from localnorm.spec import LRNSpec

# Beyond these, a product of alpha may overflow or vanish before its sum does.
_ALPHAS = (2.0**-40, 2.0**40)
# Beyond this, what s errs by in float32 is raised to too high a power.
_LARGEST_BETA = 2.0
# Powers of two that powers of s may take up, and those that the factors beside them may.
_EXPONENTS = {np.float32: (100, 60), np.float64: (1000, 400)}
_SMALLEST_S = 2.0**-60
"""Below it, squares that vanished may have mattered."""


@dataclass(frozen=True)
class Constants:
    """What a pass is given beside memory, in the type of its arithmetic.

    Attributes:
        values: k, alpha, upper and lower part of the exponent, ``2 alpha beta``: one row, or one for each channel.
        limits: the largest square, the smallest s if it is to be looked for, the smallest and largest gradient.
    """

    values: NDArray[Any]
    limits: NDArray[Any]

    @property
    def rows_only(self) -> bool:
        """Whether each row must be a channel: it has values of its own, or what lies between rows would count."""
        return len(self.values) > 1 or bool(self.limits[1])


def constants(
    size: int, dtype: str, k: NDArray[np.float64], alpha: NDArray[np.float64], beta: NDArray[np.float64]
) -> Constants | None:
    """Return the constants for one value each or one a channel, or None where the plain formula won't do.

    Args:
        size: elements of a window.
        dtype: that of the array.
        k: the constant.
        alpha: factor of the sum.
        beta: the exponent.
    """
    wide = type(wide_type(dtype))
    powers, factors = _EXPONENTS[wide]
    steepest = float(np.abs(beta).max())
    largest = 2.0 ** (powers / (steepest + 1))
    # Written so that a NaN is refused.
    if not (alpha.min() >= _ALPHAS[0] and alpha.max() <= _ALPHAS[1] and k.min() >= 0 and k.max() < largest / 2):
        return None
    if not steepest <= (_LARGEST_BETA if wide is np.float32 else powers):
        return None
    smallest = max(1 / largest, _SMALLEST_S)
    upper, lower = split_exponent(beta)
    values = np.stack(np.broadcast_arrays(k, alpha, upper, lower, 2 * alpha * beta), axis=1).astype(wide)
    limits = np.array(
        [
            min((largest - float(k.max())) / (float(alpha.max()) * size), 2.0 ** (powers + 20)),
            0.0 if k.min() >= smallest else smallest,
            2.0**-factors,
            2.0**factors,
        ],
        wide,
    )
    return Constants(values, limits)


@lru_cache(maxsize=1024)
def of_spec(spec: LRNSpec, size: int, dtype: str) -> Constants | None:
    """Return the constants of a spec.

    Example:
        >>> of_spec(LRNSpec.from_paper(), 5, "float32").values
        array([[ 2.0e+00,  1.0e-04, -7.5e-01,  0.0e+00,  1.5e-04]], dtype=float32)
    """
    k, alpha, beta = (np.array([value]) for value in (spec.k, spec.alpha, spec.beta))
    return constants(size, dtype, k, alpha, beta)
