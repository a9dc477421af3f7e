"""JAX, which has no LRN: a jitted sum of slices."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from benchmarks.speed.cpu.case import FORWARD, Case, CaseData, Ready

os.environ.setdefault("JAX_PLATFORMS", "cpu")


def slices(case: Case, data: CaseData) -> Ready:
    """A sum of slices and a power, by roots where beta is 0.75."""
    import jax

    from benchmarks.speed.jax_api import sliced

    x, grad = (jax.device_put(case.in_memory_order(tensor)) for tensor in data)
    spec, axis = case.spec, case.axis

    def forward(x: Any) -> Any:  # noqa: ANN401
        return sliced(x, spec, axis)

    def both(x: Any, grad: Any) -> Any:  # noqa: ANN401
        return jax.vjp(forward, x)[1](grad)[0]

    compiled: Any = jax.jit(forward if case.measure == FORWARD else both)
    inputs = (x,) if case.measure == FORWARD else (x, grad)

    def run() -> Any:  # noqa: ANN401
        return compiled(*inputs).block_until_ready()

    return Ready(run, lambda: case.channels_first(np.asarray(run())))
