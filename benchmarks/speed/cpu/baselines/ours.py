"""localnorm: torch with a fresh output and in place, and NumPy with existing output memory."""

from __future__ import annotations

import numpy as np
import torch

import localnorm
from benchmarks.speed.cpu.baselines.torch import compiled_passes, passes, to_array
from benchmarks.speed.cpu.case import Case, CaseData, Ready
from localnorm.kernels import cpu as kernel
from localnorm.torch import local_response_norm
from localnorm.torch.system import parallel


def fresh(case: Case, data: CaseData) -> Ready:
    """The torch API as a network calls it."""
    return passes(lambda x: local_response_norm(x, *case.torch_arguments), case, data)


def compiled(case: Case, data: CaseData) -> Ready:
    """The same under torch.compile."""
    return compiled_passes(lambda x: local_response_norm(x, *case.torch_arguments), case, data)


def in_place(case: Case, data: CaseData) -> Ready:
    """The torch API in place.

    The tensor is normalized in every call and shrinks slowly: in a thousand calls from 1 to 0.04.
    """
    target, once = data.x.clone(), data.x.clone()

    def run(x: torch.Tensor = target) -> torch.Tensor:
        with torch.no_grad():
            return local_response_norm(x, *case.torch_arguments, inplace=True)

    return Ready(run, lambda: to_array(run(once)))


def numpy_out(case: Case, data: CaseData) -> Ready:
    """The NumPy API with ``out=``."""
    x = case.in_memory_order(data.x)
    out = np.empty_like(x)
    spec, axis = case.spec, case.axis

    def run() -> object:
        return localnorm.local_response_norm(x, spec, axis, out)

    def result() -> np.ndarray:
        run()
        return case.channels_first(out)

    return Ready(run, result)


def kernel_backward(case: Case, data: CaseData) -> Ready:
    """The kernel's backward pass for x on torch's threads, into existing memory."""
    x, grad = data
    out = torch.empty_like(x)
    strides = [tuple(step * x.element_size() for step in x.stride())] * 3
    run_pass = kernel.of_spec(kernel.BACKWARD, case.dtype, tuple(x.shape), (1,), case.spec, False, *strides)
    enter = parallel()
    team = None if enter is None else lambda function, call, threads: enter(function, call, threads, 0)

    def run() -> torch.Tensor:
        run_pass.run(x.data_ptr(), out.data_ptr(), grad.data_ptr(), threads=case.threads, parallel=team)
        return out

    return Ready(run, lambda: to_array(run()))
