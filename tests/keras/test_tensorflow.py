"""TensorFlow's modes and transformations on the Keras layer; docs/keras.md names each test in a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from localnorm import LRNSpec, reference
from localnorm.errors import DTypeError, LayoutError
from localnorm.keras import LocalResponseNormalization

if keras.backend.backend() != "tensorflow":
    pytest.skip("of the TensorFlow backend alone", allow_module_level=True)

import tensorflow as tf

SPEC = LRNSpec.from_paper(5, 1.3, 0.7, 0.75)
X, V = np.random.default_rng(0).normal(size=(2, 2, 3, 4, 7))
SINGLE = X.astype(np.float32)
WANT = reference.forward(X, SPEC, -1)
GRADIENT = reference.gradients(X, 2 * WANT, SPEC, -1).x
# Eight epsilons of float32, of results of about 1.
CLOSE = {"rtol": 1e-6, "atol": 1e-6}
# Central differences err by about 1e-10, and by 1e-8 of a gradient's.
DOUBLE = {"rtol": 1e-6, "atol": 1e-7}
Function = Callable[..., Any]

uncompiled, in_function, in_xla = (lambda f: f), tf.function, tf.function(jit_compile=True)
every_way = pytest.mark.parametrize(
    "wrap",
    [
        pytest.param(uncompiled, id="eager", marks=pytest.mark.slow),
        pytest.param(in_function, id="function"),
        pytest.param(in_xla, id="xla", marks=pytest.mark.slow),
    ],
)


def layer_of(dtype: str = "float32", **options: Any) -> LocalResponseNormalization:
    layer = LocalResponseNormalization.from_spec(SPEC, dtype=dtype, **options)
    layer.build(X.shape)
    return layer


def along(function: Callable[[np.ndarray], np.ndarray], step: float = 1e-6) -> np.ndarray:
    return (function(X + step * V) - function(X - step * V)) / (2 * step)


TANGENT = along(lambda x: reference.forward(x, SPEC, -1))
HESSIAN_PRODUCT = along(lambda x: reference.gradients(x, 2 * reference.forward(x, SPEC, -1), SPEC, -1).x)


def pushed(function: Function, x: Any, v: Any) -> Any:
    with tf.autodiff.ForwardAccumulator(x, v) as accumulator:
        y = function(x)
    return accumulator.jvp(y)


def pulled(function: Function, x: Any) -> Any:
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(function(x))
    return tape.gradient(y, x)


def doubles() -> tuple[Any, Any]:
    return tf.constant(X), tf.constant(V)


@every_way
@pytest.mark.parametrize("learnable", [False, True])
def test_forward_mode(wrap: Callable[[Function], Function], learnable: bool) -> None:
    layer, (x, v) = layer_of("float64", learnable=learnable), doubles()
    np.testing.assert_allclose(wrap(lambda x, v: pushed(layer, x, v))(x, v), TANGENT, **DOUBLE)


@pytest.mark.parametrize("name", ["k", "alpha", "beta"])
def test_forward_mode_along_learned_values(name: str) -> None:
    layer, values = layer_of("float64", learnable=True), {"k": 1.3, "alpha": 0.7, "beta": 0.75}
    weight = getattr(layer, f"log_{name}").value
    found = pushed(lambda _: layer(tf.constant(X)), weight, tf.ones_like(weight))
    moved = [LRNSpec.from_paper(5, **{**values, name: values[name] * np.exp(h)}) for h in (1e-6, -1e-6)]
    plus, minus = (reference.forward(X, spec, -1) for spec in moved)
    np.testing.assert_allclose(found, (plus - minus) / 2e-6, **DOUBLE)


def test_forward_mode_of_a_compiled_function() -> None:
    layer, (x, v) = layer_of("float64"), doubles()
    for compiled in (tf.function(layer), tf.function(layer, jit_compile=True)):
        np.testing.assert_allclose(pushed(compiled, x, v), TANGENT, **DOUBLE)


SECOND: dict[str, Callable[[Function, Any, Any], Any]] = {
    "reverse over reverse": lambda f, x, v: pulled(lambda x: v * pulled(lambda x: f(x) ** 2, x), x),
    "forward over reverse": lambda f, x, v: pushed(lambda x: pulled(lambda x: f(x) ** 2, x), x, v),
    "reverse over forward": lambda f, x, v: pulled(lambda x: pushed(lambda x: f(x) ** 2, x, v), x),
}


@every_way
@pytest.mark.parametrize("modes", SECOND.values(), ids=SECOND)
def test_second_derivatives(modes: Callable[..., Any], wrap: Callable[[Function], Function]) -> None:
    layer, (x, v) = layer_of("float64"), doubles()
    np.testing.assert_allclose(wrap(lambda x, v: modes(layer, x, v))(x, v), HESSIAN_PRODUCT, **DOUBLE)


@pytest.mark.slow
def test_second_derivatives_of_a_compiled_function_and_learned_values() -> None:
    layer, (x, v) = layer_of("float64", learnable=True), doubles()
    for function in (layer, tf.function(layer), tf.function(layer, jit_compile=True)):
        np.testing.assert_allclose(SECOND["reverse over reverse"](function, x, v), HESSIAN_PRODUCT, **DOUBLE)


@pytest.mark.parametrize("jit_compile", [pytest.param(False, marks=pytest.mark.slow), True])
@pytest.mark.parametrize("shape", [(None, None, None, 7), (None, None, None, None), (2, 3, 4, None)], ids=str)
def test_functions_with_unknown_extents(shape: tuple[int | None, ...], jit_compile: bool) -> None:
    layer = layer_of()
    signature = [tf.TensorSpec(shape, tf.float32)]
    compiled = tf.function(layer, input_signature=signature, jit_compile=jit_compile)
    np.testing.assert_allclose(compiled(SINGLE), WANT, **CLOSE)
    gradient = tf.function(lambda x: pulled(lambda x: layer(x) ** 2, x), input_signature=signature)
    np.testing.assert_allclose(gradient(SINGLE), GRADIENT, **CLOSE)


def test_vectorized_map_and_jacobians() -> None:
    layer, x = layer_of(), tf.constant(SINGLE)
    np.testing.assert_allclose(tf.vectorized_map(layer, x), WANT, **CLOSE)
    np.testing.assert_allclose(
        tf.vectorized_map(lambda x: pulled(lambda x: layer(x) ** 2, x), x), GRADIENT, **CLOSE
    )
    rows = tf.constant(SINGLE[0, 0])
    with tf.GradientTape() as tape:
        tape.watch(rows)
        y = layer(rows)
    product = np.einsum("nij,nj->ni", tape.batch_jacobian(y, rows), V[0, 0])
    np.testing.assert_allclose(product, TANGENT[0, 0], **CLOSE)


@pytest.mark.slow
def test_recomputed_gradients() -> None:
    again = tf.recompute_grad(layer_of())
    np.testing.assert_allclose(pulled(lambda x: again(x) ** 2, tf.constant(SINGLE)), GRADIENT, **CLOSE)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy: str) -> None:
    layer = LocalResponseNormalization.from_spec(SPEC, dtype=policy, learnable="alpha")
    layer.build(X.shape)
    half = tf.cast(SINGLE, layer.compute_dtype)
    exact, grad = half.numpy().astype(np.float64), np.ones(X.shape)
    with tf.GradientTape() as tape:
        tape.watch(half)
        y = layer(half)
    by_x, by_alpha = tape.gradient(y, [half, layer.log_alpha.value])
    assert (y.dtype, by_x.dtype, by_alpha.dtype) == (half.dtype, half.dtype, tf.float32)
    want = reference.gradients(exact, grad, SPEC, -1)
    # One rounding of the result to 8 or 11 bits; a gradient is a difference of terms of about 1.
    epsilon = 2.0**-8 if policy == "mixed_bfloat16" else 2.0**-11
    np.testing.assert_allclose(np.float64(y), reference.forward(exact, SPEC, -1), rtol=epsilon)
    np.testing.assert_allclose(np.float64(by_x), want.x, rtol=epsilon, atol=epsilon)
    assert by_alpha.numpy() == pytest.approx(want.alpha * SPEC.alpha, rel=1e-5)


def model_of(**options: Any) -> keras.Model:
    return keras.Sequential([keras.Input((None, None, 7)), LocalResponseNormalization.from_spec(SPEC, **options)])


@pytest.mark.parametrize("learnable", [False, True])
def test_saved_model_needs_no_localnorm(learnable: bool, tmp_path: Path) -> None:
    model_of(learnable=learnable).export(tmp_path / "model", verbose=False)
    served = tf.saved_model.load(tmp_path / "model")
    np.testing.assert_allclose(served.serve(SINGLE), WANT, **CLOSE)
    np.testing.assert_allclose(served.serve(SINGLE[:, :2, :3]), WANT[:, :2, :3], **CLOSE)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize("half", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_tflite(half: bool) -> None:
    inputs = keras.Input(X.shape[1:], batch_size=len(X))
    layer = LocalResponseNormalization.from_spec(SPEC)
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(inputs, layer(inputs)))
    if half:
        converter.optimizations, converter.target_spec.supported_types = [tf.lite.Optimize.DEFAULT], [tf.float16]
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    [source], [result] = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(source["index"], SINGLE)
    interpreter.invoke()
    # Constants such as alpha are stored in half precision.
    bounds = {"rtol": 2.0**-10} if half else CLOSE
    np.testing.assert_allclose(interpreter.get_tensor(result["index"]), WANT, **bounds)


@pytest.mark.slow
def test_a_distribution_strategy() -> None:
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = keras.Sequential([keras.Input(X.shape[1:]), layer_of(learnable=True)])
        model.compile(keras.optimizers.SGD(0.0), "mse")
    loss = model.fit(SINGLE, np.zeros(X.shape, np.float32), batch_size=2, verbose=0).history["loss"][0]
    assert loss == pytest.approx((WANT**2).mean(), rel=1e-5)


def test_checks_of_numerics_pass() -> None:
    tf.debugging.enable_check_numerics()
    try:
        for scale in (0.0, 1.0):
            assert np.isfinite(pulled(layer_of(), tf.constant(scale * SINGLE))).all()
    finally:
        tf.debugging.disable_check_numerics()


def test_tensors_that_are_not_dense_or_not_real() -> None:
    layer = LocalResponseNormalization()
    ragged, sparse = tf.ragged.constant([[1.0, 2.0], [3.0]]), tf.sparse.from_dense([[1.0, 0.0]])
    with pytest.raises(LayoutError, match=r"a dense tensor, got a RaggedTensor; convert it, e.g. x.to_tensor"):
        layer(ragged)
    with pytest.raises(LayoutError, match=r"a dense tensor, got a SparseTensor; .* tf.sparse.to_dense"):
        layer(sparse)
    with pytest.raises(DTypeError, match=r"got complex64; normalize keras.ops.abs\(x\)"):
        layer(tf.complex(SINGLE, SINGLE))
