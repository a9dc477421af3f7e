"""The operator: torch's own checks of it, and compiled graphs that call it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import gradcheck

from localnorm import LRNSpec, reference
from localnorm.errors import DerivativeError, InplaceError
from localnorm.torch import LocalResponseNorm, local_response_norm
from localnorm.torch.functional import apply_spec
from tensors import random_tensor

operator = torch.ops.localnorm.local_response_norm
backward_operator = torch.ops.localnorm.local_response_norm_backward
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


def _grad() -> torch.Tensor:
    return random_tensor(3, 9, 5, 4).flip(0)


def _rest(spec: LRNSpec) -> tuple:
    lo, hi, *numbers, spatial = astuple(spec)
    return lo, hi, *numbers, spatial, [2, 3] if spatial else [1]


def _values(channels: int) -> tuple:
    k, beta = (torch.full((1, channels, 1, 1), v, dtype=torch.float64).requires_grad_() for v in (1.5, 0.75))
    return k, None, beta


def _compiled(function: Callable[..., torch.Tensor], **options: bool) -> Callable[..., torch.Tensor]:
    """Trace forward and backward pass, and run the graphs without generating code."""
    torch.compiler.reset()
    return torch.compile(function, backend="aot_eager", fullgraph=True, **options)


@pytest.mark.parametrize("layout", LAYOUTS)
@every_spec
def test_torchs_own_checks(spec: LRNSpec, layout: str):
    torch.library.opcheck(operator, (_input(layout), None, None, None, *_rest(spec)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_torchs_own_checks_of_the_gradient(layout: str):
    torch.library.opcheck(
        backward_operator, (_grad(), _input(layout).detach(), None, None, None, *_rest(SPECS["even"]))
    )


LEARNED = [
    (1, "transposed"),
    (9, "channels last"),
    *(pytest.param(9, layout, marks=pytest.mark.slow) for layout in ("contiguous", "transposed", "expanded")),
]


@pytest.mark.parametrize(("channels", "layout"), LEARNED, ids=str)
def test_torchs_own_checks_of_learned_values(channels: int, layout: str):
    x, values, rest = _input(layout), _values(channels), _rest(SPECS["even"])
    torch.library.opcheck(operator, (x, *values, *rest))
    learned = (None if value is None else value.detach() for value in values)
    torch.library.opcheck(backward_operator, (_grad(), x.detach(), *learned, *rest))


@pytest.mark.parametrize("layout", [*LAYOUTS, "sliced"])
@pytest.mark.parametrize("values", ["none", "shared", "a channel", "strided", "each its own"])
def test_fake_results_lie_in_memory_as_real_ones(layout: str, values: str):
    """Compiled code reads results at the strides that were promised."""
    x = random_tensor(3, 18, 5, 8)[:, ::2, :, ::2] if layout == "sliced" else _input(layout).detach()
    k = {
        "none": None,
        "shared": torch.full((1, 1, 1, 1), 1.5, dtype=torch.float64),
        "a channel": torch.full((1, 9, 1, 1), 1.5, dtype=torch.float64),
        "strided": torch.full((18,), 1.5, dtype=torch.float64)[::2].reshape(1, 9, 1, 1),
        "each its own": torch.full((3, 9, 1, 1), 1.5, dtype=torch.float64),
    }[values]
    rest = (None, None, *_rest(SPECS["even"]))
    real = [operator(x, k, *rest), *backward_operator(_grad(), x, k, *rest)]
    with FakeTensorMode() as mode:
        x, k, grad = (None if t is None else mode.from_tensor(t) for t in (x, k, _grad()))
        fake = [operator(x, k, *rest), *backward_operator(grad, x, k, *rest)]
    assert [(t.shape, t.dtype, t.stride()) for t in fake] == [(t.shape, t.dtype, t.stride()) for t in real]


@pytest.mark.parametrize("channels", [0, 1, 5], ids=["fixed", "shared", "a channel"])
def test_first_derivatives_of_the_operator_itself(channels: int):
    def compute(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return operator(x, *(values or [None] * 3), *_rest(SPECS["even"]))

    numbers = (1.5, 0.7, 0.75) if channels else ()
    values = [torch.full((1, channels, 1), v, dtype=torch.float64, requires_grad=True) for v in numbers]
    inputs = (random_tensor(2, 5, 3, grad=True), *values)
    assert gradcheck(compute, inputs)


# The first use of forward mode makes torch compile rules of its own by torch.jit.script, of which it warns itself.
@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
def test_forward_mode_is_refused_rather_than_dropped():
    x = random_tensor(2, 9)
    with pytest.raises(DerivativeError, match=r"reverse mode alone, .* call localnorm.torch.local_response_norm"):
        torch.func.jvp(lambda x: operator(x, None, None, None, *_rest(SPECS["even"])), (x,), (x,))


def test_derivatives_of_a_compiled_gradient_are_refused_by_torch():
    x = _input()
    (grad,) = torch.autograd.grad(_compiled(LocalResponseNorm(4, 0.7))(x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="does not currently support double backward"):
        grad.sum().backward()


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


@pytest.mark.parametrize(
    "compute",
    [LocalResponseNorm(4, alpha=0.7), lambda x: local_response_norm(x, 4, 0.7)],
    ids=["module", "function"],
)
def test_no_batch_size_compiles_anew(compute: Callable[[torch.Tensor], torch.Tensor]):
    torch.compiler.reset()
    graphs = []

    def backend(graph: torch.fx.GraphModule, _inputs: list) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    compiled = torch.compile(compute, backend=backend, fullgraph=True, dynamic=True)
    for batch in (2, 3, 5, 8):
        x = random_tensor(batch, 9, 5, 4)
        assert torch.equal(compiled(x), local_response_norm(x, 4, alpha=0.7))
    assert len(graphs) == 1


def test_the_function_compiles_too():
    x = _input(dtype=torch.float32)
    compiled = _compiled(lambda x: local_response_norm(x, 4, 0.7, 0.6, 2.0))
    assert torch.equal(compiled(x), local_response_norm(x, 4, 0.7, 0.6, 2.0))


def test_an_exported_program_needs_no_operator_and_takes_any_batch():
    layer, dynamic = LocalResponseNorm(4, alpha=0.7), ({0: torch.export.Dim.DYNAMIC},)
    exported = torch.export.export(layer, (random_tensor(3, 9, 5, 4),), dynamic_shapes=dynamic)
    assert not [node for node in exported.graph.nodes if "localnorm" in str(node.target)]
    for batch in (2, 7):
        x = random_tensor(batch, 9, 5, 4)
        want = reference.forward(x.numpy(), layer.spec)
        np.testing.assert_allclose(exported.module()(x).numpy(), want, rtol=4e-15)  # 8 epsilons a side


@every_spec
def test_a_compiled_graph_overwrites_in_place(spec: LRNSpec):
    x = random_tensor(3, 9, 5, 4)
    want = apply_spec(x, spec, 1, inplace=False)
    y = _compiled(LocalResponseNorm.from_spec(spec, inplace=True))(x)
    assert y.data_ptr() == x.data_ptr()
    assert torch.equal(x, want)


@pytest.mark.parametrize("learned", [False, True])
def test_a_compiled_graph_does_not_overwrite_what_a_gradient_needs(learned: bool):
    layer = LocalResponseNorm(4, inplace=True, learnable=learned)
    x = random_tensor(2, 9, dtype=torch.float32, grad=not learned)
    if not learned:  # where the compiler gives the code back to Python, it trips over a warning of its own
        with pytest.raises(InplaceError, match="overwrites the input that the gradient needs"):
            torch.compile(layer, backend="eager")(x)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="overwrites the input that the gradient needs"):
        _compiled(layer)(x)
    with torch.no_grad():
        assert torch.compile(layer, backend="eager")(x) is x
