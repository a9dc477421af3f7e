"""Commands of the command line, one file each; needs the extra ``localnorm[lab]``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

import localnorm
from localnorm.commands.compare import compare
from localnorm.commands.convert import convert
from localnorm.commands.diff import diff
from localnorm.commands.doctor import doctor
from localnorm.commands.export import export
from localnorm.commands.inspect import inspect
from localnorm.commands.report import report
from localnorm.commands.scope import scope
from localnorm.commands.status import status
from localnorm.commands.tune import tune

__all__ = ["app"]

app = typer.Typer(
    help="Measure normalization layers instead of arguing about them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(requested: bool) -> None:
    if requested:
        print(localnorm.__version__)  # noqa: T201
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None: ...


def _help(command: Callable[..., None]) -> str:
    """Return a command's docstring without line breaks inside paragraphs, which Typer would keep."""
    return "\n\n".join(" ".join(part.split()) for part in (command.__doc__ or "").split("\n\n"))


for command in (compare, status, report, diff, tune, export, scope, convert, inspect, doctor):
    app.command(help=_help(command))(command)
