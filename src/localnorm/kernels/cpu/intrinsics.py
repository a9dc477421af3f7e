"""What Numba has no words for: pointers, the bits of a number, and a counter that threads share.

Loads and stores say which memory they touch: inputs, outputs, scratch, or anything at all. The compiler may then
take it that no store to one changes what is still to be read from another. For an output in the place of its
input that holds, too: every element of an input is read for the last time before the output there is written.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_INT32, _INT64 = ir.IntType(32), ir.IntType(64)


@intrinsic
def pointer(_context, address, like):  # noqa: ARG001
    """Return the address as a pointer to numbers of the type of `like`."""
    kind = types.CPointer(like)
    return kind(types.int64, like), lambda context, builder, _, a: builder.inttoptr(
        a[0], context.get_value_type(kind)
    )


@intrinsic
def shifted(_context, start, count):  # noqa: ARG001
    """Return the pointer moved by a count of elements."""
    return start(start, types.int64), lambda _c, builder, _s, a: builder.gep(a[0], [a[1]])


@intrinsic
def claim(_context, counters, index):  # noqa: ARG001
    """Add 1 to a counter that other threads add to as well, and return what it was."""

    def emit(_context, builder, _signature, a):
        return builder.atomic_rmw("add", builder.gep(a[0], [a[1]]), ir.Constant(_INT64, 1), "monotonic")

    return types.int64(counters, types.int64), emit


_MEMORIES = ("inputs", "outputs", "scratch")


def _scoped(builder, instruction, memory):
    """Say which memory an access touches, and that it does not touch the others."""
    if memory is not None:
        module = builder.module
        domain = module.add_metadata(["localnorm"])
        scopes = [module.add_metadata([f"localnorm {name}", domain]) for name in _MEMORIES]
        own = scopes.pop(memory)
        instruction.set_metadata("alias.scope", module.add_metadata([own]))
        instruction.set_metadata("noalias", module.add_metadata(scopes))
    return instruction


def _reader(memory):
    def read(_context, start, index):  # noqa: ARG001
        def emit(_context, builder, _signature, a):
            return _scoped(builder, builder.load(builder.gep(a[0], [a[1]])), memory)

        return start.dtype(start, types.int64), emit

    return intrinsic(read)


def _writer(memory):
    def write(_context, start, index, value):  # noqa: ARG001
        def emit(context, builder, _signature, a):
            _scoped(builder, builder.store(a[2], builder.gep(a[0], [a[1]])), memory)
            return context.get_dummy_value()

        return types.void(start, types.int64, start.dtype), emit

    return intrinsic(write)


read_input = _reader(0)
write_output = _writer(1)
read_scratch = _reader(2)
write_scratch = _writer(2)
read = _reader(None)
write = _writer(None)


_WORDS = {types.float32: (types.int32, _INT32), types.float64: (types.int64, _INT64)}


@intrinsic
def bits(_context, number):
    """Return the bits of a float32 as an int32, of a float64 as an int64."""
    word, kind = _WORDS[number]
    return word(number), lambda _c, builder, _s, a: builder.bitcast(a[0], kind)


@intrinsic
def number(_context, word):
    """Return the float32 of an int32."""
    return types.float32(word), lambda _c, builder, _s, a: builder.bitcast(a[0], ir.FloatType())


@intrinsic
def larger(_context, a, b):
    """Return the larger of two words without a sign: of the bits of a square, a NaN's are the largest."""

    def emit(_context, builder, _signature, a):
        return builder.select(builder.icmp_unsigned(">", a[0], a[1]), a[0], a[1])

    return a(a, b), emit


@intrinsic
def halfword(_context, word, like):
    """Return the lower half of an int32 in the type of `like`."""
    return like(word, like), lambda _c, builder, _s, a: builder.trunc(a[0], ir.IntType(16))


@intrinsic
def word(_context, half):
    """Return 16 bits as an int32 with zeros above."""
    return types.int32(half), lambda _c, builder, _s, a: builder.zext(a[0], _INT32)


def _on_words(name):
    """Make an operation on int32; Numba's own would answer in int64, and a vector of those holds half as many."""

    def operation(_context, a, b):  # noqa: ARG001
        return types.int32(types.int32, types.int32), lambda _c, builder, _s, a: getattr(builder, name)(a[0], a[1])

    return intrinsic(operation)


plus = _on_words("add")
minus = _on_words("sub")
both = _on_words("and_")
either = _on_words("or_")
up = _on_words("shl")
down = _on_words("ashr")
down_unsigned = _on_words("lshr")


def int32(value: int) -> np.int32:
    """Return a constant for the operations above."""
    return np.uint32(value).astype(np.int32)


@intrinsic
def from_half(_context, half):
    """Return a float16, given as 16 bits, as a float32, by the processor's own instruction."""

    def emit(_context, builder, _signature, a):
        return builder.fpext(builder.bitcast(a[0], ir.HalfType()), ir.FloatType())

    return types.float32(half), emit


@intrinsic
def to_half(_context, number, like):
    """Return a float32 rounded to float16, as 16 bits, by the processor's own instruction."""

    def emit(_context, builder, _signature, a):
        return builder.bitcast(builder.fptrunc(a[0], ir.HalfType()), ir.IntType(16))

    return like(number, like), emit
