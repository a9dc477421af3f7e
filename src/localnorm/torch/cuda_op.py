"""The GPU kernel as an operator that torch's compiler looks into: the graph calls the Triton kernels itself.

Importing this module imports the compiler, which takes a second, so that is left to the first graph for CUDA.
"""

from __future__ import annotations

import torch

from localnorm.torch import cuda
from localnorm.torch.call import Call, Gradients
from localnorm.torch.library_op import register


def _forward(call: Call) -> torch.Tensor:
    return cuda.run_forward(call.x, call.spec, call.axes[0], call.values, torch.library.wrap_triton)


def _backward(call: Call) -> Gradients:
    return cuda.run_backward(call.x, call.grad, call.spec, call.axes[0], call.values, torch.library.wrap_triton)  # type: ignore[arg-type]


launch = register("local_response_norm_cuda", torch.library.triton_op, _forward, _backward, opaque=False)
