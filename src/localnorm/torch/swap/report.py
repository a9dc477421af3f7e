"""`SwapReport`, the result of `replace_lrn` and `restore_lrn`: a list of layers that prints as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import overload

from localnorm.spec import LRNSpec


@dataclass(frozen=True, slots=True)
class SwappedLayer:
    """One place in a model whose layer was swapped.

    Attributes:
        name: its name in the model, for ``model.get_submodule(name)``.
        kind: the class of the torch layer, such as ``LocalResponseNorm``.
        spec: the definition of both layers.
        note: a remark, or nothing.
    """

    name: str
    kind: str
    spec: LRNSpec
    note: str = ""


@dataclass(frozen=True, repr=False)
class SwapReport(Sequence[SwappedLayer]):
    """The layers that were swapped, in the order of the model.

    Attributes:
        summary: one line about all of them.
        layers: the layers, in the order of the model.

    Example:
        >>> layer = SwappedLayer("norm", "LocalResponseNorm", LRNSpec.from_torch(5))
        >>> SwapReport("1 layer swapped", (layer,))
        1 layer swapped
        name  kind               spec
        norm  LocalResponseNorm  LRNSpec(lo=2, hi=2, alpha=2e-05, beta=0.75, k=1.0)
    """

    summary: str
    layers: tuple[SwappedLayer, ...] = ()

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
        if not self.layers:
            return self.summary
        names = [field.name for field in fields(SwappedLayer)]
        rows = [names, *([str(getattr(layer, name)) for name in names] for layer in self.layers)]
        if not any(layer.note for layer in self.layers):
            rows = [row[:-1] for row in rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return "\n".join([self.summary, *lines])
