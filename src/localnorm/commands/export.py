"""localnorm export: export a search to Optuna's storage formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from localnorm.commands.console import DAMAGED, counted, errors_end_the_command, out, say


def export(
    folder: Annotated[Path, typer.Argument(help="Folder of the search.")],
    optuna: Annotated[
        Path,
        typer.Option(help="New file: SQLite if its name ends in .db, .sqlite or .sqlite3, else Optuna's journal."),
    ],
) -> None:
    """Export the trials of a search to a storage that Optuna and optuna-dashboard read."""
    with errors_end_the_command():
        from localnorm.lab.records.store import Store
        from localnorm.lab.tuning.optuna_export import export_optuna
        from localnorm.lab.tuning.tuning_file import read_tuning

        tuning = read_tuning(folder)
        sound, damaged = Store(folder).read()
        count = export_optuna(tuning, sound.values(), optuna)
    out.print(f"{counted(count, 'trial')}: {optuna}", soft_wrap=True, highlight=False, markup=False)
    for file in damaged:
        say(f"damaged, left out: {file.path}: {file.problem}")
    if damaged:
        raise typer.Exit(DAMAGED)
