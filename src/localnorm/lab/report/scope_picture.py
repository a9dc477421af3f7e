"""The scope of a norm as a picture: the inputs that one output depends on, as measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

GAP = 4
"""Cells between the grids of two samples."""


@dataclass(frozen=True)
class Run:
    """Neighbouring positions of one sample and channel that are all reached."""

    sample: int
    channel: int
    start: int
    length: int


@dataclass(frozen=True)
class ScopePicture:
    """A grid of channels by positions for each sample, drawn in units of one cell.

    Attributes:
        norm: the norm.
        reach: the reach in words.
        reached: numbers of inputs, samples, channels and positions reached.
        shape: numbers of samples, channels and positions.
        output: the sample, channel and position of the output that is looked at.
        runs: what is reached.
    """

    norm: str
    reach: str
    reached: tuple[int, int, int, int]
    shape: tuple[int, int, int]
    output: tuple[int, int, int]
    runs: tuple[Run, ...]

    @property
    def width(self) -> int:
        """Of the picture, in cells."""
        return self.shape[0] * (self.shape[2] + GAP) - GAP

    @property
    def grids(self) -> tuple[int, ...]:
        """The left edge of each sample's grid."""
        return tuple(sample * (self.shape[2] + GAP) for sample in range(self.shape[0]))

    @property
    def path(self) -> str:
        """SVG path data that covers exactly the cells that are reached."""
        return "".join(
            f"M{self.grids[run.sample] + run.start} {run.channel}h{run.length}v1h-{run.length}z"
            for run in self.runs
        )

    @property
    def mark(self) -> tuple[int, int]:
        """Left and top of the output's cell."""
        sample, channel, position = self.output
        return self.grids[sample] + position, channel


def scope_picture(norm: str, details: Mapping[str, Any]) -> ScopePicture | None:
    """Return the picture of a norm's scope; None where nothing was measured.

    Args:
        norm: the norm.
        details: of its cell in the row of scope.
    """
    # Early records do not say how their mask is laid out.
    if "mask" not in details or "shape" not in details:
        return None
    samples, channels, *size = details["shape"]
    sample, channel, *place = details["output"]
    position = 0
    for extent, at in zip(size, place, strict=True):
        position = position * extent + at
    mask: list[str] = details["mask"]
    return ScopePicture(
        norm,
        details["reach"],
        (sum(line.count("1") for line in mask), details["samples"], details["channels"], details["positions"]),
        (samples, channels, prod(size)),
        (sample, channel, position),
        tuple(_runs(mask, channels)),
    )


def _runs(mask: list[str], channels: int) -> Iterator[Run]:
    for number, line in enumerate(mask):
        start = line.find("1")
        while start >= 0:
            end = line.find("0", start)
            end = len(line) if end < 0 else end
            yield Run(number // channels, number % channels, start, end - start)
            start = line.find("1", end)
