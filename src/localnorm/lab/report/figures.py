"""Plotly figures from charts; the legend, the titles and the numbers as text are the page's."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

from localnorm.lab.report.palette import Style
from localnorm.lab.report.series import Chart, Curve
from localnorm.lab.report.wording import plain

Figure = dict[str, Any]
"""A figure as plain JSON values, as plotly.js takes it."""

_FONT = {"family": "system-ui, sans-serif", "size": 12, "color": "#222"}
_AXIS = {"gridcolor": "#e4e4e4", "linecolor": "#767676", "zeroline": False, "ticks": "outside", "automargin": True}
_STEPS = tuple(digit * 10.0**power for power in range(-3, 3) for digit in (1, 2, 5))
_OTHERS = "#d0d0d0"


def line_figure(chart: Chart, styles: Mapping[str, Style]) -> Figure:
    """Return all norms' lines in one figure."""
    figure = empty_figure(chart)
    for curve in chart.curves:
        figure.add_trace(_line(chart, curve, styles[curve.norm]))
    return plain_values(figure)


def range_figure(chart: Chart, norm: str, styles: Mapping[str, Style], mark: float) -> Figure:
    """Return one norm's line with its range over the seeds, the other norms' lines in grey behind it.

    Args:
        chart: all norms' curves; they share one y axis, so that figures can be compared.
        norm: the norm that stands out.
        styles: of every norm.
        mark: the x that a vertical line marks.
    """
    figure = empty_figure(chart)
    figure.update_layout(font_size=11)
    curve = next(curve for curve in chart.curves if curve.norm == norm)
    for other in chart.curves:
        if other.norm != norm:
            grey = {"color": _OTHERS, "width": 1}
            figure.add_trace(go.Scatter(x=chart.x, y=other.y, mode="lines", line=grey, hoverinfo="skip"))
    for start, end in _stretches(curve):
        there = chart.x[start:end]
        figure.add_trace(
            go.Scatter(
                x=(*there, *reversed(there)),
                y=(*curve.high[start:end], *reversed(curve.low[start:end])),
                fill="toself",
                fillcolor=_see_through(styles[norm].colour),
                line={"width": 0},
                mode="lines",
                hoverinfo="skip",
            )
        )
    figure.add_trace(_line(chart, curve, styles[norm]))
    for x, note in zip(chart.x, curve.notes, strict=True):
        if note:
            # Plotly wants the logarithm for annotations on such an axis.
            place = math.log10(x) if chart.log_x else x
            figure.add_annotation(x=place, y=0.5, yref="paper", text=escape(note), textangle=-90, showarrow=False)
    figure.add_vline(x=mark, line={"color": "#767676", "width": 1, "dash": "dot"})
    known = [v for c in chart.curves for v in (*c.low, *c.high) if v is not None]
    if known:
        spare = 0.04 * (max(known) - min(known)) + 0.1
        figure.update_yaxes(range=[min(known) - spare, max(known) + spare])
    return plain_values(figure)


def empty_figure(chart: Chart) -> go.Figure:
    """Return a chart's axes, with nothing drawn between them."""
    figure = go.Figure(
        layout={
            # Without this every figure carries Plotly's default theme, several kilobytes of it.
            "template": {},
            "margin": {"l": 8, "r": 12, "t": 8, "b": 8},
            "font": _FONT,
            "showlegend": False,
            "hovermode": "x unified",
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "dragmode": False,
        }
    )
    kinds = {False: "linear", True: "log"}
    figure.update_xaxes(title=chart.x_name, type=kinds[chart.log_x], **_ticks(chart.x), **_AXIS)
    # Plotly's own labels on such an axis say 2 where 20 is meant.
    steps = _ticks(_STEPS) if chart.log_y else {}
    figure.update_yaxes(title=chart.y_name, type=kinds[chart.log_y], **steps, **_AXIS)
    return figure


def _ticks(values: Sequence[float]) -> dict[str, Any]:
    return {"tickvals": list(values), "ticktext": [plain(value) for value in values]}


def _line(chart: Chart, curve: Curve, style: Style) -> go.Scatter:
    return go.Scatter(
        x=chart.x,
        y=curve.y,
        # Plotly reads some HTML in its texts.
        name=escape(curve.norm),
        meta=curve.norm,
        mode="lines+markers",
        line={"color": style.colour, "width": 2, "dash": style.dash or "solid"},
        marker={"symbol": style.marker, "size": 8},
        hovertemplate=f"%{{y:.{chart.decimals}f}}",
    )


def _stretches(curve: Curve) -> list[tuple[int, int]]:
    """Return the start and end of each run of points that have a range: a band has no holes."""
    known = [*(value is not None for value in curve.low), False]
    edges = [i for i in range(len(known)) if known[i] != (i > 0 and known[i - 1])]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _see_through(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.18)"


def plain_values(figure: go.Figure) -> Figure:
    """Return a figure as plotly.js takes it."""
    values: Figure = json.loads(figure.to_json())
    return values
