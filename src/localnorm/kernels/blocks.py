"""Cut an array into cache-sized blocks that hold whole windows: a pure function of shape and strides."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import product


def blocks(
    shape: Sequence[int], strides: Sequence[int], window_axes: Sequence[int], elements: int
) -> Iterator[tuple[slice, ...]]:
    """Yield the index of each block, of about `elements` elements, cut along the axes of largest stride.

    Several passes over a block in cache cost less than as many over memory. An axis that the window spans is never
    cut, so a block may be larger.

    Example:
        >>> list(blocks((4, 9, 5), (45, 5, 1), window_axes=(1,), elements=100))
        [(slice(0, 2, None), slice(None, None, None), slice(None, None, None)),
         (slice(2, 4, None), slice(None, None, None), slice(None, None, None))]
    """
    size = math.prod(shape)
    cuts = [[slice(None)] for _ in shape]
    others = [axis for axis in range(len(shape)) if axis not in window_axes and shape[axis] > 1]
    for axis in sorted(others, key=lambda axis: -abs(strides[axis])):
        if size <= elements:
            break
        step = max(1, elements * shape[axis] // size)
        cuts[axis] = [slice(start, start + step) for start in range(0, shape[axis], step)]
        size = size // shape[axis] * step
    yield from product(*cuts)
