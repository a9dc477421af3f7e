"""The scope of a norm as a picture: the inputs that one output depends on, as measured, in a cube.

The cube of N, C and (H, W) is that of Wu and He, "Group Normalization", 2018, figure 2, but pulled apart along N,
so that nothing of it is hidden: a sheet for each sample, on which channels go down and positions back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

ALONG, UP = 0.72, 0.4
"""How far right and how far up a position goes on a sheet, in heights of a channel."""
GAP = 3.0
"""Between the sheets of two samples, in heights of a channel."""


@dataclass(frozen=True)
class Run:
    """Neighbouring positions of one sample and channel that are all reached."""

    sample: int
    channel: int
    start: int
    length: int


@dataclass(frozen=True)
class Sheet:
    """One sample: channels down, positions back.

    Attributes:
        x: left of its front edge.
        y: top of its front edge.
        path: SVG path data of the cells that are reached, in cells, before the sheet is turned.
    """

    x: float
    y: float
    path: str

    @property
    def turned(self) -> str:
        """The SVG transform that takes cells to the picture."""
        return f"matrix({ALONG} -{UP} 0 1 {self.x} {self.y})"


@dataclass(frozen=True)
class ScopePicture:
    """A cube of samples, channels and positions, pulled apart along the samples.

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
    def sheets(self) -> tuple[Sheet, ...]:
        """One for each sample, from left to right."""
        _, _, positions = self.shape
        return tuple(
            Sheet(round(sample * (positions * ALONG + GAP), 2), round(positions * UP, 2), self._path(sample))
            for sample in range(self.shape[0])
        )

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the picture."""
        samples, channels, positions = self.shape
        return (
            round(samples * (positions * ALONG + GAP) - GAP, 2),
            round(channels + positions * UP, 2),
        )

    @property
    def edges(self) -> tuple[tuple[float, float], ...]:
        """Left and top of the four corners of the first sheet, where the cube's edges along N begin."""
        _, channels, positions = self.shape
        back, low = round(positions * ALONG, 2), round(positions * UP, 2)
        return ((0.0, low), (0.0, low + channels), (back, 0.0), (back, float(channels)))

    def _path(self, sample: int) -> str:
        """Return SVG path data that covers exactly the cells of a sample that are reached."""
        own = (run for run in self.runs if run.sample == sample)
        return "".join(f"M{run.start} {run.channel}h{run.length}v1h-{run.length}z" for run in own)


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
