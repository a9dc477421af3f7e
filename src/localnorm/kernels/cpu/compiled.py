"""Compiling the passes for each dtype, at their first use; kept on disk for the next process."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numba import cfunc, types
from numba.core.caching import FunctionCache
from numba.core.registry import cpu_target

from localnorm.kernels import float32_power
from localnorm.kernels.cpu import passes
from localnorm.kernels.cpu.formats import STORED

PASSES = ("forward", "backward")
_SIGNATURE = types.int64(types.CPointer(types.int64))
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Kernel:
    """One compiled pass.

    Attributes:
        address: of a C function that takes the address of a block.
        from_disk: whether it was compiled by an earlier process.
        kept: whether the next process will find it.
        code: the Numba function, which keeps the machine code alive.
    """

    address: int
    from_disk: bool
    kept: bool
    code: Any


def _forward(like: Any, wide: Any, stamp: int) -> Callable[[Any], int]:  # noqa: ANN401
    def localnorm_forward(p: Any) -> int:  # noqa: ANN401
        passes.forward(p, like, wide)
        return stamp

    return localnorm_forward


def _backward(like: Any, wide: Any, stamp: int) -> Callable[[Any], int]:  # noqa: ANN401
    def localnorm_backward(p: Any) -> int:  # noqa: ANN401
        passes.backward(p, like, wide)
        return stamp

    return localnorm_backward


@cache
def _stamp() -> int:
    """Return a fingerprint of the sources.

    Numba keys what it keeps by the file of the outermost function and by the values that this one closes over, and
    does not notice when another file changes. So each pass closes over the fingerprint.
    """
    texts = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return int.from_bytes(
        hashlib.sha256(b"".join([*texts, Path(float32_power.__file__).read_bytes()])).digest()[:7], "big"
    )


def wide_type(dtype: str) -> Any:  # noqa: ANN401
    """Return a zero of the type of the arithmetic: float64 for float64, else float32."""
    return np.float64(0) if dtype == "float64" else np.float32(0)


def _function(name: str, dtype: str) -> Callable[[Any], int]:
    build = {"forward": _forward, "backward": _backward}[name]
    return build(STORED[dtype], wide_type(dtype), _stamp())


@cache
def _compiled(name: str, dtype: str) -> Kernel:
    function = _function(name, dtype)
    try:
        code = cfunc(_SIGNATURE, cache=True)(function)
        return Kernel(code.address, code.cache_hits > 0, True, code)
    except Exception:  # noqa: BLE001  a damaged file fails as pickle or LLVM happen to
        # No file there that can be written or read: compiled for this process alone. `localnorm doctor` says so.
        code = cfunc(_SIGNATURE)(function)
        return Kernel(code.address, False, False, code)


def kept() -> tuple[str | None, list[tuple[str, str]]]:
    """Return the folder of compiled passes, None if none can be written to, and the pass and dtype of each."""
    found: list[tuple[str, str]] = []
    folder = None
    for name, dtype in product(PASSES, STORED):
        # Numba raises a RuntimeError where no folder will do, and what pickle or LLVM raise for a damaged file.
        with suppress(Exception):
            cache = FunctionCache(_function(name, dtype))
            folder = cache.cache_path
            if cache.load_overload(_SIGNATURE, cpu_target.target_context) is not None:
                found.append((name, dtype))
    return folder, found


def kernel(name: str, dtype: str) -> Kernel:
    """Return a pass compiled for a dtype.

    Args:
        name: "forward" or "backward".
        dtype: float16, bfloat16, float32 or float64.
    """
    with _LOCK:
        return _compiled(name, dtype)
