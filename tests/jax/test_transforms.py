"""Transformations of JAX and Flax on the function and the layer; docs/jax.md names each test in a table."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import export, lax
from jax.experimental import checkify
from jax.test_util import check_grads

import localnorm
from localnorm import LRNSpec, reference
from localnorm.jax import LocalResponseNorm, local_response_norm

SPEC = LRNSpec(2, 1, 0.7, 0.75, 1.5)
WITHIN = LRNSpec(1, 1, 0.7, 0.6, 1.5, spatial=1)
both_specs = pytest.mark.parametrize(
    "spec", [pytest.param(SPEC, id="across"), pytest.param(WITHIN, id="within", marks=pytest.mark.slow)]
)
X, V = np.random.default_rng(0).normal(size=(2, 4, 3, 7))
# Eight epsilons of float32, of results of about 1.
CLOSE = {"rtol": 1e-6, "atol": 1e-6}
SINGLE_X, SINGLE_V = X.astype(np.float32), V.astype(np.float32)


def forward(x: jax.Array, spec: LRNSpec = SPEC) -> jax.Array:
    return local_response_norm(x, spec)


def loss(x: jax.Array, spec: LRNSpec = SPEC) -> jax.Array:
    return (forward(x, spec) ** 2).sum()


def gradient(x: np.ndarray, spec: LRNSpec = SPEC) -> np.ndarray:
    return reference.gradients(x, 2 * reference.forward(x, spec, -1), spec, -1).x


def along(function: Callable[[np.ndarray], np.ndarray], step: float = 1e-6) -> np.ndarray:
    """The derivative at X along V by central differences, whose error is about 1e-10."""
    return (function(X + step * V) - function(X - step * V)) / (2 * step)


def tangent(spec: LRNSpec = SPEC) -> np.ndarray:
    return along(lambda x: reference.forward(x, spec, -1))


def module_function(
    layer: LocalResponseNorm, dtype: str = "float32"
) -> tuple[Callable[..., jax.Array], nnx.State]:
    """Return the layer as a function of its state and an input, and the state moved away from 0."""
    definition, state = nnx.split(layer)
    moved = jax.tree.map(lambda p: jnp.full_like(p, 0.2, dtype=dtype), state)
    return lambda state, x: nnx.merge(definition, state)(x), moved


@both_specs
def test_forward_mode(spec: LRNSpec) -> None:
    with jax.enable_x64(True):
        want = tangent(spec)
        push = lambda x, v: jax.jvp(lambda x: forward(x, spec), (x,), (v,))  # noqa: E731
        for run in (push, jax.jit(push)):
            y, dy = run(X, V)
            np.testing.assert_allclose(y, reference.forward(X, spec, -1), rtol=1e-12)
            np.testing.assert_allclose(dy, want, rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(jax.linearize(lambda x: forward(x, spec), X)[1](V), want, rtol=1e-7, atol=1e-8)
        row = X[0]
        columns, rows = (mode(lambda x: forward(x, spec))(row) for mode in (jax.jacfwd, jax.jacrev))
        np.testing.assert_allclose(columns, rows, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [("float16", 0.01), ("float16", 100.0), ("bfloat16", 1.0), ("bfloat16", 1e30), ("float32", 1e30)],
)
def test_tangents_far_from_one(dtype: str, scale: float) -> None:
    x, v = (jnp.asarray(scale * array, dtype) for array in (X, V))
    exact, direction = np.asarray(x, np.float64), np.asarray(v, np.float64)
    values = [reference.forward(exact + sign * 1e-6 * direction, SPEC, -1) for sign in (1, -1)]
    want = (values[0] - values[1]) / 2e-6
    # Few epsilons of the terms that a tangent is the difference of.
    bound = 8 * float(jnp.finfo(dtype).eps) * np.abs(want).max()
    np.testing.assert_allclose(np.asarray(jax.jvp(forward, (x,), (v,))[1], np.float64), want, rtol=0, atol=bound)


@both_specs
def test_derivatives_of_every_order_and_mode(spec: LRNSpec) -> None:
    with jax.enable_x64(True):
        want = along(lambda x: gradient(x, spec))
        one, two = (lambda x: loss(x, spec)), (lambda x: jax.jvp(lambda x: loss(x, spec), (x,), (V,))[1])
        for found in (
            jax.jvp(jax.grad(one), (X,), (V,))[1],
            jax.grad(two)(X),
            jax.grad(lambda x: (jax.grad(one)(x) * V).sum())(X),
        ):
            np.testing.assert_allclose(found, want, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(jax.jvp(two, (X,), (V,))[1], (want * V).sum(), rtol=1e-6)


@pytest.mark.slow
@both_specs
def test_third_derivatives(spec: LRNSpec) -> None:
    with jax.enable_x64(True):
        check_grads(lambda x: forward(x, spec), (X[:1, :2],), order=3, modes=["fwd", "rev"], rtol=1e-4)


def test_transposes() -> None:
    linear = jax.linearize(forward, SINGLE_X)[1]
    grad = 2 * reference.forward(X, SPEC, -1).astype(np.float32)
    np.testing.assert_allclose(jax.linear_transpose(linear, SINGLE_X)(grad)[0], gradient(X), **CLOSE)
    pulled = jax.linear_transpose(lambda g: jax.vjp(forward, SINGLE_X)[1](g)[0], SINGLE_X)
    np.testing.assert_allclose(pulled(SINGLE_V)[0], tangent(), **CLOSE)


@pytest.mark.parametrize(
    ("spec", "per_channel"),
    [(SPEC, True)] + [pytest.param(*case, marks=pytest.mark.slow) for case in ((SPEC, False), (WITHIN, True))],
)
def test_learned_values_in_both_modes(spec: LRNSpec, per_channel: bool) -> None:
    with jax.enable_x64(True):
        layer = LocalResponseNorm(spec, learnable=True, per_channel=per_channel, num_channels=7)
        function, state = module_function(layer, "float64")
        check_grads(function, (state, X[:1, :2]), order=1 if spec is SPEC else 2, modes=["fwd", "rev"], rtol=1e-4)


@pytest.mark.parametrize("per_channel", [False, True])
def test_learned_values_without_a_sum(per_channel: bool) -> None:
    with jax.enable_x64(True):
        spec = LRNSpec(2, 2, 0.0, 0.75, 2.0)
        layer = LocalResponseNorm(spec, learnable=["k", "beta"], per_channel=per_channel, num_channels=7)
        function, state = module_function(layer, "float64")
        factor = np.exp(0.2)
        np.testing.assert_allclose(function(state, X), X * (2 * factor) ** (-0.75 * factor), rtol=1e-12)
        check_grads(function, (state, X[:2]), order=1, modes=["fwd", "rev"], rtol=1e-4)


@pytest.mark.parametrize("per_channel", [pytest.param(False, marks=pytest.mark.slow), True])
def test_vmap_over_derivatives_and_learned_values(per_channel: bool) -> None:
    np.testing.assert_allclose(
        jax.vmap(lambda x, v: jax.jvp(forward, (x,), (v,))[1])(SINGLE_X, SINGLE_V), tangent(), **CLOSE
    )
    np.testing.assert_allclose(jax.vmap(jax.grad(loss))(SINGLE_X), gradient(X), **CLOSE)
    layer = LocalResponseNorm(SPEC, learnable=True, per_channel=per_channel, num_channels=7)
    function, state = module_function(layer)
    by_state = jax.grad(lambda state, x: (function(state, x) ** 2).sum())
    found = jax.vmap(by_state, (None, 0))(state, SINGLE_X)
    one_by_one = [by_state(state, x) for x in SINGLE_X]
    for name in ("log_k", "log_alpha", "log_beta"):
        want = jnp.stack([grads[name][...] for grads in one_by_one])
        np.testing.assert_allclose(found[name][...], want, rtol=1e-5, atol=1e-5)
    states = jax.tree.map(lambda p: jnp.stack([p, p + 0.3]), state)
    second = function(jax.tree.map(lambda p: p + 0.3, state), SINGLE_X)
    np.testing.assert_allclose(jax.vmap(function, (0, None))(states, SINGLE_X)[1], second, **CLOSE)


@pytest.mark.parametrize("policy", [None, jax.checkpoint_policies.dots_saveable])
def test_rematerialization(policy: object) -> None:
    np.testing.assert_allclose(jax.grad(jax.checkpoint(loss, policy=policy))(SINGLE_X), gradient(X), **CLOSE)


def test_control_flow_in_both_modes() -> None:
    def three_times(x: jax.Array) -> jax.Array:
        return lax.scan(lambda x, _: (forward(x), None), x, None, length=3)[0]

    def reference_three(x: np.ndarray) -> np.ndarray:
        for _ in range(3):
            x = reference.forward(x, SPEC, -1)
        return x

    want = along(reference_three)
    looped = lambda x: lax.fori_loop(0, 3, lambda _, x: forward(x), x)  # noqa: E731
    for function in (three_times, looped):
        np.testing.assert_allclose(jax.jvp(function, (SINGLE_X,), (SINGLE_V,))[1], want, **CLOSE)
    grad = jax.grad(lambda x: (three_times(x) * SINGLE_V).sum())(SINGLE_X)
    np.testing.assert_allclose((grad * SINGLE_V).sum(), (want * V).sum(), rtol=1e-5)
    chosen = jax.jit(lambda x: lax.cond(x.sum() < 1e9, forward, lambda x: x, x))
    np.testing.assert_allclose(chosen(SINGLE_X), reference.forward(X, SPEC, -1), **CLOSE)
    np.testing.assert_allclose(lax.map(forward, SINGLE_X), reference.forward(X, SPEC, -1), **CLOSE)


@pytest.mark.slow
def test_several_devices_in_both_modes() -> None:
    """Forward mode, and learned values that are replicated, or that differ from device to device."""
    code = """
        import jax, jax.numpy as jnp, numpy as np
        from flax import nnx
        from jax.sharding import Mesh, PartitionSpec as P
        from localnorm import LRNSpec
        from localnorm.jax import LocalResponseNorm, local_response_norm
        spec = LRNSpec(2, 1, 0.7, 0.75, 1.5)
        x, v = np.random.default_rng(0).normal(size=(2, 8, 3, 7)).astype(np.float32)
        forward = lambda x: local_response_norm(x, spec)
        tangent = lambda f: (lambda x, v: jax.jvp(f, (x,), (v,))[1])
        want = tangent(forward)(x, v)
        close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
        mesh = Mesh(np.array(jax.devices()), "b")
        split = lambda f, n: jax.shard_map(f, mesh=mesh, in_specs=(P("b"),) * n, out_specs=P("b"))
        close(tangent(split(forward, 1))(x, v), want)
        close(jax.jit(split(tangent(forward), 2))(x, v), want)
        cut = lambda a: a.reshape(4, 2, 3, 7)
        close(jax.pmap(tangent(forward))(cut(x), cut(v)), cut(want))
        close(jax.jit(tangent(forward))(jax.device_put(x, jax.NamedSharding(mesh, P("b"))), v), want)

        definition, state = nnx.split(LocalResponseNorm(spec, learnable=True))
        layer = lambda state, x: nnx.merge(definition, state)(x)
        loss = lambda f: (lambda state, x: (f(state, x) ** 2).sum())
        of_both = jax.shard_map(layer, mesh=mesh, in_specs=(P(), P("b")), out_specs=P("b"))
        want = jax.grad(loss(layer), (0, 1))(state, x)
        jax.tree.map(close, jax.grad(loss(of_both), (0, 1))(state, x), want)
        inside = lambda state, x: jax.grad(lambda state: jax.lax.psum(loss(layer)(state, x), "b"))(state)
        inside = jax.shard_map(inside, mesh=mesh, in_specs=(P(), P("b")), out_specs=P())
        jax.tree.map(close, inside(state, x), want[0])
        states = jax.tree.map(lambda p: 0.1 * jnp.arange(4.0), state)
        first = lambda states, x: layer(jax.tree.map(lambda p: p[0], states), x)
        each = jax.shard_map(first, mesh=mesh, in_specs=(P("b"), P()), out_specs=P("b"))(states, x)
        close(each.reshape(4, *x.shape)[2], layer(jax.tree.map(lambda p: p[2], states), x))

        explicit = jax.make_mesh((4,), ("b",), axis_types=(jax.sharding.AxisType.Explicit,))
        with jax.set_mesh(explicit):
            y = jax.jit(jax.grad(lambda x: (forward(x) ** 2).sum()))(jax.device_put(x, P("b")))
            close(y, jax.grad(lambda x: (forward(x) ** 2).sum())(x))
            assert y.sharding.spec == P("b", None, None)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={
            "PYTHONPATH": str(Path(localnorm.__file__).parents[1]),
            "XLA_FLAGS": "--xla_force_host_platform_device_count=4",
            "JAX_PLATFORMS": "cpu",
            "PATH": "",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_export_with_symbolic_shapes_and_gradients() -> None:
    shape = jax.ShapeDtypeStruct(export.symbolic_shape("n, h, c"), jnp.float32)
    for channels in (1, 7):
        x, v = SINGLE_X[..., :channels], SINGLE_V[..., :channels]
        exported = export.export(jax.jit(forward))(shape)
        restored = export.deserialize(exported.serialize(vjp_order=1))
        grad = jax.vjp(restored.call, x)[1](2 * restored.call(x))[0]
        np.testing.assert_allclose(grad, gradient(x), **CLOSE)
        moved = export.export(jax.jit(lambda x, v: jax.jvp(forward, (x,), (v,))[1]))(shape, shape)
        np.testing.assert_allclose(moved.call(x, v), jax.jvp(forward, (x,), (v,))[1], **CLOSE)


def test_debug_nans_reports_only_nans_of_the_result() -> None:
    with jax.debug_nans(True), jax.debug_infs(True):
        for x in (SINGLE_X, np.zeros((2, 7), np.float32), np.full((2, 7), 1e30, np.float32)):
            assert np.isfinite(forward(x)).all()
            assert np.isfinite(jax.grad(loss)(x)).all()
        with pytest.raises(FloatingPointError, match="nan"):
            forward(np.array([[1.0, np.nan, 1.0]], np.float32))


def test_checkify() -> None:
    error, grad = checkify.checkify(jax.grad(loss), errors=checkify.all_checks)(SINGLE_X)
    error.throw()
    np.testing.assert_allclose(grad, gradient(X), **CLOSE)


def test_disabled_jit() -> None:
    with jax.disable_jit():
        np.testing.assert_allclose(forward(SINGLE_X), reference.forward(X, SPEC, -1), **CLOSE)
        np.testing.assert_allclose(jax.grad(loss)(SINGLE_X), gradient(X), **CLOSE)
        np.testing.assert_allclose(jax.jvp(forward, (SINGLE_X,), (SINGLE_V,))[1], tangent(), **CLOSE)


def test_a_bridge_to_flax_linen() -> None:
    class Network(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, x: jax.Array) -> jax.Array:
            return nnx.bridge.ToLinen(LocalResponseNorm, args=(SPEC,), kwargs={"learnable": "alpha"})(x)

    network = Network()
    variables = network.init(jax.random.key(0), SINGLE_X)
    np.testing.assert_allclose(network.apply(variables, SINGLE_X), reference.forward(X, SPEC, -1), **CLOSE)
    grads = jax.grad(lambda variables: (network.apply(variables, SINGLE_X) * SINGLE_V).sum())(variables)
    want = reference.gradients(X, V, SPEC, -1).alpha * SPEC.alpha
    np.testing.assert_allclose(jax.tree.leaves(grads), [want], rtol=1e-4)
    fixed = nnx.bridge.to_linen(LocalResponseNorm, SPEC)
    np.testing.assert_allclose(fixed.apply({}, SINGLE_X), reference.forward(X, SPEC, -1), **CLOSE)


def test_a_value_that_is_set_is_compiled_again() -> None:
    layer, run = LocalResponseNorm(SPEC), nnx.jit(lambda layer, x: layer(x))
    for alpha in (0.7, 5.0):
        layer.alpha = alpha
        want = reference.forward(X, LRNSpec(2, 1, alpha, 0.75, 1.5), -1)
        np.testing.assert_allclose(run(layer, SINGLE_X), want, **CLOSE)
