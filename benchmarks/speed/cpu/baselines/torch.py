"""torch: its LRN eager and compiled, compiled sums of slices, and the controls."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.speed.cpu.case import ALPHA, FORWARD, Array, Case, CaseData, K, Ready

# Compile in this process, because workers would be forked while other frameworks run threads.
os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")

Forward = Callable[[Tensor], Tensor]


def to_array(tensor: Tensor) -> Array:
    """Return a tensor of any float dtype as an array that NumPy can compute with."""
    detached = tensor.detach().cpu()
    array: Array = (detached.float() if detached.dtype == torch.bfloat16 else detached).numpy()
    return array


def passes(forward: Forward, case: Case, data: CaseData) -> Ready:
    """Return the forward pass, or both, of a function of one tensor."""
    x, grad = data
    if case.measure == FORWARD:
        return Ready(lambda: forward(x), lambda: to_array(forward(x)))
    leaf = x.detach().requires_grad_()

    def both() -> Tensor:
        return torch.autograd.grad(forward(leaf), leaf, grad)[0]

    return Ready(both, lambda: to_array(both()))


def copy(case: Case, data: CaseData) -> Ready:  # noqa: ARG001
    """``Tensor.copy_`` into existing memory."""
    target = torch.empty_like(data.x)
    return Ready(lambda: target.copy_(data.x), lambda: to_array(target))


def relu(case: Case, data: CaseData) -> Ready:
    """``torch.relu`` with a fresh output: a lower bound for any layer."""
    return passes(torch.relu, case, data)


def eager(case: Case, data: CaseData) -> Ready:
    """``torch.nn.functional.local_response_norm``."""
    return passes(_torch_lrn(case), case, data)


def compiled_torch_lrn(case: Case, data: CaseData) -> Ready:
    """The same under torch.compile."""
    return compiled_passes(_torch_lrn(case), case, data)


def compiled_slices(case: Case, data: CaseData) -> Ready:
    """A sum of slices and a power under torch.compile."""
    beta = case.beta
    return compiled_passes(_slices(case, lambda s: s.pow(-beta)), case, data)


def compiled_slices_without_pow(case: Case, data: CaseData) -> Ready:
    """The same with roots where beta is 0.75, else with exp and log in place of the power."""
    return compiled_passes(_slices(case, _roots if case.beta == 0.75 else _exp_log(case.beta)), case, data)


def _torch_lrn(case: Case) -> Forward:
    arguments = case.torch_arguments
    return lambda x: functional.local_response_norm(x, *arguments)


def _slices(case: Case, power: Forward) -> Forward:
    size, low = case.size, case.size // 2

    def forward(x: Tensor) -> Tensor:
        squares = functional.pad(x * x, (0, 0, 0, 0, low, size - 1 - low))
        total = squares[:, : x.shape[1]]
        for i in range(1, size):
            total = total + squares[:, i : i + x.shape[1]]
        return x * power(K + ALPHA / size * total)

    return forward


def _roots(s: Tensor) -> Tensor:
    root = torch.rsqrt(s)
    return root * torch.sqrt(root)


def _exp_log(beta: float) -> Forward:
    return lambda s: torch.exp(-beta * torch.log(s))


def compiled_passes(forward: Forward, case: Case, data: CaseData) -> Ready:
    """Return the same of a function under torch.compile."""
    ready = passes(torch.compile(forward, dynamic=False), case, data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ready.run()
    return ready
