"""Launch the compiled CPU kernel on torch tensors; the parts that it leaves go to `localnorm.torch.array_ops`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from localnorm.kernels.available import cpu_kernel
from localnorm.kernels.layout import Layout
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec
from localnorm.torch import array_ops
from localnorm.torch.call import Call, Gradients, Values, suits_kernel
from localnorm.torch.system import empty_like, parallel

_DTYPES = {
    torch.float16: "float16",
    torch.bfloat16: "bfloat16",
    torch.float32: "float32",
    torch.float64: "float64",
}


def takes(call: Call) -> bool:
    """Return whether the kernel can read the tensors."""
    return call.x.is_cpu and suits_kernel(call)


def forward(call: Call) -> Tensor:
    """Return ``x * s^-beta``, written into ``call.out`` if given."""
    out = empty_like(call.x) if call.out is None else call.out
    done = _run("forward", call, (call.x, out))
    if done is None:
        return array_ops.forward(call._replace(out=out))
    for part in _left(call, done, call.x, out):
        array_ops.forward(part)
    if call.out is not None:
        # The kernel wrote to the caller's tensor behind torch's back: bump its version counter.
        torch.autograd.graph.increment_version(out)
    return out


def backward(call: Call) -> Gradients:
    """Return the gradients for x and for the learned values."""
    out = empty_like(call.x)
    done = _run("backward", call, (call.x, out, call.grad))  # type: ignore[arg-type]
    if done is None:
        return array_ops.backward(call._replace(out=out))
    found = {}
    for name, value in call.values.items():
        sums = torch.from_numpy(done.sums[:, NAMES.index(name)])
        sums = (sums if value.numel() == len(sums) else sums.sum()).reshape(value.shape)
        # The strides are those that the operator promises a compiled graph.
        found[name] = torch.empty_like(value).copy_(sums)
    for part in _left(call, done, call.x, out, call.grad):
        rest = array_ops.backward(part).values
        found = {name: found[name] + rest[name].reshape(found[name].shape) for name in found}
    return Gradients(out, found)


# The seam to `localnorm.kernels.cpu`: everything below translates one call to `run_pass` and what it leaves.


def _run(name: str, call: Call, tensors: tuple[Tensor, ...]) -> Any:  # noqa: ANN401
    """Run the kernel; return what it has done, or None if it is not installed or its range excludes the values."""
    kernel = cpu_kernel()
    if kernel is None:
        return None
    x, spec, dtype = call.x, call.spec, _DTYPES[call.x.dtype]
    size = min(spec.size, x.shape[call.axes[0]])
    if call.values:
        constants = kernel.constants(size, dtype, *(_numbers(value, spec, call.values) for value in NAMES))
    else:
        constants = kernel.of_spec(spec, size, dtype)
    if constants is None:
        return None
    return kernel.run_pass(
        name,
        tuple(x.shape),
        call.axes[0],
        dtype,
        (spec.lo, spec.hi),
        tuple(kernel.Memory(tensor.data_ptr(), tensor.stride()) for tensor in tensors),
        constants,
        torch.get_num_threads(),
        learned=bool(call.values) and call.grad is not None,
        parallel=parallel(),
    )


def _numbers(name: str, spec: LRNSpec, values: Values) -> NDArray[np.float64]:
    if name not in values:
        return np.array([getattr(spec, name)])
    return values[name].detach().double().reshape(-1).numpy()


def _left(call: Call, done: Any, x: Tensor, out: Tensor, grad: Tensor | None = None) -> Iterator[Call]:  # noqa: ANN401
    """Yield a call for each part that the kernel has left, of the shape ``(channels, positions)``."""
    if not done.left:
        return
    values = {name: value.reshape(-1, 1) for name, value in call.values.items()}
    arrays = {"x": x, "out": out} | ({} if grad is None else {"grad": grad})
    views = {name: _as_laid_out(array, done.layout, i) for i, (name, array) in enumerate(arrays.items())}
    for index in done.left:
        parts: dict[str, Any] = {name: view[index] for name, view in views.items()}
        yield Call(spec=call.spec, axes=(0,), values=values, **parts)


def _as_laid_out(x: Tensor, layout: Layout, array: int) -> Tensor:
    """Return x in the shape ``(*outer, channels, positions)``."""
    steps = (*layout.outer_steps[array], layout.channel_steps[array], layout.position_steps[array])
    return x.detach().as_strided((*layout.outer, layout.channels, layout.positions), steps)
