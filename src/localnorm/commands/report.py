"""localnorm report: rebuild table and report from a folder of records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table as Grid

from localnorm.commands.console import DAMAGED, DEFAULT_FOLDER, errors_end_the_command, out, say
from localnorm.lab.records.store import Damaged
from localnorm.lab.study.folder import TUNING_FILE, held_file

if TYPE_CHECKING:
    from localnorm.lab.report import Report

UNTIL_ERROR = typer.Option(
    "--until-error",
    help="Also print steps and seconds of training until this validation error, in the unit of the task's error.",
    metavar="E",
)


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of localnorm compare or tune.")] = Path(DEFAULT_FOLDER),
    as_json: Annotated[bool, typer.Option("--json", help="Print the table as JSON.")] = False,
    until_error: Annotated[float | None, UNTIL_ERROR] = None,
) -> None:
    """Print the table of a study, or the result of a search, and rebuild its report from its records."""
    with errors_end_the_command():
        if held_file(folder) == TUNING_FILE:
            show_tuned(folder, as_json=as_json)
        else:
            show(folder, as_json=as_json, until_error=until_error)


def show(folder: Path, *, as_json: bool, until_error: float | None = None) -> None:
    """Write the report into the folder and print the table; exit with 3 if a record is damaged."""
    from localnorm.lab.report import write_report
    from localnorm.lab.report.terminal import render

    written = write_report(folder)
    if as_json:
        print(written.table.to_json(), end="")  # noqa: T201  the output
    else:
        out.print(render(written))
    if until_error is not None:
        _show_until_error(written, until_error, quiet=as_json)
    say(f"report: {folder / 'report.html'}   table: {folder / 'table.json'}, {folder / 'table.csv'}")
    _name_damaged(written.damaged)


def _show_until_error(report: Report, error: float, *, quiet: bool) -> None:
    """Write steps and seconds until an error into ``until-error.csv``, and print them unless quiet."""
    from localnorm.lab.measures.until_error import to_csv
    from localnorm.lab.measures.until_error import until_error as measure
    from localnorm.lab.records.store import write_atomically

    results = list(measure(report.table.study, report.records, error))
    path = report.folder / "until-error.csv"
    write_atomically(path, to_csv(results))
    if not quiet:
        grid = Grid("task", "norm", "seeds that reach it", "steps", "seconds", "final test error")
        for each in results:
            times = ("" if value is None else f"{value:.3g}" for value in (each.steps, each.seconds))
            reached, final = f"{each.reached} of {each.seeds}", f"{each.final_error:.2f}"
            grid.add_row(each.task, each.norm, reached, *times, final)
        out.print(f"Training until a validation error of {error:g}, medians over the judged seeds:")
        out.print(grid)
    say(f"until an error of {error:g}: {path}")


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
