"""Draw the charts of docs/speed.md: time by tensor size, time by window size, and copies by implementation."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator
from math import inf, prod

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.speed.cpu.results import Results, Row, milliseconds
from benchmarks.speed.cpu.targets import MAIN

_FAMILIES = {
    "localnorm": ("localnorm",),
    "torch eager": ("torch eager",),
    "torch.compile": (
        "torch.compile of torch.nn.functional.local_response_norm",
        "torch.compile of the formula with slices",
        "torch.compile of the formula with slices, without pow",
    ),
    "TensorFlow, NHWC": ("TensorFlow eager", "TensorFlow function", "TensorFlow XLA"),
    "JAX": ("JAX, the formula with slices",),
    "onnxruntime": ("onnxruntime",),
    "OpenVINO": ("OpenVINO",),
    "OpenCV": ("OpenCV",),
    "a copy": ("copy",),
}
"""One curve each: the fastest of several ways to call one framework."""
_BETA = 0.75


def charts(results: Results) -> dict[str, tuple[str, str]]:
    """Return title and SVG by file name; a chart without measurements is left out."""
    forward = list(results.all(part="forward", beta=_BETA, measure="forward"))
    windows = [row for row in results.all(part="windows", beta=_BETA) if row["shape"] == MAIN[0]]
    drawn = {
        "speed-size.svg": _lines("Forward pass by tensor size, window 5", "million elements", forward, "shape"),
        "speed-window.svg": _lines(f"Forward pass by window size, {MAIN[0]}", "window size", windows, "size"),
        "speed-copies.svg": _bars(
            f"Forward pass, {MAIN[0]}, each in its faster layout",
            [row for row in forward if row["shape"] == MAIN[0]],
        ),
    }
    return {name: chart for name, chart in drawn.items() if chart is not None}


def _lines(title: str, label: str, rows: list[Row], field: str) -> tuple[str, str] | None:
    """Draw milliseconds over the tensor's or the window's size, both logarithmic."""
    figure = Figure((7.6, 4.2), layout="constrained")
    axes = figure.add_subplot(title=title, xlabel=label, ylabel="ms", xscale="log", yscale="log")
    places: set[float] = set()
    for (name, implementations), marker in zip(_FAMILIES.items(), "osD^vPX*d", strict=True):
        best: dict[float, float] = {}
        for row in _measured(rows, implementations):
            place = row["size"] if field == "size" else prod(map(int, row["shape"].split("x"))) / 1e6
            best[place] = min(milliseconds(row) or inf, best.get(place, inf))
        if best and not (name == "a copy" and field == "size"):
            width = 3 if name == "localnorm" else 1.5
            axes.plot(*zip(*sorted(best.items()), strict=True), marker=marker, linewidth=width, label=name)
            places |= best.keys()
    axes.set_xticks(sorted(places), [f"{place:.2g}" for place in sorted(places)])
    axes.minorticks_off()
    axes.grid(axis="y", which="both", color="#ddd")
    figure.legend(loc="outside right upper", frameon=False)
    return _svg(figure, title) if places else None


def _bars(title: str, rows: list[Row]) -> tuple[str, str] | None:
    """Draw one bar per implementation, its time in copies."""
    best: dict[str, float] = {}
    for row in _measured(rows, {row["implementation"] for row in rows} - {"copy"}):
        best[row["implementation"]] = min(row["copies"], best.get(row["implementation"], inf))
    names = sorted(best, key=best.__getitem__, reverse=True)
    figure = Figure((9.6, 0.9 + 0.28 * len(names)), layout="constrained")
    axes = figure.add_subplot(title=title, xlabel="copies of the tensor")
    colors = ["C0" if name.startswith("localnorm") else "0.7" for name in names]
    axes.bar_label(axes.barh(names, [best[name] for name in names], color=colors), fmt="%.1f", padding=4)
    axes.margins(x=0.1)
    return _svg(figure, title) if names else None


def _measured(rows: Iterable[Row], implementations: Collection[str]) -> Iterator[Row]:
    for row in rows:
        if row["implementation"] in implementations and "milliseconds" in row and row.get("accurate", True):
            yield row


def _svg(figure: Figure, title: str) -> tuple[str, str]:
    file = io.StringIO()
    # The salt makes the identifiers in the file, and so the whole file, the same in every run.
    with mpl.rc_context({"svg.hashsalt": "localnorm", "svg.fonttype": "none"}):
        figure.savefig(file, format="svg", metadata={"Title": title, "Date": None, "Creator": None})
    return title, "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
