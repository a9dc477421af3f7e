"""localnorm: a fresh output, in place, and NumPy with an output that is there already."""

from __future__ import annotations

import numpy as np
import torch

import localnorm
from benchmarks.cpu.case import Case, Given, Ready
from benchmarks.cpu.rivals.torch import compiled_passes, passes, to_array
from localnorm.torch import local_response_norm


def fresh(case: Case, numbers: Given) -> Ready:
    """The torch door as it is called in a network."""
    return passes(lambda x: local_response_norm(x, *case.torch_arguments), case, numbers)


def compiled(case: Case, numbers: Given) -> Ready:
    """The same under torch.compile."""
    return compiled_passes(lambda x: local_response_norm(x, *case.torch_arguments), case, numbers)


def in_place(case: Case, numbers: Given) -> Ready:
    """The torch door over its own input.

    What is timed is normalized again and again, and shrinks, slowly: after a thousand calls from 1 to 0.04.
    """
    target, once = numbers.x.clone(), numbers.x.clone()

    def run(x: torch.Tensor = target) -> torch.Tensor:
        with torch.no_grad():
            return local_response_norm(x, *case.torch_arguments, inplace=True)

    return Ready(run, lambda: to_array(run(once)))


def numpy_out(case: Case, numbers: Given) -> Ready:
    """The NumPy door with ``out=``."""
    x = case.in_memory_order(numbers.x)
    out = np.empty_like(x)
    spec, axis = case.spec, case.axis

    def run() -> object:
        return localnorm.local_response_norm(x, spec, axis, out)

    def result() -> np.ndarray:
        run()
        return case.channels_first(out)

    return Ready(run, result)
