"""Folder of a study: claimed, used again, extended, or refused with nothing changed."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from localnorm.errors import LabError, RecordError, StudyConflictError
from localnorm.lab.records.record import Probe, Record
from localnorm.lab.records.store import Store
from localnorm.lab.study.study import Study
from localnorm.lab.study.study_file import STUDY_FOLDER, read_study
from localnorm.lab.tasks import task_studies


def _claim(folder: Path, study: Study) -> Path:
    with STUDY_FOLDER.claimed(folder, study) as store:
        return store.folder


DIGITS, ROWS = task_studies(["digits", "digit-rows"])
STUDY = Study((DIGITS,), norms=("none", "local"), seeds=(0, 1))


def _scheduled(**changes: int) -> Study:
    return replace(STUDY, tasks=(replace(DIGITS, schedule=replace(DIGITS.schedule, **changes)),))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("before", ["absent", "empty", "a dot file"])
def test_a_new_folder_is_claimed(tmp_path: Path, before: str):
    folder = tmp_path if before == "empty" else tmp_path / "a" / "b"
    if before == "a dot file":
        folder.mkdir(parents=True)
        (folder / ".study.json.7.tmp").touch()
    assert (_claim(folder, STUDY), read_study(folder)) == (folder, STUDY)


EXTENDED = {
    "same": STUDY,
    "norm": replace(STUDY, norms=("none", "batch", "local")),
    "seed": replace(STUDY, seeds=(0, 1, 2)),
    "task": replace(STUDY, tasks=(ROWS, DIGITS)),
    "words": replace(STUDY, tasks=(replace(DIGITS, about="put better"),)),
    "both": replace(STUDY, norms=("none", "local", "rms"), seeds=(2, 1, 0)),
}


@pytest.mark.parametrize("study", EXTENDED.values(), ids=EXTENDED)
def test_a_study_is_opened_again_and_extended(tmp_path: Path, study: Study):
    _claim(tmp_path, STUDY)
    before = (tmp_path / "study.json").stat().st_mtime_ns
    assert (_claim(tmp_path, study), read_study(tmp_path)) == (tmp_path, study)
    assert ((tmp_path / "study.json").stat().st_mtime_ns == before) == (study == STUDY)


REFUSED = {
    "fewer norms": (replace(STUDY, norms=("none",)), "norms: none, local there, none requested"),
    "another norm": (
        replace(STUDY, norms=("none", "rms", "batch")),
        "norms: none, local there, none, rms, batch req",
    ),
    "fewer seeds": (replace(STUDY, seeds=(1, 2)), "seeds: 0, 1 there, 1, 2 requested"),
    "other epochs": (_scheduled(epochs=7), "digits.epochs: 6 there, 7 requested"),
    "two others": (_scheduled(draws=1, batch_size=8), "batch_size: 32 there, 8 .*draws: 2 there, 1"),
    "another task": (replace(STUDY, tasks=(ROWS,)), "tasks: digits there, digit-rows requested"),
    "another effect": (
        replace(STUDY, tasks=(replace(DIGITS, smallest_effect=2.0),)),
        r"digits.smallest_effect: 0.75 there, 2 requested",
    ),
}


@pytest.mark.parametrize(("study", "text"), REFUSED.values(), ids=REFUSED)
def test_another_study_is_refused_and_nothing_changed(tmp_path: Path, study: Study, text: str):
    _claim(tmp_path, STUDY)
    Store(tmp_path).write(Record(Probe("scope", ("none",)), "ok"))
    before = _bytes(tmp_path)
    with pytest.raises(
        StudyConflictError, match=f"{text}.* nothing was changed: pass another --out, or the settings"
    ):
        _claim(tmp_path, study)
    assert _bytes(tmp_path) == before


def test_a_running_study_is_not_extended(tmp_path: Path):
    _claim(tmp_path, STUDY)
    before = _bytes(tmp_path)
    with Store(tmp_path).locked(), pytest.raises(StudyConflictError, match="one running study at a time"):
        _claim(tmp_path, EXTENDED["both"])
    assert _bytes(tmp_path) == before | {".lock": b""}


@pytest.mark.parametrize("name", ["thesis.tex", "records/0.json"])
def test_a_folder_with_something_else_is_refused_and_nothing_changed(tmp_path: Path, name: str):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("precious")
    before = _bytes(tmp_path)
    with pytest.raises(StudyConflictError, match=f"which holds {name.partition('/')[0]}; nothing was changed"):
        _claim(tmp_path, STUDY)
    assert _bytes(tmp_path) == before


def test_a_file_is_no_folder(tmp_path: Path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(StudyConflictError, match="which is a file; nothing was changed"):
        _claim(tmp_path / "file", STUDY)
    assert _bytes(tmp_path) == {"file": b"precious"}


SETTINGS = {
    "damaged": ("{", "must be a study's settings, got JSONDecodeError.* restore the file"),
    "no version": ("{}", "got KeyError: 'record_version'"),
    "an older version": (
        '{"record_version": 1, "layout": 2, "norms": ["none"], "seeds": [0], "tasks": []}',
        "of record version 3, got version 1; .* use another folder, or the localnorm that wrote it",
    ),
    "another version": (
        '{"record_version": 7}',
        "of record version 3, got version 7; .* use another folder",
    ),
    "no layout": ('{"record_version": 3, "depth": 3}', "got KeyError: 'layout'"),
    "a later layout": ('{"record_version": 3, "layout": 4}', "layout 4, written by a newer localnorm; install"),
    "unknown part": (
        '{"record_version": 3, "layout": 3, "norms": [], "seeds": [], "tasks": [{"schedule": {"depth": 3}}]}',
        "got TypeError: .*'depth'",
    ),
    "no tasks": (
        '{"record_version": 3, "layout": 3, "norms": ["none"], "seeds": [0], "tasks": []}',
        "got LabError: tasks must be at least one",
    ),
}


@pytest.mark.parametrize(("content", "text"), SETTINGS.values(), ids=SETTINGS)
def test_settings_that_cannot_be_read(tmp_path: Path, content: str, text: str):
    (tmp_path / "study.json").write_text(content)
    for act in (partial(read_study, tmp_path), partial(_claim, tmp_path, STUDY)):
        with pytest.raises(RecordError, match=text):
            act()
    assert _bytes(tmp_path) == {"study.json": content.encode()}


def test_a_folder_without_a_study(tmp_path: Path):
    with pytest.raises(RecordError, match=r"must hold study\.json or tune\.json, got .*; pass the folder that"):
        read_study(tmp_path)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"norms": ()}, "norms must be at least one and no two the same"),
        ({"norms": ("none", "none")}, r"no two the same, got none, none; drop the repeats"),
        ({"seeds": (1, 1)}, "seeds must be at least one and no two the same"),
        ({"norms": ("local",)}, "norms must contain none, .* got local; add none"),
    ],
)
def test_a_study_that_compares_nothing(given: dict, text: str):
    with pytest.raises(LabError, match=text):
        replace(STUDY, **given)
