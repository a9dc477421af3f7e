"""localnorm convert: one framework's LRN in another framework's parameters, and why they differ."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

import typer
from rich.text import Text

from localnorm import LRNSpec
from localnorm.commands.console import errors_end_the_command, out
from localnorm.conventions import Convention
from localnorm.conversion import arguments, bind, divisor, read
from localnorm.errors import ConversionError
from localnorm.frameworks import CONVENTIONS
from localnorm.spelling import nearest

_WORDS = {"true": True, "false": False, "nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_OUR_DOORS = {
    "keras": "localnorm.keras.LocalResponseNormalization takes the arguments of paper",
    "jax": "localnorm.jax.local_response_norm takes a spec",
    "flax": "localnorm.jax.LocalResponseNorm takes a spec",
    "numpy": "localnorm.numpy.local_response_norm takes a spec",
}
"""What there is for frameworks that people ask for and that define no LRN of their own."""


def convert(
    given: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE...", help="The arguments in the framework it is from."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--from", help="The framework it is from.", show_default=False)
    ] = None,
    target: Annotated[
        str | None, typer.Option("--to", help="The framework it is for.", show_default=False)
    ] = None,
    as_list: Annotated[
        bool, typer.Option("--list", help="List the frameworks with their arguments and defaults.")
    ] = False,
) -> None:
    """Say one framework's LRN in the arguments of another, exactly, or why that can't be."""
    with errors_end_the_command():
        if as_list:
            _print_list()
            return
        origin, goal = _framework("--from", source), _framework("--to", target)
        named = _named(given or [])
        spec = read(LRNSpec, origin, (), named)
        converted = arguments(spec, goal)
        _print(goal.code(converted))
        _print("")
        for line in _explained(origin, bind(origin, (), named), spec, goal, converted):
            _print(line)


def _print(line: str) -> None:
    out.print(Text(line), soft_wrap=True)


def _framework(option: str, name: str | None) -> Convention:
    if name is None or name not in CONVENTIONS:
        advice = "" if name is None else f"{_advice(name)} "
        raise ConversionError(
            f"{option} must be one of {', '.join(CONVENTIONS)}, got {'nothing' if name is None else repr(name)}; "
            f"{advice}localnorm convert --list shows their arguments."
        )
    return CONVENTIONS[name]


def _advice(name: str) -> str:
    ours = _OUR_DOORS.get(name.lower())
    return f"it has no LRN of its own, and {ours}." if ours else nearest(name, CONVENTIONS)


def _named(words: list[str]) -> dict[str, Any]:
    """Return the words NAME=VALUE as arguments; a value is a Python literal or stands for itself."""
    named: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not (name.isidentifier() and equals and text):
            raise ConversionError(f"an argument must be NAME=VALUE, got {word!r}; write local_size=5, say.")
        if name in named:
            raise ConversionError(f"an argument must be given once, got {name} twice; leave one out.")
        try:
            named[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            named[name] = _WORDS.get(text, text)
    return named


def _signature(row: Convention) -> str:
    return ", ".join(f"{name}={row.defaults[name]!r}" if name in row.defaults else name for name in row.order)


def _print_list() -> None:
    width = max(map(len, CONVENTIONS))
    for row in CONVENTIONS.values():
        _print(f"{row.name:<{width}}  {_signature(row)}")


def _explained(
    origin: Convention, given: Mapping[str, Any], spec: LRNSpec, goal: Convention, converted: Mapping[str, Any]
) -> list[str]:
    """Return what changed and why, and where each convention is defined."""
    sides = [(row, {**row.defaults, **values}) for row, values in ((origin, given), (goal, converted))]

    def on_both_sides(say: Callable[[Convention, Mapping[str, Any]], str]) -> str:
        return "; ".join(f"in {row.name}, {say(row, values)}" for row, values in sides)

    lines = [
        f"window  [c-{spec.lo}, c+{spec.hi}]: " + on_both_sides(lambda row, of: _pair(row, of, 0) + _reads(row)),
        f"alpha   {spec.alpha} times the sum of squares: "
        + on_both_sides(lambda row, of: f"{_pair(row, of, 1)}, {_treatment(row, of, spec.spatial)}"),
    ]
    for role, label in ((2, "beta"), (3, "k")):
        if origin.arguments[role] != goal.arguments[role]:
            lines.append(f"{label:<7} " + on_both_sides(partial(_pair, role=role)))
    if spec.spatial:
        axes = "1 spatial axis" if spec.spatial == 1 else f"{spec.spatial} spatial axes"
        lines.append(f"region  within each channel, over {axes}: " + on_both_sides(partial(_region, spec.spatial)))
    lines += [f"note    {row.name}: {row.note}" for row, _ in sides if row.note]
    lines += [f"source  {row.name}: {row.source}" for row, _ in sides]
    return list(dict.fromkeys(lines))


def _pair(row: Convention, values: Mapping[str, Any], role: int) -> str:
    return f"{row.arguments[role]}={values[row.arguments[role]]}"


def _reads(row: Convention) -> str:
    return f" ({row.rule.reads})"


def _treatment(row: Convention, values: Mapping[str, Any], spatial: int) -> str:
    """Return what becomes of alpha: divided by what, or nothing."""
    if not row.mean or (isinstance(row.mean, str) and not values[row.mean]):
        return "taken as it is"
    return f"divided by {divisor(row, values, spatial)}"


def _region(spatial: int, row: Convention, values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={values[name]!r}" for name in row.regions[spatial])
