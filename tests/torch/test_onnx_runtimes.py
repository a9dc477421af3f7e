"""Exported layers in onnxruntime, OpenVINO and OpenCV; docs/onnx.md names each test in a table."""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnx
import pytest
import torch

from localnorm import LRNSpec, reference
from localnorm.torch import LocalResponseNorm
from onnx_tools import RUNTIMES, native_nodes, torchs_own_warning

pytestmark = torchs_own_warning
for module in ("onnxruntime", "openvino", "cv2"):
    pytest.importorskip(module)

X = torch.randn(2, 9, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
# Float32 arithmetic of a node or of OpenVINO and OpenCV, which have no float64: a sum, a power and a product.
SINGLE = {"rtol": 2e-6, "atol": 0}
ANY = torch.export.Dim.DYNAMIC


def slow(*values: object) -> object:
    return pytest.param(*values, marks=pytest.mark.slow)


even_and_odd = pytest.mark.parametrize("size", [slow(4), 5])


def exported(layer: LocalResponseNorm, x: torch.Tensor, **options: object) -> onnx.ModelProto:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the older exporter, about itself
        torch.onnx.export(layer.eval(), (x,), buffer, verbose=False, **{"dynamo": True, **options})
    return onnx.load_from_string(buffer.getvalue())


def check(model: onnx.ModelProto, spec: LRNSpec, x: torch.Tensor, bounds: dict[str, float] = SINGLE) -> None:
    want = reference.forward(x.double().numpy(), spec, 1)
    for name, run in RUNTIMES.items():
        np.testing.assert_allclose(np.float64(run(model, x.numpy())), want, **bounds, err_msg=name)


SPECS = {
    "odd": LRNSpec.from_torch(5, 0.7, 0.75, 2.0),
    "size 1": LRNSpec.from_torch(1, 0.7, 0.75, 1.0),
    "k = 0": LRNSpec.from_torch(3, 0.7, 0.75, 0.0),
    "even, extra channel below": LRNSpec.from_torch(4, 0.7),
    "even, extra channel above": LRNSpec.from_onnx(4, 0.7),
    "to one side": LRNSpec(0, 3, 0.7, 0.75, 1.0),
    "k with a fraction": LRNSpec.from_torch(5, 0.7, 0.75, 1.3),
    "within channels": LRNSpec(1, 1, 0.7, 0.75, 1.5, spatial=2),
}


FAST = ("odd", "even, extra channel below", "k with a fraction", "within channels")


@pytest.mark.parametrize("name", [name if name in FAST else slow(name) for name in SPECS])
def test_windows_and_values(name: str) -> None:
    spec = SPECS[name]
    model = exported(LocalResponseNorm.from_spec(spec), X.float())
    assert len(native_nodes(model)) == (name in ("odd", "size 1"))
    check(model, spec, X.float())


@even_and_odd
def test_dynamic_batch_and_images(size: int) -> None:
    layer = LocalResponseNorm(size, 0.7)
    model = exported(layer, X.float(), dynamic_shapes=({0: ANY, 2: ANY, 3: ANY},))
    for shape in ((2, 9, 5, 4), (3, 9, 7, 6)):
        check(model, layer.spec, torch.rand(shape) + 0.5)


@even_and_odd
def test_dynamic_channels(size: int) -> None:
    layer = LocalResponseNorm(size, 0.7)
    model = exported(layer, X.float(), dynamic_shapes=({1: ANY},))
    for channels in (9, 12):
        check(model, layer.spec, torch.rand(2, channels, 5, 4) + 0.5)


@pytest.mark.parametrize("shape", [slow((2, 9)), (2, 9, 5), slow((2, 9, 3, 4, 2))], ids=str)
def test_other_ranks(shape: tuple[int, ...]) -> None:
    layer, x = LocalResponseNorm(5, 0.7), torch.rand(shape) + 0.5
    check(exported(layer, x), layer.spec, x)


@even_and_odd
def test_float16(size: int) -> None:
    layer, x = LocalResponseNorm(size, 0.7), X.half()
    # One rounding to 11 bits, or two where a node rounds its power.
    check(exported(layer, x), layer.spec, x, {"rtol": 2.0**-10, "atol": 0})


@pytest.mark.parametrize("size", [4, slow(5)])
def test_float64(size: int) -> None:
    layer = LocalResponseNorm(size, 0.7)
    check(exported(layer, X), layer.spec, X)


@pytest.mark.parametrize(
    ("opset", "size"),
    [(18, 4), (23, 5), slow(18, 5), slow(23, 4), *(slow(n, size) for n in (20, 21, 22) for size in (4, 5))],
)
def test_opsets(opset: int, size: int) -> None:
    layer = LocalResponseNorm(size, 0.7)
    model = exported(layer, X.float(), opset_version=opset)
    assert model.opset_import[0].version == opset
    check(model, layer.spec, X.float())


@pytest.mark.parametrize(
    ("opset", "size"),
    [(9, 5), (13, 4), slow(9, 4), slow(13, 5), *(slow(n, size) for n in (17, 20) for size in (4, 5))],
)
def test_opsets_of_the_older_exporter(opset: int, size: int) -> None:
    layer = LocalResponseNorm(size, 0.7, k=1.5)
    model = exported(layer, X.float(), dynamo=False, opset_version=opset)
    assert model.opset_import[0].version == opset
    assert native_nodes(model) == []
    check(model, layer.spec, X.float())


def test_learned_values() -> None:
    layer = LocalResponseNorm(5, 0.7, learnable=True, per_channel=True, num_channels=9)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.linspace(-0.5, 0.5, 9))
        want = layer(X).numpy()
    model = exported(layer, X.float())
    for name, run in RUNTIMES.items():
        np.testing.assert_allclose(run(model, X.float().numpy()), want, **SINGLE, err_msg=name)
