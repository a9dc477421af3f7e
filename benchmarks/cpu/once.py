"""What is measured once and not by rounds: bytes kept for the backward pass, and the time to a first result."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional

from benchmarks.cpu.case import Case, given
from benchmarks.cpu.contest import now
from benchmarks.cpu.results import Record
from localnorm.torch import local_response_norm

_FIRST = {
    "localnorm": """
import time, torch
x = torch.ones(8, 32, 16, 16)
start = time.perf_counter()
from localnorm.torch import local_response_norm
local_response_norm(x, 5)
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


def kept_bytes(case: Case) -> Iterator[Record]:
    """Yield what the forward pass keeps for the backward pass, in bytes of the input."""
    started = now()
    for rival, function in (
        ("localnorm", local_response_norm),
        ("torch eager", functional.local_response_norm),
    ):
        x = given(case).x.detach().requires_grad_()
        kept: dict[int, int] = {}

        def pack(tensor: Tensor, kept: dict[int, int] = kept) -> Tensor:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with saved_tensors_hooks(pack, lambda tensor: tensor):
            function(x, *case.torch_arguments)
        share = sum(kept.values()) / (x.numel() * x.element_size())
        head = {"part": "memory", "contest": "kept for the backward pass", "started": started}
        yield {**head, "measure": "kept bytes", "rival": rival, "inputs": round(share, 4)}


def first_results(tries: int) -> Iterator[Record]:
    """Yield the time to a first result in fresh processes, beyond importing torch or NumPy.

    A process before them fills the cache of compiled kernels.
    """
    started = now()
    for rival, program in _FIRST.items():
        seconds = [_printed(program) for _ in range(tries + 1)][1:]
        head = {"part": "start", "contest": "first result", "started": started, "measure": "first result"}
        yield {**head, "rival": rival, "milliseconds": [round(1e3 * each, 1) for each in seconds]}


def _printed(program: str) -> float:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    return float(done.stdout)
