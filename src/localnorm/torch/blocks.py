"""Cutting tensors into blocks of positions that stay in cache, with every block holding whole windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

# Elements a thread: 1 MiB in float64, the best of the powers of two on the machine of the README.
_ELEMENTS_PER_THREAD = 2**17


def blocks(axes: Sequence[int], *tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield matching views of tensors of one shape, cut across any axis that the window does not span.

    On a CPU, several passes over a block in cache cost less than as many over memory, and the buffers
    between them are handed out again instead of being fresh pages. Elsewhere the one block is the whole.
    """
    x = tensors[0]
    threads = max(torch.get_num_threads(), 2)
    if x.device.type != "cpu" or x.numel() <= _ELEMENTS_PER_THREAD * threads:
        yield tensors
        return
    others = (a for a in range(x.ndim) if a not in axes and x.shape[a] > 1)
    axis = max(others, key=lambda a: x.stride(a), default=None)
    if axis is None:
        yield tensors
        return
    elements_per_step = x.numel() // x.shape[axis]
    steps = max(1, _ELEMENTS_PER_THREAD * threads // elements_per_step)
    for start in range(0, x.shape[axis], steps):
        length = min(steps, x.shape[axis] - start)
        yield from blocks(axes, *(tensor.narrow(axis, start, length) for tensor in tensors))
