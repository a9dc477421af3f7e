"""The Keras API beyond the conformance suite, on the active backend: the guarantees of a Keras layer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from keras.src.testing import TestCase

from keras_apis import BACKEND, run
from localnorm import LRNSpec, reference
from localnorm.errors import AxisError, BackendError, DTypeError, LearnableError, SpecError
from localnorm.keras import LocalResponseNormalization, dispatch

# Keras's own, of its data adapters, of weights without a gradient and of how it saves.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`shuffle=True` was passed:UserWarning"),
    pytest.mark.filterwarnings("ignore:The model does not have any trainable weights:UserWarning"),
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

SPECS = {
    "paper": LRNSpec.from_paper(n=5, k=1.5, alpha=0.7, beta=0.6),
    "one-sided": LRNSpec(0, 3, 0.7, 0.75, 1.5),
    "within": LRNSpec(2, 1, 0.7, 0.75, 1.5, spatial=2),
}
every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)

# Eight epsilons of float32, of results of about 1.
CLOSE = {"rtol": 1e-6, "atol": 1e-6}


def _random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def _numbers(tensor: object) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def test_the_arguments_are_the_textbooks():
    layer = LocalResponseNormalization(alpha=0.7, beta=0.6, k=1.5, n=5)
    assert layer.spec == SPECS["paper"]
    assert (layer.alpha, layer.beta, layer.k, layer.n) == (0.7, 0.6, 1.5, 5)
    assert LocalResponseNormalization().spec == LRNSpec.from_paper()
    assert LocalResponseNormalization(0.5, 0.6, 3, 7, 1).spec == LRNSpec(3, 3, 0.5, 0.6, 3)


class StandardExam(TestCase):
    """What Keras asks of each of its own layers."""

    def test_basics(self) -> None:
        for arguments in ({}, {"alpha": 0.7, "n": 3, "axis": 1}, {"beta": 0.5, "k": 1.0}):
            self.run_layer_test(
                LocalResponseNormalization,
                init_kwargs=arguments,
                input_shape=(4, 5, 6, 11),
                expected_output_shape=(4, 5, 6, 11),
                expected_num_trainable_weights=0,
                expected_num_non_trainable_weights=0,
                expected_num_seed_generators=0,
                expected_num_losses=0,
                supports_masking=True,
            )

    def test_learned(self) -> None:
        for arguments in ({"learnable": True}, {"learnable": ["k", "alpha", "beta"], "per_channel": True}):
            self.run_layer_test(
                LocalResponseNormalization,
                init_kwargs=arguments,
                input_shape=(4, 5, 6, 11),
                expected_output_shape=(4, 5, 6, 11),
                expected_num_trainable_weights=3,
                expected_num_non_trainable_weights=0,
                expected_num_seed_generators=0,
                expected_num_losses=0,
                supports_masking=True,
            )


@every_spec
@pytest.mark.parametrize("learnable", [False, True])
def test_serialization(spec: LRNSpec, learnable: bool):
    layer = LocalResponseNormalization.from_spec(spec, axis=1, learnable=learnable, per_channel=True, name="lrn")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert isinstance(again, LocalResponseNormalization)
    assert again.get_config() == layer.get_config()
    assert (again.spec, again.axis, again.name) == (spec, 1, "lrn")


def test_a_config_of_the_constructors_arguments():
    layer = LocalResponseNormalization.from_config({"alpha": 0.7, "beta": 0.6, "k": 1.5, "n": 5})
    assert layer.spec == SPECS["paper"]


def _functional(spec: LRNSpec, **options: object) -> keras.Model:
    inputs = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, activation="relu")(inputs)
    x = LocalResponseNormalization.from_spec(spec, **options)(x)
    assert x.shape == (None, None, None, 8)
    return keras.Model(inputs, layers.Dense(4)(layers.GlobalAveragePooling2D()(x)))


def _sequential(spec: LRNSpec, **options: object) -> keras.Model:
    normalize = LocalResponseNormalization.from_spec(spec, **options)
    return keras.Sequential(
        [layers.Conv2D(8, 3, activation="relu"), normalize, layers.GlobalAveragePooling2D(), layers.Dense(4)]
    )


@keras.saving.register_keras_serializable(package="tests")
class Subclassed(keras.Model):
    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.convolve = layers.Conv2D(8, 3, activation="relu")
        self.normalize = LocalResponseNormalization(alpha=0.7, learnable=True)
        self.pool, self.decide = layers.GlobalAveragePooling2D(), layers.Dense(4)

    def call(self, x):
        return self.decide(self.pool(self.normalize(self.convolve(x))))


@pytest.mark.parametrize(
    "build",
    [
        lambda: _functional(SPECS["paper"]),
        lambda: _functional(SPECS["within"], learnable=True, per_channel=True),
        lambda: _sequential(SPECS["one-sided"], learnable={"alpha"}),
        Subclassed,
    ],
    ids=["functional", "functional, learned", "sequential", "subclassed"],
)
def test_models_train_save_and_load(build: Callable[[], keras.Model], tmp_path: Path):
    keras.utils.set_random_seed(0)
    model = build()
    model.compile("adam", "mse")
    x, y = _random(12, 9, 8, 3), _random(12, 4)
    losses = model.fit(x, y, batch_size=5, epochs=4, verbose=0).history["loss"]  # the last batch has 2
    assert losses[-1] < losses[0]
    printed = []
    model.summary(print_fn=lambda text, **_: printed.append(text))
    assert "local_response" in "".join(printed)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    before, after = model.predict(x, verbose=0), again.predict(x, verbose=0)
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-6)
    # Another size of image than it was trained on.
    assert model.predict(_random(2, 6, 7, 3), verbose=0).shape == (2, 4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64", "bfloat16"])
def test_dtype_policies(policy: str):
    if BACKEND == "jax" and policy == "float64":
        pytest.skip("JAX has no float64 unless it is told to")
    compute = keras.DTypePolicy(policy).compute_dtype
    layer = LocalResponseNormalization(alpha=0.7, learnable=True, dtype=policy)
    assert layer(keras.Input((5, 11))).dtype == compute
    assert {weight.dtype for weight in layer.weights} == {"float64" if policy == "float64" else "float32"}
    y = layer(keras.ops.full((2, 5, 11), 300.0))
    assert keras.backend.standardize_dtype(y.dtype) == compute
    want = reference.forward(np.full((1, 11), 300.0), layer.spec)
    # Half a unit of the narrowest, bfloat16, is 2^-9 of the number.
    np.testing.assert_allclose(np.float64(_numbers(keras.ops.cast(y, "float32")))[0, :1], want, rtol=2.0**-8)


@every_spec
def test_gradients_of_learned_values(spec: LRNSpec):
    x, grad = _random(3, 4, 5, 11), _random(3, 4, 5, 11, seed=1)
    layer = LocalResponseNormalization.from_spec(spec, learnable=True)
    np.testing.assert_allclose(_numbers(layer(x)), reference.forward(x, spec, -1), **CLOSE)
    np.testing.assert_allclose(run(x, grad, "float32", layer), reference.gradients(x, grad, spec, -1).x, **CLOSE)
    want = reference.gradients(x, grad, spec, -1)
    for weight, found in zip(layer.trainable_weights, _weight_gradients(layer, x, grad), strict=True):
        name = weight.name.removeprefix("log_")
        # The weight is the logarithm of the value. 660 terms of about 1 are summed in float32.
        assert found == pytest.approx(getattr(want, name) * getattr(spec, name), rel=1e-4, abs=1e-4)


def _weight_gradients(layer: keras.Layer, x: np.ndarray, grad: np.ndarray) -> list[float]:
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x) * grad)
        return [float(g) for g in tape.gradient(loss, [w.value for w in layer.trainable_weights])]
    if BACKEND == "torch":
        (layer(x) * keras.ops.convert_to_tensor(grad)).sum().backward()
        return [float(w.value.grad) for w in layer.trainable_weights]
    import jax

    def loss(weights):
        y, _ = layer.stateless_call(weights, [], x)
        return (y * grad).sum()

    return [float(g) for g in jax.grad(loss)([w.value for w in layer.trainable_weights])]


def test_learned_values_start_where_they_are_given():
    layer = LocalResponseNormalization(alpha=0.7, k=1.5, learnable=["alpha"])
    layer.build((None, 11))
    assert _numbers(layer.value("alpha")) == np.float32(0.7)
    assert (layer.value("k"), layer.value("beta")) == (1.5, 0.75)


def _built_for(channels: int) -> LocalResponseNormalization:
    layer = LocalResponseNormalization(learnable=True, per_channel=True)
    layer(np.ones((2, 4, channels), "float32"))
    return layer


REFUSED = {
    "integers": (
        lambda: LocalResponseNormalization()(np.ones((2, 3), "int32")),
        DTypeError,
        r"inputs must be float16, bfloat16, float32 or float64, got int32; convert them",
    ),
    "symbolic integers": (
        lambda: LocalResponseNormalization()(keras.Input((3,), dtype="int32")),
        DTypeError,
        r"got int32; convert them",
    ),
    "axis": (
        lambda: LocalResponseNormalization(axis=4)(keras.Input((3, 4))),
        AxisError,
        r"the input, which has rank 3, got axis=4; pass a value from -3 to 2",
    ),
    "no axis": (
        lambda: LocalResponseNormalization(axis=1.5),
        AxisError,
        r"axis must be a whole number, got 1.5 of type float",
    ),
    "within": (
        lambda: LocalResponseNormalization.from_spec(SPECS["within"])(keras.Input(())),
        AxisError,
        r"a window over 2 spatial axes needs an input with as many axes",
    ),
    "unknown channels": (
        lambda: LocalResponseNormalization(learnable=True, per_channel=True)(keras.Input((3, None))),
        AxisError,
        r"per_channel=True needs a known number of channels, got an input of shape \(None, 3, None\)",
    ),
    "another number of channels": (
        lambda: _built_for(7)(np.ones((2, 4, 1), "float32")),
        AxisError,
        r"one channel for each learned value, 7 along axis 2, got 1",
    ),
    "no spec": (
        lambda: LocalResponseNormalization.from_spec(5),
        SpecError,
        r"spec must be an LRNSpec, got 5 of type int",
    ),
    "not built": (
        lambda: LocalResponseNormalization(learnable=True).k,
        LearnableError,
        r"k has no value before the layer is built; call it once",
    ),
    "misspelt": (
        lambda: LocalResponseNormalization(learnable={"alhpa"}),
        LearnableError,
        r"values out of k, alpha, beta, got 'alhpa'; check the spelling",
    ),
    "k = 0": (
        lambda: LocalResponseNormalization(k=0, learnable=True),
        LearnableError,
        r"k must be positive to be learned",
    ),
    "n = 0": (lambda: LocalResponseNormalization(n=0), SpecError, r"n must be at least 1, got 0"),
}


@pytest.mark.parametrize(("act", "kind", "text"), REFUSED.values(), ids=REFUSED)
def test_refused(act: Callable[[], object], kind: type[Exception], text: str):
    with pytest.raises(kind, match=text):
        act()


def test_a_backend_without_a_api(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "openvino")
    with pytest.raises(BackendError, match=r"one of tensorflow, jax, torch, got openvino; set .* KERAS_BACKEND"):
        dispatch.apply_spec(np.ones((2, 3)), SPECS["paper"], -1, {})


@pytest.mark.parametrize("absent", ["keras", BACKEND])
def test_what_is_not_installed_is_named(absent: str):
    code = f"import sys; sys.modules['{absent}'] = None\nimport localnorm.keras"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = " ".join(done.stderr.split())
    assert f"{absent} can't be imported here" in said
    assert f"pip install 'localnorm[{absent}]'" in said
