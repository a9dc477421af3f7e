"""LRN in torch operations for any device: the fallback without a kernel, in cache-sized blocks.

The formula is that of `localnorm.kernels.arithmetic`. Here it reads values, to skip work that only overflow or
underflow needs; `localnorm.torch.traced` has the variant that reads none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from localnorm.kernels.arithmetic import Arithmetic, Operations
from localnorm.kernels.blocks import blocks
from localnorm.kernels.window_sums import window_sum
from localnorm.torch.call import Call, Gradients, Values, sum_to

# Wider windows than this are cut to the extent of the axis, which an exported program then can't leave open.
_WIDE = 64

_ELEMENTS_PER_THREAD = 2**16
"""Of a block: half a MiB in float64 stays in the cache of a core."""


def _pad(q: Tensor, borders: Sequence[tuple[int, int]]) -> Tensor:
    return pad(q, [n for border in reversed(borders) for n in border])


def _window_sum(q: Tensor, lo: int, hi: int, axes: Sequence[int]) -> Tensor:
    """Sum over windows without reading the extent of an axis, unless the window is wide."""
    for axis in axes:
        most = q.shape[axis] if lo + hi > _WIDE else _WIDE
        q = window_sum(q, min(lo, most), min(hi, most), (axis,), _pad)
    return q


TRACED = Operations(
    where=torch.where,
    total=torch.sum,
    # The value of the condition is unknown, so take the branch that is right for every value.
    cond=lambda condition, then, otherwise: otherwise(),  # noqa: ARG005
    sqrt=torch.sqrt,
    log=torch.log,
    power=lambda s, exponent, positive_finite: torch.pow(s, exponent),  # noqa: ARG005
    window_sum=_window_sum,
    window_sum_once=_window_sum,
)
EAGER = replace(TRACED, cond=lambda condition, then, otherwise: then() if condition else otherwise())


def wide_dtype(x: Tensor) -> torch.dtype:
    """Return the compute dtype for x.

    That is float64, also for float32: an exponent rounded to float32 costs ``|log(s)| * beta / 2`` epsilons
    of the result by itself. MPS devices have no float64.
    """
    return torch.float32 if x.device.type == "mps" else torch.float64


def widened(x: Tensor) -> Tensor:
    """Convert x to the compute dtype."""
    return x.to(wide_dtype(x))


def arithmetic(call: Call, operations: Operations) -> Arithmetic:
    """Return the formula for every x of this dtype."""
    wide, stored = (str(dtype).removeprefix("torch.") for dtype in (wide_dtype(call.x), call.x.dtype))
    return Arithmetic(operations, call.spec, call.axes, wide, stored)


def forward(call: Call) -> Tensor:
    """Return ``x * s^-beta``, written into ``call.out`` if given."""
    x, formula = call.x, arithmetic(call, EAGER)
    out = torch.empty_like(x) if call.out is None else call.out
    for index in _blocks(call):
        out[index] = formula.forward(widened(x[index]), _part(call.values, index))
    return out


def backward(call: Call) -> Gradients:
    """Return the gradients for x, written into ``call.out`` if given, and for the learned values."""
    x, grad, formula = call.x, call.grad, arithmetic(call, EAGER)
    out = torch.empty_like(x) if call.out is None else call.out
    totals = {name: torch.zeros_like(value) for name, value in call.values.items()}
    for index in _blocks(call):
        values = _part(call.values, index)
        found = formula.backward(widened(x[index]), widened(grad[index]), values)  # type: ignore[index]
        out[index] = found.x
        for name, total in _part(totals, index).items():
            total += sum_to(found.values[name], values[name])
    return Gradients(out, totals)


def _blocks(call: Call) -> Sequence[tuple[slice, ...]]:
    """Return the index of each block; none if there are no elements."""
    x = call.x
    if not x.numel():
        return ()
    # Other devices than a CPU have no such cache, and each operation there costs a launch.
    elements = _ELEMENTS_PER_THREAD * max(torch.get_num_threads(), 2) if x.device.type == "cpu" else x.numel()
    return list(blocks(x.shape, x.stride(), call.axes, elements))


def _part(values: Values, index: tuple[slice, ...]) -> dict[str, Tensor]:
    """Return views of the values of a block; an axis of extent 1 is shared by all blocks."""
    return {
        name: value[tuple(slice(None) if extent == 1 else cut for cut, extent in zip(index, value.shape))]  # noqa: B905
        for name, value in values.items()
    }
