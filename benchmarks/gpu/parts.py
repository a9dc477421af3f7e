"""The contests on a GPU, and what of the memory's bandwidth each entry reaches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from benchmarks.cpu.case import BOTH, FORWARD, Case, Shape
from benchmarks.cpu.contest import Contest
from benchmarks.cpu.results import Record
from benchmarks.cpu.rivals import COMPILED_NO_POW, COMPILED_OWN, EAGER, JAX, OURS, OURS_FRESH, Rival

DTYPES = ("float32", "bfloat16", "float16")
OURS_COMPILED = Rival("localnorm, compiled", "ours.compiled", OURS, dtypes=DTYPES)
_LEAST_TENSORS = {FORWARD: 2, BOTH: 5}
"""Tensors that have to be read or written: x and y; beside them x, the gradient and its result. A copy moves 2."""


@dataclass(frozen=True)
class Setting:
    """How much is measured.

    Attributes:
        rounds: of every contest.
        shapes: the last one is small, and stays in the cache.
        dtypes: of the numbers.
        layouts: of the memory.
        rivals: that take part beside our own.
        device: where; a GPU but for tests.
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
    rivals: tuple[Rival, ...] = ()
    device: str = "cuda"
    batch: int = 256


def rivals(jax: bool) -> tuple[Rival, ...]:
    """Return those that run on a GPU, where torch's own takes every dtype; `jax` says whether JAX sees one."""
    torchs = (replace(rival, dtypes=DTYPES) for rival in (EAGER, COMPILED_OWN))
    return (OURS_COMPILED, *torchs, COMPILED_NO_POW, *([JAX] if jax else []))


def contests(setting: Setting) -> Iterator[Contest]:
    """Yield one contest for each shape, layout, dtype and measure."""
    for shape, layout, dtype in product(setting.shapes, setting.layouts, setting.dtypes):
        for measure in (FORWARD, BOTH):
            case = Case(shape, measure, layout, dtype, device=setting.device)
            name = ", ".join(("x".join(map(str, shape)), layout, dtype, measure))
            yield Contest("gpu", name).with_entries([case], (OURS_FRESH, *setting.rivals))


def of_bandwidth(record: Record) -> float | None:
    """Return the bandwidth that a record reaches, as a fraction of that of the copy in the same rounds.

    Counted are the bytes that have to be moved, so what moves more reaches less.

    Example:
        >>> of_bandwidth({"copies": 2.5, "measure": "forward and backward"})
        1.0
    """
    if "copies" not in record or not record["copies"]:
        return None
    return float(_LEAST_TENSORS[record["measure"]] / 2 / record["copies"])
