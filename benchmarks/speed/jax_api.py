"""Time the JAX API next to formulations in plain jax.numpy, all jitted: ``python -m benchmarks.speed.jax_api``.

Prints the error of each against the float64 reference, too.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from rich.console import Console
from rich.table import Table

from benchmarks.speed.rounds import ROUNDS, Times
from localnorm import LRNSpec, reference
from localnorm.jax import local_response_norm

SHAPES = {
    "NHWC 32x55x55x96": ((32, 55, 55, 96), -1),
    "NCHW 32x96x55x55": ((32, 96, 55, 55), 1),
    "NHWC 32x56x56x192": ((32, 56, 56, 192), -1),
}
SPECS = [LRNSpec(r, r, 1e-4, beta, 1.0) for r, beta in product((2, 8), (0.75, 0.6))]
Forward = Callable[[Array, LRNSpec, int], Array]
OURS = "localnorm"


def _power(s: Array, beta: float) -> Array:
    """Return ``s^-beta``, the fast and less accurate way."""
    if beta == 0.75:
        root = lax.rsqrt(s)
        return root * jnp.sqrt(root)
    return jnp.exp(-beta * jnp.log(s))


def sliced(x: Array, spec: LRNSpec, axis: int) -> Array:
    """Sums of shifted slices."""
    borders = [(spec.lo, spec.hi) if a == axis % x.ndim else (0, 0) for a in range(x.ndim)]
    padded = jnp.pad(x * x, borders)
    s = spec.k + spec.alpha * sum(
        lax.slice_in_dim(padded, i, i + x.shape[axis], axis=axis) for i in range(spec.size)
    )
    return x * _power(jnp.asarray(s), spec.beta)


def reduced(x: Array, spec: LRNSpec, axis: int) -> Array:
    """XLA's own reduction over windows."""
    window = [spec.size if a == axis % x.ndim else 1 for a in range(x.ndim)]
    sums = lax.reduce_window(x * x, 0.0, lax.add, window, [1] * x.ndim, "SAME")
    return x * _power(spec.k + spec.alpha * sums, spec.beta)


def accumulated(x: Array, spec: LRNSpec, axis: int) -> Array:
    """Differences of one running sum: two passes for any window, and inaccurate next to a large value."""
    borders = [(spec.lo + 1, spec.hi) if a == axis % x.ndim else (0, 0) for a in range(x.ndim)]
    running = jnp.cumsum(jnp.pad(x * x, borders), axis)
    extent = x.shape[axis]
    upper, lower = (lax.slice_in_dim(running, i, i + extent, axis=axis) for i in (spec.size, 0))
    return x * _power(spec.k + spec.alpha * (upper - lower), spec.beta)


BASELINES: dict[str, Forward] = {
    "sum of slices": sliced,
    "reduce_window": reduced,
    "cumsum": accumulated,
}
FORWARDS: dict[str, Forward] = {OURS: local_response_norm, **BASELINES}


def _jobs(x: Array, grad: Array, spec: LRNSpec, axis: int, *, both: bool) -> dict[str, Callable[[], object]]:
    def job(forward: Forward) -> Callable[[], object]:
        def passes(x: Array, grad: Array) -> Any:  # noqa: ANN401  one array or two
            if not both:
                return forward(x, spec, axis)
            y, transposed = jax.vjp(lambda x: forward(x, spec, axis), x)
            return y, transposed(grad)

        compiled = jax.jit(passes)
        return lambda: jax.block_until_ready(compiled(x, grad))  # type: ignore[no-untyped-call]

    return {name: job(forward) for name, forward in FORWARDS.items()}


def worst_error(forward: Forward, spec: LRNSpec) -> float:
    """Return the worst relative error in float32 epsilons, for s from 1 to 1e6."""
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 48)).astype(np.float32)
    x[0] *= 1e4
    wanted = reference.forward(x, spec, -1)
    found = np.asarray(forward(jnp.asarray(x), spec, -1), np.float64)
    return float(np.max(np.abs(found - wanted) / np.abs(wanted)) / np.finfo(np.float32).eps)


def main() -> None:
    """Print errors, then for every shape and spec milliseconds and localnorm's ratio to the fastest baseline."""
    out = Console()
    out.print(f"jax {jax.__version__}, {jax.devices()[0].device_kind}, float32, medians of {ROUNDS} rounds")
    errors = Table(title="worst error in epsilons of float32", title_justify="left")
    times = Table(title="milliseconds, forward / forward and backward", title_justify="left")
    for table, first in ((errors, ("window", "beta")), (times, ("shape", "window", "beta"))):
        for heading in (*first, *FORWARDS):
            table.add_column(heading, justify="right")
    times.add_column("localnorm / fastest", justify="right")
    for spec in SPECS:
        found = {name: worst_error(forward, spec) for name, forward in FORWARDS.items()}
        if found[OURS] > 8:
            raise SystemExit("localnorm is not exact here: nothing is timed")
        errors.add_row(str(spec.size), str(spec.beta), *(f"{error:.1f}" for error in found.values()))
    out.print(errors)
    for (name, (shape, axis)), spec in product(SHAPES.items(), SPECS):
        x = jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)
        found_times = [Times(_jobs(x, x[::-1], spec, axis, both=both)) for both in (False, True)]
        ratios = [each.ratio(OURS, min(BASELINES, key=each.milliseconds)) for each in found_times]
        cells = (" / ".join(f"{each.milliseconds(run):.1f}" for each in found_times) for run in FORWARDS)
        beside = " / ".join(f"{ratio:.2f}" for ratio in ratios)
        times.add_row(name, str(spec.size), str(spec.beta), *cells, beside)
    out.print(times)


if __name__ == "__main__":
    main()
