"""`SwapReport`: the layers that `replace_lrn` or `swap_norms` swapped, as a table, and how to restore them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from torch import nn

from localnorm.spec import LRNSpec

Swap = tuple[nn.Module, nn.Module, tuple[Callable[[nn.Module], None], ...]]
"""A layer, the one that replaced it, and the functions that put a layer in its places."""


@dataclass(frozen=True, slots=True)
class SwappedLayer:
    """One place in a model whose layer was swapped.

    Attributes:
        name: its name in the model, for ``model.get_submodule(name)``.
        kind: the class of the replaced layer, such as ``LocalResponseNorm``.
        spec: the definition of both layers, if both are an LRN.
        note: a remark, or nothing.
        new: the class of the new layer, if the report does not say it for all.
    """

    name: str
    kind: str
    spec: LRNSpec | None = None
    note: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True)
class LeftLayer:
    """A layer that was not swapped.

    Attributes:
        name: its name in the model.
        kind: its class.
        reason: why it was left.
    """

    name: str
    kind: str
    reason: str


@dataclass(frozen=True, repr=False)
class SwapReport(Sequence[SwappedLayer]):
    """The layers that were swapped, in the order of the model.

    Attributes:
        summary: one line about all of them.
        layers: the layers, in the order of the model.
        left: the layers that were not swapped, each with the reason.

    Example:
        >>> layer = SwappedLayer("norm", "LocalResponseNorm", LRNSpec.from_torch(5))
        >>> SwapReport("1 layer swapped", (layer,))
        1 layer swapped
        name  kind               spec
        norm  LocalResponseNorm  LRNSpec(lo=2, hi=2, alpha=2e-05, beta=0.75, k=1.0)
    """

    summary: str
    layers: tuple[SwappedLayer, ...] = ()
    left: tuple[LeftLayer, ...] = ()
    _swaps: tuple[Swap, ...] = field(default=(), compare=False)

    def swapped(self) -> SwapReport:
        """Put the new layers in every place, and return this report."""
        for _, new, puts in self._swaps:
            for put in puts:
                put(new)
        return self

    def restore(self) -> SwapReport:
        """Put the old layers back in every place, with the training flag that their places have now."""
        for layer, new, puts in self._swaps:
            layer.train(new.training)
            for put in puts:
                put(layer)
        count = len(self._swaps)
        return SwapReport(f"{count} layer{'' if count == 1 else 's'} restored")

    @overload
    def __getitem__(self, index: int) -> SwappedLayer: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[SwappedLayer, ...]: ...

    def __getitem__(self, index: int | slice) -> SwappedLayer | tuple[SwappedLayer, ...]:
        """Return a layer, or a tuple of them."""
        return self.layers[index]

    def __len__(self) -> int:
        """Return the number of places; a layer in two places counts twice."""
        return len(self.layers)

    def __iter__(self) -> Iterator[SwappedLayer]:
        """Iterate over the layers."""
        return iter(self.layers)

    def __repr__(self) -> str:
        """Return the summary and, below it, one line a layer in columns."""
        lines = [self.summary]
        if self.layers:
            names = ["name", "kind", "new", "spec", "note"]
            cells = [[str(getattr(layer, name) or "") for layer in self.layers] for name in names]
            shown = [[name, *column] for name, column in zip(names, cells, strict=True) if any(column)]
            widths = [max(map(len, column)) for column in shown]
            lines += ["  ".join(map(str.ljust, row, widths)).rstrip() for row in zip(*shown, strict=True)]
        lines += [f"left: {layer.name}, {layer.kind}: {layer.reason}" for layer in self.left]
        return "\n".join(lines)
