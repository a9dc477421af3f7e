"""Compiling the GPU kernels where there is no GPU, and what ptxas says of them."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import triton
from triton.backends.compiler import GPUTarget

from localnorm import LRNSpec
from localnorm.kernels.gpu.launch import Array, Launch, Learned, Pass

_PTXAS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "ptxas"
_ITEMSIZES = {"fp32": 4, "fp16": 2, "bf16": 2}
_PROCESSORS = 132


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
        """Return what a pass would launch, with a name in the place of each tensor."""
        _, c, h, w = self.shape
        strides = (c * h * w, 1, w * c, c) if self.layout == "NHWC" else (c * h * w, h * w, w, 1)
        low = self.size // 2
        spec = LRNSpec(low, self.size - 1 - low, 0.1, self.beta, 1.0)
        learned = {name: Learned("*fp64", self.learned) for name in ("k", "alpha", "beta") if self.learned}
        given = Pass(self.shape, 1, spec, learned, _ITEMSIZES[self.dtype], _PROCESSORS)
        array = Array(f"*{self.dtype}", strides)
        if not self.backward:
            return given.forward(array, array)
        wide = given.planned(array, array, array, backward=True).kind == "wide"
        scratch = (Array("*fp32", strides), Array("*fp32", strides)) if wide else None
        return given.backward(array, array, array, "*fp64" if self.learned else None, scratch)


class Resources(NamedTuple):
    """What ptxas says."""

    kernel: str
    registers: int
    spilled: int  # bytes
    vectors: bool  # whether memory is read and written 8 bytes and more at a time


def resources(variant: Variant, capability: int) -> Iterator[Resources]:
    """Compile what a variant launches, and yield what each kernel needs."""
    for launch in variant.launches():
        text = _compiled(launch, capability)
        [target] = re.findall(r"^\.target (\w+)", text, re.MULTILINE)
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "kernel.ptx"
            source.write_text(text, encoding="utf-8")
            command = [str(_PTXAS), "-v", f"--gpu-name={target}", str(source), "-o", os.devnull]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        [spilled] = re.findall(r"(\d+) bytes spill stores", said)
        [registers] = re.findall(r"Used (\d+) registers", said)
        vectors = bool(re.search(r"ld\.global[^;]*\.v[24]", text)) and bool(
            re.search(r"st\.global[^;]*\.v[24]", text)
        )
        yield Resources(launch.kernel.__name__, int(registers), int(spilled), vectors)


def _compiled(launch: Launch, capability: int) -> str:
    """Return the PTX that Triton makes of a kernel for these arguments: what it does at the first launch."""
    kernel = launch.kernel
    signature: dict[str, str] = {}
    constants: dict[str, Any] = {}
    attributes: dict[tuple[int, ...], list[list[object]]] = {}
    for i, parameter in enumerate(kernel.params):
        value = launch.arguments[parameter.name]
        divisible = isinstance(value, str) or (isinstance(value, int) and value % 16 == 0)
        if parameter.is_constexpr or value is None or (type(value) is int and value == 1):
            signature[parameter.name] = "constexpr"
            constants[parameter.name] = value
            continue
        signature[parameter.name] = value if isinstance(value, str) else "fp32" if type(value) is float else "i32"
        if divisible:
            attributes[(i,)] = [["tt.divisibility", 16]]
    source = triton.compiler.ASTSource(kernel, signature=signature, constexprs=constants, attrs=attributes)
    target = GPUTarget("cuda", capability, 32)
    return str(triton.compile(source, target=target, options={"num_warps": launch.warps}).asm["ptx"])
