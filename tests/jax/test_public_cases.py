"""Uses of the JAX API that people reported in public."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import export

from localnorm import LRNSpec, reference
from localnorm.errors import DTypeError, LearnableError, SpecError
from localnorm.jax import LocalResponseNorm, local_response_norm

SPEC = LRNSpec(2, 2, 0.3, 0.75, 1.5)


def test_flax_passes_rngs() -> None:
    layer, x = LocalResponseNorm(SPEC, rngs=nnx.Rngs(0)), np.random.default_rng(0).normal(size=(2, 3, 7))
    np.testing.assert_allclose(layer(jnp.asarray(x, jnp.float32)), reference.forward(x, SPEC, axis=-1), rtol=2e-6)


@pytest.mark.parametrize(
    "transform",
    [
        lambda loss: jax.jit(loss)(0.5),
        lambda loss: jax.grad(loss)(0.5),
        lambda loss: jax.vmap(loss)(jnp.ones(2)),
        lambda loss: jax.linearize(loss, 0.5),
        lambda loss: jax.make_jaxpr(loss)(0.5),
    ],
    ids=["jit", "grad", "vmap", "linearize", "make_jaxpr"],
)
def test_a_traced_value_names_the_ways(transform: object) -> None:
    def loss(alpha: float) -> jax.Array:
        return local_response_norm(jnp.ones((1, 7)), LRNSpec.from_torch(5, alpha)).sum()

    with pytest.raises(SpecError, match=r'must be a plain number.*static_argnames.*learnable="alpha"'):
        transform(loss)  # type: ignore[operator]
    for value in (jnp.float32(0.5), nnx.Param(0.5), nnx.Param(jnp.float32(0.5)), nnx.Variable(0.5)):
        with pytest.raises(SpecError, match="must be a plain number"):
            LRNSpec.from_torch(5, value)


@pytest.mark.parametrize("name", ["alpha", "beta", "k"])
def test_values_of_a_layer_can_be_set(name: str) -> None:
    layer, x = LocalResponseNorm(SPEC), np.random.default_rng(0).normal(size=(2, 7)).astype(np.float32)
    setattr(layer, name, 0.4)
    np.testing.assert_allclose(layer(x), reference.forward(x, replace(SPEC, **{name: 0.4}), axis=-1), rtol=2e-6)
    for value in (jnp.float32(0.4), nnx.Param(0.4)):
        with pytest.raises(SpecError, match=f'{name} must be a plain number.*learnable="{name}"'):
            setattr(layer, name, value)
    with pytest.raises(LearnableError, match=f"set the parameter log_{name}"):
        setattr(LocalResponseNorm(SPEC, learnable=True), name, 0.4)


def test_complex_input_is_told_what_keeps_it() -> None:
    with pytest.raises(DTypeError, match=r"normalize abs\(x\), or x\.real and x\.imag each"):
        local_response_norm(jnp.ones((2, 3), jnp.complex64), SPEC)


@pytest.mark.parametrize("scope", ["n, h, w, c", "n, 2, 2, c"])
def test_export_with_a_symbolic_number_of_channels(scope: str) -> None:
    shape = jax.ShapeDtypeStruct(export.symbolic_shape(scope), jnp.float32)
    exported = export.export(jax.jit(lambda x: local_response_norm(x, SPEC)))(shape)
    for channels in (1, 2, 9):
        x = np.random.default_rng(0).normal(size=(3, 2, 2, channels)).astype(np.float32)
        np.testing.assert_allclose(exported.call(x), reference.forward(x, SPEC, axis=-1), rtol=2e-6)
