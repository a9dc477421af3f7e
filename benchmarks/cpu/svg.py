"""Charts as SVG that needs no program to show: lines over two logarithmic axes, and bars over one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 230, 44, 54
_OURS = "#F05A00"
_COLOURS = ("#1B4FC4", "#128C6E", "#B8329A", "#7D3300", "#3494DA", "#C22F3D", "#6B7300", "#333333", "#8A6FD1")
_DASHES = ("", "7 3", "2 3")
_MARKS = ("M-4-4h8v8h-8z", "M0-5L5 0L0 5L-5 0z", "M0-5L5 4H-5z", "M0 5L5-4H-5z")
_CIRCLE = "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z"


@dataclass(frozen=True)
class Curve:
    """One line, or with one point one bar.

    Attributes:
        name: of the rival.
        points: x and y; of a bar the y counts.
        ours: whether it stands out.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    ours: bool = False


@dataclass(frozen=True)
class Chart:
    """What is drawn.

    Attributes:
        title: above it.
        x_name: below the axis.
        y_name: beside the axis.
        ticks: of x, with their labels; of bars none.
        curves: in the order of the legend.
    """

    title: str
    x_name: str
    y_name: str
    ticks: tuple[tuple[float, str], ...]
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class _Scale:
    """A logarithmic axis."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def steps(self) -> list[float]:
        """Return powers of ten, and between them 2 and 5 where there are few."""
        tens = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        digits = (1, 2, 5) if self.high / self.low < 500 else (1,)
        steps = [digit * 10.0**power for power in tens for digit in digits]
        return [step for step in steps if self.low <= step <= self.high]


def lines(chart: Chart) -> str:
    """Return a chart of lines over x."""
    xs, ys = zip(*(point for curve in chart.curves for point in curve.points), strict=True)
    across = _Scale(min(xs) / 1.15, max(xs) * 1.15, _LEFT, WIDTH - _RIGHT)
    up = _Scale(min(ys) / 1.25, max(ys) * 1.25, HEIGHT - _BOTTOM, _TOP)
    parts = [_text(WIDTH / 2, HEIGHT - 12, chart.x_name, "middle")]
    middle = (_TOP + HEIGHT - _BOTTOM) / 2
    parts.append(f'<g transform="translate(16 {middle}) rotate(-90)">{_text(0, 0, chart.y_name, "middle")}</g>')
    for step in up.steps():
        parts.append(_rule(_LEFT, up(step), WIDTH - _RIGHT, up(step)))
        parts.append(_text(_LEFT - 8, up(step) + 4, f"{step:g}", "end"))
    for x, label in chart.ticks:
        parts.append(_rule(across(x), HEIGHT - _BOTTOM, across(x), HEIGHT - _BOTTOM + 5))
        parts.append(_text(across(x), HEIGHT - _BOTTOM + 20, label, "middle"))
    for i, curve in enumerate(chart.curves):
        colour, dash, mark = _style(i, curve)
        places = [(across(x), up(y)) for x, y in curve.points]
        path = " ".join(f"{x},{y}" for x, y in places)
        width = 3 if curve.ours else 1.8
        stroke = f'stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dash}"'
        parts.append(f'<polyline points="{path}" fill="none" {stroke}/>')
        parts += [_mark(x, y, mark, colour) for x, y in places]
        level = _TOP + 10 + 22 * i
        here = WIDTH - _RIGHT + 18
        parts.append(f'<path d="M{here} {level}h26" {stroke}/>')
        parts.append(_mark(here + 13, level, mark, colour))
        parts.append(_text(here + 34, level + 4, curve.name, "start"))
    return _document(chart.title, HEIGHT, parts)


def bars(chart: Chart) -> str:
    """Return a chart of one bar a curve, with its number."""
    start, end, gap = 250, WIDTH - 70, 28
    height = _TOP + gap * len(chart.curves) + 40
    numbers = [curve.points[0][1] for curve in chart.curves]
    across = _Scale(min(0.8, min(numbers) / 1.2), max(numbers), start, end)
    parts = [_text((start + end) / 2, height - 10, chart.x_name, "middle")]
    for i, (curve, number) in enumerate(zip(chart.curves, numbers, strict=True)):
        top = _TOP + gap * i
        colour = _OURS if curve.ours else "#8FA3BF"
        parts.append(_text(start - 10, top + 15, curve.name, "end"))
        width = round(across(number) - start, 1)
        parts.append(f'<rect x="{start}" y="{top}" width="{width}" height="20" fill="{colour}"/>')
        parts.append(_text(across(number) + 6, top + 15, f"{number:.1f}", "start"))
    return _document(chart.title, height, parts)


def _style(place: int, curve: Curve) -> tuple[str, str, str]:
    if curve.ours:
        return _OURS, "", _CIRCLE
    return _COLOURS[place % len(_COLOURS)], _DASHES[place % len(_DASHES)], _MARKS[place % len(_MARKS)]


def _document(title: str, height: float, parts: Sequence[str]) -> str:
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    font = 'font-family="system-ui, sans-serif" font-size="13" fill="#222"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font} role="img" aria-label="{escape(title)}">'
    ground = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    return "\n".join((head, ground, _text(20, 24, title, "start", bold=True), *parts, "</svg>\n"))


def _text(x: float, y: float, words: str, anchor: str, *, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'


def _rule(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<path d="M{x} {y}L{to_x} {to_y}" stroke="#ddd" stroke-width="1"/>'


def _mark(x: float, y: float, shape: str, colour: str) -> str:
    return f'<path transform="translate({x:g} {y:g})" d="{shape}" fill="{colour}"/>'
