"""GDN in JAX against its formula, under transformations, with checkpoints and bad input."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from gdn_formula import gdn as formula
from localnorm.errors import AxisError, DTypeError, LearnableError, SpecError
from localnorm.gdn_parameters import from_tfc, to_tfc
from localnorm.jax import GDN, GDN1, IGDN
from localnorm.jax.gdn import gdn

KINDS = {"GDN": (GDN, 2, False), "IGDN": (IGDN, 2, True), "GDN1": (GDN1, 1, False)}


def parameters(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0.1, 2, count).astype(np.float32), rng.uniform(0, 0.3, (count, count)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "axis"), [((2, 3, 4, 6), -1), ((2, 6, 3, 4), 1), ((6,), 0), ((0, 6), 1)])
def test_formula(kind: str, shape: tuple[int, ...], axis: int) -> None:
    made, power, inverse = KINDS[kind]
    layer = made(6, axis=axis)
    beta, gamma = parameters(6)
    layer.beta[...], layer.gamma[...] = jnp.asarray(beta), jnp.asarray(gamma)
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32) * 3
    wanted = formula(x, beta, gamma, power=power, inverse=inverse, axis=axis)
    # Sums of six positive terms, a root and a division: a few roundings of float32.
    np.testing.assert_allclose(layer(x), wanted.astype(np.float64), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("scale", [1e-30, 1e18, 3e37, (1e30, 1.0, 1e-3), (3e38, 1e20, 1e18)])
@pytest.mark.parametrize("kind", ["GDN", "GDN1"])
def test_huge_and_tiny_values(kind: str, scale: object) -> None:
    made, power, inverse = KINDS[kind]
    x = (np.array([[1.0, -1.0, 0.5]]) * np.array(scale)).astype(np.float32)
    wanted = formula(x, np.ones(3), 0.1 * np.eye(3), power=power, inverse=inverse, axis=-1)
    np.testing.assert_allclose(made(3)(x), wanted.astype(np.float64), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_rounded_once(dtype: str) -> None:
    x = jnp.asarray(np.random.default_rng(2).normal(size=(4, 5)) * 300, dtype)
    y = GDN(5)(x)
    assert y.dtype == dtype
    wanted = GDN(5)(x.astype(jnp.float32)).astype(dtype)
    assert bool((y == wanted).all())


def test_gradients_are_those_of_the_formula() -> None:
    """By central differences of the formula in float64: error 1e-8 or so, against float32 gradients."""
    beta, gamma = parameters(4)
    rng = np.random.default_rng(3)
    x, g = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))

    def loss(x, beta, gamma):
        return (gdn(x, beta, gamma) * g).sum()

    got = jax.grad(loss, (0, 1, 2))(*(jnp.asarray(v, jnp.float32) for v in (x, beta, gamma)))

    def value(parts: list[np.ndarray]) -> float:
        return float((formula(*parts, power=2, inverse=False, axis=-1) * g).sum())

    parts = [x, beta.astype(np.float64), gamma.astype(np.float64)]
    for number, gradient in enumerate(got):
        wanted = np.empty_like(parts[number])
        for place in np.ndindex(wanted.shape):
            moved = [[p.copy() for p in parts] for _ in range(2)]
            moved[0][number][place] += 1e-5
            moved[1][number][place] -= 1e-5
            wanted[place] = (value(moved[0]) - value(moved[1])) / 2e-5
        np.testing.assert_allclose(gradient, wanted, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("values", [(1e30, 1.0, 1e-3), (3e38, 1e20, 0.0), (2.0**60, 2.0**61, 1.0)])
def test_gradients_of_huge_values_are_those_of_the_formula(values: tuple[float, ...]) -> None:
    """With gamma on the diagonal, channel by channel: y = x / sqrt(1 + x^2 / 10), y' = (1 + x^2 / 10)^-1.5."""
    x = jnp.array(values, jnp.float32)
    got = jax.grad(lambda x: gdn(x, jnp.ones(3), 0.1 * jnp.eye(3)).sum())(x)
    wide = np.asarray(x, np.longdouble)
    s = 1 + wide**2 / 10
    wanted = s ** np.longdouble(-1.5)
    # Of two terms of this size that cancel, float32 loses one where the root's square is out of its range.
    lost = np.where(s > 1e37, 1.01, 1e-6)
    assert (np.abs(np.asarray(got, np.longdouble) - wanted) <= lost / np.sqrt(s) + 1e-6 * np.abs(wanted)).all()


def test_transformations() -> None:
    layer = GDN(4)
    x = jnp.asarray(np.random.default_rng(4).normal(size=(5, 3, 4)), jnp.float32)
    plain = layer(x)
    assert jnp.allclose(nnx.jit(lambda m, x: m(x))(layer, x), plain, rtol=1e-6)
    assert jnp.allclose(jax.vmap(lambda row: gdn(row, layer.beta[...], layer.gamma[...]))(x), plain, rtol=1e-6)
    _, tangent = jax.jvp(lambda x: gdn(x, layer.beta[...], layer.gamma[...]), (x,), (jnp.ones_like(x),))
    assert tangent.shape == x.shape


def test_a_weight_below_its_bound_returns_only_upwards() -> None:
    layer = GDN(2)
    layer.gamma[...] = jnp.array([[0.1, -1.0], [0.0, 0.1]])
    x = jnp.array([[1.0, 2.0]])
    gradients = [nnx.grad(lambda m, sign=sign: sign * m(x).sum())(layer) for sign in (1, -1)]
    both = [np.asarray(g["gamma"][...])[0, 1] for g in gradients]
    # A larger weight lowers the output, so that the gradient of the sum is negative and passes.
    assert both[0] < 0
    assert both[1] == 0


def test_weights_of_tensorflow_compression() -> None:
    beta, gamma = parameters(3)
    read = from_tfc(to_tfc(beta, gamma))
    layer = GDN(3)
    layer.beta[...], layer.gamma[...] = jnp.asarray(read.beta), jnp.asarray(read.gamma)
    np.testing.assert_allclose(layer.gamma[...], gamma, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: GDN(0), LearnableError, "at least 1"),
        (lambda: GDN(2, beta_min=-1.0), SpecError, "beta_min must be a finite number of at least 0, got -1.0"),
        (lambda: GDN(2, gamma_init=float("nan")), SpecError, "gamma_init must be a finite number"),
        (lambda: GDN(2)(jnp.ones((3, 4))), AxisError, "must have 2 channels along axis=-1, got 4"),
        (lambda: GDN(2)(jnp.ones((3, 2), int)), DTypeError, "must have a float dtype, got int32"),
        (lambda: GDN(2, axis=3)(jnp.ones((3, 2))), AxisError, "axis"),
    ],
)
def test_bad_input(call, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()
