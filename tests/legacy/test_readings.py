"""Readings of old layers: their formulas against loops in NumPy, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from localnorm import LRNSpec
from localnorm.errors import AxisError, ConversionError, SpecError
from localnorm.legacy.keras_config import as_layer, old_model
from localnorm.legacy.readings import LINEAGES, PooledSpec, choose, readings

VALUES = {"n": 5, "alpha": 0.05, "beta": 0.75, "k": 2}
X = np.random.default_rng(0).normal(scale=5, size=(2, 6, 7, 8))


def _windows(axis: int, lo: int, hi: int, alpha: float) -> np.ndarray:
    x = np.moveaxis(X, axis, -1)
    sums = [(x[..., max(c - lo, 0) : c + hi + 1] ** 2).sum(-1) for c in range(x.shape[-1])]
    return np.moveaxis(x / (2 + alpha * np.stack(sums, -1)) ** 0.75, -1, axis)


def _pooled(size: int, alpha: float, across: bool) -> np.ndarray:
    y = np.empty_like(X)
    low = (size - 1) // 2
    for i, j in np.ndindex(6, 7):
        window = X[:, max(i - low, 0) : i + size // 2 + 1, max(j - low, 0) : j + size // 2 + 1] ** 2
        mean = window.mean((1, 2)).sum(-1, keepdims=True) if across else window.mean((1, 2))
        y[:, i, j] = X[:, i, j] / (2 + alpha * mean) ** 0.75
    return y


EXPECTED = {
    "caffe": _windows(1, 2, 2, 0.01),
    "l2net": _windows(-1, 2, 2, 0.01),
    "paper": _windows(1, 2, 2, 0.05),
    "identity": X,
    "book": _pooled(2, 0.01, True),
    "gamornet": _pooled(5, 0.05, True),
    "book_within": _pooled(5, 0.05, False),
    "tensorflow": _windows(-1, 5, 5, 0.05),
}


@pytest.mark.parametrize("one", readings(VALUES), ids=lambda one: one.name)
def test_formula(one):
    # float64 on both sides, sums of a few hundred terms.
    np.testing.assert_allclose(one.forward(X), EXPECTED[one.name], rtol=1e-12)


def test_every_lineage_has_a_reading():
    assert [one.name for one in readings(VALUES)] == list(LINEAGES) == list(EXPECTED)


@pytest.mark.parametrize("size", [20, 10**12])
def test_a_window_wider_than_the_input(size: int):
    for one in readings({**VALUES, "n": size}):
        assert np.isfinite(one.forward(X)).all()
    [far] = {
        spec.forward(X).tobytes() for spec in (PooledSpec(13, 1, 1, 1, False), PooledSpec(size, 1, 1, 1, False))
    }
    assert far


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"depth_radius": 2, "bias": 1, "alpha": 1, "beta": 0.5}, ["tensorflow"]),
        ({"radius": 2, "k": 1, "alpha": 1, "beta": 0.5}, ["tensorflow"]),
        ({"local_size": 5, "k": 1, "alpha": 1, "beta": 0.5}, ["caffe", "l2net"]),
        ({**VALUES, "n": 4}, [name for name in LINEAGES if name != "paper"]),
    ],
)
def test_readings_by_the_names_of_the_arguments(values: dict, names: list[str]):
    assert [one.name for one in readings(values)] == names


def test_an_even_n_reaches_one_further_down():
    [caffe] = [one for one in readings({**VALUES, "n": 4}) if one.name == "caffe"]
    assert caffe.rule == LRNSpec(2, 1, 0.0125, 0.75, 2)


@pytest.mark.parametrize("absent", VALUES)
def test_a_missing_value_is_named(absent: str):
    kept = {name: value for name, value in VALUES.items() if name != absent}
    with pytest.raises(ConversionError, match=f"an LRN layer needs {absent}, which the file doesn't keep"):
        readings(kept)


@pytest.mark.parametrize(
    ("name", "value"),
    [("n", 0), ("n", "5"), ("n", 2.5), ("alpha", -1), ("alpha", None), ("beta", float("nan")), ("k", [1])],
)
def test_wrong_values_are_refused(name: str, value: object):
    with pytest.raises(SpecError, match=f"{name} must be"):
        readings({**VALUES, name: value})


def test_choice():
    available = readings(VALUES)
    assert choose(available, "book", "norm1").name == "book"
    with pytest.raises(ConversionError, match="for layer 'norm1', got 'papr'; did you mean paper"):
        choose(available, "papr", "norm1")


def _entry(name: str, **config: object) -> dict:
    return {"class_name": name, "config": {"name": name.lower(), **config}}


def test_nested_models_and_wrappers():
    inner = {
        "class_name": "Model",
        "config": {"layers": [_entry("LRN", **VALUES), _entry("Conv2D", data_format="channels_first")]},
    }
    outer = [inner, _entry("TimeDistributed", layer=_entry("LRN2D", **VALUES)), _entry("GDN")]
    model = old_model({"class_name": "Sequential", "config": outer})
    assert [layer.class_name for layer in model.layers] == ["LRN", "LRN2D", "GDN"]
    assert model.layers[2].is_gdn
    assert model.channels_first is True


@pytest.mark.parametrize(("order", "first"), [("th", True), ("tf", False), ("channels_last", False), (None, None)])
def test_order_of_channels(order: str | None, first: bool | None):
    layers = [_entry("Convolution2D", **({"dim_ordering": order} if order else {}))]
    assert old_model({"config": {"layers": layers}}).channels_first is first


def test_a_configuration_of_any_depth():
    config: dict = {}
    for _ in range(5000):
        config = {"class_name": "Model", "config": {"layers": [config]}}
    assert old_model(config).layers == []


def test_the_layer_of_localnorm():
    spec = {"lo": 2, "hi": 2, "alpha": 0.5, "beta": 0.75, "k": 1.0, "spatial": 0}
    layer = as_layer("localnorm>LocalResponseNormalization", {"name": "a", "spec": spec, "axis": 1})
    assert layer.readings()[0].text == "LRNSpec(lo=2, hi=2, alpha=0.5, beta=0.75, k=1.0), axis 1"
    with pytest.raises(ConversionError, match="spec must hold lo, hi"):
        as_layer("LocalResponseNormalization", {"spec": {"lo": 2}}).readings()
    with pytest.raises(AxisError):
        as_layer("LocalResponseNormalization", {"spec": spec, "axis": [1]}).readings()
