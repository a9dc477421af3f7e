"""Uses of the Keras layer that people reported in public, on every backend."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from localnorm import LRNSpec, reference
from localnorm.errors import LearnableError, SpecError
from localnorm.keras import LocalResponseNormalization

X = np.random.default_rng(0).normal(size=(2, 7, 3, 4)).astype(np.float32)


def as_array(tensor: Any) -> np.ndarray:
    # Keras's own conversion of a torch tensor warns with NumPy 2.4.
    return tensor.detach().numpy() if keras.backend.backend() == "torch" else keras.ops.convert_to_numpy(tensor)


def of(model: keras.Model) -> np.ndarray:
    return as_array(model(keras.ops.convert_to_tensor(X)))


@keras.saving.register_keras_serializable("localnorm_tests")
class GoogLeNetLRN(LocalResponseNormalization):
    """The signature of a layer in a public GoogLeNet: other defaults, alpha divided by n, channels first."""

    def __init__(self, alpha: float = 1e-4, k: float = 1, beta: float = 0.75, n: int = 5, **kwargs: Any) -> None:
        super().__init__(alpha=alpha / n, k=k, beta=beta, n=n, axis=1, **kwargs)


@keras.saving.register_keras_serializable("localnorm_tests")
class Fixed(LocalResponseNormalization):
    """A layer whose constructor takes nothing of ours."""

    def __init__(self, label: str = "", **kwargs: Any) -> None:
        super().__init__(n=3, alpha=0.5, axis=1, **kwargs)
        self.label = label


@pytest.mark.parametrize(("layer", "spec"), [
    (GoogLeNetLRN(alpha=0.9), LRNSpec.from_paper(5, 1.0, 0.18, 0.75)),
    (Fixed("a", name="fixed"), LRNSpec.from_paper(3, 2.0, 0.5, 0.75)),
])  # fmt: skip
def test_a_subclass_with_another_signature_is_saved_and_loaded(
    layer: LocalResponseNormalization, spec: LRNSpec, tmp_path: Path
) -> None:
    model = keras.Sequential([keras.Input(X.shape[1:]), layer])
    want = reference.forward(X, spec, axis=1)
    np.testing.assert_allclose(of(model), want, rtol=2e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[-1]) is type(layer)
    np.testing.assert_allclose(of(loaded), want, rtol=2e-6)
    copied = type(layer).from_config(layer.get_config())
    assert (copied.spec, copied.axis, copied.name) == (layer.spec, 1, layer.name)


@pytest.mark.parametrize("name", ["alpha", "beta", "k"])
def test_variables_and_tensors_as_values_are_refused(name: str) -> None:
    for value in (keras.Variable(0.5), keras.ops.convert_to_tensor(0.5)):
        with pytest.raises(SpecError, match=f'{name} must be a plain number.*learnable="{name}"'):
            LocalResponseNormalization(**{name: value})
        with pytest.raises(SpecError, match=f"{name} must be a plain number"):
            LocalResponseNormalization.from_config({name: value})
        with pytest.raises(SpecError, match=f"{name} must be a plain number"):
            setattr(LocalResponseNormalization(), name, value)


def traced(function: Callable[[Any], Any]) -> Any:
    """Call a function with a value that the backend traces."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)(tf.constant(0.5))
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)(0.5)
    import torch

    return torch.func.vmap(function)(torch.full((2,), 0.5))


@pytest.mark.parametrize("name", ["alpha", "beta", "k"])
def test_traced_values_are_refused(name: str) -> None:
    def apply(value: Any) -> Any:
        return LocalResponseNormalization(**{name: value})(X)

    with pytest.raises(SpecError, match=f'{name} must be a plain number.*learnable="{name}"'):
        traced(apply)


@pytest.mark.parametrize("per_channel", [False, True])
def test_learned_values_without_a_sum(per_channel: bool) -> None:
    layer = LocalResponseNormalization(alpha=0.0, k=2.0, learnable=["k", "beta"], per_channel=per_channel)
    layer.build(X.shape)
    for weight in layer.weights:
        weight.assign(keras.ops.full(weight.shape, 0.2))
    factor = np.exp(0.2)
    y = as_array(layer(keras.ops.convert_to_tensor(X)))
    np.testing.assert_allclose(y, X * (2 * factor) ** (-0.75 * factor), rtol=2e-6)


@pytest.mark.parametrize("name", ["alpha", "beta", "k"])
def test_values_can_be_set(name: str) -> None:
    layer = LocalResponseNormalization(axis=1)
    setattr(layer, name, 0.4)
    values = {"alpha": 1e-4, "beta": 0.75, "k": 2.0, name: 0.4}
    want = reference.forward(X, LRNSpec.from_paper(5, values["k"], values["alpha"], values["beta"]), axis=1)
    np.testing.assert_allclose(as_array(layer(keras.ops.convert_to_tensor(X))), want, rtol=2e-6)
    learned = LocalResponseNormalization(learnable=True)
    learned.build(X.shape)
    with pytest.raises(LearnableError, match=f"set the weight log_{name}"):
        setattr(learned, name, 0.4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow alone")
def test_forward_mode_in_tensorflow() -> None:
    import tensorflow as tf

    layer, x = LocalResponseNormalization(alpha=0.7, axis=1), tf.constant(X.astype(np.float64))
    layer = LocalResponseNormalization(alpha=0.7, axis=1, dtype="float64")
    tangent, step = np.random.default_rng(1).normal(size=X.shape), 1e-6
    with tf.autodiff.ForwardAccumulator(x, tf.constant(tangent)) as accumulator:
        y = layer(x)
    plus, minus = (reference.forward(X + sign * step * tangent, layer.spec, axis=1) for sign in (1, -1))
    np.testing.assert_allclose(accumulator.jvp(y), (plus - minus) / (2 * step), rtol=1e-5, atol=1e-7)
