"""The struct that the native library takes, as `native/include/localnorm.h` lays it out."""

from __future__ import annotations

import ctypes

FORWARD, BACKWARD = 0, 1
DTYPES = {"float16": 0, "bfloat16": 1, "float32": 2, "float64": 3}
MAX_RANK = 64


class Call(ctypes.Structure):
    """``localnorm_call``, with its arrays written out: what ``x.data`` is there is ``x_data`` here."""

    _fields_ = (
        ("struct_size", ctypes.c_uint32),
        ("abi", ctypes.c_uint32),
        ("pass_", ctypes.c_uint32),
        ("dtype", ctypes.c_uint32),
        ("rank", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("shape", ctypes.c_void_p),
        ("window_axes", ctypes.c_uint64),
        ("lo", ctypes.c_int64),
        ("hi", ctypes.c_int64),
        ("values", ctypes.c_int64),
        ("value_axis", ctypes.c_int64),
        ("k", ctypes.c_void_p),
        ("alpha", ctypes.c_void_p),
        ("beta", ctypes.c_void_p),
        ("x_data", ctypes.c_void_p),
        ("x_strides", ctypes.c_void_p),
        ("out_data", ctypes.c_void_p),
        ("out_strides", ctypes.c_void_p),
        ("grad_data", ctypes.c_void_p),
        ("grad_strides", ctypes.c_void_p),
        ("sums", ctypes.c_void_p),
        ("tiles", ctypes.c_int64),
        ("next", ctypes.c_int64),
        ("status", ctypes.c_int64),
        ("reserved", ctypes.c_uint64 * 8),
    )
