"""The words in which `localnorm.frameworks` says what a framework means by LRN, and the arithmetic of alpha.

A convention is data: the framework's argument names and defaults, how its size becomes a window, whether its
alpha is divided by the size, how it says that the window lies within a channel, and what it refuses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Window = tuple[int, int]


@dataclass(frozen=True)
class WindowRule:
    """How a framework's size argument becomes the window ``[c - lo, c + hi]``.

    Attributes:
        reads: the rule in words, for messages.
        window: the window of a size.
        size: the size that gives a window, or None where none does.
        even: what an even size does, in the words of the table of conventions.
        odd: whether even sizes are refused.
    """

    reads: str
    window: Callable[[int], Window]
    size: Callable[[int, int], int | None]
    even: str
    odd: bool = False


LOW = WindowRule(
    "an even size has its extra channel below",
    lambda size: (size // 2, (size - 1) // 2),
    lambda lo, hi: lo + hi + 1 if lo - hi in (0, 1) else None,
    "extra channel below",
)
HIGH = WindowRule(
    "an even size has its extra channel above",
    lambda size: ((size - 1) // 2, size // 2),
    lambda lo, hi: lo + hi + 1 if hi - lo in (0, 1) else None,
    "extra channel above",
)
WIDE = WindowRule(
    "the window reaches size // 2 channels to both sides",
    lambda size: (size // 2, size // 2),
    lambda lo, hi: lo + hi + 1 if lo == hi else None,
    "one channel more than the size",
)
SHORT = WindowRule(
    "the window reaches (size - 1) // 2 channels to both sides",
    lambda size: ((size - 1) // 2, (size - 1) // 2),
    lambda lo, hi: lo + hi + 1 if lo == hi else None,
    "one channel fewer than the size",
)
ODD = WindowRule(
    "the size is odd and the window symmetric",
    lambda size: (size // 2, size // 2),
    lambda lo, hi: lo + hi + 1 if lo == hi else None,
    "refused",
    odd=True,
)
RADIUS = WindowRule(
    "the window reaches the radius to both sides",
    lambda radius: (radius, radius),
    lambda lo, hi: lo if lo == hi else None,
    "the window is twice the radius plus 1",
)

ACROSS: Mapping[int, Mapping[str, Any]] = {0: {}}
"""The regions of a framework that normalizes across channels only."""


@dataclass(frozen=True)
class Convention:
    """One framework's parameters for LRN.

    Attributes:
        name: the name used in ``from_<name>`` and ``to_<name>``.
        arguments: the framework's argument names for window, alpha, beta and k, in this order.
        order: all its argument names in the framework's positional order.
        defaults: the framework's defaults; an argument without one is required.
        rule: how the window argument becomes a window.
        mean: whether the framework divides alpha by the window argument, within a channel by its power; or the
            name of the argument that says whether.
        source: where this is defined.
        bounds: smallest and largest value of an argument, where there are such; a size is at least 1 anyway.
        regions: the arguments that say what the window spans, by its number of spatial axes, 0 across channels.
        even: why even sizes are refused where the framework itself does not refuse them.
        note: what else its user should know.
        call: its line of code, a format string of its arguments by name; ``{}`` stands for all as ``name=value``.
    """

    name: str
    arguments: tuple[str, str, str, str]
    order: tuple[str, ...]
    defaults: Mapping[str, Any]
    rule: WindowRule
    mean: bool | str
    source: str
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    regions: Mapping[int, Mapping[str, Any]] = field(default_factory=lambda: ACROSS)
    even: str = ""
    note: str = ""
    call: str = "{}"

    @property
    def within(self) -> tuple[int, ...]:
        """How many spatial axes a window within a channel can span."""
        return tuple(spatial for spatial in self.regions if spatial)

    @property
    def alpha_rule(self) -> str:
        """What is done to alpha, in words."""
        if not self.mean:
            return "taken as it is"
        power = " to the power of its axes" if self.within else ""
        return f"divided by {self.arguments[0]}{power}{f', if {self.mean}' if isinstance(self.mean, str) else ''}"

    def code(self, arguments: Mapping[str, Any]) -> str:
        """Return the line of code of these arguments; an argument left out has its default."""
        pairs = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        return self.call.format(pairs, **{**self.defaults, **arguments})


def _as_typed(value: float) -> float:
    """Return the number of at most 15 significant digits within one ulp of value, else value."""
    typed = float(f"{value:.15g}")
    return typed if abs(typed - value) <= math.ulp(value) else value


def mean_to_sum(alpha: float, size: int) -> float:
    """Divide alpha by the size, so that `sum_to_mean` gives back an alpha of up to 15 digits exactly."""
    quotient = alpha / size
    typed = _as_typed(quotient)
    return typed if sum_to_mean(typed, size) == alpha else quotient


def sum_to_mean(alpha: float, size: int) -> float:
    """Multiply alpha by the size, choosing among neighbouring floats the one that divides back."""
    product = alpha * size
    for candidate in (
        _as_typed(product),
        product,
        math.nextafter(product, math.inf),
        math.nextafter(product, 0.0),
    ):
        if candidate / size == alpha:
            return candidate
    return product
