"""The array operations that replace a kernel: blocks do not show, in output, gradient or learned values."""

from __future__ import annotations

import pytest
import torch

from localnorm import LRNSpec
from localnorm.axes import window_axes
from localnorm.torch import array_ops
from localnorm.torch.call import Call, Gradients
from tensors import NARROW, WIDE, random_tensor

BOX = LRNSpec(1, 1, 0.7, 0.75, 1.5, spatial=2)
every_spec = pytest.mark.parametrize("spec", [NARROW, WIDE, BOX], ids=["narrow", "wide", "box"])


def _call(x: torch.Tensor, spec: LRNSpec, grad: torch.Tensor | None = None, channels: int = 0) -> Call:
    values = {}
    if channels:
        shape = [channels if axis == 1 else 1 for axis in range(x.ndim)]
        values = {"k": torch.linspace(1, 2, channels).double().reshape(shape)}
    return Call(x, spec, window_axes(spec, x.ndim, 1), values, grad)


def _in_blocks(monkeypatch: pytest.MonkeyPatch, call: Call, elements: int) -> tuple[torch.Tensor, Gradients]:
    monkeypatch.setattr(array_ops, "_ELEMENTS_PER_THREAD", elements)
    return array_ops.forward(call._replace(grad=None)), array_ops.backward(call)


@every_spec
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("spike", [1.0, 1e200], ids=["ordinary", "overflowing"])
def test_blocks_do_not_show(spec: LRNSpec, dtype: torch.dtype, spike: float, monkeypatch: pytest.MonkeyPatch):
    x, grad = random_tensor(3, 16, 25, 26), random_tensor(3, 16, 25, 26).flip(0)
    x[1, 7, 3, 4] *= spike
    call = _call(x.to(dtype), spec, grad.to(dtype), channels=16)
    (whole, gradients), (cut, cut_gradients) = (_in_blocks(monkeypatch, call, 2**n) for n in (30, 11))
    torch.testing.assert_close((cut, cut_gradients.x), (whole, gradients.x), rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(
        cut_gradients.values["k"], gradients.values["k"], rtol=1e-12, atol=1e-11, equal_nan=True
    )


def test_output_and_gradient_keep_strides_and_may_be_given():
    x = random_tensor(2, 9, 5, 4).to(memory_format=torch.channels_last)
    call = _call(x, NARROW)
    y = array_ops.forward(call)
    assert y.stride() == x.stride()
    assert array_ops.backward(_call(x, NARROW, x)).x.stride() == x.stride()
    assert array_ops.forward(call._replace(out=x)) is x
    assert torch.equal(x, y)


def test_a_nan_costs_only_its_own_windows():
    """The condition of the fast path is a sum over a block, which a NaN must not spoil for the rest."""
    x = random_tensor(2, 12, 3)
    want = array_ops.forward(_call(x, NARROW))
    x[0, 5, 1] = torch.nan
    y = array_ops.forward(_call(x, NARROW))
    assert y[0, 4:8, 1].isnan().all()  # a window holds two channels below and one above
    y[0, 4:8, 1] = want[0, 4:8, 1]
    torch.testing.assert_close(y, want, rtol=1e-15, atol=0)
