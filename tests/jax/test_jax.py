"""The JAX API beyond the conformance suite: transformations, what is kept, learned values, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.test_util import check_grads

from localnorm import LRNSpec, reference
from localnorm.errors import AxisError, DTypeError, LearnableError, SpecError
from localnorm.jax import LocalResponseNorm, local_response_norm

SPEC = LRNSpec(2, 1, 0.7, 0.75, 1.5)
WITHIN = LRNSpec(2, 1, 0.7, 0.6, 1.5, spatial=2)
both_specs = pytest.mark.parametrize("spec", [SPEC, WITHIN], ids=["across", "within"])

# Eight epsilons of float32, of results of about 1.
CLOSE = {"rtol": 1e-6, "atol": 1e-6}


def _random(*shape: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


@both_specs
def test_jit_and_vmap(spec: LRNSpec):
    x = _random(3, 4, 5, 11)
    want = reference.forward(x, spec, -1)
    np.testing.assert_allclose(jax.jit(local_response_norm, static_argnums=(1, 2))(x, spec, -1), want, **CLOSE)
    np.testing.assert_allclose(jax.vmap(lambda row: local_response_norm(row, spec))(x), want, **CLOSE)
    # The batch axis may be any, also one beyond the range of the plain sums.
    large = x.at[1].multiply(1e30)
    batched = jax.vmap(lambda row: local_response_norm(row, spec, 0), in_axes=3, out_axes=3)(large)
    one_by_one = [local_response_norm(large[..., i], spec, 0) for i in range(11)]
    # Batched, both scales are worked out and one is taken: other loops, other roundings.
    np.testing.assert_allclose(batched, jnp.stack(one_by_one, 3), rtol=1e-6)


@both_specs
def test_grad_of_vmap_and_vmap_of_grad(spec: LRNSpec):
    x = _random(3, 4, 5, 11)
    want = reference.gradients(x, np.cos(reference.forward(x, spec, -1)), spec, -1).x

    def loss(row: jax.Array) -> jax.Array:
        return jnp.sin(local_response_norm(row, spec)).sum()

    np.testing.assert_allclose(jax.vmap(jax.grad(loss))(x), want, **CLOSE)
    np.testing.assert_allclose(jax.grad(lambda x: jax.vmap(loss)(x).sum())(x), want, **CLOSE)


@both_specs
def test_second_derivatives(spec: LRNSpec):
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 2, 5)))
        check_grads(lambda x: local_response_norm(x, spec), (x,), order=2, modes=["rev"], rtol=1e-5)
        hessian = jax.hessian(lambda x: local_response_norm(x, spec).sum())(x)
        assert np.abs(hessian).max() > 0
        np.testing.assert_allclose(hessian, jnp.transpose(hessian, (3, 4, 5, 0, 1, 2)), atol=1e-14)


@both_specs
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_only_x_is_kept(spec: LRNSpec, dtype: str):
    x = _random(3, 4, 5, 11).astype(dtype)
    _, transposed = jax.vjp(lambda x: local_response_norm(x, spec), x)
    kept = [leaf for leaf in jax.tree.leaves(transposed) if leaf.size > 1]
    assert [(leaf.shape, leaf.dtype) for leaf in kept] == [(x.shape, x.dtype)]
    np.testing.assert_array_equal(kept[0], x)


def test_shard_map_over_four_devices():
    code = """
        import jax, numpy as np
        from jax.sharding import Mesh, PartitionSpec as P
        from localnorm import LRNSpec, reference
        from localnorm.jax import local_response_norm
        assert jax.device_count() == 4
        spec = LRNSpec(2, 1, 0.7, 0.75, 1.5)
        x = np.random.default_rng(0).normal(size=(8, 3, 5, 11)).astype(np.float32)
        mesh = Mesh(np.array(jax.devices()), ("batch",))
        whole = lambda x: local_response_norm(x, spec)
        split = jax.shard_map(whole, mesh=mesh, in_specs=P("batch"), out_specs=P("batch"))
        y = jax.jit(split)(x)
        assert len(y.sharding.device_set) == 4
        np.testing.assert_allclose(y, reference.forward(x, spec, -1), rtol=1e-6)
        grad = jax.jit(jax.grad(lambda x: (split(x) ** 2).sum()))(x)
        want = reference.gradients(x, 2 * reference.forward(x, spec, -1), spec, -1).x
        np.testing.assert_allclose(grad, want, rtol=1e-6, atol=1e-6)
    """
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(line[8:] for line in code.splitlines())],
        env={"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_module_equals_function():
    x = _random(3, 4, 11)
    layer = LocalResponseNorm(SPEC, axis=1)
    np.testing.assert_array_equal(layer(x), local_response_norm(x, SPEC, 1))
    assert (layer.k, layer.alpha, layer.beta) == (1.5, 0.7, 0.75)
    assert not jax.tree.leaves(nnx.state(layer, nnx.Param))


@pytest.mark.parametrize("per_channel", [False, True])
@both_specs
def test_learned_values_start_where_they_are_given(spec: LRNSpec, per_channel: bool):
    x = _random(3, 4, 5, 11)
    layer = LocalResponseNorm(spec, learnable=True, per_channel=per_channel, num_channels=11)
    np.testing.assert_array_equal(layer.alpha, np.float32(0.7))
    # The values are float32 now: each is off by half an epsilon, and beta times log(s).
    np.testing.assert_allclose(layer(x), local_response_norm(x, spec), rtol=1e-6)


@pytest.mark.parametrize("learnable", [True, {"k"}, ["alpha", "beta"]], ids=str)
@both_specs
def test_gradients_of_learned_values(spec: LRNSpec, learnable: object):
    x, grad = _random(3, 4, 5, 11), _random(3, 4, 5, 11, seed=1)
    layer = LocalResponseNorm(spec, learnable=learnable)
    found = nnx.grad(lambda layer: (layer(x) * grad).sum())(layer)
    want = reference.gradients(x, grad, spec, -1)
    names = {"k", "alpha", "beta"} if learnable is True else set(learnable)
    assert set(found) == {f"log_{name}" for name in names}
    for name in names:
        # The parameter is the logarithm of the value. 660 terms of about 1 are summed in float32.
        assert float(found[f"log_{name}"][...]) == pytest.approx(
            getattr(want, name) * getattr(spec, name), rel=1e-4, abs=1e-4
        )


def test_gradients_of_learned_values_per_channel():
    x, grad = _random(3, 4, 11), _random(3, 4, 11, seed=1)
    layer = LocalResponseNorm(SPEC, learnable=True, per_channel=True, num_channels=11)
    found = nnx.grad(lambda layer: (layer(x) * grad).sum())(layer)
    for name in ("k", "alpha", "beta"):
        assert found[f"log_{name}"][...].shape == (11,)
        # Only channel 3 passes a gradient: the sum over all is then that of its own value.
        only = np.where(np.arange(11) == 3, grad, 0.0)
        want = getattr(reference.gradients(x, only, SPEC, -1), name) * getattr(SPEC, name)
        assert float(found[f"log_{name}"][3]) == pytest.approx(want, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("dtype", ["int32", "bool", "complex64", "float8_e4m3fn"])
def test_dtypes_refused(dtype: str):
    advice = "normalize abs" if dtype == "complex64" else "convert"
    with pytest.raises(DTypeError, match=f"must be float16, bfloat16, float32 or float64, got {dtype}; {advice}"):
        local_response_norm(jnp.ones((2, 3), dtype), SPEC)


def test_axis_refused():
    with pytest.raises(AxisError, match="rank 2, got axis=2; pass a value from -2 to 1"):
        local_response_norm(_random(3, 4), SPEC, 2)
    with pytest.raises(AxisError, match="over 2 spatial axes needs"):
        local_response_norm(_random(3, 4), WITHIN)
    with pytest.raises(AxisError, match="axis must be a whole number, got 'C'"):
        LocalResponseNorm(SPEC, axis="C")


@pytest.mark.parametrize(
    ("spec", "learnable", "text"),
    [
        (SPEC, {"alpha", "gamma"}, "values out of k, alpha, beta, got 'gamma'; check the spelling"),
        (SPEC, "aplha", "values out of k, alpha, beta, got 'aplha'"),
        (SPEC, 3, "learnable must be True, False or names out of k, alpha, beta, got 3"),
        (LRNSpec(2, 2, 1.0, 0.75, 0.0), True, "k must be positive to be learned, .* got 0.0; start at"),
    ],
    ids=["one of two", "one", "number", "k = 0"],
)
def test_learnable_refused(spec: LRNSpec, learnable: object, text: str):
    with pytest.raises(LearnableError, match=text):
        LocalResponseNorm(spec, learnable=learnable)


def test_per_channel_needs_the_number_of_channels():
    with pytest.raises(LearnableError, match=r"per_channel=True needs the number of channels.*num_channels=32"):
        LocalResponseNorm(SPEC, learnable=True, per_channel=True)


@pytest.mark.parametrize("extent", [1, 8])
def test_per_channel_needs_as_many_channels(extent: int):
    layer = LocalResponseNorm(SPEC, learnable=True, per_channel=True, num_channels=7)
    with pytest.raises(
        AxisError, match=rf"one channel for each learned value, 7 along axis 1, got {extent}; build"
    ):
        layer(_random(2, extent))


@pytest.mark.parametrize("count", [0, 2.5, "7"])
def test_a_number_of_channels(count: object):
    with pytest.raises(LearnableError, match="num_channels must be a whole number of at least 1"):
        LocalResponseNorm(SPEC, learnable=True, per_channel=True, num_channels=count)


def test_only_specs():
    with pytest.raises(SpecError, match="spec must be an LRNSpec, got 5 of type int"):
        LocalResponseNorm(5)
    with pytest.raises(SpecError, match="spec must be an LRNSpec, got 5 of type int"):
        local_response_norm(_random(2, 3), 5)


def test_a_window_far_beyond_the_borders_costs_nothing():
    x, most = _random(2, 5), 10**30
    np.testing.assert_array_equal(
        local_response_norm(x, LRNSpec(most, most, 0.7, 0.75, 1.5)),
        local_response_norm(x, LRNSpec(4, 4, 0.7, 0.75, 1.5)),
    )
