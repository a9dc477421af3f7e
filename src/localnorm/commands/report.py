"""localnorm report: rebuild table and report from a folder of records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from localnorm.commands.console import DAMAGED, errors_end_the_command, out, say
from localnorm.lab.records.store import Damaged
from localnorm.lab.tuning.tuning_file import TUNING_FILE


def report(
    folder: Annotated[Path, typer.Argument(help="The folder that localnorm compare or tune wrote.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Print the table of a study, or what a search found, and write its report again, from its records alone."""
    with errors_end_the_command():
        if (folder / TUNING_FILE).is_file():
            show_tuned(folder, as_json=as_json)
            return
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
    _name_damaged(written.damaged)


def show_tuned(folder: Path, *, as_json: bool) -> None:
    """Write the report of a tuning and print what was found; exit with 3 where a record is damaged."""
    from localnorm.lab.report.tuning.page import write_tuning_report
    from localnorm.lab.report.tuning.text import text

    written = write_tuning_report(folder)
    if as_json:
        print(written.to_json(), end="")  # noqa: T201  what was asked for
    else:
        out.print(text(written.tuned), soft_wrap=True, highlight=False, markup=False)
    say(f"report: {folder / 'report.html'}   values: {folder / 'tuned.json'}")
    _name_damaged(written.damaged)


def _name_damaged(files: tuple[Damaged, ...]) -> None:
    for damaged in files:
        say(f"damaged, left out: {damaged.path}: {damaged.problem}")
    if files:
        raise typer.Exit(DAMAGED)
