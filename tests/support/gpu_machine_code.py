"""Compiling the GPU kernels where there is no GPU, and what ptxas says of them."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest
import triton
from triton.backends.compiler import GPUTarget

from localnorm import LRNSpec
from localnorm.kernels.gpu.launch import Launch, Pass

_ITEMSIZES = {"fp32": 4, "fp16": 2, "bf16": 2}
_PROCESSORS = 132


class Source(NamedTuple):
    """All that a kernel is compiled from: two variants may have the same."""

    kernel: Any
    signature: tuple[tuple[str, str], ...]
    constants: tuple[tuple[str, Any], ...]
    divisible: tuple[int, ...]
    warps: int


class Variant(NamedTuple):
    """What a plan depends on, and with it the machine code."""

    dtype: str = "fp32"
    layout: str = "NCHW"
    backward: bool = False
    size: int = 5
    beta: float = 0.75
    learned: int = 0  # values: none, 1 for all channels, or one a channel
    shape: tuple[int, int, int, int] = (256, 96, 56, 56)

    def launches(self) -> tuple[Launch, ...]:
        """Return what a pass would launch."""
        _, c, h, w = self.shape
        strides = (c * h * w, 1, w * c, c) if self.layout == "NHWC" else (c * h * w, h * w, w, 1)
        low = self.size // 2
        spec = LRNSpec(low, self.size - 1 - low, 0.1, self.beta, 1.0)
        learned = tuple((name, self.learned) for name in ("k", "alpha", "beta") if self.learned)
        given = Pass(self.shape, 1, spec, learned, _ITEMSIZES[self.dtype], _PROCESSORS)
        if self.backward:
            return given.backward(strides, strides, strides, strides).launches
        return given.forward(strides, strides).launches

    def sources(self) -> Iterator[Source]:
        """Yield what is compiled for each launch, as Triton does at the first one."""
        for launch in self.launches():
            yield _source(launch, f"*{self.dtype}")


class Resources(NamedTuple):
    """What ptxas says."""

    kernel: str
    registers: int
    spilled: int  # bytes
    vectors: bool  # whether memory is read and written 8 bytes and more at a time


@cache
def resources(source: Source, capability: int) -> Resources:
    """Compile a kernel, and return what it needs."""
    constants = dict(source.constants)
    attributes = {(i,): [["tt.divisibility", 16]] for i in source.divisible}
    made = triton.compiler.ASTSource(
        source.kernel, signature=dict(source.signature), constexprs=constants, attrs=attributes
    )
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        # What was kept of an earlier run says nothing.
        patch.setattr(triton.knobs.compilation, "always_compile", True)
        patch.setattr(triton.knobs.nvidia, "dump_ptxas_log", True)
        options = {"num_warps": source.warps}
        compiled = triton.compile(made, target=GPUTarget("cuda", capability, 32), options=options)
    text = str(compiled.asm["ptx"])
    [spilled] = re.findall(r"(\d+) bytes spill stores", said.getvalue())
    [registers] = re.findall(r"Used (\d+) registers", said.getvalue())
    vectors = all(re.search(rf"{way}\.global[^;]*\.v[24]", text) for way in ("ld", "st"))
    return Resources(source.kernel.__name__, int(registers), int(spilled), vectors)


def _source(launch: Launch, pointer: str) -> Source:
    """Return what Triton makes of the arguments of a launch, whose tensors begin at whole 16 bytes."""
    signature, constants, divisible = [], [], []
    for i, name in enumerate(parameter.name for parameter in launch.kernel.params):
        value = launch.arguments.get(name)
        kind = "i32" if type(value) is int else "fp32"
        if name in launch.tensors:
            kind = {"h": "*fp32", "r": "*fp32"}.get(name, pointer if name in ("x", "y", "grad") else "*fp64")
        elif launch.kernel.params[i].is_constexpr or value is None or (type(value) is int and value == 1):
            kind = "constexpr"
            constants.append((name, value))
        if name in launch.tensors or (kind == "i32" and value % 16 == 0):
            divisible.append(i)
        signature.append((name, kind))
    return Source(launch.kernel, tuple(signature), tuple(constants), tuple(divisible), launch.warps)
