"""Words and numbers of the report, the same in the terminal and on the pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from localnorm.lab.analysis.inference import Decision
from localnorm.lab.analysis.paired import Verdict
from localnorm.lab.analysis.statistics import Estimate
from localnorm.lab.analysis.verdicts import Comparison
from localnorm.lab.measures import Row, difference_unit
from localnorm.lab.measures.row import short_name

PERCENT_ERROR = "% error"
"""The unit of a task that has an accuracy."""
NO_NUMBER = "\N{EN DASH}"

VERDICTS: Mapping[Verdict, str] = MappingProxyType(
    {
        "supported": "every difference that the claim needs is shown",
        "not supported": "a difference that the claim needs is shown to be absent or reversed",
        "undecided": "the measurement allows both; this is not the same as “no effect”",
    }
)
COMPARISONS: Mapping[Comparison, str] = MappingProxyType(
    {
        "better": "shown to be better than none",
        "worse": "shown to be worse than none",
        "no different": "shown to be closer to none than the smallest effect",
        "undecided": "not shown to be any of these; this is not the same as “no effect”",
    }
)


def number(value: float | None, decimals: int = 1) -> str:
    """Return a number with a true minus sign and commas between thousands.

    Example:
        >>> number(-1234.56, 1)
        '−1,234.6'
        >>> number(-0.001, 1)
        '0.0'
    """
    if value is None:
        return NO_NUMBER
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}")


def plain(value: float) -> str:
    """Return a setting in its shortest form: 0.0003, 0.01, 128.

    Example:
        >>> plain(3e-4), plain(128.0), plain(1e-7)
        ('0.0003', '128', '1e-07')
    """
    return f"{value:g}"


def interval(found: Estimate, decimals: int) -> str:
    """Return an estimate's interval.

    Example:
        >>> interval(Estimate(1.0, 0.5, 1.5), 1)
        '[0.5, 1.5]'
    """
    return f"[{number(found.low, decimals)}, {number(found.high, decimals)}]"


@dataclass(frozen=True)
class Amounts:
    """A difference as amounts of better: negative ones are worse.

    Attributes:
        better: the typical difference.
        most: the better end of the interval.
        least: its worse end.
    """

    better: float
    most: float
    least: float


def amounts(decision: Decision, row: Row) -> Amounts:
    """Return by how much the first norm of a difference is better.

    Example:
        >>> error = Row("generalization", "", "% error", smallest_effect=0.5)
        >>> amounts(Decision("better", False, 6, -2.0, -3.0, -1.0, 3.0), error)
        Amounts(better=2.0, most=3.0, least=1.0)
    """
    if row.lower_is_better is False:
        return Amounts(decision.estimate, decision.high, decision.low)
    return Amounts(-decision.estimate, -decision.low, -decision.high)


def short_criterion(name: str) -> str:
    """Return a row's name in at most 14 columns, for the terminal.

    Example:
        >>> short_criterion("suitability for RNNs"), short_criterion("robustness to noise")
        ('RNNs', 'noise')
    """
    return _SHORT.get(name, name.removeprefix("suitability for "))


def named(norms: Sequence[str], word: str = "or") -> str:
    """Return at most three names and the number of the others, joined for a sentence.

    Example:
        >>> named(["a", "b"]), named(["a", "b", "c", "d", "e"])
        ('a or b', 'a, b, c or 2 more')
    """
    names = [*norms[:3], f"{len(norms) - 3} more"] if len(norms) > 3 else [*norms]
    return f" {word} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def listed(names: Sequence[str], word: str = "and") -> str:
    """Return names joined for a sentence.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return f" {word} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def titles(tasks: Sequence[str]) -> dict[str, str]:
    """Return a heading for each task: a folder's name instead of its path, unless two are the same.

    Example:
        >>> titles(["digits", "data:/home/me/cats?side=8", "data:hub:mnist"])
        {'digits': 'digits', 'data:/home/me/cats?side=8': 'cats', 'data:hub:mnist': 'data:hub:mnist'}
    """
    short = [short_name(task) for task in tasks]
    return {task: name if short.count(name) == 1 else task for task, name in zip(tasks, short, strict=True)}


def difference_of(more: str, than: str) -> str:
    """Return a paired difference in symbols; the norm alone without a second one.

    Example:
        >>> difference_of("batch", "none"), difference_of("batch", "")
        ('batch − none', 'batch')
    """
    return f"{more} \N{MINUS SIGN} {than}" if than else more


def counted(count: int, one: str, several: str = "") -> str:
    """Return a count with its noun.

    Example:
        >>> counted(1, "seed"), counted(1234, "seed")
        ('1 seed', '1,234 seeds')
    """
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def smallest_effect(row: Row) -> str:
    """Return a row's smallest effect with its unit.

    Example:
        >>> smallest_effect(Row("", "", "% error", 0.5)), smallest_effect(Row("", "", "% of the variance", 1.0))
        ('0.5 points of error', '1 point of the variance')
    """
    unit = difference_unit(row.unit)
    one = _ONE.get(unit, f"point {unit.removeprefix('points ')}" if unit.startswith("points ") else unit)
    return f"{plain(row.smallest_effect)} {one if row.smallest_effect == 1 else unit}"


def accuracy_or_error(unit: str, error: float) -> float:
    """Return the plotted value of an error: the accuracy if there is one.

    Example:
        >>> accuracy_or_error("% error", 4.0), accuracy_or_error("squared error", 4.0)
        (96.0, 4.0)
    """
    return 100 - error if unit == PERCENT_ERROR else error


def accuracy_axis(subset: str, unit: str) -> str:
    """Return the axis title for `accuracy_or_error`.

    Example:
        >>> accuracy_axis("test", "% error"), accuracy_axis("test", "squared error")
        ('test accuracy, %', 'test error, squared error')
    """
    return f"{subset} accuracy, %" if unit == PERCENT_ERROR else error_axis(subset, unit)


def error_axis(subset: str, unit: str) -> str:
    """Return the axis title for errors.

    Example:
        >>> error_axis("validation", "% error")
        'validation error, %'
    """
    return f"{subset} error, {'%' if unit == PERCENT_ERROR else unit}"


_SHORT = {
    "normalization scope": "scope",
    "computational cost": "cost",
    "hyperparameter sensitivity": "tuning",
    "robustness to noise": "noise",
    "batch-size dependence": "batch sizes",
    "feature learning": "features",
}
_ONE = {
    "copies": "copy",
    "checks passed": "check passed",
    "inputs reached": "input reached",
    "smallest effects": "smallest effect",
}
