"""The NumPy API for the conformance tests; imports NumPy and, where it is installed, ml_dtypes."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

import localnorm
from conformance import DTYPES, Api, Array, stored
from localnorm import LRNSpec

try:
    import ml_dtypes
except ImportError:  # an environment with NumPy alone, which has no bfloat16
    ml_dtypes = None

NUMBERS = {name: np.dtype(getattr(ml_dtypes, name, name)) for name in DTYPES if ml_dtypes or name != "bfloat16"}


def as_array(values: Array, dtype: str, layout: str = "contiguous") -> np.ndarray:
    """Return the values with the strides of the layout."""
    memory, shape, strides, offset = stored(values, layout)
    memory = memory.astype(NUMBERS[dtype])
    return as_strided(memory[offset:], shape, [stride * memory.itemsize for stride in strides])


def _numpy_forward(x: Array, dtype: str, spec: LRNSpec, axis: int, layout: str) -> Array:
    y = localnorm.local_response_norm(as_array(x, dtype, layout), spec, axis)
    assert y.dtype == NUMBERS[dtype]
    return y.astype(np.float64)


NUMPY = Api("numpy", tuple(NUMBERS), _numpy_forward, None)
