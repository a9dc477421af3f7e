"""The folder of a tuning: claimed, opened again, or refused with nothing changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localnorm.errors import RecordError, StudyConflictError
from localnorm.lab.run.tune import make_tuning
from localnorm.lab.study.study import Study
from localnorm.lab.study.study_file import open_study
from localnorm.lab.tuning.tuning_file import TUNING_FILE, open_tuning, read_tuning
from made_tunings import DIGITS, TUNING

BATCH = make_tuning(DIGITS, "batch")


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("tuning", [TUNING, BATCH, make_tuning(DIGITS, "none", "random")])
def test_a_new_folder_is_claimed_and_read_back(tmp_path: Path, tuning):
    assert open_tuning(tmp_path / "a" / "b", tuning).folder == tmp_path / "a" / "b"
    assert read_tuning(tmp_path / "a" / "b") == tuning


@pytest.mark.parametrize(
    "changes", [{}, {"trials": 90}, {"trials": 1, "seeds": 2}, {"task": replace(DIGITS, about="put better")}]
)
def test_the_same_search_is_opened_again(tmp_path: Path, changes: dict):
    open_tuning(tmp_path, TUNING)
    open_tuning(tmp_path, replace(TUNING, **changes))
    assert read_tuning(tmp_path) == replace(TUNING, **changes)


OTHERS = {
    "norm": (BATCH, "norm: local there, batch asked for"),
    "sampler": (replace(TUNING, sampler="random"), "sampler: tpe there, random asked for"),
    "epochs": (
        replace(TUNING, task=replace(DIGITS, schedule=replace(DIGITS.schedule, epochs=9))),
        "epochs: 3 there, 9 asked for",
    ),
    "task": (replace(TUNING, task=replace(DIGITS, name="mine")), "task: digits there, mine asked for"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_folder_of_another_tuning_is_refused(tmp_path: Path, what: str):
    open_tuning(tmp_path, TUNING)
    before = _bytes(tmp_path)
    other, message = OTHERS[what]
    with pytest.raises(StudyConflictError, match=message):
        open_tuning(tmp_path, other)
    assert _bytes(tmp_path) == before


def test_a_study_and_a_tuning_keep_out_of_each_other(tmp_path: Path):
    open_study(tmp_path / "study", Study((DIGITS,), ("none", "local")))
    open_tuning(tmp_path / "tuning", TUNING)
    before = _bytes(tmp_path)
    with pytest.raises(StudyConflictError, match=r"must be new, empty or a tuning's own, .* holds .*study\.json"):
        open_tuning(tmp_path / "study", TUNING)
    with pytest.raises(
        StudyConflictError, match=rf"must be new, empty or a study's own, .* holds .*{TUNING_FILE}"
    ):
        open_study(tmp_path / "tuning", Study((DIGITS,), ("none", "local")))
    assert _bytes(tmp_path) == before


@pytest.mark.parametrize("text", ["{", "[]", '{"record_version": 1}', '{"record_version": 2, "space": {}}'])
def test_settings_that_can_not_be_read(tmp_path: Path, text: str):
    (tmp_path / TUNING_FILE).write_text(text)
    with pytest.raises(RecordError, match=TUNING_FILE):
        open_tuning(tmp_path, TUNING)


def test_a_folder_without_a_tuning(tmp_path: Path):
    with pytest.raises(RecordError, match=r"must hold tune\.json.*pass the folder that localnorm tune wrote"):
        read_tuning(tmp_path)
