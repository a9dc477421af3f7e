"""localnorm report: rebuild table and report from a folder of records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from localnorm.commands.console import DAMAGED, DEFAULT_FOLDER, errors_end_the_command, out, say
from localnorm.lab.records.store import Damaged
from localnorm.lab.study.folder import TUNING_FILE, held_file


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of localnorm compare or tune.")] = Path(DEFAULT_FOLDER),
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
) -> None:
    """Print the table of a study, or the result of a search, and rebuild its report from its records."""
    with errors_end_the_command():
        (show_tuned if held_file(folder) == TUNING_FILE else show)(folder, as_json=as_json)


def show(folder: Path, *, as_json: bool) -> None:
    """Write the report into the folder and print the table; exit with 3 if a record is damaged."""
    from localnorm.lab.report import write_report
    from localnorm.lab.report.terminal import render

    written = write_report(folder)
    if as_json:
        print(written.table.to_json(), end="")  # noqa: T201  the output
    else:
        out.print(render(written))
    say(f"report: {folder / 'report.html'}   table: {folder / 'table.json'}, {folder / 'table.csv'}")
    _name_damaged(written.damaged)


def show_tuned(folder: Path, *, as_json: bool) -> None:
    """Write the report of a search and print its result; exit with 3 if a record is damaged."""
    from localnorm.lab.report.tuning.page import write_tuning_report
    from localnorm.lab.report.tuning.text import text

    written = write_tuning_report(folder)
    if as_json:
        print(written.to_json(), end="")  # noqa: T201  the output
    else:
        out.print(text(written.tuned), soft_wrap=True, highlight=False, markup=False)
    say(f"report: {folder / 'report.html'}   values: {folder / 'tuned.json'}")
    _name_damaged(written.damaged)


def _name_damaged(files: tuple[Damaged, ...]) -> None:
    for damaged in files:
        say(f"damaged, left out: {damaged.path}: {damaged.problem}")
    if files:
        raise typer.Exit(DAMAGED)
