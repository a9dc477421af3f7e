"""What to launch for a pass: kernels, grids and arguments. It allocates nothing and starts nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from localnorm.kernels.gpu.channels_first_backward import rows_backward
from localnorm.kernels.gpu.channels_first_forward import rows_forward
from localnorm.kernels.gpu.channels_last_backward import side_backward
from localnorm.kernels.gpu.channels_last_forward import side_forward
from localnorm.kernels.gpu.power import ROOTS
from localnorm.kernels.gpu.tiling import MOST_OUTER, Plan, plan
from localnorm.kernels.gpu.wide_backward import wide_terms, wide_through
from localnorm.kernels.gpu.wide_forward import wide_forward
from localnorm.kernels.layout import Layout, layout
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec

_FORWARD = {"rows": rows_forward, "side": side_forward}
_BACKWARD = {"rows": rows_backward, "side": side_backward}
Strides = tuple[int, ...]


@dataclass(frozen=True)
class Launch:
    """One kernel, to be called as ``kernel[grid](**tensors, **arguments, num_warps=warps)``.

    Attributes:
        kernel: the kernel.
        grid: how many programs there are.
        tensors: the arguments that are tensors, by their names.
        arguments: all the others.
        warps: of a program.
    """

    kernel: Any
    grid: tuple[int, int]
    tensors: tuple[str, ...]
    arguments: dict[str, Any]
    warps: int


class Prepared(NamedTuple):
    """All that a pass needs to know but the tensors.

    Attributes:
        launches: what to call, one after the other.
        sums_shape: of the float64 that the programs sum what k, alpha and beta get into.
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
        learned: what takes the place of the spec's values, by name, float64 in memory, and how many numbers it
            is: one, or one a channel.
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
    def own(self) -> bool:
        """Whether each channel has values of its own."""
        return any(numbers > 1 for _, numbers in self.learned)

    @property
    def window(self) -> tuple[int, int]:
        """Channels below and above, fewer than there are."""
        most = self.shape[self.axis] - 1
        return min(self.spec.lo, most), min(self.spec.hi, most)

    def forward(self, x: Strides, y: Strides) -> Prepared:
        """Return what writes the normalized `x` into `y`, another array."""
        cut = self._planned(x, y, backward=False)
        launch = self._launch(_FORWARD.get(cut.kind, wide_forward), cut, {"x": x, "y": y}, ())
        return Prepared((launch,), (), False)

    def backward(self, x: Strides, y: Strides, grad: Strides, scratch: Strides) -> Prepared:
        """Return what writes the gradient for `x` into `y`, and what k, alpha and beta get into `sums`.

        Args:
            x: steps of the input, in elements.
            y: of the output.
            grad: of the gradient of the output.
            scratch: of `h` and of `r`.
        """
        cut = self._planned(x, y, grad, backward=True)
        sums_shape = cut.sums_shape(self.shape[self.axis], self.own)
        if cut.kind != "wide":
            launch = self._launch(_BACKWARD[cut.kind], cut, {"x": x, "y": y, "grad": grad}, ("sums",))
            return Prepared((launch,), sums_shape, False)
        terms = self._launch(wide_terms, cut, {"x": x, "h": scratch, "grad": grad}, ("r", "sums"))
        through = self._launch(wide_through, cut, {"x": x, "y": y, "h": scratch, "grad": grad}, ("r",))
        return Prepared((terms, through), sums_shape, True)

    def _laid_out(self, *arrays: Strides) -> Layout:
        return layout(self.shape, self.axis, *arrays)

    def _planned(self, *arrays: Strides, backward: bool) -> Plan:
        found = self._laid_out(*arrays)
        return plan(found, *self.window, self.itemsize, self.processors, backward=backward, own=self.own)

    def _launch(self, kernel: Any, cut: Plan, arrays: Mapping[str, Strides], more: tuple[str, ...]) -> Launch:  # noqa: ANN401
        """Return a launch of a kernel that takes these arrays by these names, and more tensors."""
        found = self._laid_out(*arrays.values())
        lo, hi = self.window
        extents = (found.positions, *reversed(found.outer), 1, 1, 1)
        given: dict[str, Any] = {
            "channels": found.channels,
            "count": found.positions * math.prod(found.outer),
            **{f"extent_{i}": extents[i] for i in range(3)},
            **_values(self.spec, dict(self.learned)),
            "OWN": self.own,
            "OUTER": len(found.outer),
            "TILE": cut.tile,
            "CHUNK": cut.chunk,
            "LONG": cut.long,
        }
        given |= {"lo": lo, "hi": hi} if cut.kind == "wide" else {"LO": lo, "HI": hi}
        if cut.kind == "rows":
            given["block"] = cut.block
        if cut.kind == "side":
            given["groups"] = -(-found.channels // cut.chunk)
        for i, name in enumerate(arrays):
            steps = (found.position_steps[i], *reversed(found.outer_steps[i]), 0, 0, 0)
            given[f"{name}_channel"] = found.channel_steps[i]
            given |= {f"{name}_{j}": steps[j] for j in range(MOST_OUTER + 1)}
        if kernel is wide_through:
            # It takes no power: one kernel for every beta.
            del given["BETA"]
        if "sums" in more and not self.learned:
            given["sums"] = None
            more = tuple(name for name in more if name != "sums")
        learned = tuple(f"learned_{name}" for name, _ in self.learned)
        return Launch(kernel, cut.grid, (*arrays, *more, *learned), given, cut.warps)


@lru_cache(maxsize=1024)
def forward(given: Pass, x: Strides, y: Strides) -> Prepared:
    """Return the same as the pass, and keep it: to work it out takes longer than a small tensor does."""
    return given.forward(x, y)


@lru_cache(maxsize=1024)
def backward(given: Pass, x: Strides, y: Strides, grad: Strides, scratch: Strides) -> Prepared:
    """The same for the backward pass."""
    return given.backward(x, y, grad, scratch)


def _values(spec: LRNSpec, learned: Mapping[str, int]) -> dict[str, Any]:
    """Return the values as the kernels take them: -beta in two parts, the upper of twelve binary places."""
    upper = math.ldexp(round(math.ldexp(-spec.beta, 12)), -12)
    given: dict[str, Any] = {
        "k": float(spec.k),
        "alpha": float(spec.alpha),
        "upper": upper,
        "lower": -spec.beta - upper,
        "BETA": spec.beta if spec.beta in ROOTS and "beta" not in learned else 0.0,
    }
    for name in NAMES:
        if name not in learned:
            given[f"learned_{name}"] = None
        given[f"step_{name}"] = int(learned.get(name, 1) > 1)
    return given
