"""ONNX: one node where ONNX has the same meaning, the parts of the formula where not, both run by onnxruntime."""

from __future__ import annotations

import io

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from localnorm import LRNSpec, reference
from localnorm.torch import LocalResponseNorm, local_response_norm
from localnorm.torch.onnx import node_attributes
from onnx_tools import exported, native_nodes, run, torchs_own_warning
from tensors import random_tensor

pytestmark = torchs_own_warning

SHAPE = (3, 9, 5, 4)
SINGLE = torch.float32
# The node's arithmetic is onnxruntime's: float32 sums, and a power by way of a logarithm.
NODE = {"rtol": 2e-6, "atol": 0}
# One rounding to float32, after float64.
PARTS = {"rtol": 1.2e-7, "atol": 0}
WITHIN = LRNSpec(1, 1, 0.5, 0.75, 1.5, spatial=2)


class _Function(nn.Module):
    """The function, as a network calls it between its layers."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return local_response_norm(x + 0.5, self.size, 0.7, 0.6, 2.0)


def _want(layer: LocalResponseNorm, x: torch.Tensor) -> np.ndarray:
    return reference.forward(x.double().numpy(), layer.spec, axis=layer.dim)


@pytest.mark.parametrize(("size", "any_batch"), [(1, True), (3, False), (5, True), (25, False)])
def test_an_odd_window_is_one_node(size: int, any_batch: bool):
    layer, x = LocalResponseNorm(size, 0.7, 0.6, 2.0), random_tensor(*SHAPE, dtype=SINGLE)
    model = exported(layer, x, any_batch=any_batch)
    assert [node.op_type for node in model.graph.node] == ["LRN"]
    (node,) = native_nodes(model)
    assert node == {
        "size": size,
        "alpha": np.float32(layer.alpha),
        "beta": np.float32(layer.beta),
        "bias": np.float32(layer.k),
    }
    x = torch.cat([x, 2 * x]) if any_batch else x
    np.testing.assert_allclose(run(model, x), _want(layer, x), **NODE)


def test_a_node_means_the_spec_again():
    spec = LRNSpec.from_torch(5, 0.625, 0.75, 2.0)  # exact in float32
    (node,) = native_nodes(exported(LocalResponseNorm.from_spec(spec), random_tensor(*SHAPE, dtype=SINGLE)))
    assert LRNSpec.from_onnx(**node) == spec


def test_torchs_default_alpha():
    """0.0001 is not exact in float32, in which the node keeps it; the result does not show that."""
    layer, x = LocalResponseNorm(5), 100 * random_tensor(*SHAPE, dtype=SINGLE)
    model = exported(layer, x)
    assert native_nodes(model) == [{"size": 5, "alpha": np.float32(1e-4), "beta": 0.75, "bias": 1.0}]
    np.testing.assert_allclose(run(model, x), _want(layer, x), **NODE)


@pytest.mark.parametrize(("size", "nodes"), [(5, 1), (4, 0)])
def test_the_function(size: int, nodes: int):
    x = random_tensor(*SHAPE, dtype=SINGLE)
    model = exported(_Function(size), x)
    assert len(native_nodes(model)) == nodes
    spec = LRNSpec.from_torch(size, 0.7, 0.6, 2.0)
    want = reference.forward((x + 0.5).double().numpy(), spec)
    np.testing.assert_allclose(run(model, x), want, **NODE)


@pytest.mark.parametrize("dtype", [torch.float16, SINGLE], ids=str)
def test_the_dtypes_of_a_node(dtype: torch.dtype):
    layer, x = LocalResponseNorm(5, 0.5), random_tensor(*SHAPE, dtype=dtype)
    model = exported(layer, x)
    assert len(native_nodes(model)) == 1
    # Two roundings of half an epsilon each, of 2^-10; or the node's arithmetic.
    np.testing.assert_allclose(run(model, x), _want(layer, x), rtol=2**-10 if dtype == torch.float16 else 2e-6)


DECOMPOSED = {
    "even": LocalResponseNorm(4, 0.7),
    "even of one power": LocalResponseNorm(2, 0.7, 0.6, 1.5),
    "to one side": LocalResponseNorm.from_spec(LRNSpec(0, 3, 0.3, 0.75, 1.5)),
    "last axis": LocalResponseNorm(5, 0.7, dim=-1),
    "first axis": LocalResponseNorm(5, 0.7, dim=0),
    "within": LocalResponseNorm.from_spec(WITHIN),
    "within one axis": LocalResponseNorm.from_spec(LRNSpec(2, 1, 0.5, 0.6, 1.5, spatial=1)),
    "wide and even": LocalResponseNorm(150, 0.7),
    "no sum": LocalResponseNorm(5, 0.0, k=0.3),
    "learned": LocalResponseNorm(5, 0.7, learnable=True),
    "learned by channel": LocalResponseNorm(5, 0.7, learnable=True, per_channel=True, num_channels=SHAPE[1]),
    "learned within": LocalResponseNorm.from_spec(WITHIN, learnable="alpha"),
    "k next to nothing": LocalResponseNorm(4, 1e-10, k=1e-10),
    "subnormal in float32": LocalResponseNorm(5, 1e-40, k=1e-40),
}


# Each takes seconds to export; these differ most from each other.
_SOON = ("even", "to one side", "last axis", "within", "no sum", "learned by channel", "k next to nothing")


# float64 shows that the numbers of the formula are not rounded to float32 on the way. A power errs by epsilons.
@pytest.mark.parametrize(
    ("name", "dtype", "bounds"),
    [
        pytest.param(
            name, torch.float64, {"rtol": 2e-15, "atol": 0}, marks=[] if name in _SOON else pytest.mark.slow
        )
        for name in DECOMPOSED
    ]
    + [(name, SINGLE, PARTS) for name in ("even", "within", "learned by channel")],
    ids=str,
)
def test_what_onnx_can_not_say_is_written_in_parts(name: str, dtype: torch.dtype, bounds: dict):
    layer, x = DECOMPOSED[name], random_tensor(*SHAPE, dtype=dtype)
    any_batch = layer.dim != 0  # a window along the batch fixes its extent
    model = exported(layer, x, any_batch=any_batch)
    assert native_nodes(model) == []
    assert {node.domain for node in model.graph.node} == {""}
    x = torch.cat([x, 3 * x]) if any_batch else x
    np.testing.assert_allclose(run(model, x), _want(layer, x), **bounds)


def test_rank_2_has_no_node():
    layer, x = LocalResponseNorm(5, 0.7), random_tensor(3, 9, dtype=SINGLE)
    model = exported(layer, x)
    assert native_nodes(model) == []
    np.testing.assert_allclose(run(model, x), _want(layer, x), **PARTS)


def test_learned_values_as_they_are_now():
    layer = LocalResponseNorm(5, 0.7, learnable=True, per_channel=True, num_channels=9)
    x = random_tensor(*SHAPE, dtype=SINGLE)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.linspace(-1, 1, 9))
        want = layer(x)
    np.testing.assert_allclose(run(exported(layer, x), x), want, rtol=2.4e-7, atol=0)
    # Fixed as they are, they have a node.
    shared = LocalResponseNorm(5, 0.7, learnable=True)
    with torch.no_grad():
        shared.log_alpha.fill_(0.25)
    fixed = LocalResponseNorm.from_spec(shared.current_spec())
    assert len(native_nodes(exported(fixed, x))) == 1
    np.testing.assert_allclose(run(exported(fixed, x), x), shared(x).detach(), **NODE)


@pytest.mark.parametrize("layer", [LocalResponseNorm(4, 0.7), LocalResponseNorm(5, 0.7, 0.6)], ids=str)
def test_squares_beyond_float64(layer: LocalResponseNorm):
    """The limits and scales of the arithmetic, far out of float32, survive the export."""
    x = random_tensor(*SHAPE)
    x[0, 3], x[1, 4], x[2, :, 0] = 1e200 * x[0, 3], 1e-200 * x[1, 4], 1e160 * x[2, :, 0]
    model = exported(layer, x)
    assert native_nodes(model) == []  # 0.7 is not exact in float32
    with np.errstate(over="ignore", under="ignore"):
        want = _want(layer, x)
    # The exponent of the scale, about 700, is itself rounded.
    np.testing.assert_allclose(run(model, x), want, rtol=1e-13, atol=0)


@pytest.mark.parametrize("size", [4, 5])
def test_in_place(size: int):
    layer, x = LocalResponseNorm(size, 0.7, inplace=True), random_tensor(*SHAPE, dtype=SINGLE)
    model = exported(nn.Sequential(nn.Conv2d(9, 9, 1), layer, nn.ReLU()), x)
    assert len(native_nodes(model)) == size % 2
    assert "LRN" in [node.op_type for node in model.graph.node] or size == 4
    assert {"Conv", "Relu"} < {node.op_type for node in model.graph.node}


def test_an_input_that_needs_a_gradient():
    x = random_tensor(*SHAPE, dtype=SINGLE, grad=True)
    for layer, nodes in ((LocalResponseNorm(5, 0.7), 1), (LocalResponseNorm(4, 0.7), 0)):
        model = exported(layer, x)
        assert len(native_nodes(model)) == nodes
        np.testing.assert_allclose(run(model, x.detach()), _want(layer, x.detach()), **NODE)


def test_a_program_exported_before_has_no_node_left():
    layer, x = LocalResponseNorm(5, 0.7), random_tensor(*SHAPE, dtype=SINGLE)
    program = torch.onnx.export(torch.export.export(layer, (x,)), (x,), dynamo=True, verbose=False)
    assert native_nodes(program.model_proto) == []
    # The exporter rounds alpha and k to float32 here.
    np.testing.assert_allclose(run(program.model_proto, x), _want(layer, x), rtol=3e-7, atol=0)


def test_no_export_no_node():
    """Another graph, made right after an export, is made of torch's operations."""
    layer, x = LocalResponseNorm(5, 0.7), random_tensor(*SHAPE, dtype=SINGLE)
    exported(layer, x)
    targets = {str(node.target) for node in torch.export.export(layer, (x,)).graph.nodes}
    assert not [target for target in targets if "onnx" in target]
    assert torch.equal(layer(x), LocalResponseNorm(5, 0.7)(x))


@pytest.mark.parametrize(
    ("spec", "dtype", "has"),
    [
        (LRNSpec.from_torch(5), SINGLE, True),
        (LRNSpec.from_torch(5), torch.float64, False),  # 0.0001 is not exact in float32
        (LRNSpec.from_torch(5, 0.5, 0.75, 2.0), torch.float64, True),
        (LRNSpec.from_torch(5, 1e-44), SINGLE, False),  # a subnormal has few digits
        (LRNSpec.from_torch(5, 1e39), SINGLE, False),
        (LRNSpec.from_torch(5, 1e-60), SINGLE, False),
        (LRNSpec.from_torch(5, k=0.0), SINGLE, True),
        (LRNSpec.from_torch(5, beta=-0.75), SINGLE, True),
        (LRNSpec.from_torch(4), SINGLE, False),
        (LRNSpec.from_onnx(4), SINGLE, True),
        (LRNSpec.from_caffe(local_size=3, norm_region="WITHIN_CHANNEL"), SINGLE, False),
    ],
    ids=str,
)
def test_what_has_a_node(spec: LRNSpec, dtype: torch.dtype, has: bool):
    assert node_attributes(spec, dtype) == (spec.to_onnx() if has else None)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("layer", [LocalResponseNorm(5, 0.7), LocalResponseNorm(4, 0.0, k=0.3)], ids=str)
def test_torch_jit_trace(layer: LocalResponseNorm):
    """It records what torch does, and the kernel writes past it."""
    x = random_tensor(*SHAPE, dtype=SINGLE)
    traced = torch.jit.trace(layer, (x,))
    x = torch.cat([x, 2 * x]).requires_grad_()
    torch.testing.assert_close(traced(x), layer(x), rtol=2.4e-7, atol=0)
    got, want = (torch.autograd.grad(f(x).square().sum(), x)[0] for f in (traced, layer))
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("layer", [LocalResponseNorm(5, 0.7), LocalResponseNorm(4, 0.7)], ids=str)
def test_the_exporter_of_old_writes_parts(layer: LocalResponseNorm):
    x, memory = random_tensor(*SHAPE, dtype=SINGLE), io.BytesIO()
    torch.onnx.export(layer.eval(), (x,), memory, dynamo=False)
    model = onnx.load_from_string(memory.getvalue())
    assert native_nodes(model) == []
    np.testing.assert_allclose(run(model, x), _want(layer, x), rtol=3e-7, atol=0)
