"""Convert between a framework's LRN arguments and the parameters of `localnorm.LRNSpec`."""

from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from localnorm.conventions import CONVENTIONS, Convention
from localnorm.errors import ConversionError, SpecError
from localnorm.spelling import nearest

_EXAMPLES = (5, 1e-4, 0.75, 1.0)


class Parameters(NamedTuple):
    """The fields of `localnorm.LRNSpec`, which is built on this module."""

    lo: int
    hi: int
    alpha: float
    beta: float
    k: float
    spatial: int = 0


def _bounds(least: float, most: float) -> str:
    return f"at least {least:g}" if most == math.inf else f"from {least:g} to {most:g}"


def whole(name: str, value: object, least: int, most: float = math.inf) -> int:
    """Return value as an int from `least` to `most`; raise SpecError if it is none."""
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
    """Return value as a finite float from `least` to `most`; raise SpecError if it is none."""
    plain = isinstance(value, (numbers.Number, np.generic, np.ndarray))
    if not plain and (hasattr(value, "dtype") or hasattr(value, "__float__")):
        # A tensor, a parameter, a variable or a traced value: to take its number would freeze it, silently.
        shown = " ".join(repr(value).split())
        raise SpecError(
            f"{name} must be a plain number, got {shown} of type {type(value).__name__}: a spec and a layer "
            f"keep constants, so its gradient and new values would be lost. Pass float({name}) outside of jit, "
            f'name it in static_argnames, or learn it, by a layer with learnable="{name}".'
        )
    try:
        if isinstance(value, (bool, np.bool_, str, bytes)):
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
    """Multiply alpha by the size; of the neighbouring floats return the one that divides back."""
    product = alpha * size
    neighbours = (_as_typed(product), product, math.nextafter(product, math.inf), math.nextafter(product, 0.0))
    return next((value for value in neighbours if value / size == alpha), product)


def _bounded_roles(row: Convention) -> list[tuple[str, float, float]]:
    """Return name and bounds of window, alpha, beta and k."""
    usual = ((1, math.inf), (0.0, math.inf), (-math.inf, math.inf), (0.0, math.inf))
    return [(name, *row.bounds.get(name, bounds)) for name, bounds in zip(row.roles, usual, strict=True)]


def bind(row: Convention, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return every argument by name, defaults filled in.

    Raises:
        ConversionError: an unknown argument, one passed twice, or a required one missing.
    """
    names = ", ".join(row.parameters)
    for unknown in kwargs.keys() - row.parameters.keys():
        raise ConversionError(f"{row.name} takes {names}, got {unknown}; {nearest(unknown, row.parameters)}")
    positional = dict(zip(row.parameters, args, strict=False))
    if len(args) > len(row.parameters) or positional.keys() & kwargs.keys():
        raise ConversionError(
            f"{row.name} takes each of {names} once, got {args} and {dict(kwargs)}; name the arguments."
        )
    bound = {**row.defaults, **positional, **kwargs}
    examples = {**row.regions[0], **dict(zip(row.roles, _EXAMPLES, strict=True))}
    if row.extents:
        examples[row.roles[0]] = extents(5, 0)
    for name in row.parameters:
        if name not in bound and name in examples:
            raise ConversionError(
                f"{row.name} needs {name}, which has no default there; pass it, e.g. {name}={examples[name]!r}."
            )
    return bound


def _comparable(value: Any) -> Any:  # noqa: ANN401  any argument
    """Return lists and arrays as tuples."""
    value = value.tolist() if hasattr(value, "tolist") else value
    return tuple(value) if isinstance(value, list) else value


def extents(size: int, spatial: int) -> list[int]:
    """Return a window as one extent for each axis of an input (N, C, ...); across channels the input is 4-D.

    Example:
        >>> extents(5, 0), extents(3, 2)
        ([1, 5, 1, 1], [1, 1, 3, 3])
    """
    return [1, 1, *[size] * spatial] if spatial else [1, size, 1, 1]


def _from_extents(row: Convention, value: object) -> tuple[int, int]:
    """Return size and number of spatial axes of a window that lists an extent for each axis."""
    name = row.roles[0]
    listed = _comparable(value)
    if isinstance(listed, tuple) and len(listed) > 1 and all(type(n) is int and n >= 1 for n in listed):
        _, channels, *inner = listed
        if listed[0] == 1 and not set(inner) - {1}:
            return channels, 0
        if listed[:2] == (1, 1) and len(set(inner)) == 1 and len(inner) in row.regions:
            return inner[0], len(inner)
    raise SpecError(
        f"{name} must list an extent for each axis, n along the channels or along all spatial axes and 1 "
        f"elsewhere, got {value!r}; pass {extents(5, 0)} or {extents(5, 2)}, for example."
    )


def _size(row: Convention, bound: Mapping[str, Any]) -> int:
    """Return the window parameter as one number."""
    value = bound[row.roles[0]]
    return _from_extents(row, value)[0] if row.extents else int(value)


def _spatial(row: Convention, bound: Mapping[str, Any]) -> int:
    """Return the number of spatial axes that the arguments select, 0 for across channels."""
    if row.extents:
        return _from_extents(row, bound[row.roles[0]])[1]
    for spatial, region in row.regions.items():
        if all(_comparable(bound[name]) == value for name, value in region.items()):
            return spatial
    names = list(dict.fromkeys(name for region in row.regions.values() for name in region))
    choices = " or ".join(", ".join(f"{n}={v!r}" for n, v in region.items()) for region in row.regions.values())
    got = ", ".join(f"{name}={bound[name]!r}" for name in names)
    raise SpecError(f"{row.name} takes {choices}, got {got}; pass one of these.")


def divisor(row: Convention, bound: Mapping[str, Any], spatial: int) -> int:
    """Return what the framework divides alpha by, 1 if it takes alpha as it is."""
    divides = row.divides
    if isinstance(divides, str):
        divides = bound[divides]
        if divides not in (True, False):
            raise SpecError(f"{row.divides} must be True or False, got {divides!r}; pass one of these.")
    return row.rule.extent(_size(row, bound)) ** max(spatial, 1) if divides else 1


def from_arguments(row: Convention, bound: Mapping[str, Any]) -> Parameters:
    """Return what a framework means by its arguments, all of which are there (see `bind`).

    Raises:
        SpecError: an argument that the framework or the definition does not allow.
    """
    bound = {**row.fixed, **bound}
    spatial = _spatial(row, bound)
    (name, least, most), *others = _bounded_roles(row)
    size = whole(name, _size(row, bound) if row.extents else bound[name], int(least), most)
    if row.rule.odd and size % 2 == 0:
        reason = f" since {row.even}" if row.even else ""
        raise SpecError(f"{name} must be odd in {row.name}{reason}, got {size}; use {size + 1}.")
    alpha, beta, k = (real(name, bound[name], least, most) for name, least, most in others)
    return Parameters(*row.rule.window(size), mean_to_sum(alpha, divisor(row, bound, spatial)), beta, k, spatial)


def _arguments(spec: Parameters, row: Convention) -> dict[str, Any] | None:
    """Return all arguments of one framework, in bounds or not; None if it lacks the window."""
    size = row.rule.size(spec.lo, spec.hi)
    if size is None or spec.spatial not in row.regions:
        return None
    window = extents(size, spec.spatial) if row.extents else size
    alpha = sum_to_mean(spec.alpha, divisor(row, {**row.defaults, row.roles[0]: window}, spec.spatial))
    return {**dict(zip(row.roles, (window, alpha, spec.beta, spec.k), strict=True)), **row.regions[spec.spatial]}


def _out_of_bounds(row: Convention, values: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the first value out of bounds, and the nearest value that is right."""
    window = row.roles[0]
    for name, value in row.fixed.items():
        if values[name] != value:
            return f"{row.name} has {name}={value:g}, this spec has {values[name]:g}; use another framework"
    for name, least, most in _bounded_roles(row):
        value = _size(row, values) if name == window else values[name]
        if least <= value <= most and value != math.inf:
            continue
        if name == window:
            return (
                f"{row.name} takes {name} {_bounds(least, most)}, this spec needs {value}; "
                f"use a {'narrower' if value > most else 'wider'} window or another framework"
            )
        if value == math.inf:
            factor = divisor(row, {**row.defaults, **values}, _spatial(row, values))
            return (
                f"{row.name} multiplies {name} by {factor}, which overflows float64; "
                "lower it or use another framework"
            )
        limit = f"raise it to {least:g}" if value < least else f"lower it to {most:g}"
        return (
            f"{row.name} takes {name} {'of ' if most == math.inf else ''}{_bounds(least, most)}, "
            f"this spec has {value:g}; {limit} or use another framework"
        )
    return None


def _able(spec: Parameters) -> list[str]:
    """Return the frameworks that can express a spec exactly."""
    candidates = {row.name: (row, _arguments(spec, row)) for row in CONVENTIONS.values()}
    return [name for name, (row, values) in candidates.items() if values and not _out_of_bounds(row, values)]


def to_arguments(spec: Parameters, row: Convention) -> dict[str, Any]:
    """Return a spec as the arguments of one framework.

    An argument that selects the window appears only if it is not the framework's default.

    Raises:
        ConversionError: the framework can't express the spec; the message names those that can.
    """
    values = _arguments(spec, row)
    if values is None:
        raise ConversionError(_no_such_window(spec, row))
    problem = _out_of_bounds(row, values)
    if problem:
        others = ", ".join(_able(spec))
        raise ConversionError(f"{problem}{f' such as {others}' if others else ''}.")
    region = row.regions[spec.spatial]
    implied = {name for name, value in region.items() if row.parameters[name] == value}
    return {name: values[name] for name in row.parameters if name in values and name not in implied}


def _no_such_window(spec: Parameters, row: Convention) -> str:
    """Return why a framework lacks the window of a spec, and which others have it."""
    others = _able(spec)
    elsewhere = f"It can be expressed in {', '.join(others)}" if others else ""
    if spec.spatial not in row.regions:
        axes = "axis" if spec.spatial == 1 else "axes"
        what = f"a window within a channel over {spec.spatial} spatial {axes}" if spec.spatial else "channels"
        within = "".join(f", or within a channel over {d}" for d in row.within)
        return f"{row.name} can't express {what}: its window lies across channels{within}. " + (
            f"{elsewhere}." if others else "No framework listed can; normalize over fewer axes."
        )
    where = "everywhere" if not spec.spatial else "wherever such a region can"
    return (
        f"{row.name} can't express the window [c-{spec.lo}, c+{spec.hi}]: {row.rule.text}. "
        + (f"{elsewhere}; " if others else "")
        + f"a symmetric window such as [c-{spec.hi}, c+{spec.hi}] can be expressed {where}."
    )
