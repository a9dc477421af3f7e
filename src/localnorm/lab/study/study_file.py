"""The folder of a study: its settings in study.json, its records beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from localnorm.errors import RecordError, StudyConflictError
from localnorm.lab.records.record import RECORD_VERSION
from localnorm.lab.records.store import Store, write_atomically, writing
from localnorm.lab.study.study import Study, TaskStudy
from localnorm.lab.study.training_config import TrainingConfig

LAYOUT = 2
"""Of study.json: raised when its parts change; the records do not depend on it."""


def to_values(study: Study) -> dict[str, Any]:
    """Return a study as plain JSON values."""
    return {"layout": LAYOUT, **asdict(study)}


def from_values(values: Mapping[str, Any]) -> Study:
    """Return the study that plain JSON values say.

    Raises:
        ValueError: another layout.
        KeyError, TypeError: a part is missing, or unknown.
    """
    settings = tuples(dict(values))
    layout = settings.pop("layout")
    if layout != LAYOUT:
        raise ValueError(f"layout {layout}, written by a newer localnorm; install that")
    return Study(tasks=tuple(map(task_from_values, settings.pop("tasks"))), **settings)


def task_from_values(values: Mapping[str, Any]) -> TaskStudy:
    """Return the task that values say, lists being tuples already, see `tuples`.

    Raises:
        KeyError, TypeError: a part is missing, or unknown.
    """
    return TaskStudy(**{**values, "schedule": TrainingConfig(**values["schedule"])})


def tuples(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Turn JSON's lists into the tuples of the dataclasses, at any depth."""
    if isinstance(value, list):
        return tuple(map(tuples, value))
    return {name: tuples(part) for name, part in value.items()} if isinstance(value, dict) else value


STUDY_FILE = "study.json"
_EXTENDABLE = ("tasks", "norms", "seeds")


def read_study(folder: Path) -> Study:
    """Return the study that a folder holds, also where an older localnorm has laid it out otherwise.

    Raises:
        RecordError: no study there, or one that can't be read.
    """
    path = folder / STUDY_FILE
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("record_version")
        if version == RECORD_VERSION:
            return from_values(content)
    except FileNotFoundError:
        raise RecordError(
            f"a study's folder must hold {STUDY_FILE}, got {folder}, which does not; "
            "pass the folder that localnorm compare wrote."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as problem:
        raise RecordError(
            f"{path} must be a study's settings, got {type(problem).__name__}: {problem}; "
            "restore the file, or use another folder."
        ) from None
    raise RecordError(
        f"{path} must be of record version {RECORD_VERSION}, got version {version}; records of two versions "
        "can't be compared: use another folder, or the localnorm that wrote it."
    )


def open_study(folder: Path, study: Study) -> tuple[Store, bool]:
    """Claim a folder for a study.

    An empty or new folder is claimed; the folder of the same study is opened; a study with fewer tasks, norms or
    seeds and otherwise the same is extended.

    Returns:
        The store of its records, and whether the folder held part of the study before.

    Raises:
        StudyConflictError: the folder holds another study or something else, or would be extended while a
            study is running there; nothing was changed.
        RecordError: the folder's study can't be read.
        FolderError: the folder can't be written to.
    """
    path = folder / STUDY_FILE
    if not path.exists():
        others = sorted(p.name for p in folder.iterdir() if not _left_behind(p)) if folder.is_dir() else []
        if others or (folder.exists() and not folder.is_dir()):
            raise StudyConflictError(
                f"an output folder must be new, empty or a study's own, got {folder}, which holds "
                f"{', '.join(others[:3]) or 'no folder but a file'}; nothing was changed: pass another --out."
            )
        with Store(folder).locked():
            # Another process may have claimed the folder meanwhile.
            if not path.exists():
                write_study(folder, study)
                return Store(folder), False
    held = _part_of(read_study(folder), study, folder)
    if held != study:
        with Store(folder).locked():
            _part_of(read_study(folder), study, folder)
            write_study(folder, study)
    return Store(folder), True


def _left_behind(path: Path) -> bool:
    """Whether a start that was interrupted may have left this: a dot file, or a folder of no records yet."""
    empty = path.name == Store(path.parent).records.name and path.is_dir()
    return path.name[0] == "." or (empty and all(inside.name[0] == "." for inside in path.iterdir()))


def _part_of(held: Study, study: Study, folder: Path) -> Study:
    """Return the study that a folder holds, which another one is or extends.

    Raises:
        StudyConflictError: it is neither.
    """
    there, wanted = _settings(held), _settings(study)
    different = [
        name
        for name, value in there.items()
        if (set(value) - set(wanted[name]) if name in _EXTENDABLE else wanted.get(name, value) != value)
    ]
    if different:
        values = "; ".join(f"{name}: {there[name]} there, {wanted[name]} asked for" for name in different)
        raise StudyConflictError(
            f"an output folder must hold this study or part of it, got {folder}, which holds another one "
            f"({values}); nothing was changed: pass another --out, or the settings it was made with."
        )
    return held


def _settings(study: Study) -> dict[str, Any]:
    """Return all that decides what is trained and how it is judged, by name."""
    settings: dict[str, Any] = {
        "tasks": tuple(task.name for task in study.tasks),
        "norms": study.norms,
        "seeds": study.seeds,
    }
    for task in study.tasks:
        parts = asdict(task)
        # Words about a task may be put better without making it another one.
        for words in ("name", "about", "measured_as"):
            del parts[words]
        for name, value in {**parts.pop("schedule"), **parts}.items():
            settings[f"{task.name}.{name}"] = value
    return settings


def write_study(folder: Path, study: Study) -> None:
    """Write the study's settings.

    Raises:
        FolderError: the folder can't be written to.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    content = {"record_version": RECORD_VERSION, **to_values(study)}
    write_atomically(folder / STUDY_FILE, json.dumps(content, indent=1) + "\n")
