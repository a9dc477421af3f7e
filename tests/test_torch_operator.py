"""The operator: torch's own checks of it, and compiled graphs that call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple

import pytest
import torch

from localnorm import LRNSpec
from localnorm.torch import LocalResponseNorm, local_response_norm
from localnorm.torch.functional import apply_spec
from localnorm.torch.operator import local_response_norm as operator
from tensors import random_tensor

SPECS = {
    "even": LRNSpec(2, 1, 0.7, 0.75, 1.5),
    "wide": LRNSpec(20, 12, 0.7, 0.6, 1.5),
    "within": LRNSpec(1, 1, 0.7, 0.75, 1.5, spatial=2),
}
LAYOUTS = {
    "contiguous": lambda x: x,
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "transposed": lambda x: x.mT.contiguous().mT,
    "expanded": lambda x: x[:1].expand_as(x),
}
every_spec = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


def _input(layout: str = "contiguous", dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return LAYOUTS[layout](random_tensor(3, 9, 5, 4, dtype=dtype)).detach().requires_grad_()


def _compiled(function: Callable[..., torch.Tensor], **options: bool) -> Callable[..., torch.Tensor]:
    """Trace forward and backward pass, and run the graphs without generating code."""
    torch.compiler.reset()
    return torch.compile(function, backend="aot_eager", fullgraph=True, **options)


@pytest.mark.parametrize("layout", LAYOUTS)
@every_spec
def test_torchs_own_checks(spec: LRNSpec, layout: str):
    lo, hi, *numbers, spatial = astuple(spec)
    arguments = (None, None, None, lo, hi, *numbers, spatial, [2, 3] if spatial else [1])
    torch.library.opcheck(operator, (_input(layout), *arguments))


@pytest.mark.parametrize("channels", [1, 9], ids=["shared", "a channel"])
def test_torchs_own_checks_of_learned_values(channels: int):
    k, beta = (torch.full((1, channels, 1, 1), v, dtype=torch.float64).requires_grad_() for v in (1.5, 0.75))
    torch.library.opcheck(operator, (_input(), k, None, beta, 2, 1, 0.7, 0.75, 1.5, 0, [1]))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_compiled_graph_calls_it_and_gives_the_same(layout: str):
    graphs = []
    torch.compiler.reset()
    layer = LocalResponseNorm(4, alpha=0.7)
    torch.compile(layer, backend=lambda graph, _: graphs.append(graph) or graph, fullgraph=True)(_input(layout))
    assert [node for node in graphs[0].graph.nodes if "localnorm" in str(node.target)]
    compiled = _compiled(layer)
    x, grad = _input(layout, torch.float32), random_tensor(3, 9, 5, 4, dtype=torch.float32)
    y, want = compiled(x), local_response_norm(x, 4, alpha=0.7)
    assert y.stride() == want.stride()
    assert torch.equal(y, want)
    assert torch.equal(*(torch.autograd.grad(out, x, grad)[0] for out in (y, want)))


@pytest.mark.parametrize("per_channel", [False, True])
def test_learned_values_through_a_compiled_graph(per_channel: bool):
    layer = LocalResponseNorm(4, alpha=0.7, learnable=True, per_channel=per_channel, num_channels=9)
    compiled = _compiled(layer)
    x = _input(dtype=torch.float32)
    found = [torch.autograd.grad(f(x).square().sum(), [x, *layer.parameters()]) for f in (compiled, layer)]
    for got, want in zip(*found, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-6 * want.abs().max().item())


def test_no_batch_size_compiles_anew():
    graphs = []

    def backend(graph: torch.fx.GraphModule, _inputs: list) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    compiled = torch.compile(LocalResponseNorm(4, alpha=0.7), backend=backend, fullgraph=True, dynamic=True)
    for batch in (2, 3, 5, 8):
        x = random_tensor(batch, 9, 5, 4)
        assert torch.equal(compiled(x), local_response_norm(x, 4, alpha=0.7))
    assert len(graphs) == 1


def test_the_function_compiles_too():
    x = _input(dtype=torch.float32)
    compiled = _compiled(lambda x: local_response_norm(x, 4, 0.7, 0.6, 2.0))
    assert torch.equal(compiled(x), local_response_norm(x, 4, 0.7, 0.6, 2.0))


def test_an_exported_program_needs_no_operator():
    exported = torch.export.export(LocalResponseNorm(4, alpha=0.7), (random_tensor(3, 9, 5, 4),))
    assert not [node for node in exported.graph.nodes if "localnorm" in str(node.target)]


@every_spec
def test_a_compiled_graph_overwrites_in_place(spec: LRNSpec):
    x = random_tensor(3, 9, 5, 4)
    want = apply_spec(x, spec, 1, inplace=False)
    y = _compiled(LocalResponseNorm.from_spec(spec, inplace=True))(x)
    assert y.data_ptr() == x.data_ptr()
    assert torch.equal(x, want)
