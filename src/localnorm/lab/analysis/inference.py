"""Sequential three-way verdicts on paired differences: trimmed t intervals, equivalence tests, alpha spending.

A cell of the table is one norm in one row: differences ``norm - none`` by seed. It is looked at after a fixed
number of seeds, `LOOKS`, and never between them. At each look its interval is that of the trimmed mean, at a level
that keeps the chance of any false verdict in a row, over all its norms and all looks, at `ERROR` or less.
docs/verdicts.md derives the levels and states the assumptions; `benchmarks.lab.calibration` measures the rates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import norm as normal
from scipy.stats import t as student

from localnorm.lab.study.study import LOOKS

ERROR = 0.05
"""Chance of any false verdict in a row of the table."""
CLEARLY_ERROR = 0.025
"""Chance that any cell of a row is called clearly different and is not."""
TRIMMED = 10
"""One pair in ten is dropped at either end."""
_FAR = 9.0
"""Standard deviations that no path leaves."""

Word = Literal["better", "worse", "no different", "undecided"]


@dataclass(frozen=True)
class Center:
    """A trimmed mean of paired differences.

    Attributes:
        value: the mean of what is left.
        error: its standard error, from the winsorized variance.
        freedom: degrees of freedom of the t distribution that it is compared with.
    """

    value: float
    error: float
    freedom: int


@dataclass(frozen=True)
class Decision:
    """The verdict on one cell at the look where it was reached, or at the last one.

    Attributes:
        word: the verdict.
        clearly: whether a difference is shown to exceed the smallest effect.
        pairs: the look: how many pairs the rest was computed from; 0 before the first look.
        estimate: the trimmed mean difference; NaN before the first look.
        low: lower end of the interval that the verdict was read off: all norms of the row and all looks together
            are covered at ``1 - ERROR``.
        high: its upper end.
        within: the difference is shown to be smaller than this, either way.
    """

    word: Word
    clearly: bool
    pairs: int
    estimate: float
    low: float
    high: float
    within: float


UNSEEN = Decision("undecided", False, 0, math.nan, -math.inf, math.inf, math.inf)
"""Before the first look."""


@lru_cache(maxsize=256)
def levels(error: float, sides: Literal[1, 2], looks: tuple[int, ...] = LOOKS) -> tuple[float, ...]:
    """Return the nominal level of the test at each look, so that all looks together err with probability `error`.

    By n of N pairs ``error * (n / N)^2`` is spent: the power family of Kim and DeMets, 1987, in the framework of
    Lan and DeMets, 1983. The boundaries follow from the distribution of a Brownian motion that has crossed none of
    them, integrated numerically (Armitage, McPherson and Rowe, 1969), and are read as levels of t tests.

    Args:
        error: of all looks together, in (0, 1).
        sides: 2 for "different", 1 for each of the two tests of "no different".
        looks: numbers of pairs, increasing.

    Example:
        >>> [round(level, 4) for level in levels(0.05, 2, (20, 40))]
        [0.0125, 0.0436]
        >>> [round(level, 4) for level in levels(0.05, 2, (40,))]
        [0.05]
    """
    times = np.array(looks) / looks[-1]
    spent = np.diff(error * times**2, prepend=0.0)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    # The distribution of the motion among the paths that crossed no boundary so far: points and their mass.
    points, mass = np.zeros(1), np.ones(1)
    nominal = []
    for time, before, share in zip(times, np.concatenate([[0.0], times]), spent, strict=False):
        step = math.sqrt(time - before)

        bound = float(brentq(_excess, 0.0, _FAR, args=(points / step, mass, step, sides, share), xtol=1e-12))
        nominal.append(float(sides * normal.sf(bound / math.sqrt(time))))
        low = -bound if sides == 2 else -_FAR
        ahead = low + (bound - low) * (nodes + 1) / 2
        density = normal.pdf((ahead[:, None] - points) / step) @ mass / step
        points, mass = ahead, density * weights * (bound - low) / 2
    return tuple(nominal)


def _excess(
    bound: float, points: NDArray[np.float64], mass: NDArray[np.float64], step: float, sides: int, share: float
) -> float:
    """Return the probability of crossing a bound in the next step beyond the share to be spent."""
    crossed = normal.sf(bound / step - points)
    if sides == 2:
        crossed = crossed + normal.cdf(-bound / step - points)
    return float(mass @ crossed) - share


def center(differences: Sequence[float], resolution: float) -> Center:
    """Return the mean of the differences without the lowest and the highest tenth, rounded down, and its error.

    Tukey and McLaughlin, 1963, with one degree of freedom less if anything is trimmed: theirs is 1.2 times too
    bold at ten pairs. The variance is at least that of rounding to the resolution.

    Args:
        differences: at least two.
        resolution: the step between values that a difference can take, 0 for a continuous one.

    Example:
        >>> center([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 1000.0], resolution=0.0).value
        5.5
    """
    ordered = np.sort(np.asarray(differences, np.float64))
    count, cut = ordered.size, ordered.size // TRIMMED
    value = float(ordered[cut : count - cut].mean())
    winsorized = ordered.clip(ordered[cut], ordered[count - cut - 1])
    spread = math.sqrt(max(float(winsorized.var(ddof=1)), resolution**2 / 12))
    error = spread / math.sqrt(count) / (1 - 2 * cut / count)
    return Center(value, error, count - 2 * cut - 1 - (cut > 0))


@lru_cache(maxsize=1024)
def _quantile(level: float, freedom: int) -> float:
    """Return the quantile of Student's t that is exceeded with a probability."""
    return float(student.isf(level, freedom))


def look(
    differences: Sequence[float],
    effect: float,
    norms: int,
    *,
    resolution: float = 0.0,
    lower_is_better: bool = True,
    number: int = -1,
    looks: tuple[int, ...] = LOOKS,
) -> Decision:
    """Judge a cell at one look, as if there had been no verdict before.

    Args:
        differences: ``norm - none``, at least as many as the look has pairs; later ones are not looked at.
        effect: the smallest effect of interest, above 0.
        norms: how many norms the row compares with none; the error is divided among them.
        resolution: the step between values that a difference can take.
        lower_is_better: whether a negative difference speaks for the norm.
        number: of the look.
        looks: numbers of pairs, increasing.

    Example:
        >>> look([-1.1, -0.9, -1.0, -1.05, -0.95, -1.0], 0.5, norms=1, looks=(6,)).word
        'better'
        >>> look([-0.1, 0.1, 0.0, 0.05, -0.05, 0.0], 0.5, norms=1, looks=(6,)).word
        'no different'
    """
    pairs = looks[number]
    middle = center(differences[:pairs], resolution)
    two_sided, one_sided = (levels(ERROR / norms, sides, looks)[number] for sides in (2, 1))
    half = _quantile(two_sided / 2, middle.freedom) * middle.error
    within = abs(middle.value) + _quantile(one_sided, middle.freedom) * middle.error
    word: Word = "undecided"
    if within <= effect:
        word = "no different"
    elif abs(middle.value) >= half and middle.value:
        word = "better" if (middle.value < 0) == lower_is_better else "worse"
    clearly = word in ("better", "worse") and abs(middle.value) - half >= effect
    return Decision(word, clearly, pairs, middle.value, middle.value - half, middle.value + half, within)


def decide(
    differences: Sequence[float],
    effect: float,
    norms: int,
    *,
    resolution: float = 0.0,
    lower_is_better: bool = True,
    looks: tuple[int, ...] = LOOKS,
) -> Decision:
    """Return the first verdict of a cell over the looks that there are pairs for, else the last look.

    The first verdict stands, with the interval it was read off; `clearly` may be added by a later look. So the
    result depends on the cell's own differences and on `norms` alone: not on when a study was interrupted, nor on
    the order of norms, nor on what was decided elsewhere.

    Args:
        differences: ``norm - none`` by seed, in the order of the seeds.
        effect: the smallest effect of interest, above 0.
        norms: how many norms the row compares with none.
        resolution: the step between values that a difference can take.
        lower_is_better: whether a negative difference speaks for the norm.
        looks: numbers of pairs, increasing.

    Example:
        >>> decide([0.3] * 5, 0.5, norms=1).word
        'undecided'
        >>> decide([0.3, 0.2, 0.3, 0.1, 0.3, 0.2], 0.5, norms=1).word
        'no different'
    """
    seen = decisions(
        differences, effect, norms, resolution=resolution, lower_is_better=lower_is_better, looks=looks
    )
    return standing(seen)


def standing(seen: Sequence[Decision]) -> Decision:
    """Return the verdict that stands after some looks; see `decide`.

    Args:
        seen: what each look shows by itself.
    """
    first = next((decision for decision in seen if decision.word != "undecided"), None)
    if first is None:
        return seen[-1] if seen else UNSEEN
    clearly = any(later.clearly and later.word == first.word for later in seen)
    return Decision(first.word, clearly, first.pairs, first.estimate, first.low, first.high, first.within)


def decisions(
    differences: Sequence[float],
    effect: float,
    norms: int,
    *,
    resolution: float = 0.0,
    lower_is_better: bool = True,
    looks: tuple[int, ...] = LOOKS,
) -> list[Decision]:
    """Return what each look that there are pairs for shows by itself: how a verdict came about.

    Example:
        >>> [decision.pairs for decision in decisions([0.3] * 12, 0.5, norms=1)]
        [6, 10]
    """
    return [
        look(
            differences,
            effect,
            norms,
            resolution=resolution,
            lower_is_better=lower_is_better,
            number=number,
            looks=looks,
        )
        for number, pairs in enumerate(looks)
        if pairs <= len(differences)
    ]
