"""GDN as a Keras layer against its formula, on the backend in use; training, saving, bad input."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from gdn_formula import gdn as formula
from localnorm.errors import AxisError, DTypeError, SpecError
from localnorm.gdn_parameters import from_tfc, to_tfc
from localnorm.keras import GDN, GDN1, IGDN

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of Keras
KINDS = {"GDN": (GDN, 2, False), "IGDN": (IGDN, 2, True), "GDN1": (GDN1, 1, False)}


def parameters(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(0.1, 2, count).astype(np.float32), rng.uniform(0, 0.3, (count, count)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("shape", "axis"), [((2, 3, 4, 6), -1), ((2, 6, 3, 4), 1), ((5, 6), -1)])
def test_formula(kind: str, shape: tuple[int, ...], axis: int) -> None:
    made, power, inverse = KINDS[kind]
    layer = made(axis=axis)
    x = np.random.default_rng(1).normal(size=shape).astype(np.float32) * 3
    layer.build(shape)
    beta, gamma = parameters(6)
    layer.set_weights([beta, gamma])
    wanted = formula(x, beta, gamma, power=power, inverse=inverse, axis=axis)
    # Sums of six positive terms, a root and a division: a few roundings of float32.
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), wanted.astype(np.float64), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("scale", [1e-30, 1e18, 3e37, (1e30, 1.0, 1e-3), (3e38, 1e20, 1e18)])
@pytest.mark.parametrize("kind", ["GDN", "GDN1"])
def test_huge_and_tiny_values(kind: str, scale: object) -> None:
    made, power, inverse = KINDS[kind]
    x = (np.array([[1.0, -1.0, 0.5]]) * np.array(scale)).astype(np.float32)
    wanted = formula(x, np.ones(3), 0.1 * np.eye(3), power=power, inverse=inverse, axis=-1)
    np.testing.assert_allclose(ops.convert_to_numpy(made()(x)), wanted.astype(np.float64), rtol=2e-6)


def test_half_precision_is_rounded_once() -> None:
    x = (np.random.default_rng(2).normal(size=(4, 5)) * 300).astype(np.float16)
    y = GDN(dtype="float16")(x)
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    wanted = ops.convert_to_numpy(GDN()(x.astype(np.float32))).astype(np.float16)
    np.testing.assert_array_equal(ops.convert_to_numpy(y), wanted)


def test_trains_saves_and_loads(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 3), GDN(), IGDN(), GDN1()])
    x = np.random.default_rng(3).normal(size=(16, 8, 8, 3)).astype(np.float32)
    y = np.zeros((16, 6, 6, 4), np.float32)
    model.compile("adam", "mse")
    before = [w.copy() for w in model.layers[1].get_weights()]
    history = model.fit(x, y, epochs=3, verbose=0).history["loss"]
    assert history[-1] < history[0]
    assert all((a != b).any() for a, b in zip(before, model.layers[1].get_weights(), strict=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert loaded.layers[2].inverse


def test_a_weight_below_its_bound_counts_as_the_bound() -> None:
    layer = GDN()
    layer.build((1, 2))
    layer.set_weights([np.array([-1.0, 1.0], np.float32), -np.ones((2, 2), np.float32)])
    y = ops.convert_to_numpy(layer(np.array([[1e-3, 2.0]], np.float32)))
    np.testing.assert_allclose(y, [[1.0, 2.0]], rtol=1e-5)


def test_weights_of_tensorflow_compression() -> None:
    beta, gamma = parameters(3)
    layer = GDN()
    layer.build((None, 3))
    layer.set_weights(from_tfc(to_tfc(beta, gamma)))
    np.testing.assert_allclose(layer.get_weights()[1], gamma, rtol=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: GDN(beta_min=-1.0), SpecError, "beta_min must be a finite number of at least 0, got -1.0"),
        (lambda: GDN(gamma_init="a"), SpecError, "gamma_init must be a finite number"),
        (lambda: GDN()(keras.Input((4, None))), AxisError, "known number of channels"),
        (lambda: GDN(axis=3).build((None, 4)), AxisError, "axis"),
        (lambda: GDN()(np.ones((2, 3), np.int32)), DTypeError, "float dtype, got int32"),
    ],
)
def test_bad_input(call, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()
