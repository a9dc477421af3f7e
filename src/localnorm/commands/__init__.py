"""The commands of the command line, a file each; needs the extra ``localnorm[lab]``."""

from __future__ import annotations

import typer

from localnorm.commands.compare import compare
from localnorm.commands.convert import convert
from localnorm.commands.doctor import doctor
from localnorm.commands.export import export
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
for command in (compare, status, tune, report, export, scope, convert, doctor):
    app.command()(command)
