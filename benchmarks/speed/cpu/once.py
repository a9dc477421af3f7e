"""Measure bytes kept for the backward pass, and the time to a first result in a new process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

from benchmarks.speed.cpu.case import Case, case_data
from benchmarks.speed.cpu.comparison import now
from benchmarks.speed.cpu.results import Row
from localnorm.torch import local_response_norm

_FIRST = {
    "localnorm": """
import time, torch
x = torch.ones(8, 32, 16, 16, requires_grad=True)
start = time.perf_counter()
from localnorm.torch import local_response_norm
local_response_norm(x, 5).sum().backward()
print(time.perf_counter() - start)
""",
    "localnorm NumPy": """
import time, numpy
x = numpy.ones((8, 32, 16, 16), numpy.float32)
start = time.perf_counter()
from localnorm import LRNSpec, local_response_norm
local_response_norm(x, LRNSpec(2, 2, 1e-4, 0.75, 1.0))
print(time.perf_counter() - start)
""",
}


def kept_bytes(case: Case) -> Iterator[Row]:
    """Yield the memory that the forward pass keeps for the backward pass, in multiples of the input."""
    started = now()
    for implementation, function in (
        ("localnorm", local_response_norm),
        ("torch eager", functional.local_response_norm),
    ):
        x = case_data(case).x.detach().requires_grad_()
        kept: dict[int, int] = {}

        def pack(tensor: Tensor, kept: dict[int, int] = kept) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with saved_tensors_hooks(pack, lambda tensor: tensor):
            function(x, *case.torch_arguments)
        share = sum(kept.values()) / (x.numel() * x.element_size())
        head = {"part": "memory", "comparison": "kept for the backward pass", "started": started}
        yield {**head, "measure": "kept bytes", "implementation": implementation, "inputs": round(share, 4)}


def first_results(tries: int) -> Iterator[Row]:
    """Yield the time to a first result in fresh processes, beyond importing torch or NumPy.

    With torch it is a forward and a backward pass. Nothing is cached between processes; one more runs first and
    brings the files into memory.
    """
    started = now()
    for implementation, program in _FIRST.items():
        seconds = [_printed(program) for _ in range(tries + 1)][1:]
        head = {"part": "start", "comparison": "first result", "started": started, "measure": "first result"}
        yield {
            **head,
            "implementation": implementation,
            "milliseconds": [round(1e3 * each, 1) for each in seconds],
        }


def _printed(program: str) -> float:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    return float(done.stdout)
