"""localnorm convert: print one framework's LRN arguments as another framework's line of code, and explain it."""

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
from localnorm.conventions import CONVENTIONS, REQUIRED, Convention, find_convention
from localnorm.conversion import bind, divisor
from localnorm.errors import ConversionError

_LITERALS = {"true": True, "false": False, "nan": math.nan, "inf": math.inf, "-inf": -math.inf}
OUR_CODE = {
    "keras": (
        "from localnorm.keras import LocalResponseNormalization",
        "layer = LocalResponseNormalization.from_spec({spec}, axis=-1)",
    ),
    "jax": ("from localnorm.jax import local_response_norm", "y = local_response_norm(x, {spec}, axis=-1)"),
    "flax": ("from localnorm.jax import LocalResponseNorm", "layer = LocalResponseNorm({spec}, axis=-1)"),
    "numpy": ("from localnorm.numpy import local_response_norm", "y = local_response_norm(x, {spec}, axis=1)"),
}
"""Import and line of code with localnorm's own API, for frameworks that have no LRN."""


def convert(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE...", help="Arguments of the source framework."),
    ] = None,
    source: Annotated[str | None, typer.Option("--from", help="Source framework.", show_default=False)] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--to", help="Target framework, or keras, jax, flax, numpy for localnorm's API.", show_default=False
        ),
    ] = None,
    as_list: Annotated[
        bool, typer.Option("--list", help="List the frameworks with their arguments and defaults.")
    ] = False,
) -> None:
    """Convert LRN arguments between frameworks exactly, or explain why it is impossible."""
    with errors_end_the_command():
        if as_list:
            _print_list()
            return
        row = _framework("--from", source)
        goal = None if (target or "").lower() in OUR_CODE else _framework("--to", target)
        arguments = bind(row, (), _parsed(words or []))
        spec = LRNSpec.from_framework(row.name, **arguments)
        if goal is None:
            _print(*_our_code(spec, str(target).lower()), "", *_explained(spec, (row, arguments)))
            _print("axis    the channel axis: -1 for channels last, 1 for channels first")
            return
        converted = spec.to_framework(goal.name)
        _print(goal.code(converted), "", *_explained(spec, (row, arguments), (goal, converted)))


def _print(*lines: str) -> None:
    for line in lines:
        out.print(Text(line), soft_wrap=True)


def _framework(option: str, name: str | None) -> Convention:
    """Return the convention of an option's value."""
    hint = "localnorm convert --list shows every framework with its arguments."
    if name is None:
        raise ConversionError(f"{option} must be given, got nothing; pass {option} caffe, for example. {hint}")
    if name.lower() in OUR_CODE:
        raise ConversionError(
            f"{option} must be a framework that defines an LRN, got {name!r}; pass the one whose arguments you "
            f"have, which is paper for localnorm.keras. {hint}"
        )
    return find_convention(name, option)


def _our_code(spec: LRNSpec, api: str) -> list[str]:
    """Return the lines of code that compute a spec with localnorm's own API."""
    imports, code = OUR_CODE[api]
    if api == "keras" and spec.lo == spec.hi and not spec.spatial:
        pairs = ", ".join(f"{name}={value!r}" for name, value in spec.to_paper().items())
        return [imports, "", code.replace(".from_spec({spec}", f"({pairs}")]
    return ["from localnorm import LRNSpec", imports, "", code.format(spec=spec)]


def _parsed(words: list[str]) -> dict[str, Any]:
    """Return the words NAME=VALUE as arguments; a value is a Python literal, else a string."""
    arguments: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not (name.isidentifier() and equals and text):
            raise ConversionError(
                f"an argument must be NAME=VALUE, got {word!r}; write local_size=5, for example."
            )
        if name in arguments:
            raise ConversionError(f"an argument must be given once, got {name} twice; leave one out.")
        try:
            arguments[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            arguments[name] = _LITERALS.get(text, text)
    return arguments


def _print_list() -> None:
    width = max(map(len, CONVENTIONS))
    for row in CONVENTIONS.values():
        pairs = row.parameters.items()
        parameters = (name if default is REQUIRED else f"{name}={default!r}" for name, default in pairs)
        _print(f"{row.name:<{width}}  {', '.join(parameters)}")


def _explained(spec: LRNSpec, *given: tuple[Convention, Mapping[str, Any]]) -> list[str]:
    """Return the meaning of the arguments in each framework, and where each convention is defined."""
    sides = [(row, {**row.fixed, **row.defaults, **values}) for row, values in given]

    def on_all_sides(text: Callable[[Convention, Mapping[str, Any]], str]) -> str:
        return "; ".join(f"in {row.name}, {text(row, values)}" for row, values in sides)

    lines = [
        f"window  [c-{spec.lo}, c+{spec.hi}]: "
        + on_all_sides(lambda row, values: f"{_pair(row, values, role=0)} ({row.rule.text})"),
        f"alpha   {spec.alpha} times the sum of squares: "
        + on_all_sides(lambda row, values: f"{_pair(row, values, role=1)}, {_scaling(row, values, spec.spatial)}"),
    ]
    for role, label in ((2, "beta"), (3, "k")):
        if len({row.roles[role] for row, _ in sides}) > 1:
            lines.append(f"{label:<7} " + on_all_sides(partial(_pair, role=role)))
    if spec.spatial:
        axes = "1 spatial axis" if spec.spatial == 1 else f"{spec.spatial} spatial axes"
        lines.append(f"region  within each channel, over {axes}: " + on_all_sides(partial(_region, spec.spatial)))
    lines += [f"note    {row.name}: {row.note}" for row, _ in sides if row.note]
    lines += [f"source  {row.name}: {row.source}" for row, _ in sides]
    return list(dict.fromkeys(lines))


def _pair(row: Convention, values: Mapping[str, Any], role: int) -> str:
    return f"{row.roles[role]}={values[row.roles[role]]}"


def _scaling(row: Convention, values: Mapping[str, Any], spatial: int) -> str:
    """Return what the framework divides alpha by, in words."""
    if not row.divides or (isinstance(row.divides, str) and not values[row.divides]):
        return "taken as it is"
    return f"divided by {divisor(row, values, spatial)}"


def _region(spatial: int, row: Convention, values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={values[name]!r}" for name in row.regions[spatial])
