"""Export a search to an Optuna storage, for optuna-dashboard or Optuna itself."""

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
"""Suffixes of SQLite files; files with any other suffix are Optuna journals."""


def export_optuna(tuning: Tuning, records: Iterable[Record], file: Path) -> int:
    """Write the trials of a search to a new file and return their number.

    The Optuna study is named after task and norm. Trials are complete, pruned with their curves, or failed. Trials
    outside the searched ranges, such as a norm's defaults, are left out.

    Args:
        tuning: the search.
        records: the records of its folder.
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
    # Renamed when it is complete.
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
