"""The folders of searches and studies: claimed, used again, or refused with nothing changed."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from localnorm.errors import FolderError, RecordError, StudyConflictError
from localnorm.lab.run.tune import make_tuning
from localnorm.lab.study.folder import TUNING_FILE, ResultFolder
from localnorm.lab.study.study import Study
from localnorm.lab.study.study_file import STUDY_FOLDER
from localnorm.lab.tuning.tuning import Tuning
from localnorm.lab.tuning.tuning_file import TUNING_FOLDER, read_tuning
from made_tunings import DIGITS, TUNING


def _claim(folder: Path, tuning: Tuning) -> Path:
    with TUNING_FOLDER.claimed(folder, tuning) as store:
        return store.folder


def _claim_study(folder: Path, study: Study) -> None:
    with STUDY_FOLDER.claimed(folder, study):
        pass


BATCH = make_tuning(DIGITS, "batch")


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("tuning", [TUNING, BATCH, make_tuning(DIGITS, "none", "random")])
def test_a_new_folder_is_claimed_and_read_back(tmp_path: Path, tuning):
    assert _claim(tmp_path / "a" / "b", tuning) == tmp_path / "a" / "b"
    assert read_tuning(tmp_path / "a" / "b") == tuning


@pytest.mark.parametrize(
    "changes", [{}, {"trials": 90}, {"trials": 1, "seeds": 2}, {"task": replace(DIGITS, about="put better")}]
)
def test_the_same_search_is_opened_again(tmp_path: Path, changes: dict):
    _claim(tmp_path, TUNING)
    _claim(tmp_path, replace(TUNING, **changes))
    assert read_tuning(tmp_path) == replace(TUNING, **changes)


OTHERS = {
    "norm": (BATCH, "norm: local there, batch requested"),
    "sampler": (replace(TUNING, sampler="random"), "sampler: tpe there, random requested"),
    "epochs": (
        replace(TUNING, task=replace(DIGITS, schedule=replace(DIGITS.schedule, epochs=9))),
        "epochs: 3 there, 9 requested",
    ),
    "task": (replace(TUNING, task=replace(DIGITS, name="mine")), "task: digits there, mine requested"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_folder_of_another_search_is_refused(tmp_path: Path, what: str):
    _claim(tmp_path, TUNING)
    before = _bytes(tmp_path)
    other, message = OTHERS[what]
    with pytest.raises(StudyConflictError, match=message):
        _claim(tmp_path, other)
    assert _bytes(tmp_path) == before


def test_a_study_and_a_search_keep_out_of_each_other(tmp_path: Path):
    _claim_study(tmp_path / "study", Study((DIGITS,), ("none", "local")))
    _claim(tmp_path / "tuning", TUNING)
    before = _bytes(tmp_path)
    with pytest.raises(StudyConflictError, match=r"new, empty or that of a search, .* holds .*study\.json"):
        _claim(tmp_path / "study", TUNING)
    with pytest.raises(
        StudyConflictError, match=rf"must be new, empty or that of a study, .* holds .*{TUNING_FILE}"
    ):
        _claim_study(tmp_path / "tuning", Study((DIGITS,), ("none", "local")))
    assert _bytes(tmp_path) == before


@pytest.mark.parametrize("text", ["{", "[]", '{"record_version": 1}', '{"record_version": 2, "space": {}}'])
def test_settings_that_can_not_be_read(tmp_path: Path, text: str):
    (tmp_path / TUNING_FILE).write_text(text)
    with pytest.raises(RecordError, match=TUNING_FILE):
        _claim(tmp_path, TUNING)


def test_a_folder_without_a_tuning(tmp_path: Path):
    with pytest.raises(RecordError, match=r"must hold study\.json or tune\.json.*pass the folder that"):
        read_tuning(tmp_path)


def test_a_folder_of_the_other_kind_names_its_command(tmp_path: Path):
    _claim(tmp_path, TUNING)
    with pytest.raises(RecordError, match=r"must hold study\.json, got .*, which localnorm tune wrote"):
        STUDY_FOLDER.read(tmp_path)


FOLDERS = {"study": (STUDY_FOLDER, Study((DIGITS,))), "search": (TUNING_FOLDER, TUNING)}
kinds = pytest.mark.parametrize(("kind", "value"), FOLDERS.values(), ids=FOLDERS)


@kinds
@pytest.mark.parametrize("place", ["file/x", "file/x/y", "/dev/null/x", "/proc/x", "x" * 300])
def test_a_folder_that_can_not_be_made(tmp_path: Path, kind: ResultFolder, value: object, place: str):
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="must be writable, got"), kind.claimed(tmp_path / place, value):
        pytest.fail("it was claimed")


@kinds
def test_of_two_that_claim_a_folder_at_once_one_is_told(tmp_path: Path, kind: ResultFolder, value: object):
    """The second has looked at the folder when it was still empty."""
    other = replace(value, seeds=(0, 1) if kind is STUDY_FOLDER else 3)
    check, first = kind._check, ExitStack()

    def late(folder: Path, wanted: object) -> object:
        held = check(folder, wanted)
        kind._check = check
        first.enter_context(kind.claimed(folder, other))
        return held

    with first:
        kind._check = late
        with pytest.raises(StudyConflictError, match="one running study at a time"), kind.claimed(tmp_path, value):
            pytest.fail("it was claimed twice")
        assert kind.read(tmp_path) == other


@kinds
def test_of_two_that_claim_a_folder_one_after_the_other_the_second_looks_again(
    tmp_path: Path, kind: ResultFolder, value: object
):
    """The first has claimed the folder and finished, since the second looked."""
    other = replace(value, norms=("none", "local-learned")) if kind is STUDY_FOLDER else BATCH
    check = kind._check

    def late(folder: Path, wanted: object) -> object:
        held = check(folder, wanted)
        kind._check = check
        with kind.claimed(folder, other):
            pass
        return held

    kind._check = late
    with pytest.raises(StudyConflictError, match="nothing was changed"), kind.claimed(tmp_path, value):
        pytest.fail("it was claimed for something else")
    assert kind.read(tmp_path) == other
