"""Choose how a call is computed: one ordered table of paths, of which the first that takes the call runs.

The launchers in the table decide nothing. A call is looked up once on its way in. An autograd function looks up
its passes when they run, from the rows for derivatives or for kernels on, because torch.func may have unwrapped
the tensors meanwhile; so does the operator in a compiled graph.
"""

from __future__ import annotations

import torch
from torch import Tensor

from localnorm.torch import array_ops, autograd, cpu, cuda, library_op, onnx, traced
from localnorm.torch.call import Call, Gradients, Path
from localnorm.torch.functorch import (
    batched_by_autograd,
    forward_mode,
    hooked,
    native_only,
    tracing,
    transformed,
)


def normalize(call: Call) -> Tensor:
    """Return the normalized x, with a derivative if one is needed."""
    graph = call.compiling or not call.spec.alpha or tracing()
    return _first(TABLE if graph else _EAGER, call).forward(call)


def _forward(call: Call) -> Tensor:
    """Return the normalized x without a derivative."""
    return _first(_KERNELS, call).forward(call)


def _backward(call: Call) -> Gradients:
    """Return the gradients without a derivative."""
    return _first(_KERNELS, call).backward(call)  # type: ignore[misc]


def _gradients(call: Call) -> Gradients:
    """Return the gradients, with a derivative if one is needed."""
    grad = call.grad.resolve_neg()  # type: ignore[union-attr]
    call = call._replace(grad=grad, transformed=transformed())
    return _first(_EAGER, call).backward(call)  # type: ignore[misc]


def _first(paths: tuple[Path, ...], call: Call) -> Path:
    for path in paths:
        if path.takes(call):
            return path
    raise RuntimeError("the last path of the table takes every call")


_PASSES = autograd.Passes(_forward, _gradients, _backward)
_cpu_operator = library_op.register(
    "local_response_norm", torch.library.custom_op, _forward, _backward, opaque=True
)


def _cuda_operator(call: Call) -> Tensor:
    from localnorm.torch import cuda_op

    return cuda_op.launch(call)


def _eager_function(call: Call) -> Tensor:
    return autograd.eager(call, _PASSES)


def _transformed_function(call: Call) -> Tensor:
    return autograd.transformed(call, _PASSES)


def _gradient_function(call: Call) -> Gradients:
    return autograd.gradients(call, _PASSES)


def _onnx(call: Call) -> bool:
    return call.compiling and onnx.exporting()


def _onnx_node(call: Call) -> bool:
    return _onnx(call) and onnx.has_node(call)


def _alpha_0(call: Call) -> bool:
    return not call.spec.alpha


def _compiled(call: Call) -> bool:
    """Return whether torch.compile traces the call: an export must hold torch operations only."""
    return call.compiling and not call.transformed and not torch.compiler.is_exporting()


def _compiled_cpu(call: Call) -> bool:
    return _compiled(call) and call.x.device.type == "cpu"


def _compiled_cuda(call: Call) -> bool:
    if not (_compiled(call) and call.x.device.type == "cuda" and cuda.enabled() and cuda.traceable(call.x)):
        return False
    return cuda.usable(call.x, call.spec, call.axes, call.values)


def _graph(call: Call) -> bool:
    return call.compiling or tracing()


def _graph_with_gradient(call: Call) -> bool:
    # What torch.jit.trace records can be saved only without a Python function, and torch derives it anyway; the
    # compiler can trace torch.func, but no such function under it.
    return call.compiling and not call.transformed and not tracing() and _needs_gradient(call)


def _native_only(call: Call) -> bool:
    if call.grad is not None:
        return forward_mode() or batched_by_autograd(call.grad)
    return call.transformed and native_only()


def _transformed(call: Call) -> bool:
    return call.transformed


def _needs_gradient(call: Call) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in call.tensors())


def _without_values(call: Call) -> bool:
    """Return whether values can't be read, or on CUDA not without waiting, which CUDA graphs can't capture."""
    return call.x.device.type in ("cuda", "meta") or hooked(call.x)


def _always(call: Call) -> bool:  # noqa: ARG001
    return True


_GRAPHS = (
    Path("ONNX node", _onnx_node, onnx.node),
    Path("ONNX operations", _onnx, onnx.operations),
    Path("alpha 0", _alpha_0, traced.without_sum),
    Path("compiled graph, CPU operator", _compiled_cpu, _cpu_operator),
    Path("compiled graph, CUDA operator", _compiled_cuda, _cuda_operator),
    Path("graph with backward formula", _graph_with_gradient, traced.with_gradient),
    Path("graph", _graph, traced.forward),
)
_DERIVATIVES = (
    Path("derivatives of torch alone", _native_only, traced.forward, traced.backward),
    Path("torch.func", _transformed, _transformed_function, _gradient_function),
    Path("autograd", _needs_gradient, _eager_function, _gradient_function),
)
_KERNELS = (
    Path("CPU kernel", cpu.takes, cpu.forward, cpu.backward),
    Path("CUDA kernel", cuda.takes, cuda.forward, cuda.backward),
    Path("operations that read no value", _without_values, traced.forward, traced.backward),
    Path("array operations", _always, array_ops.forward, array_ops.backward),
)
_EAGER = (*_DERIVATIVES, *_KERNELS)
"""The rows that take a call outside a graph; asking the others takes as long as a small input."""
TABLE = (*_GRAPHS, *_DERIVATIVES, *_KERNELS)
