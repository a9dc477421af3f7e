"""Uses of the JAX API that people reported in public."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import export

from localnorm import LRNSpec, reference
from localnorm.errors import SpecError
from localnorm.jax import LocalResponseNorm, local_response_norm

SPEC = LRNSpec(2, 2, 0.3, 0.75, 1.5)


def test_flax_passes_rngs() -> None:
    layer, x = LocalResponseNorm(SPEC, rngs=nnx.Rngs(0)), np.random.default_rng(0).normal(size=(2, 3, 7))
    np.testing.assert_allclose(layer(jnp.asarray(x, jnp.float32)), reference.forward(x, SPEC, axis=-1), rtol=2e-6)


@pytest.mark.parametrize("transform", [jax.jit, jax.grad])
def test_a_traced_value_names_the_ways(transform: object) -> None:
    def loss(alpha: float) -> jax.Array:
        return local_response_norm(jnp.ones((1, 7)), LRNSpec.from_torch(5, alpha)).sum()

    with pytest.raises(SpecError, match=r'must be a plain number.*static_argnames.*learnable="alpha"'):
        transform(loss)(0.5)  # type: ignore[operator]
    with pytest.raises(SpecError, match="must be a plain number"):
        LRNSpec.from_torch(5, jnp.float32(0.5))


@pytest.mark.parametrize("scope", ["n, h, w, c", "n, 2, 2, c"])
def test_export_with_a_symbolic_number_of_channels(scope: str) -> None:
    shape = jax.ShapeDtypeStruct(export.symbolic_shape(scope), jnp.float32)
    exported = export.export(jax.jit(lambda x: local_response_norm(x, SPEC)))(shape)
    for channels in (1, 2, 9):
        x = np.random.default_rng(0).normal(size=(3, 2, 2, channels)).astype(np.float32)
        np.testing.assert_allclose(exported.call(x), reference.forward(x, SPEC, axis=-1), rtol=2e-6)
