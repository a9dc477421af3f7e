"""Read and write ``study.json``, and claim the folder of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from localnorm.lab.study.folder import STUDY_FILE, ResultFolder
from localnorm.lab.study.study import Study, TaskStudy
from localnorm.lab.study.training_config import TrainingConfig

LAYOUT = 3
"""Version of study.json: increased when its parts change. The records do not depend on it."""
_EXTENDABLE = ("tasks", "norms", "seeds")


def task_from_json(content: Mapping[str, Any]) -> TaskStudy:
    """Return the task from plain JSON values, lists being tuples.

    Raises:
        KeyError, TypeError: a part is missing, or unknown.
    """
    return TaskStudy(**{**content, "schedule": TrainingConfig(**content["schedule"])})


class _StudyFolder(ResultFolder[Study]):
    file, noun = STUDY_FILE, "study"

    def to_json(self, value: Study) -> dict[str, Any]:
        return {"layout": LAYOUT, **asdict(value)}

    def from_json(self, content: dict[str, Any]) -> Study:
        layout = content.pop("layout")
        if layout != LAYOUT:
            older = isinstance(layout, int) and layout < LAYOUT
            raise ValueError(
                f"layout {layout}, "
                + (
                    "written by an older localnorm, whose seeds chose the settings and were judged as well"
                    if older
                    else "written by a newer localnorm; install that"
                )
            )
        return Study(tasks=tuple(map(task_from_json, content.pop("tasks"))), **content)

    def identity(self, value: Study) -> dict[str, Any]:
        identity: dict[str, Any] = {
            "tasks": tuple(task.name for task in value.tasks),
            "norms": value.norms,
            "seeds": value.seeds,
            "pilot seeds": value.pilot_seeds,
            "looks": value.looks,
        }
        for task in value.tasks:
            parts = asdict(task)
            # The description of a task may change without making it another one.
            for text in ("name", "about", "measured_as"):
                del parts[text]
            for name, part in {**parts.pop("schedule"), **parts}.items():
                identity[f"{task.name}.{name}"] = part
        return identity

    def differs(self, name: str, held: Any, wanted: Any) -> bool:  # noqa: ANN401
        return bool(set(held) - set(wanted)) if name in _EXTENDABLE else held != wanted


STUDY_FOLDER = _StudyFolder()
"""Folders of studies. More tasks, norms or seeds extend a study; all else must stay the same."""


def read_study(folder: Path) -> Study:
    """Return the study that a folder holds.

    Raises:
        RecordError: no study there, or one that can't be read.
    """
    return STUDY_FOLDER.read(folder)


def write_study(folder: Path, study: Study) -> None:
    """Write a study's settings.

    Raises:
        FolderError: the folder can't be written to.
    """
    STUDY_FOLDER.write(folder, study)
