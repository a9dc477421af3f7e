"""The GPU operators under Triton's interpreter: autograd, and their guarantees to the compiler.

Run by `test_gpu.py` in a process of its own, like `gpu_conformance.py`.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

import triton_interpreter
from localnorm import LRNSpec
from localnorm.torch import cuda_op
from localnorm.torch.call import Call
from localnorm.torch.traced import backward
from tensors import random_tensor

triton_interpreter.patch()

SPEC, WIDE = LRNSpec(2, 1, 0.7, 0.75, 1.5), LRNSpec(6, 5, 0.7, 0.6, 1.5)
LAYOUTS = {"channels first": torch.contiguous_format, "channels last": torch.channels_last}


class _Silent:
    """A kernel for tensors without memory, where a graph would hold the call and make none."""

    def __init__(self, kernel: Any):
        self.kernel = kernel

    def __getitem__(self, grid: tuple[int, ...]) -> Any:
        def run(**arguments: Any) -> None:
            if not any(isinstance(value, FakeTensor) for value in arguments.values()):
                self.kernel[grid](**arguments)

        return run


@pytest.fixture(autouse=True)
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.library, "wrap_triton", _Silent)


def _inputs(layout: str, learned: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    x, grad = (random_tensor(2, 12, 3, 5, dtype=torch.float32) for _ in range(2))
    values = {}
    if learned:
        values = {
            name: torch.linspace(0.9, 1.1, learned, dtype=torch.float64).reshape(1, -1, 1, 1)
            for name in ("k", "alpha", "beta")
        }
    return x.contiguous(memory_format=LAYOUTS[layout]), grad.sign() + 0.1 * grad, values


@pytest.mark.parametrize("spec", [SPEC, pytest.param(WIDE, marks=pytest.mark.slow)], ids=["narrow", "wide"])
@pytest.mark.parametrize(
    ("layout", "learned"),
    [("channels first", 12), ("channels last", 0), pytest.param("channels last", 1, marks=pytest.mark.slow)],
)
def test_autograd(layout: str, learned: int, spec: LRNSpec):
    """Bounds as in `gpu_conformance.test_learned_values`."""
    x, grad, values = _inputs(layout, learned)
    x.requires_grad_()
    for value in values.values():
        value.requires_grad_()
    y = cuda_op.launch(Call(x, spec, (1,), values))
    assert y.stride() == x.stride()
    found = torch.autograd.grad(y, (x, *values.values()), grad)
    assert found[0].stride() == x.stride()
    want = backward(Call(x.detach(), spec, (1,), {name: value.detach() for name, value in values.items()}, grad))
    torch.testing.assert_close(found[0], want.x, rtol=1e-5, atol=1e-6)
    for got, name in zip(found[1:], values, strict=True):
        torch.testing.assert_close(got, want.values[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("spec", [SPEC, pytest.param(WIDE, marks=pytest.mark.slow)], ids=["narrow", "wide"])
@pytest.mark.parametrize(("layout", "learned"), [("channels first", 0), ("channels last", 12)])
def test_promises_to_the_compiler(layout: str, learned: int, spec: LRNSpec):
    """Nothing is written but outputs; tensors without memory get the shapes and strides of eager mode."""
    x, grad, values = _inputs(layout, learned)
    given = [values.get(name) for name in ("k", "alpha", "beta")]
    rest = (*given, spec.lo, spec.hi, spec.alpha, spec.beta, spec.k, 0, [1])
    checks = ("test_schema", "test_autograd_registration", "test_faketensor")
    torch.library.opcheck(torch.ops.localnorm.local_response_norm_cuda, (x, *rest), test_utils=checks)
    torch.library.opcheck(
        torch.ops.localnorm.local_response_norm_cuda_backward, (grad, x, *rest), test_utils=checks
    )
