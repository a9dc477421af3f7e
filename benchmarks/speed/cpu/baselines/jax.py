"""JAX: localnorm's API, and a jitted sum of slices, since JAX has no LRN."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.speed.cpu.case import FORWARD, Case, CaseData, Ready

os.environ.setdefault("JAX_PLATFORMS", "cpu")


def ours(case: Case, data: CaseData) -> Ready:
    """The JAX API, jitted."""
    from localnorm.jax import local_response_norm

    return _jitted(local_response_norm, case, data)


def slices(case: Case, data: CaseData) -> Ready:
    """A sum of slices and a power, by roots if beta is 0.75."""
    from benchmarks.speed.jax_api import sliced

    return _jitted(sliced, case, data)


def _jitted(function: Callable[..., Any], case: Case, data: CaseData) -> Ready:
    import jax

    x, grad = (jax.device_put(case.in_memory_order(tensor)) for tensor in data)
    spec, axis = case.spec, case.axis

    def forward(x: Any) -> Any:  # noqa: ANN401
        return function(x, spec, axis)

    def both(x: Any, grad: Any) -> Any:  # noqa: ANN401
        return jax.vjp(forward, x)[1](grad)[0]

    compiled: Any = jax.jit(forward if case.measure == FORWARD else both)
    inputs = (x,) if case.measure == FORWARD else (x, grad)

    def run() -> Any:  # noqa: ANN401
        return compiled(*inputs).block_until_ready()

    return Ready(run, lambda: case.channels_first(np.asarray(run())))
