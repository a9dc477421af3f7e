"""Plotly figures of charts and scopes; titles and the numbers as text are on the page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

from localnorm.lab.analysis.table import TableRow
from localnorm.lab.measures import difference_unit
from localnorm.lab.report.palette import Style
from localnorm.lab.report.series import Chart, Curve
from localnorm.lab.report.wording import plain

Figure = dict[str, Any]
"""A figure as plain JSON values, as plotly.js takes it."""
TEMPLATE: Figure = {"layout": pio.templates["plotly_white"].layout.to_plotly_json()}
"""Plotly's template for all figures; a page holds it once."""
_STEPS = tuple(digit * 10.0**power for power in range(-3, 3) for digit in (1, 2, 5))
_GREY, _FAINT = "#767676", "#d0d0d0"


def line_figure(chart: Chart, styles: Mapping[str, Style]) -> Figure:
    """Return all norms' lines in one figure, with a legend."""
    figure = empty_figure(chart, showlegend=True)
    figure.add_traces([_line(chart, curve, styles[curve.norm]) for curve in chart.curves])
    return plain_values(figure)


def range_figure(chart: Chart, norm: str, styles: Mapping[str, Style], mark: float) -> Figure:
    """Return one norm's line with its range over the seeds, and the other norms' lines in grey behind it.

    Args:
        chart: all norms' curves; they share one y axis, so that figures can be compared.
        norm: the highlighted norm.
        styles: of every norm.
        mark: x of a vertical line.
    """
    figure = empty_figure(chart)
    curve = next(curve for curve in chart.curves if curve.norm == norm)
    for other in chart.curves:
        if other.norm != norm:
            grey = {"color": _FAINT, "width": 1}
            figure.add_scatter(x=chart.x, y=other.y, mode="lines", line=grey, hoverinfo="skip")
    red, green, blue = (int(styles[norm].colour[i : i + 2], 16) for i in (1, 3, 5))
    for start, end in _runs(curve):
        xs = chart.x[start:end]
        figure.add_scatter(
            x=(*xs, *reversed(xs)),
            y=(*curve.high[start:end], *reversed(curve.low[start:end])),
            fill="toself",
            fillcolor=f"rgba({red},{green},{blue},0.18)",
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
        )
    figure.add_trace(_line(chart, curve, styles[norm]))
    for x, note in zip(chart.x, curve.notes, strict=True):
        if note:
            # Plotly takes the logarithm for annotations on a log axis.
            place = math.log10(x) if chart.log_x else x
            figure.add_annotation(x=place, y=0.5, yref="paper", text=escape(note), textangle=-90, showarrow=False)
    figure.add_vline(x=mark, line={"color": _GREY, "width": 1, "dash": "dot"})
    known = [v for c in chart.curves for v in (*c.low, *c.high) if v is not None]
    if known:
        margin = 0.04 * (max(known) - min(known)) + 0.1
        figure.update_yaxes(range=[min(known) - margin, max(known) + margin])
    return plain_values(figure)


def forest_figure(row: TableRow, styles: Mapping[str, Style]) -> Figure | None:
    """Return every norm's difference from none with its interval, over plus and minus the smallest effect.

    Args:
        row: a row with intervals.
        styles: of every norm.

    Returns:
        None for an exact row, and before the first look.
    """
    seen = [
        (cell.norm, cell.judgement.difference)
        for cell in row.cells
        if cell.judgement and cell.judgement.difference and not row.row.exact
    ]
    if not seen:
        return None
    effect, decimals = row.row.smallest_effect, row.row.decimals
    figure = go.Figure(layout={**_layout(), "hovermode": "closest"})
    figure.add_vrect(x0=-effect, x1=effect, fillcolor=_FAINT, opacity=0.5, line_width=0, layer="below")
    figure.add_vline(x=0, line={"color": _GREY, "width": 1})
    for norm, found in seen:
        style = styles[norm]
        figure.add_scatter(
            x=[found.value],
            y=[escape(norm)],
            error_x={
                "type": "data", "symmetric": False, "array": [found.high - found.value],
                "arrayminus": [found.value - found.low], "color": style.colour,
            },
            mode="markers",
            marker={"symbol": style.marker, "size": 9, "color": style.colour},
            hovertemplate=f"%{{x:.{decimals}f}}<extra></extra>",
        )  # fmt: skip
    figure.update_xaxes(title=f"norm \N{MINUS SIGN} none, {escape(difference_unit(row.row.unit))}")
    figure.update_yaxes(autorange="reversed", type="category")
    return plain_values(figure)


def scope_figure(details: Mapping[str, Any], colour: str) -> Figure | None:
    """Return the inputs that one output depends on, one block of channels x positions per sample.

    Args:
        details: of the norm's cell in the row of scope.
        colour: of the inputs reached.

    Returns:
        None if nothing was measured, or by a version that did not store the shape.
    """
    if "mask" not in details or "shape" not in details:
        return None
    samples, channels, *size = details["shape"]
    sample, channel, *place = details["output"]
    position = 0
    for extent, at in zip(size, place, strict=True):
        position = position * extent + at
    positions = math.prod(size)
    width = positions + 1
    lines = [[int(reached) for reached in line] for line in details["mask"]]  # one per sample and channel
    gap: list[int | None] = [None]
    rows = [
        [cell for s in range(samples) for cell in (*lines[s * channels + c], *gap)][:-1] for c in range(channels)
    ]
    scale = [[0, "#e6e6ea"], [1, colour]]
    figure = go.Figure(
        go.Heatmap(z=rows, zmin=0, zmax=1, colorscale=scale, showscale=False, xgap=1, ygap=1, hoverinfo="skip")
    )
    frame = {"symbol": "square-open", "size": 9, "color": "#000", "line": {"width": 2}}
    figure.add_scatter(x=[sample * width + position], y=[channel], mode="markers", marker=frame, hoverinfo="skip")
    centres = [s * width + (positions - 1) / 2 for s in range(samples)]
    figure.update_xaxes(tickvals=centres, ticktext=[f"sample {s}" for s in range(samples)], title="positions")
    figure.update_yaxes(autorange="reversed", title="channel", showgrid=False)
    figure.update_layout(_layout(), xaxis_showgrid=False)
    return plain_values(figure)


def empty_figure(chart: Chart, *, showlegend: bool = False, hovermode: str = "x unified") -> go.Figure:
    """Return a chart's axes without traces."""
    figure = go.Figure(layout={**_layout(), "showlegend": showlegend, "hovermode": hovermode})
    types = {False: "linear", True: "log"}
    figure.update_xaxes(title=chart.x_name, type=types[chart.log_x], **ticks(chart.x))
    # Plotly's own labels on a log axis are 2 for 20.
    figure.update_yaxes(title=chart.y_name, type=types[chart.log_y], **(ticks(_STEPS) if chart.log_y else {}))
    return figure


def ticks(values: Sequence[float]) -> dict[str, Any]:
    """Return an axis's ticks at these values; Plotly's own for none."""
    return {"tickvals": list(values), "ticktext": [plain(value) for value in values]} if values else {}


def plain_values(figure: go.Figure) -> Figure:
    """Return a figure as plain JSON values."""
    values: Figure = json.loads(figure.to_json())
    return values


def _layout() -> Figure:
    return {
        "template": {},
        "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
        "showlegend": False,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        "dragmode": False,
    }


def _line(chart: Chart, curve: Curve, style: Style) -> go.Scatter:
    return go.Scatter(
        x=chart.x,
        y=curve.y,
        # Plotly reads some HTML in its texts.
        name=escape(curve.norm),
        mode="lines+markers",
        line={"color": style.colour, "width": 2, "dash": style.dash},
        marker={"symbol": style.marker, "size": 8},
        hovertemplate=f"%{{y:.{chart.decimals}f}}",
    )


def _runs(curve: Curve) -> list[tuple[int, int]]:
    """Return the start and end of each run of points that have a range."""
    known = [*(value is not None for value in curve.low), False]
    edges = [i for i in range(len(known)) if known[i] != (i > 0 and known[i - 1])]
    return list(zip(edges[::2], edges[1::2], strict=True))
