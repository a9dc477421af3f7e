"""Read ``tune.json``, and claim the folder of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from localnorm.lab.study.folder import TUNING_FILE, ResultFolder
from localnorm.lab.study.search_space import Choice, LogUniform, Range, Uniform
from localnorm.lab.study.study_file import task_from_json
from localnorm.lab.tuning.tuning import Tuning

_RANGES: Mapping[str, type[Choice] | type[Uniform] | type[LogUniform]] = {
    kind.__name__: kind for kind in (Choice, Uniform, LogUniform)
}
_CHANGEABLE = ("trials", "seeds")


class _TuningFolder(ResultFolder[Tuning]):
    file, noun = TUNING_FILE, "search"

    def to_json(self, value: Tuning) -> dict[str, Any]:
        space = {name: {"kind": type(values).__name__, **asdict(values)} for name, values in value.space.items()}
        return {**asdict(value), "space": space}

    def from_json(self, content: dict[str, Any]) -> Tuning:
        space = {name: _range(values) for name, values in content.pop("space").items()}
        return Tuning(task=task_from_json(content.pop("task")), space=space, **content)

    def identity(self, value: Tuning) -> dict[str, Any]:
        # The description of a task may change without making it another one.
        task = replace(value.task, about="", measured_as="")
        settings: dict[str, Any] = {**asdict(replace(value, task=task)), "space": dict(value.space)}
        parts = settings.pop("task")
        kept = {name: part for name, part in settings.items() if name not in _CHANGEABLE}
        return {"task": parts.pop("name"), **parts.pop("schedule"), **parts, **kept}


def _range(values: Mapping[str, Any]) -> Range:
    parts = dict(values)
    return _RANGES[parts.pop("kind")](**parts)


TUNING_FOLDER = _TuningFolder()
"""Folders of searches. The numbers of trials and of seeds may change; all else must stay the same."""


def read_tuning(folder: Path) -> Tuning:
    """Return the search that a folder holds.

    Raises:
        RecordError: no search there, or one that can't be read.
    """
    return TUNING_FOLDER.read(folder)
