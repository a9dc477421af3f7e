"""The GPU operators in graphs, traced without a GPU on CUDA tensors that have no memory.

A graph is compared with eager mode in the shapes and strides of what it returns, and in which kernels it calls
and which arguments it takes them to write. The conformance suite checks numbers under the interpreter, and
autograd, whose nodes can't be made for a device that torch is not linked with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._functorch.aot_autograd import aot_export_joint_simple
from torch._higher_order_ops.triton_kernel_wrap import kernel_side_table, triton_kernel_wrapper_functional
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx import GraphModule, Node
from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext
from triton.backends.compiler import GPUTarget
from triton.runtime import driver

from localnorm import LRNSpec
from localnorm.kernels.available import gpu_kernel
from localnorm.learnable import NAMES
from localnorm.torch import cuda_op
from localnorm.torch.functional import apply_spec

# Registered when the module is imported, which the API does when a graph for CUDA is compiled.
OPERATORS = torch.ops.localnorm
assert cuda_op
SHAPE = (6, 24, 5, 3)
NARROW, WIDE = (2, 2, 1e-4, 0.75, 1.0, 0, [1]), (9, 12, 1e-4, 0.6, 1.0, 0, [1])
LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}

pytestmark = [
    pytest.mark.parametrize("layout", LAYOUTS),
    pytest.mark.parametrize("dynamic", [False, True], ids=["static batch", "dynamic batch"]),
]


class _Hopper:
    """Says what is compiled for, which torch asks while it looks for what a kernel writes."""

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", 90, 32)


@pytest.fixture(autouse=True)
def hopper(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Enable the kernel, for a GPU that is not there."""
    monkeypatch.setattr(driver, "_active", _Hopper())
    monkeypatch.setenv("LOCALNORM_GPU", "1")
    gpu_kernel.cache_clear()
    yield
    gpu_kernel.cache_clear()


def _tensors(layout: str, dynamic: bool, dtype: torch.dtype = torch.float16) -> tuple[Tensor, Tensor]:
    """Return two CUDA tensors without memory."""
    mode = FakeTensorMode(shape_env=ShapeEnv())
    batch = DimDynamic.DYNAMIC if dynamic else DimDynamic.STATIC
    symbols = StatelessSymbolicContext([batch, *[DimDynamic.STATIC] * 3])
    like = mode.from_tensor(torch.empty(SHAPE).contiguous(memory_format=LAYOUTS[layout]), symbolic_context=symbols)
    with mode:
        x, y = (torch.empty_strided(like.shape, like.stride(), dtype=dtype, device="cuda") for _ in range(2))
    return x, y


def _is_like(found: Tensor, want: Tensor) -> bool:
    """Whether a tensor of a graph is what eager mode gives, symbols and all."""
    return (found.dtype, found.device, str(found.shape), found.stride()) == (
        want.dtype,
        want.device,
        str(want.shape),
        want.stride(),
    )


def _traced(operator: Any, tensors: tuple[Tensor, ...], rest: tuple[Any, ...]) -> GraphModule:
    """Return what the compiler gets to see of an operator."""

    def run(*given: Tensor) -> tuple[Tensor, ...]:
        found = operator(*given, *rest)
        return (found,) if isinstance(found, Tensor) else tuple(found)

    traced: GraphModule = aot_export_joint_simple(run, tensors, trace_joint=False)
    return traced


def _outputs(graph: GraphModule) -> list[Tensor]:
    [end] = graph.graph.find_nodes(op="output")
    return [node.meta["val"] for node in end.args[0]]


def _launched(graph: GraphModule) -> list[tuple[str, list[str]]]:
    """Return the kernels, and what each is taken to write."""
    nodes: Iterable[Node] = graph.graph.find_nodes(
        op="call_function", target=triton_kernel_wrapper_functional, sort=True
    )
    return [
        (
            kernel_side_table.get_kernel(node.kwargs["kernel_idx"]).fn.__name__,
            sorted(node.kwargs["tensors_to_clone"]),
        )
        for node in nodes
    ]


@pytest.mark.parametrize(
    ("values", "kernel"), [(NARROW, {"channels_first_forward", "channels_last_forward"}), (WIDE, {"wide_forward"})]
)
def test_forward(values: tuple[Any, ...], kernel: set[str], layout: str, dynamic: bool):
    x, _ = _tensors(layout, dynamic)
    graph = _traced(OPERATORS.local_response_norm_cuda, (x,), (None, None, None, *values))
    [(name, written)] = _launched(graph)
    assert name in kernel
    assert written == ["y"]
    [y] = _outputs(graph)
    assert _is_like(y, x)
    assert isinstance(y.shape[0], torch.SymInt) == dynamic


@pytest.mark.parametrize("values", [NARROW, WIDE], ids=["narrow", "wide"])
@pytest.mark.parametrize(
    "numbers", [0, pytest.param(1, marks=pytest.mark.slow), 24], ids=["fixed", "shared", "a channel"]
)
def test_backward(numbers: int, values: tuple[Any, ...], layout: str, dynamic: bool):
    x, grad = _tensors(layout, dynamic)
    learned: tuple[Tensor, ...] = ()
    if numbers:
        with x.fake_mode:
            learned = tuple(torch.empty(1, numbers, 1, 1, device="cuda") for _ in NAMES)
    rest = values if numbers else (None, None, None, *values)
    graph = _traced(OPERATORS.local_response_norm_cuda_backward, (grad, x, *learned), rest)
    sums = ["sums"] if numbers else []
    launched = _launched(graph)
    if values is WIDE:
        assert launched == [("wide_terms", sorted(["h", "r", *sums])), ("wide_through", ["y"])]
    else:
        kind = "channels_last" if layout == "channels last" and numbers < 24 else "channels_first"
        assert launched == [(f"{kind}_backward", sorted(["y", *sums]))]
    outputs = _outputs(graph)
    assert len(outputs) == 1 + len(learned)
    assert all(_is_like(got, want) for got, want in zip(outputs, (x, *learned), strict=True))


@pytest.mark.parametrize("numbers", [0, 24], ids=["fixed", "a channel"])
def test_the_compiler_finds_one_operator_and_no_break(numbers: int, layout: str, dynamic: bool):
    x, _ = _tensors(layout, dynamic)
    seen: list[GraphModule] = []

    def backend(graph: GraphModule, _inputs: object) -> Any:
        seen.append(graph)
        return graph.forward

    torch.compiler.reset()
    with x.fake_mode:
        learned = {name: torch.empty(numbers, device="cuda") for name in NAMES if numbers}
        run = torch.compile(apply_spec, backend=backend, fullgraph=True)
        y = run(x, LRNSpec.from_torch(5), 1, inplace=False, learned=learned)
    assert _is_like(y, x)
    [graph] = seen
    assert "localnorm.local_response_norm_cuda" in graph.code
    symbols = [node for node in graph.graph.find_nodes(op="placeholder") if node.type is torch.SymInt]
    assert bool(symbols) == dynamic
