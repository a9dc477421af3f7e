"""localnorm export: give what was measured to other tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from localnorm.commands.console import DAMAGED, errors_end_the_command, out, say


def export(
    folder: Annotated[Path, typer.Argument(help="The folder that localnorm tune wrote.")],
    optuna: Annotated[
        Path,
        typer.Option(
            help="A new file for optuna-dashboard: SQLite where its name ends in .db, .sqlite or .sqlite3, else "
            "Optuna's journal."
        ),
    ],
) -> None:
    """Write the trials of a search as a storage of Optuna's."""
    with errors_end_the_command():
        from localnorm.lab.records.store import Store
        from localnorm.lab.tuning.optuna_export import export_optuna
        from localnorm.lab.tuning.tuning_file import read_tuning

        tuning = read_tuning(folder)
        sound, damaged = Store(folder).read()
        count = export_optuna(tuning, sound.values(), optuna)
    out.print(f"{count} trials: {optuna}", soft_wrap=True, highlight=False, markup=False)
    for own in damaged:
        say(f"damaged, left out: {own.path}: {own.problem}")
    if damaged:
        raise typer.Exit(DAMAGED)
