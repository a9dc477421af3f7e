"""The folder of a tuning: its settings in tune.json, its records beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from localnorm.errors import RecordError, StudyConflictError
from localnorm.lab.records.record import RECORD_VERSION
from localnorm.lab.records.store import Store, write_atomically
from localnorm.lab.study.search_space import Choice, LogUniform, Range, Uniform
from localnorm.lab.study.study_file import task_from_values, tuples
from localnorm.lab.tuning.tuning import Tuning

TUNING_FILE = "tune.json"
_RANGES: Mapping[str, type[Choice] | type[Uniform] | type[LogUniform]] = {
    kind.__name__: kind for kind in (Choice, Uniform, LogUniform)
}
_EXTENDABLE = ("trials", "seeds")


def read_tuning(folder: Path) -> Tuning:
    """Return the tuning that a folder holds.

    Raises:
        RecordError: no tuning there, one that can't be read, or one of another record version.
    """
    path = folder / TUNING_FILE
    try:
        content: dict[str, Any] = tuples(json.loads(path.read_text(encoding="utf-8")))
        version = content.pop("record_version")
        if version == RECORD_VERSION:
            space = {name: _range(own) for name, own in content.pop("space").items()}
            return Tuning(task=task_from_values(content.pop("task")), space=space, **content)
    except FileNotFoundError:
        raise RecordError(
            f"a tuning's folder must hold {TUNING_FILE}, got {folder}, which does not; "
            "pass the folder that localnorm tune wrote."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as problem:
        raise RecordError(
            f"{path} must be a tuning's settings, got {type(problem).__name__}: {problem}; "
            "restore the file, or use another folder."
        ) from None
    raise RecordError(
        f"{path} must be of record version {RECORD_VERSION}, got version {version}; records of two versions "
        "can't be compared: use another folder, or the localnorm that wrote it."
    )


def open_tuning(folder: Path, tuning: Tuning) -> Store:
    """Claim a folder for a tuning: a new or empty one, or that of the same tuning.

    The number of trials and that of seeds may differ from last time; nothing else may.

    Raises:
        StudyConflictError: the folder holds another tuning, a study or something else; nothing was changed.
        RecordError: the folder's tuning can't be read.
    """
    path = folder / TUNING_FILE
    if not path.exists():
        # A dot file may be what an interrupted start left behind.
        others = sorted(p.name for p in folder.iterdir() if p.name[0] != ".") if folder.is_dir() else []
        if others or (folder.exists() and not folder.is_dir()):
            raise StudyConflictError(
                f"an output folder must be new, empty or a tuning's own, got {folder}, which holds "
                f"{', '.join(others[:3]) or 'no folder but a file'}; nothing was changed: pass another --out."
            )
        _write(folder, tuning)
        return Store(folder)
    held = read_tuning(folder)
    there, wanted = _identity(held), _identity(tuning)
    different = [name for name, value in there.items() if wanted.get(name) != value]
    if different:
        values = "; ".join(f"{name}: {there[name]} there, {wanted.get(name)} asked for" for name in different)
        raise StudyConflictError(
            f"an output folder must hold this tuning, got {folder}, which holds another one ({values}); nothing "
            "was changed: pass another --out, or the settings it was made with."
        )
    if held != tuning:
        with Store(folder).locked():
            _write(folder, tuning)
    return Store(folder)


def _identity(tuning: Tuning) -> dict[str, Any]:
    """Return all that must be the same for a search to go on, by name; words may be put better."""
    task = replace(tuning.task, about="", measured_as="")
    settings: dict[str, Any] = {**asdict(replace(tuning, task=task)), "space": dict(tuning.space)}
    parts = settings.pop("task")
    kept = {name: value for name, value in settings.items() if name not in _EXTENDABLE}
    return {"task": parts.pop("name"), **parts.pop("schedule"), **parts, **kept}


def _range(values: Mapping[str, Any]) -> Range:
    parts = dict(values)
    return _RANGES[parts.pop("kind")](**parts)


def _write(folder: Path, tuning: Tuning) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    space = {name: {"kind": type(own).__name__, **asdict(own)} for name, own in tuning.space.items()}
    content = {"record_version": RECORD_VERSION, **asdict(tuning), "space": space}
    write_atomically(folder / TUNING_FILE, json.dumps(content, indent=1) + "\n")
