"""Words and numbers as a reader sees them, the same in the terminal and on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from localnorm.lab.analysis.statistics import MOST_PAIRS, Estimate
from localnorm.lab.analysis.verdicts import Standing, Verdict
from localnorm.lab.measures import Row, difference_unit

SHARE = "% error"
"""The unit of a task that has an accuracy."""
NOTHING = "\N{EN DASH}"
"""What stands where there is no number."""

# The norms and the corruptions say this of themselves, in modules that need torch; a test holds both alike.
NORMS: Mapping[str, str] = MappingProxyType(
    {
        "none": "nothing: the activations as they are",
        "local": "the activations of neighbouring channels (textbook: n=5, k=2, alpha=1e-4, beta=0.75)",
        "local-learned": (
            "the activations of neighbouring channels, with k, alpha and beta learned from the textbook's on"
        ),
        "batch": "the mean and variance of each channel over the mini-batch",
        "layer": "the mean and variance of all activations of a sample",
        "instance": "the mean and variance of each channel of a sample",
        "group": "the mean and variance of each group of channels of a sample",
        "rms": "the root mean square of all activations of a sample",
    }
)
SEVERITIES: Mapping[str, str] = MappingProxyType(
    {
        "noise": "Gaussian, standard deviation 0.1 to 0.5 of the range from black to white",
        "salt and pepper": "4 to 20 % of the pixels replaced by black or white",
        "shot noise": "photons counted, a white pixel 60 to 3 of them on average",
        "blur": "Gaussian, standard deviation 0.3 to 1.1 pixels",
        "motion blur": "along 1 to 5 pixels, in a direction of each image's own",
        "contrast": "reduced to 84 to 20 %",
        "brightness": "every pixel brighter by 0.1 to 0.5 of the range from black to white",
        "pixelate": "85 to 25 % of the pixels along each side",
        "occlusion": "a grey rectangle of 1/8 to 5/8 of each side, somewhere in the image",
    }
)

VERDICTS: Mapping[Verdict, str] = MappingProxyType(
    {
        "supported": "the measurement clearly shows what the opinion says, by at least the smallest effect",
        "not supported": "the measurement clearly shows that it is not so, or by less than the smallest effect",
        "undecided": "the measurement allows both; this is not the same as “no effect”",
    }
)
STANDINGS: Mapping[Standing, str] = MappingProxyType(
    {
        "better": "by at least the smallest effect better than none",
        "worse": "by at least the smallest effect worse than none",
        "no different": "clearly less than the smallest effect away from none",
        "undecided": "the numbers do not decide between these",
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
        return NOTHING
    text = f"{value:,.{decimals}f}"
    if not text.strip("-0.,"):
        text = text.lstrip("-")
    return text.replace("-", "\N{MINUS SIGN}")


def plain(value: float) -> str:
    """Return a setting as it was given: 0.0003, 0.01, 128.

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


def listed(names: Sequence[str]) -> str:
    """Return names as they stand in a sentence.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def difference_of(more: str, than: str) -> str:
    """Return what a paired difference is of; the norm alone where nothing is taken away.

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


def seeds(count: int) -> str:
    """Return how many seeds would decide.

    Example:
        >>> seeds(12), seeds(MOST_PAIRS + 1)
        ('12', 'more than 100')
    """
    return f"more than {MOST_PAIRS}" if count > MOST_PAIRS else str(count)


def accuracy_or_error(unit: str, error: float) -> float:
    """Return what a plot shows of an error: the accuracy where there is one.

    Example:
        >>> accuracy_or_error("% error", 4.0), accuracy_or_error("squared error", 4.0)
        (96.0, 4.0)
    """
    return 100 - error if unit == SHARE else error


def plotted(part: str, unit: str) -> str:
    """Return what an axis of `accuracy_or_error` is called.

    Example:
        >>> plotted("test", "% error"), plotted("test", "squared error")
        ('test accuracy, %', 'test error, squared error')
    """
    return f"{part} accuracy, %" if unit == SHARE else error_axis(part, unit)


def error_axis(part: str, unit: str) -> str:
    """Return what an axis of errors is called.

    Example:
        >>> error_axis("validation", "% error")
        'validation error, %'
    """
    return f"{part} error, {'%' if unit == SHARE else unit}"


_ONE = {
    "copies": "copy",
    "items passed": "item passed",
    "inputs reached": "input reached",
    "smallest effects": "smallest effect",
}
