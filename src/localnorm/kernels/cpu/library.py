"""Finding and loading the native library by ctypes, and asking whether it fits this package."""

from __future__ import annotations

import atexit
import ctypes
import sys
from contextlib import ExitStack
from functools import cache
from importlib import resources
from typing import Any

ABI = 1
"""LOCALNORM_ABI of the header that `localnorm.kernels.cpu.parameters` follows."""

NAME = "localnorm_cpu" + {"win32": ".dll", "darwin": ".so"}.get(sys.platform, ".so")

STATUS = {
    -1: "the size of its struct is another",
    -2: "its interface has another version",
    -3: "a flag is not known to it",
    -4: "an argument is out of range",
    -5: "there is no memory left",
}
"""What the negative numbers mean that its functions return."""

_FILES = ExitStack()
atexit.register(_FILES.close)


class LibraryError(ImportError):
    """The native library is not there, or can't be loaded, or is of another version."""


class Library:
    """The functions of the native library; each lets other Python threads run.

    Attributes:
        tiles: of a call, the number of independent tiles, or a negative status.
        run: runs the tiles from one number to below another; returns a status.
        run_at: runs all tiles of a call at the addresses of x, out and the gradient; returns a status.
        sums: of a call, how many float64 numbers its sums take.
        totals: adds these sums up; returns a status.
        work: the address of the C function that takes a call and runs tiles until none is left.
        isa: the instruction set in use: baseline, avx2, avx512 or neon.
        loaded: the library as ctypes loads it, for functions that are called from elsewhere.
    """

    def __init__(self, path: str) -> None:
        self.loaded = found = ctypes.CDLL(path)
        version = found.localnorm_version
        version.restype = ctypes.c_uint32
        if version() != ABI:
            raise LibraryError(f"{path} has version {version()} of the interface, this package needs {ABI}")
        call = ctypes.c_void_p
        self.tiles = _function(found.localnorm_tiles, ctypes.c_int64, call)
        self.run_at = _function(found.localnorm_run_at, ctypes.c_int32, call, call, call, call)
        self.sums = _function(found.localnorm_sums, ctypes.c_int64, call)
        self.run = _function(found.localnorm_run, ctypes.c_int32, call, ctypes.c_int64, ctypes.c_int64)
        self.totals = _function(found.localnorm_totals, ctypes.c_int32, call, ctypes.c_void_p)
        self.work: int = ctypes.cast(found.localnorm_work, ctypes.c_void_p).value or 0
        self.isa: str = _function(found.localnorm_isa, ctypes.c_char_p)().decode()


def _function(function: Any, result: Any, *arguments: Any) -> Any:  # noqa: ANN401
    function.restype, function.argtypes = result, arguments
    return function


@cache
def library() -> Library:
    """Return the native library, loaded at the first call; from a zip archive by way of a temporary file.

    Raises:
        LibraryError: it can't be had.
    """
    try:
        path = _FILES.enter_context(resources.as_file(resources.files("localnorm.kernels.cpu") / NAME))
        return Library(str(path))
    except (OSError, AttributeError) as problem:
        raise LibraryError(str(problem)) from problem
