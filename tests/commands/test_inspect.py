"""localnorm inspect: its output, and one line and exit code 2 for everything that is no model."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from localnorm.commands import app
from make_old_keras import FOLDER


def _run(file: object):
    return CliRunner().invoke(app, ["inspect", str(file)])


def test_an_ambiguous_layer_is_listed_with_its_readings():
    result = _run(FOLDER / "b_caffe.h5")
    assert (result.exit_code, result.stderr) == (0, "")
    head, empty, layer, *readings, blank, advice = result.stdout.splitlines()
    assert head.endswith(
        "b_caffe.h5: Keras 2.21.0 model in HDF5, written on tensorflow, order of channels unknown: "
        "1 LRN-like or GDN layer of 2"
    )
    assert (empty, blank) == ("", "")
    assert layer == "norm1  LRN(alpha=0.05, k=2, beta=0.75, n=5)  8 readings"
    assert readings[0] == "  caffe        LRNSpec(lo=2, hi=2, alpha=0.01, beta=0.75, k=2.0), axis 1"
    assert readings[2].startswith(
        "  paper        LRNSpec(lo=2, hi=2, alpha=0.05, beta=0.75, k=2.0), axis 1  differs by "
    )
    assert readings[2].endswith(" (input of 30)")
    assert len(readings) == 8
    assert advice.startswith("load it by localnorm.keras.load_legacy_model(FILE, lrn=...)")


def test_a_lambda_is_listed_with_its_arguments():
    result = _run(FOLDER / "e_lambda.keras")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[2:] == [
        "norm1  Lambda: tf.nn.lrn(alpha=0.01, beta=0.75)  one reading",
        "  tensorflow  LRNSpec(lo=5, hi=5, alpha=0.01, beta=0.75, k=1.0), axis -1",
    ]


MODULE = """
import torch
def net(): return torch.nn.Sequential(torch.nn.LocalResponseNorm(5))
layer = torch.nn.LocalResponseNorm(3)
def nothing(): return None
def failing(): raise RuntimeError("on purpose")
def keras_net():
    import keras
    from localnorm.keras import LocalResponseNormalization
    return keras.Sequential([keras.layers.Input((4, 4, 8)), LocalResponseNormalization(name="norm1")])
"""


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("net", "0  LocalResponseNorm(size=5, alpha=0.0001, beta=0.75, k=1.0)  one reading"),
        ("layer", "the model  LocalResponseNorm(size=3, alpha=0.0001, beta=0.75, k=1.0)  one reading"),
        ("keras_net", "  localnorm  LRNSpec(lo=2, hi=2, alpha=0.0001, beta=0.75, k=2.0), axis -1"),
    ],
)
def test_a_model_by_its_function(name: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "models_to_inspect.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    result = _run(f"models_to_inspect:{name}")
    assert (result.exit_code, result.stderr) == (0, "")
    assert line in result.stdout.splitlines()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "the function must return a torch.nn.Module or a Keras model, got NoneType"),
        ("absent", "has no attribute 'absent'"),
        ("failing", "models_to_inspect:failing must build a model, got RuntimeError: on purpose"),
    ],
)
def test_a_function_that_gives_none(name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "models_to_inspect.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    result = _run(f"models_to_inspect:{name}")
    assert result.exit_code == 2
    assert message in result.stderr


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _file(content: bytes):
    def write(path: Path) -> Path:
        path.write_bytes(content)
        return path

    return write


BAD = {
    "folder": _folder,
    "absent.h5": lambda path: path,
    "text.txt": _file(b"LRN, alpha=1e-4"),
    "truncated.h5": _file((FOLDER / "b_caffe.h5").read_bytes()[:3000]),
    "truncated.keras": _file((FOLDER / "b_caffe.keras").read_bytes()[:3000]),
    "empty.pt": _file(b""),
    "text.onnx": _file(b"LRN"),
    "page.pt2": _file(b"<html>"),
}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_one_line_and_exit_code_2(name: str, tmp_path: Path):
    result = _run(BAD[name](tmp_path / name))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
