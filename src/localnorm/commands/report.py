"""localnorm report: rebuild table and report from a folder of records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from localnorm.commands.console import DAMAGED, errors_end_the_command, out, say


def report(
    folder: Annotated[Path, typer.Argument(help="The folder that localnorm compare wrote.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Print the table of a study and write its report again, from its records alone."""
    with errors_end_the_command():
        show(folder, as_json=as_json)


def show(folder: Path, *, as_json: bool) -> None:
    """Write the report into the folder and print the table; exit with 3 where a record is damaged."""
    from localnorm.lab.report import write_report
    from localnorm.lab.report.terminal import render

    written = write_report(folder)
    if as_json:
        print(written.table.to_json(), end="")  # noqa: T201  what was asked for
    else:
        out.print(render(written))
    say(f"report: {folder / 'report.html'}   table: {folder / 'table.json'}, {folder / 'table.csv'}")
    for damaged in written.damaged:
        say(f"damaged, left out: {damaged.path}: {damaged.problem}")
    if written.damaged:
        raise typer.Exit(DAMAGED)
