"""The plots of a search: its history, a slice for each hyperparameter, and the importances."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import accumulate
from typing import Any

import plotly.graph_objects as go

from localnorm.lab.records.record import Record
from localnorm.lab.report.figures import empty_figure, plain_values
from localnorm.lab.report.palette import styles
from localnorm.lab.report.sections import Plot
from localnorm.lab.report.series import Chart, Curve
from localnorm.lab.report.wording import error_axis, plain
from localnorm.lab.study.search_space import Choice, LogUniform, Range
from localnorm.lab.tuning.results import Tuned
from localnorm.lab.tuning.selection import setting_of

_GREY = "#767676"
_FEW_DECADES = 100
"""Highest over lowest value up to which an axis has room for more than powers of ten."""
Point = tuple[float, float, str]
"""Where along x, the validation error, and what the trial is."""


def plots(tuned: Tuned) -> dict[str, list[Plot]]:
    """Return the plots by section: history, slices, importances; a section without any numbers has none."""
    ended = [(trial, record) for trial, record in tuned.trials if record.status == "ok"]
    found: dict[str, list[Plot]] = {"history": [], "slices": [], "importances": []}
    if ended:
        found["history"].append(_history(tuned))
        found["slices"] += [
            _slice(tuned, name, own, i) for i, (name, own) in enumerate(tuned.tuning.searched.items())
        ]
    if any(share is not None for share in tuned.importance.values()):
        found["importances"].append(_importances(tuned))
    return found


def _history(tuned: Tuned) -> Plot:
    """Validation error by trial; what was stopped early at its last error, the best so far as a line."""
    done = [(float(i), _last(r), _told(tuned, i)) for i, (_, r) in enumerate(tuned.trials) if r.status == "ok"]
    stopped = [
        (float(i), _last(r), _told(tuned, i)) for i, (_, r) in enumerate(tuned.trials) if r.status == "pruned"
    ]
    chart = _chart(tuned, "History", "trial", done + stopped, log_x=False)
    figure = empty_figure(chart)
    figure.update_xaxes(tickmode="auto", tickvals=None, ticktext=None)
    figure.update_layout(hovermode="closest")
    best = list(accumulate((y for _, y, _ in done), min))
    line = {"color": _GREY, "width": 1, "shape": "hv"}
    figure.add_trace(go.Scatter(x=[x for x, _, _ in done], y=best, mode="lines", line=line, hoverinfo="skip"))
    figure.add_trace(_points(tuned, done))
    figure.add_trace(_points(tuned, stopped, stopped_early=True))
    told = f"Validation error by trial: {len(done)} went to their end, the best at {plain(best[-1])}."
    return Plot("history", "History", told, plain_values(figure))


def _slice(tuned: Tuned, name: str, own: Range, number: int) -> Plot:
    """Validation error by the value of one hyperparameter, of the trials that went to their end."""
    points = []
    for i, (trial, record) in enumerate(tuned.trials):
        values = tuned.tuning.values(setting_of(trial))
        if record.status == "ok" and values:
            points.append((values[name], _last(record), _told(tuned, i)))
    log = isinstance(own, LogUniform)
    words = name.replace("_", " ")
    figure = empty_figure(_chart(tuned, words, words, points, log_x=log))
    if isinstance(own, Choice):
        figure.update_xaxes(tickvals=list(own.values), ticktext=[plain(value) for value in own.values])
    elif log:
        # Plotly's own labels on such an axis say 2 where 0.2 is meant.
        steps = (1, 2, 5) if own.high <= _FEW_DECADES * own.low else (1,)
        ticks = [float(f"{digit}e{power}") for power in range(-12, 6) for digit in steps]
        figure.update_xaxes(tickvals=ticks, ticktext=[plain(tick) for tick in ticks])
    else:
        figure.update_xaxes(tickmode="auto", tickvals=None, ticktext=None)
    figure.update_layout(hovermode="closest")
    figure.add_trace(_points(tuned, points))
    best = min(points, key=lambda point: point[1], default=None)
    told = f"Validation error by {words}" + (f", least at {plain(best[0])}." if best else ".")
    return Plot(f"slice-{number}", words, told, plain_values(figure))


def _importances(tuned: Tuned) -> Plot:
    known = sorted((share, name) for name, share in tuned.importance.items() if share is not None)
    figure = empty_figure(Chart("Importances", "importance", "", (), ()))
    figure.update_xaxes(tickmode="auto", tickvals=None, ticktext=None, rangemode="tozero")
    figure.update_yaxes(type="category")
    names = [escape(name.replace("_", " ")) for _, name in known]
    colour = styles([tuned.tuning.norm])[tuned.tuning.norm].colour
    figure.update_layout(hovermode="closest")
    figure.add_trace(
        go.Bar(
            x=[share for share, _ in known],
            y=names,
            orientation="h",
            marker={"color": colour},
            hovertemplate="%{x:.2f}<extra></extra>",
        )
    )
    told = "Importance: " + ", ".join(f"{name.replace('_', ' ')} {share:.2f}" for share, name in reversed(known))
    return Plot("importances", "Importances", told + ".", plain_values(figure))


def _chart(tuned: Tuned, name: str, x_name: str, points: Sequence[Point], *, log_x: bool) -> Chart:
    """Return the axes; the points only decide whether errors go by factors."""
    curve = Curve(tuned.tuning.norm, tuple(y for _, y, _ in points))
    return Chart(name, x_name, error_axis("validation", tuned.tuning.task.unit), (), (curve,), log_x=log_x)


def _points(tuned: Tuned, points: Sequence[Point], *, stopped_early: bool = False) -> go.Scatter:
    style = styles([tuned.tuning.norm])[tuned.tuning.norm]
    marker: dict[str, Any] = {"color": style.colour, "symbol": style.marker, "size": 8}
    if stopped_early:
        marker = {"color": _GREY, "symbol": "x-thin-open", "size": 7}
    return go.Scatter(
        x=[x for x, _, _ in points],
        y=[y for _, y, _ in points],
        # Plotly reads some HTML in its texts.
        text=[escape(told) for _, _, told in points],
        mode="markers",
        marker=marker,
        hovertemplate="%{y:.2f}<br>%{text}<extra></extra>",
    )


def _told(tuned: Tuned, number: int) -> str:
    trial, record = tuned.trials[number]
    parts = [f"learning rate {plain(trial.learning_rate)}"]
    parts += [f"{name} {plain(value)}" for name, value in trial.settings] or ["defaults"]
    if record.status == "pruned":
        parts.append(f"stopped after epoch {len(record.results['validation_error'])}")
    return f"trial {number}: {', '.join(parts)}"


def _last(record: Record) -> float:
    return float(record.results["validation_error"][-1])
