"""One colour, dash and marker for each norm, the same in every picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Style:
    """How a norm is drawn.

    Attributes:
        colour: at least 3:1 against white.
        dash: lengths of dashes and gaps in pixels, as SVG and Plotly take them; empty for a solid line.
        marker: Plotly's name of the marker's shape, a key of `MARKERS`.
    """

    colour: str
    dash: str
    marker: str


MARKERS: Mapping[str, str] = MappingProxyType(
    {
        "circle": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
        "square": "M-4-4h8v8h-8z",
        "diamond": "M0-5L5 0L0 5L-5 0z",
        "triangle-up": "M0-5L5 4H-5z",
        "triangle-down": "M0 5L5-4H-5z",
        "cross": "M-5-2h3v-3h4v3h3v4h-3v3h-4v-3h-3z",
        "x": "M-5-3l2-2L0-2l3-3l2 2L2 0l3 3l-2 2L0 2l-3 3l-2-2L-2 0z",
    }
)
"""The markers' outlines around the origin, for legends drawn as SVG."""

# Chosen by simulating red, green and blue blindness: no two come nearer than 13 (CIE Lab) in any of them.
_KNOWN: Mapping[str, Style] = MappingProxyType(
    {
        "none": Style("#333333", "2px,3px", "circle"),
        "local": Style("#F05A00", "", "circle"),
        "batch": Style("#1B4FC4", "9px,3px", "square"),
        "layer": Style("#128C6E", "5px,3px", "diamond"),
        "instance": Style("#B8329A", "9px,3px,2px,3px", "triangle-up"),
        "group": Style("#7D3300", "12px,4px", "triangle-down"),
        "rms": Style("#3494DA", "5px,2px,2px,2px", "cross"),
        "local-learned": Style("#C22F3D", "3px,2px", "x"),
    }
)
_MORE = ("#6B6B00", "#6D45B8", "#7A7A7A", "#00707C")


def styles(norms: Sequence[str]) -> dict[str, Style]:
    """Return the style of each norm; norms of a user's own get further colours, in their order.

    Example:
        >>> styles(["none", "my.module:norm"])["my.module:norm"].marker
        'x'
    """
    own = [norm for norm in norms if norm not in _KNOWN]
    shapes = ("x", *MARKERS)
    more = {
        norm: Style(_MORE[i % len(_MORE)], ("", "7px,3px", "3px,3px")[i % 3], shapes[i % len(shapes)])
        for i, norm in enumerate(own)
    }
    return {norm: _KNOWN[norm] if norm in _KNOWN else more[norm] for norm in norms}
