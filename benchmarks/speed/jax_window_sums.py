"""Time methods of window sums in JAX, inside the whole LRN: ``python -m benchmarks.speed.jax_window_sums``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from rich.console import Console
from rich.table import Table

from benchmarks.speed.rounds import Action, Times
from localnorm import LRNSpec, reference
from localnorm.jax.array_ops import OPERATIONS, reduce_window_sum
from localnorm.kernels.arithmetic import Arithmetic, Operations
from localnorm.kernels.window_sums import window_sum

ROUNDS = 9
SHAPES = {"NHWC 32x28x28x192": ((32, 28, 28, 192), -1), "NCHW 32x192x28x28": ((32, 192, 28, 28), 1)}
SIZES = (3, 5, 9, 17, 33, 65, 129)
BETAS = (0.75, 0.6)
Sum = Callable[[Array, int, int, Sequence[int]], Array]


def blocked(q: Array, lo: int, hi: int, axes: Sequence[int]) -> Array:
    """Prefix and suffix sums of blocks as long as the window; one of each makes a window (van Herk)."""
    size = lo + 1 + hi
    for axis in axes:
        extent = q.shape[axis]
        blocks = -(-(extent + size - 1) // size)
        borders = [(lo, blocks * size - extent - lo) if a == axis else (0, 0) for a in range(q.ndim)]
        cut = jnp.pad(q, borders).reshape(*q.shape[:axis], blocks, size, *q.shape[axis + 1 :])
        ahead = lax.cumsum(cut, axis + 1).reshape(*q.shape[:axis], -1, *q.shape[axis + 1 :])
        # A window is the end of one block and the start of the next, unless it is a whole block.
        behind = lax.cumsum(cut, axis + 1, reverse=True).reshape(ahead.shape)
        second = lax.slice_in_dim(ahead, size - 1, size - 1 + extent, axis=axis)
        whole = np.arange(extent).reshape([-1 if a == axis else 1 for a in range(q.ndim)]) % size == 0
        q = lax.slice_in_dim(behind, 0, extent, axis=axis) + jnp.where(whole, 0.0, second)
    return q


def _every(sums: Sum) -> Operations:
    return replace(OPERATIONS, window_sum=sums, window_sum_once=sums)


METHODS = {
    "slices": _every(lambda q, lo, hi, axes: window_sum(q, lo, hi, axes, jnp.pad, direct=10**6)),
    "reduce_window": _every(reduce_window_sum),
    "doubling": _every(lambda q, lo, hi, axes: window_sum(q, lo, hi, axes, jnp.pad, direct=0)),
    "blocks": _every(blocked),
    "localnorm": OPERATIONS,
}


def _passes(x: Array, grad: Array, arithmetic: Arithmetic, *, both: bool) -> tuple[Array, ...]:
    y = arithmetic.forward(x, {})
    return (y, arithmetic.backward(x, grad, {}).x) if both else (y,)


def main() -> None:
    """Check the accuracy of every method, then print milliseconds."""
    out = Console()
    out.print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}, float32, medians of {ROUNDS} rounds, ms")
    for name, (shape, axis) in SHAPES.items():
        table = Table(title=f"{name}: forward / forward and backward")
        for column in ("window", "beta", *METHODS):
            table.add_column(column, justify="right")
        x = jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)
        for size, beta in product(SIZES, BETAS):
            spec = LRNSpec(size // 2, size // 2, 1e-4, beta, 1.0)
            table.add_row(str(size), str(beta), *_row(x, x[::-1], spec, axis % x.ndim))
        out.print(table)


def _row(x: Array, grad: Array, spec: LRNSpec, axis: int) -> list[str]:
    jobs: dict[str, Action] = {}
    few = np.asarray(x[:1])
    wanted = reference.forward(few, spec, axis)
    for method, operations in METHODS.items():
        arithmetic = Arithmetic(operations, spec, (axis,), "float32", "float32")
        worst = float(np.max(np.abs(np.asarray(arithmetic.forward(jnp.asarray(few), {})) / wanted - 1)))
        if worst > 8 * 2.0**-23:
            raise SystemExit(f"{method}, window {spec.size}: relative error {worst:.2g}")
        for both in (False, True):
            run = jax.jit(partial(_passes, arithmetic=arithmetic, both=both))
            jobs[f"{method} {both}"] = partial(_ready, run, x, grad)
    times = Times(jobs, ROUNDS)
    return [
        " / ".join(f"{times.milliseconds(f'{name} {both}'):.1f}" for both in (False, True)) for name in METHODS
    ]


def _ready(run: Callable[..., tuple[Array, ...]], x: Array, grad: Array) -> object:
    return jax.block_until_ready(run(x, grad))  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
