"""The JAX API for the conformance tests."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from conformance import DTYPES, Api, Array
from localnorm import LRNSpec
from localnorm.jax.functional import apply_spec
from numpy_api import NUMBERS


def _start_learning(spec: LRNSpec, learned: bool) -> dict[str, jax.Array]:
    names = ("k", "alpha", "beta") if learned and spec.alpha else ()
    return {name: jnp.asarray(getattr(spec, name)) for name in names}


@partial(jax.jit, static_argnums=(1, 2, 3))
def _normalized(x: jax.Array, spec: LRNSpec, axis: int, learned: bool) -> jax.Array:
    return apply_spec(x, spec, axis, _start_learning(spec, learned))


@partial(jax.jit, static_argnums=(2, 3, 4))
def _transposed(x: jax.Array, grad: jax.Array, spec: LRNSpec, axis: int, learned: bool) -> jax.Array:
    return jax.vjp(lambda x: apply_spec(x, spec, axis, _start_learning(spec, learned)), x)[1](grad)[0]


def _jax_forward(x: Array, dtype: str, spec: LRNSpec, axis: int, layout: str, *, learned: bool = False) -> Array:  # noqa: ARG001
    with jax.enable_x64(dtype == "float64"):
        y = _normalized(jnp.asarray(x.astype(NUMBERS[dtype])), spec, axis, learned)
        assert y.dtype == NUMBERS[dtype]
        return np.asarray(y).astype(np.float64)


def _jax_gradient(
    x: Array,
    grad: Array,
    dtype: str,
    spec: LRNSpec,
    axis: int,
    layout: str,  # noqa: ARG001
    *,
    learned: bool = False,
) -> Array:
    with jax.enable_x64(dtype == "float64"):
        arrays = (jnp.asarray(a.astype(NUMBERS[dtype])) for a in (x, grad))
        grad_x = _transposed(*arrays, spec, axis, learned)
        assert grad_x.dtype == NUMBERS[dtype]
        return np.asarray(grad_x).astype(np.float64)


JAX = Api("jax", DTYPES, _jax_forward, _jax_gradient, compiled=True)
