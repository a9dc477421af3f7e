"""The plots of a search: its history, a slice for each hyperparameter, the importances."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import accumulate
from typing import Any

import plotly.graph_objects as go

from localnorm.lab.report.figures import empty_figure, plain_values, ticks
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
"""x, the last validation error, and a description of the trial."""


def plots(tuned: Tuned) -> dict[str, list[Plot]]:
    """Return the plots by section: history, slices, importances; a section without numbers has none."""
    found: dict[str, list[Plot]] = {"history": [], "slices": [], "importances": []}
    if any(record.status == "ok" for _, record in tuned.trials):
        found["history"].append(_history(tuned))
        found["slices"] += [_slice(tuned, *item, i) for i, item in enumerate(tuned.tuning.searched.items())]
    if any(share is not None for share in tuned.importance.values()):
        found["importances"].append(_importances(tuned))
    return found


def _history(tuned: Tuned) -> Plot:
    """Validation error by trial; pruned trials at their last error, the best so far as a line."""
    points = {
        status: [(float(i), *_point(tuned, i)) for i, (_, r) in enumerate(tuned.trials) if r.status == status]
        for status in ("ok", "pruned")
    }
    figure = _figure(tuned, "trial", points["ok"] + points["pruned"])
    best = list(accumulate((y for _, y, _ in points["ok"]), min))
    line = {"color": _GREY, "width": 1, "shape": "hv"}
    figure.add_scatter(x=[x for x, _, _ in points["ok"]], y=best, mode="lines", line=line, hoverinfo="skip")
    figure.add_trace(_points(tuned, points["ok"]))
    figure.add_trace(_points(tuned, points["pruned"], color=_GREY, symbol="x-thin-open", size=7))
    alt = f"Validation error by trial: {len(points['ok'])} completed, the best at {plain(best[-1])}."
    return Plot("history", "", alt, plain_values(figure))


def _slice(tuned: Tuned, name: str, searched: Range, number: int) -> Plot:
    """Validation error by the value of one hyperparameter, of the completed trials."""
    points = []
    for i, (trial, record) in enumerate(tuned.trials):
        values = tuned.tuning.values(setting_of(trial))
        if record.status == "ok" and values:
            points.append((values[name], *_point(tuned, i)))
    words = name.replace("_", " ")
    figure = _figure(tuned, words, points, log_x=isinstance(searched, LogUniform))
    if isinstance(searched, Choice):
        figure.update_xaxes(ticks(searched.values))
    elif isinstance(searched, LogUniform):
        # Plotly's own labels on a log axis are 2 for 0.2.
        steps = (1, 2, 5) if searched.high <= _FEW_DECADES * searched.low else (1,)
        figure.update_xaxes(ticks([float(f"{digit}e{power}") for power in range(-12, 6) for digit in steps]))
    figure.add_trace(_points(tuned, points))
    best = min(points, key=lambda point: point[1], default=None)
    alt = f"Validation error by {words}" + (f", least at {plain(best[0])}." if best else ".")
    return Plot(f"slice-{number}", words, alt, plain_values(figure))


def _importances(tuned: Tuned) -> Plot:
    known = sorted(
        (share, name.replace("_", " ")) for name, share in tuned.importance.items() if share is not None
    )
    figure = _figure(tuned, "importance", [])
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(type="category", title="")
    figure.add_bar(
        x=[share for share, _ in known],
        y=[escape(name) for _, name in known],
        orientation="h",
        marker={"color": styles([tuned.tuning.norm])[tuned.tuning.norm].colour},
        hovertemplate="%{x:.2f}<extra></extra>",
    )
    alt = "Importance: " + ", ".join(f"{name} {share:.2f}" for share, name in reversed(known)) + "."
    return Plot("importances", "", alt, plain_values(figure))


def _figure(tuned: Tuned, x_name: str, points: Sequence[Point], *, log_x: bool = False) -> go.Figure:
    """Return the axes; the points decide whether the errors are on a log axis."""
    curve = Curve(tuned.tuning.norm, tuple(y for _, y, _ in points))
    axis = error_axis("validation", tuned.tuning.task.unit)
    return empty_figure(Chart("", x_name, axis, (), (curve,), log_x=log_x), hovermode="closest")


def _points(tuned: Tuned, points: Sequence[Point], **marker: Any) -> go.Scatter:  # noqa: ANN401  Plotly's marker
    style = styles([tuned.tuning.norm])[tuned.tuning.norm]
    return go.Scatter(
        x=[x for x, _, _ in points],
        y=[y for _, y, _ in points],
        # Plotly reads some HTML in its texts.
        text=[escape(text) for _, _, text in points],
        mode="markers",
        marker={"color": style.colour, "symbol": style.marker, "size": 8} | marker,
        hovertemplate="%{y:.2f}<br>%{text}<extra></extra>",
    )


def _point(tuned: Tuned, number: int) -> tuple[float, str]:
    """Return a trial's last validation error, and its setting in words."""
    trial, record = tuned.trials[number]
    errors = record.results["validation_error"]
    parts = [f"learning rate {plain(trial.learning_rate)}"]
    parts += [f"{name} {plain(value)}" for name, value in trial.settings] or ["defaults"]
    if record.status == "pruned":
        parts.append(f"stopped after epoch {len(errors)}")
    return float(errors[-1]), f"trial {number}: {', '.join(parts)}"
