"""What to launch for a pass: kernels, grids and arguments. It allocates nothing and starts nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from localnorm.kernels.gpu.plan import MOST_OUTER, Plan, plan
from localnorm.kernels.gpu.power import ROOTS
from localnorm.kernels.gpu.rows_backward import rows_backward
from localnorm.kernels.gpu.rows_forward import rows_forward
from localnorm.kernels.gpu.side_backward import side_backward
from localnorm.kernels.gpu.side_forward import side_forward
from localnorm.kernels.gpu.wide_backward import wide_terms, wide_through
from localnorm.kernels.gpu.wide_forward import wide_forward
from localnorm.kernels.layout import Layout, layout
from localnorm.learnable import NAMES
from localnorm.spec import LRNSpec

_FORWARD = {"rows": rows_forward, "side": side_forward}
_BACKWARD = {"rows": rows_backward, "side": side_backward}
Pointer = Any
"""A tensor, as a framework's launcher takes it."""


class Array(NamedTuple):
    """A tensor and its strides in elements."""

    pointer: Pointer
    strides: tuple[int, ...]


class Learned(NamedTuple):
    """A learned value: float64 in memory, one number or one a channel."""

    pointer: Pointer
    numbers: int


@dataclass(frozen=True)
class Launch:
    """One kernel, to be called as ``kernel[grid](**arguments, num_warps=warps)``."""

    kernel: Any
    grid: tuple[int, int]
    arguments: dict[str, Any]
    warps: int


@dataclass(frozen=True)
class Pass:
    """All that the launches of one pass share.

    Attributes:
        shape: extents, none of them 0.
        axis: the channel axis, counted from 0.
        spec: window and values.
        learned: what takes the place of the spec's values, by name.
        itemsize: bytes of an element.
        processors: multiprocessors of the GPU.
    """

    shape: tuple[int, ...]
    axis: int
    spec: LRNSpec
    learned: Mapping[str, Learned]
    itemsize: int
    processors: int

    @property
    def own(self) -> bool:
        """Whether each channel has values of its own."""
        return any(value.numbers > 1 for value in self.learned.values())

    @property
    def window(self) -> tuple[int, int]:
        """Channels below and above, fewer than there are."""
        most = self.shape[self.axis] - 1
        return min(self.spec.lo, most), min(self.spec.hi, most)

    def laid_out(self, *arrays: Array) -> Layout:
        """Return the layout of some arrays."""
        return layout(self.shape, self.axis, *(array.strides for array in arrays))

    def planned(self, *arrays: Array, backward: bool) -> Plan:
        """Return the plan for some arrays."""
        found = self.laid_out(*arrays)
        return plan(found, *self.window, self.itemsize, self.processors, backward=backward, own=self.own)

    def forward(self, x: Array, y: Array) -> tuple[Launch, ...]:
        """Return what writes the normalized x into y, another array."""
        cut = self.planned(x, y, backward=False)
        return (self._launch(_FORWARD.get(cut.kind, wide_forward), cut, {"x": x, "y": y}, {}),)

    def backward(
        self, x: Array, y: Array, grad: Array, sums: Pointer | None, scratch: tuple[Array, Array] | None
    ) -> tuple[Launch, ...]:
        """Return what writes the gradient for x into y, and what k, alpha and beta get into `sums`.

        Args:
            x: the input.
            y: the output.
            grad: the gradient of the output.
            sums: float64 of the plan's `sums_shape`, where anything is learned.
            scratch: two float32 arrays of the same strides, for a plan of the kind "wide".
        """
        cut = self.planned(x, y, grad, backward=True)
        if scratch is None:
            return (self._launch(_BACKWARD[cut.kind], cut, {"x": x, "y": y, "grad": grad}, {"sums": sums}),)
        h, r = scratch
        terms, through = {"x": x, "h": h, "grad": grad}, {"x": x, "y": y, "h": h, "grad": grad}
        return (
            self._launch(wide_terms, cut, terms, {"r": r.pointer, "sums": sums}),
            self._launch(wide_through, cut, through, {"r": r.pointer}),
        )

    def _launch(self, kernel: Any, cut: Plan, arrays: Mapping[str, Array], more: Mapping[str, Any]) -> Launch:  # noqa: ANN401
        """Return a launch of a kernel that takes these arrays by these names."""
        found = self.laid_out(*arrays.values())
        lo, hi = self.window
        extents = (found.positions, *reversed(found.outer), 1, 1, 1)
        given: dict[str, Any] = {
            "channels": found.channels,
            "count": found.positions * math.prod(found.outer),
            **{f"extent_{i}": extents[i] for i in range(3)},
            **_values(self.spec, self.learned),
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
        for i, (name, array) in enumerate(arrays.items()):
            steps = (found.position_steps[i], *reversed(found.outer_steps[i]), 0, 0, 0)
            given |= {name: array.pointer, f"{name}_channel": found.channel_steps[i]}
            given |= {f"{name}_{j}": steps[j] for j in range(MOST_OUTER + 1)}
        return Launch(kernel, cut.grid, {**given, **more}, cut.warps)


def _values(spec: LRNSpec, learned: Mapping[str, Learned]) -> dict[str, Any]:
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
        value = learned.get(name)
        given[f"learned_{name}"] = None if value is None else value.pointer
        given[f"step_{name}"] = int(value is not None and value.numbers > 1)
    return given
