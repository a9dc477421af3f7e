"""Inspection of Keras files, HDF5 and .keras, and of damaged and hostile ones: one error, nothing run."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import pytest

from localnorm.errors import MissingExtraError, ModelFileError
from localnorm.inspection import inspect_file
from localnorm.legacy.readings import LINEAGES
from make_old_keras import FOLDER

ZIPPED = FOLDER / "b_caffe.keras"


def _with_config(path: Path, config: object) -> Path:
    """Write a .keras file with another configuration."""
    with zipfile.ZipFile(ZIPPED) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for member in source.namelist():
            data = source.read(member)
            target.writestr(member, json.dumps(config) if member == "config.json" else data)
    return path


@pytest.mark.parametrize(
    ("name", "shown", "readings"),
    [
        ("a_identity.h5", "LRN2D(alpha=0.05, k=2, beta=0.75, n=5)", list(LINEAGES)),
        ("b_caffe.h5", "LRN(alpha=0.05, k=2, beta=0.75, n=5)", list(LINEAGES)),
        ("b_caffe.keras", "LRN(alpha=0.05, k=2, beta=0.75, n=5)", list(LINEAGES)),
        ("c_gamornet.h5", "LocalResponseNormalization(alpha=0.05, k=2, beta=0.75, n=5)", list(LINEAGES)),
        (
            "d_tensorflow.h5",
            "LocalResponseNormalization(depth_radius=2, bias=1.5, alpha=0.05, beta=0.75)",
            ["tensorflow"],
        ),
        (
            "d_tensorflow.keras",
            "LocalResponseNormalization(depth_radius=2, bias=1.5, alpha=0.05, beta=0.75)",
            ["tensorflow"],
        ),
        ("d_hard_coded.h5", "LRN()", []),
        ("e_lambda.h5", "Lambda: tf.nn.lrn(alpha=0.01, beta=0.75)", ["tensorflow"]),
        ("e_lambda.keras", "Lambda: tf.nn.lrn(alpha=0.01, beta=0.75)", ["tensorflow"]),
        ("f_l2net.h5", "LRN(alpha=256, k=0, beta=0.5, n=256)", [name for name in LINEAGES if name != "paper"]),
    ],
)
def test_a_lineage(name: str, shown: str, readings: list[str]):
    inspected = inspect_file(FOLDER / name)
    [layer] = inspected.layers
    assert inspected.what.startswith("Keras 2.21.0 model in")
    assert inspected.total == 2
    assert (layer.name, layer.shown, [one.name for one in layer.readings]) == ("norm1", shown, readings)
    if len(readings) != 1:
        assert "load_legacy_model" in inspected.remarks[0]


@pytest.mark.parametrize("release", ["1.2.2", "2.0.6", "2.2.4"])
def test_a_model_of_an_early_release(release: str):
    inspected = inspect_file(FOLDER / f"b_caffe_{release}.h5")
    [layer] = inspected.layers
    assert inspected.what.startswith(f"Keras {release} model in HDF5")
    assert (layer.name, layer.shown) == ("norm1", "LRN(alpha=0.05, k=2, beta=0.75, n=5)")


def test_readings_differ_on_random_input():
    [layer] = inspect_file(FOLDER / "b_caffe.h5").layers
    first, *others = layer.differences()
    assert first == (0, 0)
    assert all(0.01 < small < large for small, large in others)


def test_reading_a_file_imports_no_framework():
    code = (
        "import sys\nfrom localnorm.inspection import inspect_file\n"
        f"for name in ('b_caffe.h5', 'e_lambda.keras'): inspect_file({str(FOLDER)!r} + '/' + name)\n"
        "print({name.partition('.')[0] for name in sys.modules} & {'tensorflow', 'keras', 'torch', 'jax', 'onnx'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_lambda_with_other_code(tmp_path: Path):
    function = {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAAAAAAAAUAAABscm4=" * 4}}
    config = {"config": {"layers": [{"class_name": "Lambda", "config": {"name": "norm1", "function": function}}]}}
    [layer] = inspect_file(_with_config(tmp_path / "model.keras", config)).layers
    assert (layer.shown, layer.readings) == ("Lambda: code that is not understood", ())
    assert layer.remarks == ("mentions LRN; its bytecode is not run, so name its meaning when loading",)


def test_a_gdn_is_listed(tmp_path: Path):
    config = {"config": {"layers": [{"class_name": "GDN", "config": {"name": "gdn_0", "inverse": True}}]}}
    [layer] = inspect_file(_with_config(tmp_path / "model.keras", config)).layers
    assert (layer.name, layer.shown, layer.readings) == ("gdn_0", "GDN(inverse=True)", ())


def test_wrong_values_are_a_remark(tmp_path: Path):
    wrong = {"name": "norm1", "n": 5, "alpha": "much", "beta": 0.75, "k": 1}
    config = {"config": {"layers": [{"class_name": "LRN", "config": wrong}]}}
    [layer] = inspect_file(_with_config(tmp_path / "model.keras", config)).layers
    assert layer.remarks[0].startswith("can't be read: alpha must be a real number, got 'much'")


@pytest.mark.parametrize("size", [9, 512, 5000, 13000])
def test_a_truncated_hdf5_file(size: int, tmp_path: Path):
    path = tmp_path / "model.h5"
    path.write_bytes((FOLDER / "b_caffe.h5").read_bytes()[:size])
    with pytest.raises(
        ModelFileError, match=r"^model.h5 must be a readable HDF5 file, got .*; copy or download it again.$"
    ):
        inspect_file(path)


def test_weights_alone(tmp_path: Path):
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["conv1/kernel:0"] = [1.0]
    with pytest.raises(ModelFileError, match="got HDF5 with 1 arrays and no model_config"):
        inspect_file(tmp_path / "weights.h5")


def test_a_configuration_that_is_no_json(tmp_path: Path):
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.attrs["model_config"] = "{"
    with pytest.raises(ModelFileError, match=r"model_config in model.h5 must be JSON, got Expecting"):
        inspect_file(tmp_path / "model.h5")


def test_without_h5py(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        MissingExtraError, match=r"needs h5py, which is not installed; install it with: pip install h5py"
    ):
        inspect_file(FOLDER / "b_caffe.h5")


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_a_zip_bomb_is_refused_by_its_size(member: str, tmp_path: Path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in {"config.json", member}:
            with archive.open(name, "w") as stream:
                for _ in range(100 if name == member else 0):
                    stream.write(bytes(2**20))
    assert path.stat().st_size < 2**18
    with pytest.raises(
        ModelFileError, match=rf"got {member} of \d+ bytes that expands to 104857600; it is not read"
    ):
        inspect_file(path)


def test_a_zip_bomb_that_lies_about_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The sizes in the directory of an archive are the file's claim."""
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes(2**22))
    data = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        at = data.index(mark) + offset
        data[at : at + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(data)
    monkeypatch.setattr("localnorm.legacy.archive.LARGEST_TEXT", 2**20)
    with pytest.raises(ModelFileError, match="must be"):
        inspect_file(path)


def test_json_nested_beyond_measure(tmp_path: Path):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "[" * 200_000)
    with pytest.raises(ModelFileError, match=r"config.json in model.keras must be JSON"):
        inspect_file(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.keras", b"", "model.keras must be a Keras model .*, got other contents under that ending"),
        ("model.h5", b"<html>not found</html>", "model.h5 must be a Keras model .*, got other contents"),
        ("notes.txt", b"LRN", "FILE must be a Keras model .*, got notes.txt, which is none of them"),
        (
            "model.keras",
            b"PK\x03\x04 cut",
            "model.keras must be a readable zip archive, got File is not a zip file",
        ),
    ],
)
def test_another_file(name: str, content: bytes, message: str, tmp_path: Path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFileError, match=message):
        inspect_file(tmp_path / name)


def test_no_file(tmp_path: Path):
    with pytest.raises(ModelFileError, match="FILE must be a file, got the folder"):
        inspect_file(tmp_path)
    with pytest.raises(ModelFileError, match=r"got .*absent.h5: No such file or directory; check the path"):
        inspect_file(tmp_path / "absent.h5")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(ModelFileError, match="got a zip archive of other files"):
        inspect_file(tmp_path / "a.zip")
