"""Ranges of hyperparameters, and seeded random samples of them."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """One of several values, with equal probability."""

    values: tuple[float, ...]

    def draw(self, rng: random.Random) -> float:
        """Return one value."""
        return rng.choice(self.values)


@dataclass(frozen=True)
class Uniform:
    """A value between two, with uniform probability."""

    low: float
    high: float

    def draw(self, rng: random.Random) -> float:
        """Return one value, rounded to three significant digits for readable records."""
        return float(f"{rng.uniform(self.low, self.high):.3g}")


@dataclass(frozen=True)
class LogUniform:
    """A value between two, with uniform probability of its logarithm."""

    low: float
    high: float

    def draw(self, rng: random.Random) -> float:
        """Return one value, rounded to three significant digits for readable records."""
        return float(f"{math.exp(rng.uniform(math.log(self.low), math.log(self.high))):.3g}")


Range = Choice | Uniform | LogUniform
Space = Mapping[str, Range]


def draw(space: Space, *names: object) -> tuple[tuple[str, float], ...]:
    """Return a sample of the space, sorted by name; equal names give equal samples on every machine.

    Example:
        >>> draw({"eps": LogUniform(1e-7, 1e-3)}, 0) == draw({"eps": LogUniform(1e-7, 1e-3)}, 0)
        True
    """
    rng = random.Random("/".join(map(str, names)))
    return tuple((name, space[name].draw(rng)) for name in sorted(space))
