"""From a framework's parameters to a spec and back, for every convention alike."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, overload

from localnorm.conventions import Convention, mean_to_sum, sum_to_mean
from localnorm.errors import ConversionError, SpecError
from localnorm.frameworks import CONVENTIONS
from localnorm.spelling import nearest

_EXAMPLES = (5, 1e-4, 0.75, 1.0)


class Spec(Protocol):
    """What a conversion knows of `localnorm.LRNSpec`, which is built upon this file."""

    def __init__(self, lo: int, hi: int, alpha: float, beta: float, k: float, spatial: int) -> None: ...

    @property
    def lo(self) -> int:
        """Elements of the window before its centre."""

    @property
    def hi(self) -> int:
        """Elements of the window after its centre."""

    @property
    def alpha(self) -> float:
        """Factor of the sum of squares."""

    @property
    def beta(self) -> float:
        """The exponent."""

    @property
    def k(self) -> float:
        """The constant."""

    @property
    def spatial(self) -> int:
        """Spatial axes that the window spans."""


S = TypeVar("S", bound=Spec)


def _bounds(least: float, most: float) -> str:
    return f"at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"


def whole(name: str, value: object, least: int, most: float = math.inf) -> int:
    """Return value as an int, or say what is wrong with it."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise SpecError(
            f"{name} must be a whole number, got {value!r} of type {type(value).__name__}; "
            f"pass an int such as {max(least, 5)}."
        ) from None
    if not least <= number <= most:
        raise SpecError(f"{name} must be {_bounds(least, most)}, got {number}; pass a value in that range.")
    return number


def real(name: str, value: object, least: float = -math.inf, most: float = math.inf) -> float:
    """Return value as a finite float from `least` to `most`, or say what is wrong with it."""
    try:
        if isinstance(value, (bool, str, bytes)):
            raise TypeError
        number = float(value)  # type: ignore[arg-type]
    except OverflowError:
        raise SpecError(f"{name} must be finite as a float, got an int beyond 1.8e308; pass a float.") from None
    except (TypeError, ValueError):
        raise SpecError(
            f"{name} must be a real number, got {value!r} of type {type(value).__name__}; pass a float."
        ) from None
    if not math.isfinite(number):
        raise SpecError(f"{name} must be finite, got {number}; check how it was computed.")
    if not least <= number <= most:
        advice = "check its sign" if number < 0 <= least else "pass a value in that range"
        raise SpecError(f"{name} must be {_bounds(least, most)}, got {number:g}; {advice}.")
    return number


def _within_bounds(row: Convention) -> list[tuple[str, float, float]]:
    """Return name and bounds of window, alpha, beta and k."""
    usual = ((1, math.inf), (0.0, math.inf), (-math.inf, math.inf), (0.0, math.inf))
    return [(n, *row.bounds.get(n, b)) for n, b in zip(row.arguments, usual, strict=True)]


def bind(row: Convention, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return every argument by name, defaults filled in; one without a default must be given."""
    given = dict(zip(row.order, args, strict=False))
    for unknown in kwargs.keys() - set(row.order):
        raise ConversionError(
            f"from_{row.name} takes {', '.join(row.order)}, got {unknown}; {nearest(unknown, row.order)}"
        )
    if len(args) > len(row.order) or given.keys() & kwargs.keys():
        raise ConversionError(
            f"from_{row.name} takes each of {', '.join(row.order)} once, "
            f"got {args} and {dict(kwargs)}; name the arguments."
        )
    given = {**row.defaults, **given, **kwargs}
    examples = {**row.regions[0], **dict(zip(row.arguments, _EXAMPLES, strict=True))}
    for name in row.order:
        if name not in given and name in examples:
            raise ConversionError(
                f"from_{row.name} needs {name}, which has no default there; pass {name}={examples[name]!r}, say."
            )
    return given


def _plain(value: Any) -> Any:  # noqa: ANN401  whatever the caller gave
    """Return lists and arrays as tuples, so that they can be compared."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return tuple(value) if isinstance(value, list) else value


def _spatial(row: Convention, given: Mapping[str, Any]) -> int:
    """Return the number of spatial axes that the arguments name, 0 for across channels."""
    for spatial, region in row.regions.items():
        if all(_plain(given[name]) == value for name, value in region.items()):
            return spatial
    names = list(dict.fromkeys(name for region in row.regions.values() for name in region))
    choices = " or ".join(", ".join(f"{n}={v!r}" for n, v in region.items()) for region in row.regions.values())
    got = ", ".join(f"{name}={given[name]!r}" for name in names)
    raise SpecError(f"{row.name} takes {choices}, got {got}; pass one of these.")


def divisor(row: Convention, given: Mapping[str, Any], spatial: int) -> int:
    """Return what a framework divides alpha by, 1 where it takes alpha as it is."""
    divides = row.mean
    if isinstance(divides, str):
        divides = given[divides]
        if divides not in (True, False):
            raise SpecError(f"{row.mean} must be True or False, got {divides!r}; pass one of these.")
    return int(given[row.arguments[0]]) ** max(spatial, 1) if divides else 1


def read(kind: type[S], row: Convention, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> S:
    """Return the spec that a framework's parameters mean."""
    given = bind(row, args, kwargs)
    spatial = _spatial(row, given)
    (name, least, most), *others = _within_bounds(row)
    size = whole(name, given[name], int(least), most)
    if row.rule.odd and size % 2 == 0:
        reason = f" since {row.even}" if row.even else ""
        raise SpecError(f"{name} must be odd in {row.name}{reason}, got {size}; use {size + 1}.")
    alpha, beta, k = (real(name, given[name], least, most) for name, least, most in others)
    return kind(*row.rule.window(size), mean_to_sum(alpha, divisor(row, given, spatial)), beta, k, spatial)


def _values(spec: Spec, row: Convention) -> dict[str, Any] | None:
    """Return all arguments of one framework, in bounds or not, or None where it lacks the window."""
    size = row.rule.size(spec.lo, spec.hi)
    if size is None or spec.spatial not in row.regions:
        return None
    alpha = sum_to_mean(spec.alpha, divisor(row, {**row.defaults, row.arguments[0]: size}, spec.spatial))
    values = dict(zip(row.arguments, (size, alpha, spec.beta, spec.k), strict=True))
    return {**values, **row.regions[spec.spatial]}


def _out_of_bounds(row: Convention, values: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the first value out of bounds, and the nearest that is right."""
    for name, least, most in _within_bounds(row):
        value = values[name]
        if not least <= value <= most or value == math.inf:
            if name == row.arguments[0]:
                return (
                    f"{row.name} takes {name} {_bounds(least, most)}, this spec needs {value}; "
                    f"use a {'narrower' if value > most else 'wider'} window or another framework"
                )
            if value == math.inf:
                size = values[row.arguments[0]]
                return (
                    f"{row.name} multiplies {name} by {size}, which leaves float64; "
                    "lower it or use another framework"
                )
            nearest = f"raise it to {least:g}" if value < least else f"lower it to {most:g}"
            of = "of " if most == math.inf else ""
            return (
                f"{row.name} takes {name} {of}{_bounds(least, most)}, this spec has {value:g}; "
                f"{nearest} or use another framework"
            )
    return None


def able(spec: Spec) -> list[str]:
    """Return the frameworks that can express a spec exactly."""
    candidates = {row.name: (row, _values(spec, row)) for row in CONVENTIONS.values()}
    return [name for name, (row, values) in candidates.items() if values and not _out_of_bounds(row, values)]


def arguments(spec: Spec, row: Convention) -> dict[str, Any]:
    """Return the spec in the parameters of one framework, or say why it can't be expressed.

    An argument that says what the window spans appears where it is not the framework's default.
    """
    values = _values(spec, row)
    if values is None:
        raise ConversionError(_impossible(spec, row))
    problem = _out_of_bounds(row, values)
    if problem:
        others = ", ".join(able(spec))
        raise ConversionError(f"{problem}{f' such as {others}' if others else ''}.")
    region = row.regions[spec.spatial]
    unneeded = {name for name, value in region.items() if row.defaults.get(name) == value}
    return {name: values[name] for name in row.order if name in values and name not in unneeded}


def _impossible(spec: Spec, row: Convention) -> str:
    """Return why a framework lacks the window of a spec, and who has it."""
    others = able(spec)
    elsewhere = f"It can be expressed in {', '.join(others)}" if others else ""
    if spec.spatial not in row.regions:
        axes = "axis" if spec.spatial == 1 else "axes"
        what = f"a window within a channel over {spec.spatial} spatial {axes}" if spec.spatial else "channels"
        knows = "".join(f", or within a channel over {d}" for d in row.within)
        return f"{row.name} can't express {what}: its window lies across channels{knows}. " + (
            f"{elsewhere}." if others else "No framework listed can; normalize over fewer axes."
        )
    where = "everywhere" if not spec.spatial else "wherever such a region can"
    return (
        f"{row.name} can't express the window [c-{spec.lo}, c+{spec.hi}]: {row.rule.reads}. "
        + (f"{elsewhere}; " if others else "")
        + f"a symmetric window such as [c-{spec.hi}, c+{spec.hi}] can be expressed {where}."
    )


class From:
    """The constructor ``LRNSpec.from_<name>`` of one row of the table of conventions."""

    def __init__(self, name: str) -> None:
        self.row = CONVENTIONS[name]

    def __get__(self, spec: S | None, owner: type[S]) -> Callable[..., S]:
        """Return the constructor for the class that holds it."""
        row = self.row

        def from_convention(*args: object, **kwargs: object) -> S:
            return read(owner, row, args, kwargs)

        kind, empty = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.empty
        signature = [inspect.Parameter(n, kind, default=row.defaults.get(n, empty)) for n in row.order]
        from_convention.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
        from_convention.__name__ = f"from_{row.name}"
        from_convention.__doc__ = (
            f"Build a spec from the parameters of {row.name}: {row.rule.reads}; alpha is {row.alpha_rule}.\n\n"
            + (f"Note: {row.note}.\n\n" if row.note else "")
            + f"Source: {row.source}."
        )
        return from_convention


class To:
    """The method ``LRNSpec.to_<name>`` of one row of the table of conventions."""

    def __init__(self, name: str) -> None:
        self.row = row = CONVENTIONS[name]
        self.__name__ = f"to_{name}"
        self.__doc__ = (
            f"Return the keyword arguments of {name}: {', '.join(row.order)}.\n\n"
            f"Raises ConversionError where {name} can't express the spec. Source: {row.source}."
        )

    @overload
    def __get__(self, spec: None, owner: type) -> To: ...

    @overload
    def __get__(self, spec: Spec, owner: type) -> Callable[[], dict[str, Any]]: ...

    def __get__(self, spec: Spec | None, owner: type) -> To | Callable[[], dict[str, Any]]:
        """Return the method of a spec, or this where it is asked for on the class."""
        if spec is None:
            return self

        def to_convention() -> dict[str, Any]:
            return arguments(spec, self.row)

        to_convention.__name__, to_convention.__doc__ = self.__name__, self.__doc__
        return to_convention
