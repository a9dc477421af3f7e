"""A search as a storage of Optuna's, for optuna-dashboard and for whoever goes on with Optuna itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend

from localnorm.errors import LabError
from localnorm.lab.records.record import Record
from localnorm.lab.tuning.sampler import optuna_trials, quiet
from localnorm.lab.tuning.tuning import Tuning

SQLITE = (".db", ".sqlite", ".sqlite3")
"""Names that end so are written as SQLite, all others as Optuna's journal."""


def export_optuna(tuning: Tuning, records: Iterable[Record], file: Path) -> int:
    """Write the trials of a search to a new file and return how many there are.

    The study there is named after task and norm. Trials are complete, pruned with their curves, or failed; those
    whose values lie outside the ranges searched, as a norm's defaults may, are left out.

    Args:
        tuning: the search.
        records: those of its folder.
        file: ``.db``, ``.sqlite`` and ``.sqlite3`` for SQLite, any other name for a journal.

    Raises:
        LabError: the file exists, or its folder does not.
    """
    if file.exists() or not file.parent.is_dir():
        what = "exists already" if file.exists() else f"is in no folder: {file.parent} does not exist"
        raise LabError(
            f"an export must be a new file in a folder that exists, got {file}, which {what}; name another."
        )
    trials = optuna_trials(tuning, records)
    # What is there under its own name is whole.
    temporary = file.with_name(f".{file.name}.tmp")
    temporary.unlink(missing_ok=True)
    storage = _storage(temporary, sqlite=file.suffix in SQLITE)
    with quiet():
        study = optuna.create_study(
            storage=storage, study_name=f"{tuning.norm} on {tuning.task.name}", direction="minimize"
        )
        study.add_trials(trials)
        study.set_user_attr("validation error in", tuning.task.unit)
    if isinstance(storage, RDBStorage):
        storage.engine.dispose()
    temporary.replace(file)
    return len(trials)


def _storage(file: Path, *, sqlite: bool) -> BaseStorage:
    if sqlite:
        return RDBStorage(f"sqlite:///{file.absolute()}")
    return JournalStorage(JournalFileBackend(str(file)))
