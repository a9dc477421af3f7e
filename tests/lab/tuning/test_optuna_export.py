"""Exported searches, read back by Optuna."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from localnorm.errors import LabError
from localnorm.lab.tuning.optuna_export import export_optuna
from localnorm.lab.tuning.selection import search_records
from made_tunings import TUNING, searched

STATUSES = ("ok", "ok", "pruned", "diverged")


@pytest.mark.parametrize("name", ["search.log", "search.db", "search.sqlite3"])
def test_optuna_loads_what_was_exported(tmp_path: Path, name: str):
    records = searched(TUNING, status=lambda number: STATUSES[number % 4])
    file = tmp_path / name
    assert export_optuna(TUNING, records.values(), file) == 20
    assert [path.name for path in tmp_path.iterdir()] == [name]
    storage = JournalStorage(JournalFileBackend(str(file))) if name.endswith("log") else f"sqlite:///{file}"
    study = optuna.load_study(study_name="local on digits", storage=storage)
    known = {"ok": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
    found = search_records(TUNING, records.values())
    for trial, (job, record) in zip(study.trials, found, strict=True):
        assert trial.state == known.get(record.status, TrialState.FAIL)
        assert trial.params["learning_rate"] == job.learning_rate
        assert trial.params["alpha"] == dict(job.settings).get("alpha", 1e-4)
        curve = record.results["validation_error"]
        assert list(trial.intermediate_values.values()) == curve
        if record.status == "ok":
            assert trial.value == curve[-1]
    assert study.best_value == min(r.results["validation_error"][-1] for _, r in found if r.status == "ok")


@pytest.mark.parametrize(("name", "message"), [("there", "exists already"), ("no/such", "is in no folder")])
def test_a_file_that_can_not_be_written(tmp_path: Path, name: str, message: str):
    (tmp_path / "there").write_text("mine")
    with pytest.raises(LabError, match=message):
        export_optuna(TUNING, [], tmp_path / name)
    assert (tmp_path / "there").read_text() == "mine"


def test_nothing_is_said_on_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    export_optuna(TUNING, searched(TUNING, until=3).values(), tmp_path / "search.db")
    assert capfd.readouterr() == ("", "")
