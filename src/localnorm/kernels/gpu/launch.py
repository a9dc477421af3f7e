"""Select the Triton kernels of a pass, their grids and arguments; allocates and launches nothing.

Experimental: these kernels have never run on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from localnorm.kernels.gpu.channels_first_backward import channels_first_backward
from localnorm.kernels.gpu.channels_first_forward import channels_first_forward
from localnorm.kernels.gpu.channels_last_backward import channels_last_backward
from localnorm.kernels.gpu.channels_last_forward import channels_last_forward
from localnorm.kernels.gpu.power import ROOTS
from localnorm.kernels.gpu.tiling import MOST_OUTER, Tiling, tile_work
from localnorm.kernels.gpu.wide_backward import wide_terms, wide_through
from localnorm.kernels.gpu.wide_forward import wide_forward
from localnorm.kernels.layout import Layout, layout
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec

_FORWARD = {"channels_first": channels_first_forward, "channels_last": channels_last_forward}
_BACKWARD = {"channels_first": channels_first_backward, "channels_last": channels_last_backward}
Strides = tuple[int, ...]


@dataclass(frozen=True)
class Launch:
    """One kernel, to be called as ``kernel[grid](**tensors, **arguments, num_warps=warps)``.

    Attributes:
        kernel: the kernel.
        grid: the number of programs.
        tensors: the arguments that are tensors, by their names.
        arguments: all the others.
        warps: number of warps of a program.
    """

    kernel: Any
    grid: tuple[int, int]
    tensors: tuple[str, ...]
    arguments: dict[str, Any]
    warps: int


class Prepared(NamedTuple):
    """A pass with everything but its tensors.

    Attributes:
        launches: the kernels to call, in this order.
        sums_shape: shape of the float64 sums for k, alpha and beta, a row for each program.
        scratch: whether `h` and `r` are needed, of float32.
    """

    launches: tuple[Launch, ...]
    sums_shape: tuple[int, ...]
    scratch: bool


@dataclass(frozen=True)
class Pass:
    """A pass over tensors of one shape.

    Attributes:
        shape: extents, none of them 0.
        axis: the channel axis, counted from 0.
        spec: window and values.
        learned: the learned values, which replace those of the spec: name, and how many float64 numbers: one,
            or one a channel.
        itemsize: bytes of an element.
        processors: multiprocessors of the GPU.
    """

    shape: tuple[int, ...]
    axis: int
    spec: LRNSpec
    learned: tuple[tuple[str, int], ...]
    itemsize: int
    processors: int

    @property
    def per_channel(self) -> bool:
        """Whether values differ between channels."""
        return any(numbers > 1 for _, numbers in self.learned)

    @property
    def window(self) -> tuple[int, int]:
        """Channels below and above, fewer than there are."""
        most = self.shape[self.axis] - 1
        return min(self.spec.lo, most), min(self.spec.hi, most)

    def forward(self, x: Strides, y: Strides) -> Prepared:
        """Return the launch that writes the normalized `x` into `y`, another array."""
        cut = self._planned(x, y, backward=False)
        launch = self._launch(_FORWARD.get(cut.kind, wide_forward), cut, {"x": x, "y": y}, ())
        return Prepared((launch,), (), False)

    def backward(self, x: Strides, y: Strides, grad: Strides, scratch: Strides) -> Prepared:
        """Return the launches that write the gradient for `x` into `y`, and for k, alpha and beta into `sums`.

        Args:
            x: steps of the input, in elements.
            y: of the output.
            grad: of the gradient of the output.
            scratch: of `h` and of `r`.
        """
        cut = self._planned(x, y, grad, backward=True)
        sums_shape = cut.sums_shape(self.shape[self.axis], self.per_channel)
        if cut.kind != "wide":
            launch = self._launch(_BACKWARD[cut.kind], cut, {"x": x, "y": y, "grad": grad}, ("sums",))
            return Prepared((launch,), sums_shape, False)
        terms = self._launch(wide_terms, cut, {"x": x, "h": scratch, "grad": grad}, ("r", "sums"))
        through = self._launch(wide_through, cut, {"x": x, "y": y, "h": scratch, "grad": grad}, ("r",))
        return Prepared((terms, through), sums_shape, True)

    def _laid_out(self, *arrays: Strides) -> Layout:
        return layout(self.shape, self.axis, *arrays)

    def _planned(self, *arrays: Strides, backward: bool) -> Tiling:
        found = self._laid_out(*arrays)
        return tile_work(
            found, *self.window, self.itemsize, self.processors, backward=backward, per_channel=self.per_channel
        )

    def _launch(self, kernel: Any, cut: Tiling, arrays: Mapping[str, Strides], more: tuple[str, ...]) -> Launch:  # noqa: ANN401
        """Return a launch of a kernel with these arrays by name, and more tensors."""
        found = self._laid_out(*arrays.values())
        lo, hi = self.window
        extents = (found.positions, *reversed(found.outer), 1, 1, 1)
        arguments: dict[str, Any] = {
            "channels": found.channels,
            "count": found.positions * math.prod(found.outer),
            **{f"extent_{i}": extents[i] for i in range(3)},
            **_values(self.spec, dict(self.learned)),
            "PER_CHANNEL": self.per_channel,
            "OUTER": len(found.outer),
            "TILE": cut.tile,
            "CHUNK": cut.chunk,
            "LONG": cut.long,
        }
        arguments |= {"lo": lo, "hi": hi} if cut.kind == "wide" else {"LO": lo, "HI": hi}
        if cut.kind == "channels_first":
            arguments["block"] = cut.block
        if cut.kind == "channels_last":
            arguments["groups"] = -(-found.channels // cut.chunk)
        for i, name in enumerate(arrays):
            steps = (found.position_steps[i], *reversed(found.outer_steps[i]), 0, 0, 0)
            arguments[f"{name}_channel"] = found.channel_steps[i]
            arguments |= {f"{name}_{j}": steps[j] for j in range(MOST_OUTER + 1)}
        if kernel is wide_through:
            # It computes no power: one kernel for every beta.
            del arguments["BETA"]
        if "sums" in more and not self.learned:
            arguments["sums"] = None
            more = tuple(name for name in more if name != "sums")
        learned = tuple(f"learned_{name}" for name, _ in self.learned)
        return Launch(kernel, cut.grid, (*arrays, *more, *learned), arguments, cut.warps)


@lru_cache(maxsize=1024)
def forward(described: Pass, x: Strides, y: Strides) -> Prepared:
    """Return the cached `Pass.forward`, which takes longer to compute than a small tensor."""
    return described.forward(x, y)


@lru_cache(maxsize=1024)
def backward(described: Pass, x: Strides, y: Strides, grad: Strides, scratch: Strides) -> Prepared:
    """Return the cached `Pass.backward`."""
    return described.backward(x, y, grad, scratch)


def _values(spec: LRNSpec, learned: Mapping[str, int]) -> dict[str, Any]:
    """Return the values as kernel arguments: -beta in two parts, the upper of twelve binary places."""
    upper = math.ldexp(round(math.ldexp(-spec.beta, 12)), -12)
    arguments: dict[str, Any] = {
        "k": float(spec.k),
        "alpha": float(spec.alpha),
        "upper": upper,
        "lower": -spec.beta - upper,
        "BETA": spec.beta if spec.beta in ROOTS and "beta" not in learned else 0.0,
    }
    for name in NAMES:
        if name not in learned:
            arguments[f"learned_{name}"] = None
        arguments[f"step_{name}"] = int(learned.get(name, 1) > 1)
    return arguments
