"""The CPU kernel: LRN and its gradients by the native library, at about the speed of the memory.

float16, bfloat16 and float32 are computed in float32, float64 in float64, and rounded once. What leaves the range
of the plain formula, the library computes again by a slower one that is right everywhere. The result does not
depend on the number of threads.

How a framework attaches: it asks `of_spec` for a pass (or makes a `Pass` where k, alpha or beta are learned), with
the strides of its arrays in bytes, and calls `Pass.run` with their addresses, its number of threads, and as
`parallel` a function that enters its own team of threads, if it has one:

    pass_ = of_spec(FORWARD, "float32", shape, axes, spec, False, x_strides, y_strides)
    pass_.run(x_address, y_address, threads=8, parallel=lambda function, argument, threads: ...)

Importing this module loads the library, and raises a LibraryError, which is an ImportError, where that fails.
"""

from __future__ import annotations

from localnorm.kernels.cpu.launch import BACKWARD, FORWARD, Pass, Values, numbers, of_spec
from localnorm.kernels.cpu.library import LibraryError, library
from localnorm.kernels.cpu.threads import Parallel, default_threads

__all__ = [
    "BACKWARD",
    "FORWARD",
    "LibraryError",
    "Parallel",
    "Pass",
    "Values",
    "default_threads",
    "library",
    "numbers",
    "of_spec",
]

library()
