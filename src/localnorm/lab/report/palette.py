"""One colour, dash and marker per norm, the same in every plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Style:
    """Line style of a norm.

    Attributes:
        colour: contrast of at least 3:1 against white.
        dash: Plotly's dash.
        marker: Plotly's marker symbol.
    """

    colour: str
    dash: str
    marker: str


# Chosen by simulating red, green and blue blindness: at least 13 apart (CIE Lab) in each of them.
_KNOWN: Mapping[str, Style] = MappingProxyType(
    {
        "none": Style("#333333", "2px,3px", "circle"),
        "local": Style("#F05A00", "solid", "circle"),
        "batch": Style("#1B4FC4", "9px,3px", "square"),
        "layer": Style("#128C6E", "5px,3px", "diamond"),
        "instance": Style("#B8329A", "9px,3px,2px,3px", "triangle-up"),
        "group": Style("#7D3300", "12px,4px", "triangle-down"),
        "rms": Style("#3494DA", "5px,2px,2px,2px", "cross"),
        "local-learned": Style("#C22F3D", "3px,2px", "x"),
    }
)
_COLOURS = ("#6B6B00", "#6D45B8", "#7A7A7A", "#00707C")
_DASHES = ("solid", "7px,3px", "3px,3px")
_MARKERS = ("x", "circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x")


def styles(norms: Sequence[str]) -> dict[str, Style]:
    """Return the style of each norm; user-defined norms get further styles in their order.

    Example:
        >>> styles(["none", "my.module:norm"])["my.module:norm"].marker
        'x'
    """
    more = (norm for norm in norms if norm not in _KNOWN)
    added = {
        norm: Style(_COLOURS[i % len(_COLOURS)], _DASHES[i % len(_DASHES)], _MARKERS[i % len(_MARKERS)])
        for i, norm in enumerate(more)
    }
    return {norm: _KNOWN.get(norm) or added[norm] for norm in norms}
