"""Patches for Triton's interpreter: for Triton 3.6.0 with NumPy 2.4, and to round to bfloat16 like a GPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import triton.language as tl
from triton.runtime import interpreter

_patch, _convert = interpreter._patch_lang_tensor, interpreter._convert_float


def _patched(tensor: Any, scope: Any) -> None:
    """Let a tensor of one element count a loop: NumPy 2.4 refuses to make an integer of an array with axes."""
    _patch(tensor, scope)
    scope.set_attr(tensor, "__index__", lambda self: int(self.handle.data.item()))


def _converted(data: np.ndarray, source: Any, target: Any, rounding: Any) -> np.ndarray:
    """Round to bfloat16 as a GPU does, to the nearest; the interpreter cuts off, and loses subnormal numbers."""
    if (source, target) == (tl.float32, tl.bfloat16):
        return torch.from_numpy(np.ascontiguousarray(data)).bfloat16().view(torch.uint16).numpy()
    if (source, target) == (tl.bfloat16, tl.float32):
        bits = np.ascontiguousarray(data).view(np.uint16).astype(np.uint32) << 16
        return bits.view(np.float32)
    return _convert(data, source, target, rounding)


def patch() -> None:
    """Patch the interpreter of this process."""
    interpreter._patch_lang_tensor, interpreter._convert_float = _patched, _converted
