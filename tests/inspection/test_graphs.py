"""Inspection of ONNX files and exported programs: LRN nodes, and LRN and GDN as exporters write them."""

from __future__ import annotations

import json
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from torch import nn

from localnorm import LRNSpec
from localnorm.errors import MissingExtraError, ModelFileError
from localnorm.inspection import inspect_file
from localnorm.torch import GDN, IGDN, LocalResponseNorm
from onnx_tools import torchs_own_warning

pytestmark = torchs_own_warning
SHAPE = (2, 6, 5, 5)


class CompressionGDN(nn.Module):
    """GDN and its relatives by CompressAI's operations: a root or none, divided by or multiplied."""

    def __init__(self, root: bool, inverse: bool):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.root, self.inverse = root, inverse
        self.beta = nn.Parameter(1 + torch.rand(6, generator=generator))
        self.gamma = nn.Parameter(torch.rand(6, 6, generator=generator))

    def forward(self, x):
        pool = nn.functional.conv2d(x**2 if self.root else x.abs(), self.gamma[..., None, None], self.beta)
        if self.root:
            return x * (torch.sqrt(pool) if self.inverse else torch.rsqrt(pool))
        return x * (pool if self.inverse else 1 / pool)


def _lrn_model(path: Path, **attributes: object) -> Path:
    tensors = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, SHAPE) for name in "xy"]
    node = helper.make_node("LRN", ["x"], ["y"], name="norm1", **attributes)
    onnx.save(helper.make_model(helper.make_graph([node], "g", tensors[:1], tensors[1:])), path)
    return path


def _onnx(module: nn.Module, path: Path, dynamo: bool = True) -> Path:
    torch.onnx.export(module.eval(), (torch.ones(SHAPE),), path, dynamo=dynamo, verbose=False)
    return path


def _program(module: nn.Module, path: Path) -> Path:
    torch.export.save(torch.export.export(module.eval(), (torch.ones(SHAPE),)), path)
    return path


def _outputs_agree(layer, module: nn.Module):
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1))
    expected = module(x).detach().double().numpy()
    # The module computes in float32.
    np.testing.assert_allclose(layer.readings[0].forward(x.double().numpy()), expected, rtol=1e-5, atol=1e-6)


def test_a_node_has_one_reading(tmp_path: Path):
    inspected = inspect_file(_lrn_model(tmp_path / "a.onnx", size=5, alpha=1e-3))
    [layer] = inspected.layers
    assert (layer.name, layer.shown) == ("norm1", "LRN(alpha=0.001, beta=0.75, bias=1.0, size=5)")
    assert [one.rule for one in layer.readings] == [LRNSpec.from_onnx(5, 1e-3)]
    assert layer.remarks == ()


def test_an_even_size_is_warned_of(tmp_path: Path):
    [layer] = inspect_file(_lrn_model(tmp_path / "a.onnx", size=4, alpha=0.5)).layers
    onnx_reading, openvino = layer.readings
    assert onnx_reading.rule == LRNSpec(1, 2, 0.125, 0.75, 1)
    assert openvino.rule == LRNSpec(1, 1, 0.125, 0.75, 1)
    assert layer.remarks[0].startswith("warning: runtimes differ on the even size 4")
    assert layer.differences()[1][1] > 0.1


@pytest.mark.parametrize("size", [3, 4])
def test_openvino_reads_it_as_said(size: int, tmp_path: Path):
    """The reading called openvino is what its CPU plugin gives."""
    openvino = pytest.importorskip("openvino")
    path = _lrn_model(tmp_path / "a.onnx", size=size, alpha=0.5, bias=1.75)
    x = np.random.default_rng(0).normal(size=SHAPE).astype("float32")
    y = openvino.Core().compile_model(openvino.Core().read_model(path), "CPU")(x)[0]
    [layer] = inspect_file(path).layers
    assert any("cuts bias=1.75 down to 1" in remark for remark in layer.remarks)
    [reading] = [one for one in layer.readings if one.name == "openvino"]
    np.testing.assert_allclose(y, reading.forward(x.astype(np.float64)), rtol=1e-5)


def test_a_node_in_a_branch(tmp_path: Path):
    tensors = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, SHAPE) for name in "xy"]
    condition = helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, [])
    branches = {
        key: helper.make_graph(
            [helper.make_node(kind, ["x"], [f"y_{key}"], **attributes)],
            key,
            [],
            [helper.make_tensor_value_info(f"y_{key}", onnx.TensorProto.FLOAT, SHAPE)],
        )
        for key, kind, attributes in (("then_branch", "LRN", {"size": 3}), ("else_branch", "Relu", {}))
    }
    graph = helper.make_graph(
        [helper.make_node("If", ["c"], ["y"], **branches)], "g", [tensors[0], condition], tensors[1:]
    )
    onnx.save(helper.make_model(graph), tmp_path / "a.onnx")
    inspected = inspect_file(tmp_path / "a.onnx")
    assert [layer.name for layer in inspected.layers] == ["y_then_branch"]
    assert inspected.total == 3


def test_a_node_in_a_function(tmp_path: Path):
    path = _lrn_model(tmp_path / "a.onnx", size=5)
    model = onnx.load(path)
    node = model.graph.node[0]
    domain = [helper.make_opsetid("", 20)]
    model.functions.append(helper.make_function("local", "Norm", ["x"], ["y"], [node], domain))
    model.graph.node[0].CopyFrom(helper.make_node("Norm", ["x"], ["y"], domain="local"))
    onnx.save(model, path)
    assert [layer.name for layer in inspect_file(path).layers] == ["norm1"]


def test_wrong_attributes_are_a_remark(tmp_path: Path):
    for attributes in ({}, {"size": 0}, {"size": "five"}):
        [layer] = inspect_file(_lrn_model(tmp_path / "a.onnx", **attributes)).layers
        assert layer.remarks[0].startswith("can't be read: ")


@pytest.mark.parametrize("size", [3, 4])
def test_torchs_lrn_in_operations(size: int, tmp_path: Path):
    module = nn.Sequential(nn.ReLU(), nn.LocalResponseNorm(size, alpha=0.5, beta=0.6, k=1.5))
    for path in (_onnx(module, tmp_path / "a.onnx"), _program(module, tmp_path / "a.pt2")):
        [layer] = inspect_file(path).layers
        assert layer.readings[0].rule == LRNSpec.from_torch(size, 0.5, 0.6, 1.5)
        _outputs_agree(layer, module[1])
    assert (layer.name, layer.shown) == ("1", "LocalResponseNorm: LRN in elementary operations")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_torchs_lrn_by_the_old_exporter(tmp_path: Path):
    [layer] = inspect_file(_onnx(nn.LocalResponseNorm(4, alpha=0.5), tmp_path / "a.onnx", dynamo=False)).layers
    assert layer.readings[0].rule == LRNSpec.from_torch(4, 0.5)


FORMULAS = {"gdn": (True, False), "igdn": (True, True), "gdn1": (False, False), "igdn1": (False, True)}


@pytest.mark.parametrize(
    "formula", ["gdn", *(pytest.param(one, marks=pytest.mark.slow) for one in list(FORMULAS)[1:])]
)
def test_gdn_in_operations(formula: str, tmp_path: Path):
    module = CompressionGDN(*FORMULAS[formula])
    [layer] = inspect_file(_onnx(module, tmp_path / "a.onnx")).layers
    assert (layer.readings[0].name, layer.channels) == (formula, 6)
    _outputs_agree(layer, module)
    [layer] = inspect_file(_program(module, tmp_path / "a.pt2")).layers
    assert layer.shown == f"CompressionGDN: {formula.upper()} in elementary operations"
    assert layer.readings == ()


def test_our_gdn_in_onnx(tmp_path: Path):
    module = nn.Sequential(GDN(6), IGDN(6))
    layers = inspect_file(_onnx(module, tmp_path / "a.onnx")).layers
    assert [layer.readings[0].name for layer in layers] == ["gdn", "igdn"]
    _outputs_agree(layers[0], module[0])


def test_other_modules_of_a_program_are_listed_by_class(tmp_path: Path):
    module = nn.Sequential(LocalResponseNorm(5), nn.LayerNorm(5))
    [layer] = inspect_file(_program(module, tmp_path / "a.pt2")).layers
    assert (layer.name, layer.shown, layer.readings) == ("0", "LocalResponseNorm", ())


def test_other_divisions_are_no_lrn(tmp_path: Path):
    class Other(nn.Module):
        def forward(self, x):
            near = nn.functional.avg_pool2d(x**2, 3, 1, 1)
            return x / (1 + 0.5 * near) ** 0.75 + x / torch.sqrt(1 + x**2) + 1 / torch.sqrt(x)

    assert inspect_file(_onnx(Other(), tmp_path / "a.onnx")).layers == ()
    assert inspect_file(_program(Other(), tmp_path / "a.pt2")).layers == ()


def test_a_program_is_read_without_its_pickles(tmp_path: Path):
    """torch.export.load falls back to unpickling, so it must not be called."""
    path = _program(nn.LocalResponseNorm(3), tmp_path / "a.pt2")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}

    class Bomb:
        def __reduce__(self):
            return (sys.exit, (99,))

    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, pickle.dumps(Bomb()) if name.endswith(".pt") else data)
    assert len(inspect_file(path).layers) == 1


@pytest.mark.parametrize("program", [{}, [], {"graph_module": {"graph": {"nodes": [{"target": 5}]}}}])
def test_a_program_without_a_graph(program: object, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.pt2", "w") as archive:
        archive.writestr("a/models/model.json", json.dumps(program))
    with pytest.raises(ModelFileError, match=r"a.pt2 must hold a graph of torch.export, got none"):
        inspect_file(tmp_path / "a.pt2")


@pytest.mark.parametrize("content", [b"", b"not an ONNX model", bytes(100)])
def test_another_file_under_the_name_of_onnx(content: bytes, tmp_path: Path):
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"a.onnx must be an ONNX model"):
        inspect_file(tmp_path / "a.onnx")


def test_without_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = _lrn_model(tmp_path / "a.onnx", size=5)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtraError, match="needs onnx, which is not installed"):
        inspect_file(path)
