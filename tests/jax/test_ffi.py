"""The CPU kernel in JAX: where XLA calls it, where it does not, and that both compute the same."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from itertools import product
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import localnorm
from localnorm import LRNSpec, reference
from localnorm.jax import ffi, local_response_norm
from localnorm.kernels.available import cpu_kernel

SPEC = LRNSpec(2, 1, 0.7, 0.75, 1.5)
WITHIN = LRNSpec(2, 1, 0.7, 0.6, 1.5, spatial=2)
X = np.random.default_rng(0).normal(size=(8, 3, 5, 11)).astype(np.float32)
CLOSE = {"rtol": 1e-6, "atol": 1e-6}

needs_library = pytest.mark.skipif(cpu_kernel() is None, reason="the CPU library is not built")


def forward(x: jax.Array, spec: LRNSpec = SPEC) -> jax.Array:
    return local_response_norm(x, spec)


def loss(x: jax.Array) -> jax.Array:
    return (forward(x) ** 2).sum()


WANT = reference.forward(X, SPEC, -1)
WANT_GRAD = reference.gradients(X, 2 * WANT, SPEC, -1).x


def calls(lowered: jax.stages.Lowered) -> tuple[int, int]:
    """Count the calls of the forward and the backward handler."""
    text = lowered.as_text()
    return tuple(text.count(f"custom_call @localnorm_xla_{name}") for name in ("forward", "backward"))


def run(code: str, *, python: str = sys.executable, cores: int | None = None, **variables: str) -> str:
    """Run code in a process of its own that sees the package and the tests' names; return what it prints."""
    start = f"import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:{cores}])\n" if cores else ""
    done = subprocess.run(
        [python, "-c", start + textwrap.dedent(code)],
        env={
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": str(Path(localnorm.__file__).parents[1]),
            "JAX_PLATFORMS": "cpu",
            **variables,
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@needs_library
def test_a_pass_is_one_call():
    assert calls(jax.jit(forward).lower(X)) == (1, 0)
    gradient = jax.jit(jax.grad(loss))
    assert calls(gradient.lower(X)) == (1, 1)
    np.testing.assert_allclose(jax.jit(forward)(X), WANT, **CLOSE)
    np.testing.assert_allclose(gradient(X), WANT_GRAD, **CLOSE)


@needs_library
@pytest.mark.parametrize("spec", [SPEC, WITHIN], ids=["across", "within"])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_dtypes_axes_and_windows(dtype: str, spec: LRNSpec):
    with jax.enable_x64(dtype == "float64"):
        x = jnp.asarray(X, dtype)
        exact = np.asarray(x).astype(np.float64)
        for axis in range(4):
            y, transposed = jax.vjp(lambda x, axis=axis: local_response_norm(x, spec, axis), x)
            grad = transposed(x)[0]
            assert (y.dtype, grad.dtype) == (x.dtype, x.dtype)
            # Few epsilons, of results or of the terms of about 1 that gradients are the differences of.
            tolerance = 8 * float(jnp.finfo(x.dtype).eps)
            want = reference.gradients(exact, exact, spec, axis).x
            np.testing.assert_allclose(
                np.asarray(y).astype(np.float64), reference.forward(exact, spec, axis), rtol=tolerance, atol=1e-30
            )
            np.testing.assert_allclose(
                np.asarray(grad).astype(np.float64), want, rtol=tolerance, atol=4 * tolerance
            )


@needs_library
def test_a_window_far_beyond_the_borders():
    found = forward(X, LRNSpec(10**30, 0, 0.7, 1.0, 0.0))
    np.testing.assert_allclose(found, reference.forward(X, LRNSpec(10, 0, 0.7, 1.0, 0.0), -1), **CLOSE)


@needs_library
def test_vmap_is_one_call_whatever_is_mapped():
    for axis, (inside, outside) in product(range(3), [(0, 0), (2, 1), (3, 3)]):
        mapped = jax.vmap(lambda x, axis=axis: local_response_norm(x, SPEC, axis), inside, outside)
        want = np.moveaxis(reference.forward(np.moveaxis(X, inside, 0), SPEC, axis + 1), 0, outside)
        np.testing.assert_allclose(mapped(X), want, **CLOSE)
        assert calls(jax.jit(mapped).lower(X)) == (1, 0)
    twice = jax.jit(jax.vmap(jax.vmap(forward)))
    assert calls(twice.lower(X)) == (1, 0)
    np.testing.assert_allclose(twice(X), WANT, **CLOSE)


@needs_library
def test_vmap_over_one_of_input_and_gradient():
    grads = np.stack([X, 2 * X])

    def pulled(x: jax.Array, grad: jax.Array) -> jax.Array:
        return jax.vjp(forward, x)[1](grad)[0]

    want = np.stack([reference.gradients(X, grad, SPEC, -1).x for grad in grads])
    np.testing.assert_allclose(jax.vmap(pulled, (None, 0))(X, grads), want, **CLOSE)
    want = np.stack([reference.gradients(x, X, SPEC, -1).x for x in grads])
    np.testing.assert_allclose(jax.vmap(pulled, (0, None))(grads, X), want, **CLOSE)


@needs_library
def test_scan_and_checkpoint_call_the_kernel():
    scanned = jax.jit(lambda x: jax.lax.scan(lambda x, _: (forward(x), None), x, None, length=2)[0])
    assert calls(scanned.lower(X)) == (1, 0)
    np.testing.assert_allclose(scanned(X), reference.forward(WANT, SPEC, -1), **CLOSE)
    again = jax.jit(jax.grad(jax.checkpoint(loss)))
    assert calls(again.lower(X))[1] == 1
    np.testing.assert_allclose(again(X), WANT_GRAD, **CLOSE)


@needs_library
def test_second_derivatives_are_those_of_the_array_operations(monkeypatch: pytest.MonkeyPatch):
    row = X[0, 0, 0]
    found = [jax.jit(d(jax.grad(lambda x: loss(x))))(row) for d in (jax.jacfwd, jax.jacrev)]
    monkeypatch.setattr(ffi, "_registered", lambda _: False)
    want = jax.jit(jax.hessian(lambda x: loss(x)))(row)
    for hessian in found:
        np.testing.assert_allclose(hessian, want, rtol=1e-5, atol=1e-5)


@needs_library
def test_donated_input():
    donated = jax.jit(forward, donate_argnums=0)
    x = jnp.array(X)
    np.testing.assert_allclose(donated(x), WANT, **CLOSE)
    assert x.is_deleted()
    np.testing.assert_allclose(donated(jnp.array(X)), WANT, **CLOSE)


@needs_library
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (1,), (2, 0, 3)], ids=str)
def test_few_or_no_elements(shape: tuple[int, ...]):
    x = np.full(shape, 0.5, np.float32)
    np.testing.assert_allclose(forward(x), reference.forward(x, SPEC, -1), **CLOSE)
    assert jax.grad(loss)(x).shape == shape


@needs_library
def test_subnormal_numbers_are_kept():
    tiny = np.full((64, 7), 1e-40, np.float32)
    found = np.asarray(local_response_norm(tiny, LRNSpec(1, 1, 1.0, 0.75, 1.0)))
    # XLA sets its threads to flush them, JAX's comparisons included: look at the bits.
    np.testing.assert_array_equal(found.view(np.int32), tiny.view(np.int32))


def test_export_needs_no_library():
    exported = export.export(jax.jit(forward), platforms=("cpu", "cuda"))(
        jax.ShapeDtypeStruct(export.symbolic_shape("n,3,5,11"), np.float32)
    )
    assert "custom_call @localnorm" not in exported.mlir_module()
    np.testing.assert_allclose(exported.call(X), WANT, **CLOSE)
    gradient = export.export(jax.jit(jax.grad(loss)))(jax.ShapeDtypeStruct(X.shape, X.dtype))
    restored = export.deserialize(gradient.serialize())
    np.testing.assert_allclose(restored.call(X), WANT_GRAD, **CLOSE)


@needs_library
@pytest.mark.parametrize("platform", ["cuda", "rocm", "tpu"])
def test_other_platforms_get_array_operations(platform: str):
    traced = jax.jit(jax.grad(loss)).trace(X)
    assert calls(traced.lower(lowering_platforms=(platform,))) == (0, 0)
    assert calls(traced.lower(lowering_platforms=("cpu", platform))) == (1, 1)


def test_without_the_library_array_operations_are_used(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ffi, "cpu_kernel", lambda: None)
    ffi._registered.cache_clear()
    try:
        gradient = jax.jit(jax.grad(lambda x: loss(x)))
        assert calls(gradient.lower(X)) == (0, 0)
        np.testing.assert_allclose(gradient(X), WANT_GRAD, **CLOSE)
    finally:
        ffi._registered.cache_clear()


@needs_library
def test_the_handler_is_registered_at_the_first_use():
    run("""
        import numpy as np
        from localnorm import LRNSpec
        from localnorm.jax import ffi, local_response_norm
        assert ffi._registered.cache_info().currsize == ffi.cpu_kernel.cache_info().currsize == 0
        local_response_norm(np.ones((2, 3), np.float32), LRNSpec(1, 1, 1.0, 0.75, 1.0))
        assert ffi._registered.cache_info().currsize == 1
    """)


@needs_library
def test_several_devices():
    run(
        """
        import jax, numpy as np
        from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
        from localnorm import LRNSpec, reference
        from localnorm.jax import local_response_norm
        assert jax.device_count() == 4
        spec = LRNSpec(2, 1, 0.7, 0.75, 1.5)
        x = np.random.default_rng(0).normal(size=(8, 3, 5, 11)).astype(np.float32)
        want = reference.forward(x, spec, -1)
        want_grad = reference.gradients(x, 2 * want, spec, -1).x
        mesh = Mesh(np.array(jax.devices()), "b")
        two = Mesh(np.array(jax.devices()).reshape(2, 2), ("b", "m"))
        forward = lambda x: local_response_norm(x, spec)
        grad = lambda f: jax.grad(lambda x: (f(x) ** 2).sum())
        split = lambda f: jax.shard_map(f, mesh=mesh, in_specs=P("b"), out_specs=P("b"))

        def check(f, x, want, forwards, backwards):
            lowered = f.lower(x)
            text = lowered.as_text()
            assert text.count("custom_call @localnorm_xla_forward") == forwards
            assert text.count("custom_call @localnorm_xla_backward") == backwards
            np.testing.assert_allclose(f(x), want, rtol=1e-6, atol=1e-6)
            return lowered

        # Every device calls the kernel on its share.
        check(jax.jit(split(forward)), x, want, 1, 0)
        check(jax.jit(grad(split(forward))), x, want_grad, 1, 1)
        check(jax.jit(split(grad(forward))), x, want_grad, 1, 1)
        cut = lambda a: a.reshape(4, 2, 3, 5, 11)
        check(jax.pmap(forward), cut(x), cut(want), 1, 0)
        check(jax.pmap(grad(forward)), cut(x), cut(want_grad), 1, 1)

        # XLA partitions the arrays: no call, and no device gets the others' share.
        placed = jax.device_put(x, NamedSharding(mesh, P("b")))
        lowered = check(jax.jit(grad(forward)), placed, want_grad, 0, 0)
        assert "all-gather" not in lowered.compile().as_text()
        partly = jax.shard_map(forward, mesh=two, in_specs=P("b"), out_specs=P("b"), axis_names={"b"})
        check(jax.jit(partly), x, want, 0, 0)

        # The same for another platform.
        traced = jax.jit(grad(split(forward))).trace(x)
        assert "custom_call @localnorm_xla" not in traced.lower(lowering_platforms=("cuda",)).as_text()
        """,
        XLA_FLAGS="--xla_force_host_platform_device_count=4",
    )


DIGEST = """
    import hashlib, jax, numpy as np
    from localnorm import LRNSpec
    from localnorm.jax import local_response_norm
    digest = hashlib.sha256()
    shapes = [((4, 96, 27, 29), 1), ((4, 27, 29, 96), 3), ((3, 50000), 0), ((100, 7), 1)]
    spec = LRNSpec(2, 2, 0.1, 0.6, 1.0)
    for seed, (shape, axis) in enumerate(shapes):
        x, grad = np.random.default_rng(seed).normal(size=(2, *shape)).astype(np.float32)
        x.flat[:: 1000] = 1e-42
        value_and_pullback = jax.jit(lambda x, axis=axis: jax.vjp(lambda x: local_response_norm(x, spec, axis), x))
        for _ in range(5):
            y, pullback = value_and_pullback(x)
            digest.update(np.asarray(y).tobytes() + np.asarray(pullback(grad)[0]).tobytes())
    print(digest.hexdigest())
"""


@needs_library
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs a way to restrict the cores")
def test_results_do_not_depend_on_the_number_of_threads():
    assert run(DIGEST, cores=1) == run(DIGEST, cores=None)


@needs_library
def test_more_calls_at_once_than_the_pool_has_threads():
    # A handler that waited for tasks in the queue of a pool whose threads all wait in handlers would never return.
    run(
        """
        import threading, jax, numpy as np
        from localnorm import LRNSpec
        from localnorm.jax import local_response_norm
        spec = LRNSpec(2, 2, 0.1, 0.75, 1.0)
        x = np.random.default_rng(0).normal(size=(16, 32, 40, 40)).astype(np.float32)
        many = jax.jit(lambda x: sum(local_response_norm(x * i, spec, 1) for i in range(1, 9)))
        split = jax.pmap(many)
        want, found = np.asarray(many(x)), []
        def work():
            for _ in range(3):
                found.append(np.asarray(many(x)))
                found.append(np.asarray(split(x.reshape(8, 2, 32, 40, 40))).reshape(x.shape))
        threads = [threading.Thread(target=work) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert len(found) == 48
        assert all(np.array_equal(a, want) for a in found)
        """,
        XLA_FLAGS="--xla_force_host_platform_device_count=8",
    )


OLDEST = "0.5.0"


@needs_library
@pytest.mark.slow
def test_the_oldest_jaxlib_takes_the_handler(tmp_path: Path):
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = venv / "bin" / "python"
    wanted = [f"jax=={OLDEST}", f"jaxlib=={OLDEST}"]
    installed = subprocess.run([python, "-m", "pip", "install", "-q", *wanted], capture_output=True, check=False)
    if installed.returncode:
        pytest.skip(f"JAX {OLDEST} can't be installed here")
    out = run(
        """
        import jax, numpy as np
        from jax.experimental.shard_map import shard_map
        from jax.sharding import Mesh, PartitionSpec as P
        from localnorm import LRNSpec, reference
        from localnorm.jax import local_response_norm
        spec = LRNSpec(2, 1, 0.7, 0.75, 1.5)
        x = np.random.default_rng(0).normal(size=(8, 3, 5, 11)).astype(np.float32)
        want = reference.forward(x, spec, -1)
        want_grad = reference.gradients(x, 2 * want, spec, -1).x
        forward = lambda x: local_response_norm(x, spec)
        gradient = jax.grad(lambda x: (forward(x) ** 2).sum())
        split = shard_map(gradient, mesh=Mesh(np.array(jax.devices()), "b"), in_specs=P("b"), out_specs=P("b"))
        for f, wanted in ((forward, want), (jax.vmap(forward), want), (gradient, want_grad), (split, want_grad)):
            assert "custom_call @localnorm_xla_forward" in jax.jit(f).lower(x).as_text() or f is split
            np.testing.assert_allclose(jax.jit(f)(x), wanted, rtol=1e-6, atol=1e-6)
        jax.hessian(lambda x: forward(x).sum())(x[0, 0, 0])
        tangents = jax.jvp(forward, (x,), (x,))[1], jax.linearize(forward, x)[1](x)
        for tangent in tangents:
            ahead, behind = (reference.forward(scale * x.astype(np.float64), spec, -1) for scale in (1.001, 0.999))
            np.testing.assert_allclose(tangent, (ahead - behind) / 0.002, rtol=1e-4, atol=1e-4)
        print(jax.__version__)
        """,
        python=str(python),
        XLA_FLAGS="--xla_force_host_platform_device_count=4",
    )
    assert out.strip() == OLDEST
