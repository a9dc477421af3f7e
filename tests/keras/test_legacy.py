"""Old Keras models on the active backend: six lineages as Keras 2 wrote them, loaded with the right outputs."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from localnorm import LRNSpec, reference
from localnorm.errors import AxisError, ConversionError, ModelFileError
from localnorm.keras import LocalResponseNormalization, legacy_objects, load_legacy_model
from localnorm.legacy.readings import PooledSpec
from make_old_keras import FOLDER, SHAPE, images

# Keras's, of how it saves, and of torch tensors that NumPy copies.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

# Values that those files keep, or that their code has.
VALUES = {"alpha": 0.05, "k": 2, "beta": 0.75, "n": 5}
HARD_CODED = LRNSpec.from_tensorflow(2, 1.0, 1e-2, 0.75)
CHOICES = {
    "a_identity": {"lrn": "identity"},
    "a_paper": {"lrn": "paper"},
    "b_caffe": {"lrn": "caffe"},
    "c_book": {"lrn": "book"},
    "c_gamornet": {"lrn": "gamornet"},
    "c_book_within": {"lrn": "book_within"},
    "d_tensorflow": {},
    "d_hard_coded": {"lrn": HARD_CODED},
    "e_lambda": {},
    "f_l2net": {"lrn": "l2net"},
}


def _by_pooling(size: int, alpha: float, across: bool):
    """Return the book's formula by loops over pixels, so that nothing is shared with what is tested."""

    def forward(x):
        y = np.empty_like(x)
        low, high = (size - 1) // 2, size // 2
        for i, j in np.ndindex(x.shape[1:3]):
            window = x[:, max(i - low, 0) : i + high + 1, max(j - low, 0) : j + high + 1]
            mean = (window**2).mean(axis=(1, 2))
            mean = mean.sum(axis=-1, keepdims=True) if across else mean
            y[:, i, j] = x[:, i, j] / (2 + alpha * mean) ** 0.75
        return y

    return forward


def _lrn(spec: LRNSpec, axis: int):
    return lambda x: reference.forward(x, spec, axis)


EXPECTED = {
    "a_identity": lambda x: x,
    "a_paper": _lrn(LRNSpec(2, 2, 0.05, 0.75, 2), 1),
    "b_caffe": _lrn(LRNSpec(2, 2, 0.01, 0.75, 2), 1),
    "c_book": _by_pooling(2, 0.01, True),
    "c_gamornet": _by_pooling(5, 0.05, True),
    "c_book_within": _by_pooling(5, 0.05, False),
    "d_tensorflow": _lrn(LRNSpec(2, 2, 0.05, 0.75, 1.5), -1),
    "d_hard_coded": _lrn(LRNSpec(2, 2, 1e-2, 0.75, 1), -1),
    "e_lambda": _lrn(LRNSpec(5, 5, 1e-2, 0.75, 1), -1),
    "f_l2net": _lrn(LRNSpec(6, 6, 1.0, 0.5, 0), -1),  # over all 7 channels
}


def _file(name: str) -> Path:
    return FOLDER / name


def _output(model: keras.Model) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(images()))


def _expected(name: str) -> np.ndarray:
    """Return the right output: the layer in float64, then the Dense layer with the weights of the file."""
    with h5py.File(_file(f"{name}.h5")) as file:
        weights = file["model_weights"]["dense"]["dense"]
        kernel, bias = weights["kernel:0"][()], weights["bias:0"][()]
    return EXPECTED[name](images().astype(np.float64)) @ kernel.astype(np.float64) + bias


def _close(actual: np.ndarray, expected: np.ndarray) -> None:
    # float32 on both sides: a sum of 7 products of numbers of at most the largest output's size, each with the
    # errors of a power and of a sum of squares.
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", CHOICES)
def test_a_lineage_loads_with_the_right_outputs(name: str, capfd: pytest.CaptureFixture[str]):
    model = keras.saving.load_model(_file(f"{name}.h5"), legacy_objects(**CHOICES[name]), compile=False)
    _close(_output(model), _expected(name))
    # What Keras 2 itself gave.
    _close(_output(model), np.load(_file("outputs.npz"))[name])
    assert "localnorm: layer 'norm1' (" in capfd.readouterr().err


@pytest.mark.parametrize("name", ["b_caffe", "d_tensorflow", "e_lambda"])
def test_a_zipped_lineage_loads_with_the_right_outputs(name: str):
    model = load_legacy_model(_file(f"{name}.keras"), **CHOICES[name])
    _close(_output(model), np.load(_file("outputs.npz"))[name])


@pytest.mark.parametrize("suffix", ["h5", "keras"])
def test_a_functional_model_loads(suffix: str):
    model = load_legacy_model(_file(f"e_functional.{suffix}"))
    # Keras 2 kept the inputs of a model as a list.
    _close(keras.ops.convert_to_numpy(model([images()])), np.load(_file("outputs.npz"))["e_functional"])


def test_the_models_tell_readings_apart():
    """Guards the tests above: two lineages with the same values differ by more than the tolerance."""
    outputs = np.load(_file("outputs.npz"))
    same_values = [outputs[name] for name in CHOICES if name[:2] in ("a_", "b_", "c_")]
    for i, one in enumerate(same_values):
        for other in same_values[:i]:
            assert np.abs(one - other).max() > 1e-2 * np.abs(one).max()


@pytest.mark.parametrize("name", [name for name in CHOICES if CHOICES[name]])
def test_an_ambiguous_layer_is_refused(name: str):
    with pytest.raises(
        ConversionError, match=r"lrn must name what layer 'norm1' computes|an LRN layer needs n, alpha"
    ):
        load_legacy_model(_file(f"{name}.h5"))


def test_the_choice_can_differ_by_layer():
    for key in ("norm1", "LRN"):
        assert load_legacy_model(_file("b_caffe.h5"), {key: "caffe"}).layers[0].axis == 1
    with pytest.raises(ConversionError, match="lrn must name"):
        load_legacy_model(_file("b_caffe.h5"), {"norm2": "caffe"})


def test_the_axis_can_be_given():
    layer = load_legacy_model(_file("b_caffe.h5"), "caffe", axis=-1).layers[0]
    assert (layer.axis, layer.spec) == (-1, LRNSpec(2, 2, 0.01, 0.75, 2))


@pytest.mark.parametrize(("order", "lrn", "axis"), [("last", "caffe", 1), ("first", "l2net", -1)])
def test_an_axis_unlike_that_of_the_other_layers_is_warned_of(order: str, lrn: str, axis: int, tmp_path: Path):
    config = {
        "name": "model",
        "layers": [
            {"class_name": "InputLayer", "config": {"name": "x", "batch_input_shape": [None, *SHAPE]}},
            {"class_name": "MaxPooling2D", "config": {"name": "pool", "data_format": f"channels_{order}"}},
            {"class_name": "LRN", "config": {"name": "norm1", **VALUES}},
        ],
    }
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": config})
        file.create_group("model_weights").attrs["layer_names"] = np.array([], "S1")
    with pytest.warns(UserWarning, match=f"read with channel axis {axis}, but the model's .* channels {order}"):
        load_legacy_model(tmp_path / "a.h5", lrn)
    load_legacy_model(tmp_path / "a.h5", lrn, axis=axis)


def test_values_that_the_file_lacks_can_be_given():
    values = {"depth_radius": 2, "bias": 1, "alpha": 1e-2, "beta": 0.75}
    _close(_output(load_legacy_model(_file("d_hard_coded.h5"), values=values)), _expected("d_hard_coded"))


def test_an_unknown_reading_is_refused_before_loading():
    with pytest.raises(ConversionError, match=r"lrn must be one of caffe, .*got 'cafe'; did you mean caffe"):
        legacy_objects("cafe")
    for lrn in (5, {"norm1": 5}, keras.layers.ReLU()):
        with pytest.raises(ConversionError, match=r"lrn must be a name, a spec or a dict of such, got"):
            legacy_objects(lrn)
    with pytest.raises(AxisError):
        legacy_objects("caffe", axis=1.5)


def test_a_reading_that_the_layer_lacks_is_refused():
    layer = {"name": "norm1", **VALUES, "n": 4}
    with pytest.raises(ConversionError, match=r"for layer 'norm1', got 'paper'"):
        legacy_objects("paper")["LRN2D"].from_config(layer)


def test_another_class_name():
    objects = legacy_objects("paper", names=["MyNorm"])
    layer = objects["MyNorm"].from_config({"name": "norm1", **VALUES})
    assert (layer.name, layer.spec, layer.axis) == ("norm1", LRNSpec(2, 2, 0.05, 0.75, 2), 1)


@pytest.mark.parametrize("name", ["b_caffe", "c_gamornet", "e_lambda"])
def test_the_loaded_model_is_saved_and_loaded_without_legacy_objects(name: str, tmp_path: Path):
    model = load_legacy_model(_file(f"{name}.h5"), **CHOICES[name])
    model.save(tmp_path / "new.keras")
    _close(_output(keras.saving.load_model(tmp_path / "new.keras")), _expected(name))


def _zipped(path: Path, function: object) -> Path:
    """Write e_lambda.keras with another function in its Lambda."""
    with zipfile.ZipFile(_file("e_lambda.keras")) as source, zipfile.ZipFile(path, "w") as target:
        for member in source.namelist():
            data = source.read(member)
            if member == "config.json":
                config = json.loads(data)
                config["config"]["layers"][1]["config"]["function"] = function
                data = json.dumps(config).encode()
            target.writestr(member, data)
    return path


RUNS = "4wEAAAAAAAAAAAAAAAUAAABscm4="
"""Bytecode that mentions lrn and is damaged: whatever loads it fails."""


def test_a_lambda_that_is_not_understood_is_refused_and_never_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def loads(*_: object) -> None:
        pytest.fail("bytecode was loaded")

    monkeypatch.setattr("marshal.loads", loads)
    path = _zipped(tmp_path / "model.keras", [RUNS * 4, None, None])
    with pytest.raises(ConversionError, match=r"Lambda 'norm1' must be a plain call of tf.nn.lrn"):
        load_legacy_model(path)
    model = load_legacy_model(path, {"norm1": LRNSpec.from_tensorflow(5, 1.0, 1e-2, 0.75)})
    _close(_output(model), _expected("e_lambda"))


def test_another_lambda_is_left_to_keras(tmp_path: Path):
    lambda_of_keras_3 = {
        "class_name": "__lambda__",
        "config": {"code": "4wEAAA==", "defaults": None, "closure": None},
    }
    with pytest.raises(ValueError, match=r"Requested the deserialization of a `Lambda` layer"):
        load_legacy_model(_zipped(tmp_path / "model.keras", lambda_of_keras_3))


OLDER = {
    "a_identity": "identity",
    "b_caffe": "caffe",
    "f_l2net": {"LRN": "l2net", "Lambda": keras.layers.ReLU()},
}


@pytest.mark.parametrize("release", ["2.0.6", "2.2.4"])
@pytest.mark.parametrize("name", OLDER)
def test_a_model_of_an_early_keras_2_loads(name: str, release: str):
    """Its Sequential models have no input layer, and in 2.0.6 are lists. It ran on Theano."""
    model = load_legacy_model(_file(f"{name}_{release}.h5"), OLDER[name])
    _close(_output(model), np.load(_file("older_outputs.npz"))[f"{name}_{release}"])


def test_a_lambda_without_a_layer_for_it_is_left_to_keras():
    with pytest.raises(ValueError, match=r"Requested the deserialization of a `Lambda` layer"):
        load_legacy_model(_file("f_l2net_2.2.4.h5"), "l2net")


def test_a_layer_for_all_lambdas_leaves_those_with_lrn():
    model = load_legacy_model(_file("e_lambda.h5"), {"Lambda": keras.layers.ReLU()})
    _close(_output(model), _expected("e_lambda"))


def test_a_model_of_keras_1_is_refused():
    with pytest.raises(ModelFileError, match=r"a model of Keras 2 or later, got one of Keras 1.2.2"):
        load_legacy_model(_file("b_caffe_1.2.2.h5"), "caffe")


def test_a_truncated_file_is_refused(tmp_path: Path):
    (tmp_path / "model.h5").write_bytes(_file("b_caffe.h5").read_bytes()[:5000])
    with pytest.raises(ModelFileError, match=r"model.h5 must be a readable HDF5 file, got .*truncated"):
        load_legacy_model(tmp_path / "model.h5", "caffe")


def test_a_damaged_archive_is_refused(tmp_path: Path):
    (tmp_path / "model.keras").write_bytes(_file("b_caffe.keras").read_bytes()[:5000])
    with pytest.raises(ModelFileError, match=r"model.keras must be a readable zip archive, got File is not a zip"):
        load_legacy_model(tmp_path / "model.keras", "caffe")


def test_half_precision_keeps_its_dtype():
    objects = legacy_objects(PooledSpec(3, 0.05, 0.75, 2.0, across=True))
    layer = objects["LRN"].from_config(
        {"name": "norm1", "dtype": {"class_name": "Policy", "config": {"name": "float16"}}}
    )
    y = layer(images().transpose(0, 2, 3, 1).astype("float16"))
    assert keras.backend.standardize_dtype(y.dtype) == "float16"
    assert isinstance(objects["LRN"].from_config({**VALUES, "name": "b"}), keras.layers.Layer)


def test_the_layer_is_localnorms():
    assert isinstance(load_legacy_model(_file("b_caffe.h5"), "caffe").layers[0], LocalResponseNormalization)
