"""List the comparisons on a GPU, and compute the share of the memory bandwidth that a result reaches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from benchmarks.speed.cpu.baselines import (
    COMPILED_EAGER,
    COMPILED_NO_POW,
    EAGER,
    JAX,
    OURS,
    OURS_FRESH,
    Implementation,
)
from benchmarks.speed.cpu.case import BOTH, FORWARD, Case, Shape
from benchmarks.speed.cpu.comparison import Comparison
from benchmarks.speed.cpu.results import Row

DTYPES = ("float32", "bfloat16", "float16")
OURS_COMPILED = Implementation("localnorm, compiled", "ours.compiled", OURS, dtypes=DTYPES)
_LEAST_TENSORS = {FORWARD: 2, BOTH: 5}
"""Tensors read or written: x and y; in the backward pass also x, the gradient and its result. A copy moves 2."""


@dataclass(frozen=True)
class GpuExtent:
    """How much is measured.

    Attributes:
        rounds: of every comparison.
        shapes: the last one is small and stays in cache.
        dtypes: of the tensors.
        layouts: NCHW, NHWC or both.
        baselines: that are compared with localnorm.
        device: a GPU, except in tests.
        batch: of the stems.
    """

    rounds: int
    shapes: tuple[Shape, ...] = (
        (256, 96, 55, 55),
        (256, 256, 27, 27),
        (64, 192, 56, 56),
        (64, 64, 112, 112),
        (8, 32, 16, 16),
    )
    dtypes: tuple[str, ...] = DTYPES
    layouts: tuple[str, ...] = ("NCHW", "NHWC")
    baselines: tuple[Implementation, ...] = ()
    device: str = "cuda"
    batch: int = 256


def baselines(jax: bool) -> tuple[Implementation, ...]:
    """Return the baselines that run on a GPU; `jax` is whether JAX has one."""
    torchs = (replace(implementation, dtypes=DTYPES) for implementation in (EAGER, COMPILED_EAGER))
    return (OURS_COMPILED, *torchs, COMPILED_NO_POW, *([JAX] if jax else []))


def comparisons(extent: GpuExtent) -> Iterator[Comparison]:
    """Yield one comparison for each shape, layout, dtype and measure."""
    for shape, layout, dtype in product(extent.shapes, extent.layouts, extent.dtypes):
        for measure in (FORWARD, BOTH):
            case = Case(shape, measure, layout, dtype, device=extent.device)
            name = ", ".join(("x".join(map(str, shape)), layout, dtype, measure))
            yield Comparison("gpu", name).with_entries([case], (OURS_FRESH, *extent.baselines))


def of_bandwidth(record: Row) -> float | None:
    """Return the bandwidth that a record reaches, as a fraction of that of the copy in the same rounds.

    Only the bytes that must be moved count, so an implementation that moves more reaches less.

    Example:
        >>> of_bandwidth({"copies": 2.5, "measure": "forward and backward"})
        1.0
    """
    if "copies" not in record or not record["copies"]:
        return None
    return float(_LEAST_TENSORS[record["measure"]] / 2 / record["copies"])
