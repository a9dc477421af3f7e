"""Folders written by localnorm 0.1.0, in `support/old_folders`, are read with the same keys."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from localnorm.lab.records.record import Trial, key
from localnorm.lab.records.store import Store
from localnorm.lab.study.jobs import count_done, jobs
from localnorm.lab.study.study_file import STUDY_FOLDER, read_study
from localnorm.lab.tuning.selection import search_records
from localnorm.lab.tuning.tuning_file import TUNING_FOLDER, read_tuning

OLD = Path(__file__).parents[2] / "support" / "old_folders"
# As computed by the version that wrote the folder.
KEYS = """
    00d558deedcc82fde2063020 0b998fc26b508c6cb6712e74 169a1de7076ff56c7eadd7ae 2a9bd43afc2fa8d359435b24
    52de66c50fc658f5876d7d91 57d7097a2ed5290ef785fcbc 678af26c52274aaec8b6d9fd 753f458ba5fbb6132e002866
    9682fd9b70512be0e89af698 dfbdcc172a72b6766293e3da ec273f25bfd8ab2b6b4d3efa fe76930ae1c5e3cafab42874
    ffa59005be2371b7fcebbe24
"""


def test_the_jobs_of_an_old_study_have_the_same_keys():
    study = read_study(OLD / "study")
    assert sorted(map(key, jobs(study))) == KEYS.split()
    records, damaged = Store(OLD / "study").read()
    assert (len(records), damaged) == (7, ())
    assert set(records) <= set(KEYS.split())
    assert count_done(study, list(records.values())) == (7, 13)


def test_an_old_search_has_its_trials():
    tuning = read_tuning(OLD / "search")
    records, damaged = Store(OLD / "search").read()
    ((trial, record),) = search_records(tuning, records.values())
    assert (key(trial), damaged) == ("0f16ec1724dca33e497c4077", ())
    assert (record.status, record.timing) == ("pruned", {"number": 6})
    assert trial.settings == (("alpha", 0.1), ("n", 5.0))


@pytest.mark.parametrize(("kind", "name"), [(STUDY_FOLDER, "study"), (TUNING_FOLDER, "search")])
def test_settings_are_written_as_they_were(kind, name: str, tmp_path: Path):
    shutil.copytree(OLD / name, tmp_path / name)
    value = kind.read(tmp_path / name)
    with kind.claimed(tmp_path / name, value):
        pass
    kind.write(tmp_path / "new", value)
    for folder in (tmp_path / name, tmp_path / "new"):
        assert json.loads((folder / kind.file).read_text()) == json.loads((OLD / name / kind.file).read_text())
        assert (folder / kind.file).read_text() == (OLD / name / kind.file).read_text()


@pytest.mark.parametrize("path", sorted(OLD.glob("*/records/*.json")), ids=lambda path: path.stem[:6])
def test_a_record_is_written_as_it_was(path: Path):
    record = Store(path.parents[1]).find(path.stem)
    assert record is not None
    assert record.to_json() == path.read_text()
    assert isinstance(record.job, Trial) == ("task" in json.loads(path.read_text())["job"])
