"""Folders written by localnorm 0.1.0, in `support/old_folders`, are refused with the reason and left alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from localnorm.errors import RecordError
from localnorm.lab.records.store import Store
from localnorm.lab.study.study import Study
from localnorm.lab.study.study_file import LAYOUT, read_study, write_study
from localnorm.lab.tasks import task_studies
from localnorm.lab.tuning.tuning_file import read_tuning

OLD = Path(__file__).parents[2] / "support" / "old_folders"
WHY = "since version 3 the test data, the choice of the learning rate and the statistics are other ones"


@pytest.mark.parametrize(("read", "name"), [(read_study, "study"), (read_tuning, "search")])
def test_settings_of_another_record_version_are_refused(read, name: str, tmp_path: Path):
    shutil.copytree(OLD / name, tmp_path / name)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(
        RecordError, match=f"must be of record version 3, got version 2; {WHY}: use another folder"
    ):
        read(tmp_path / name)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["study", "search"])
def test_records_of_another_version_are_no_results(name: str):
    records, damaged = Store(OLD / name).read()
    assert not records
    assert {WHY in str(found.problem) for found in damaged} == {True}


def test_a_study_without_a_pilot_is_refused(tmp_path: Path):
    write_study(tmp_path, Study(task_studies(["digit-rows"])))
    path = tmp_path / "study.json"
    content = json.loads(path.read_text())
    assert content["layout"] == LAYOUT == 3
    path.write_text(json.dumps({**content, "layout": 2}))
    with pytest.raises(
        RecordError, match="layout 2, written by an older localnorm, whose seeds chose the settings"
    ):
        read_study(tmp_path)
