"""The pictures of docs/speed.md: time against the tensor's and the window's size, and copies by rival."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import Any

from benchmarks.cpu.results import Record, Results, milliseconds
from benchmarks.cpu.svg import Chart, Curve, bars, lines
from benchmarks.cpu.targets import MAIN

_FAMILIES = {
    "localnorm": ("localnorm",),
    "torch eager": ("torch eager",),
    "torch.compile": ("torch.compile, its own", "torch.compile, slices", "torch.compile, slices without pow"),
    "TensorFlow, NHWC": ("TensorFlow eager", "TensorFlow function", "TensorFlow XLA"),
    "JAX": ("JAX, slices",),
    "onnxruntime": ("onnxruntime",),
    "OpenVINO": ("OpenVINO",),
    "OpenCV": ("OpenCV",),
    "a copy": ("copy",),
}
"""What is drawn as one: of several ways to call one framework, the fastest."""
_BETA = 0.75


def pictures(results: Results) -> dict[str, tuple[str, str]]:
    """Return title and SVG by name of file; none where nothing was measured for it."""
    by_window = [r for r in results.all(part="windows", beta=_BETA) if r["shape"] == MAIN[0]]
    drawn = {
        "speed-size.svg": (lines, _by_elements(list(results.all(part="forward", beta=_BETA, measure="forward")))),
        "speed-window.svg": (lines, _by_window(by_window)),
        "speed-copies.svg": (bars, _by_rival(results)),
    }
    return {name: (chart.title, draw(chart)) for name, (draw, chart) in drawn.items() if chart.curves}


def _by_elements(records: list[Record]) -> Chart:
    shapes = sorted({r["shape"] for r in records}, key=_elements)
    places = {shape: float(_elements(shape)) for shape in shapes}
    curves = _curves({name: _points(records, rivals, "shape", places) for name, rivals in _FAMILIES.items()})
    ticks = tuple((place, f"{place / 1e6:.2g}") for place in places.values())
    return Chart("Forward pass by size of the tensor, size 5", "millions of numbers", "ms", ticks, curves)


def _by_window(records: list[Record]) -> Chart:
    sizes = sorted({r["size"] for r in records})
    families = {name: rivals for name, rivals in _FAMILIES.items() if name != "a copy"}
    places = {size: float(size) for size in sizes}
    curves = _curves({name: _points(records, rivals, "size", places) for name, rivals in families.items()})
    ticks = tuple((float(size), str(size)) for size in sizes)
    return Chart(f"Forward pass by size of the window, {MAIN[0]}", "size of the window", "ms", ticks, curves)


def _by_rival(results: Results) -> Chart:
    records = list(results.all(part="forward", shape=MAIN[0], beta=_BETA, measure="forward"))
    best: dict[str, float] = {}
    for record in records:
        if "copies" in record and record.get("accurate", True) and record["rival"] != "copy":
            best[record["rival"]] = min(record["copies"], best.get(record["rival"], record["copies"]))
    found = {name: [(1.0, copies)] for name, copies in sorted(best.items(), key=lambda item: item[1])}
    title = f"Forward pass, {MAIN[0]}, each in its faster layout"
    return Chart(title, "copies of the tensor", "", (), _curves(found))


def _points(
    records: list[Record], rivals: Iterable[str], field: str, places: Mapping[Any, float]
) -> list[tuple[float, float]]:
    """Return the place of each value of a field, and the time there."""
    found = []
    for value, place in places.items():
        there = [r for r in records if r[field] == value and r["rival"] in rivals and r.get("accurate", True)]
        # Of both layouts the faster, which for most rivals is the only one.
        times = [taken for r in there if "milliseconds" in r and (taken := milliseconds(r)) is not None]
        if times:
            found.append((place, min(times)))
    return found


def _curves(found: dict[str, list[tuple[float, float]]]) -> tuple[Curve, ...]:
    return tuple(
        Curve(name, tuple(points), name.startswith("localnorm")) for name, points in found.items() if points
    )


def _elements(shape: str) -> int:
    return prod(map(int, shape.split("x")))
