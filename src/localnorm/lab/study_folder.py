"""The folder of a study: its settings in study.json, its records beside them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from localnorm.errors import RecordError, StudyConflictError
from localnorm.lab.records import RECORD_VERSION
from localnorm.lab.store import Store, write_atomically
from localnorm.lab.study import Study

STUDY_FILE = "study.json"
_EXTENDABLE = ("norms", "seeds")


def read_study(folder: Path) -> Study:
    """Return the study that a folder holds.

    Raises:
        RecordError: no study there, or one that can't be read.
    """
    path = folder / STUDY_FILE
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = content.pop("record_version")
        settings: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in content.items()}
        if version == RECORD_VERSION:
            return Study(**settings)
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
        "can't be compared: use another folder."
    )


def open_study(folder: Path, study: Study) -> tuple[Store, bool]:
    """Claim a folder for a study.

    An empty or new folder is claimed; the folder of the same study is opened; a study with fewer norms or
    seeds and otherwise the same is extended.

    Returns:
        The store of its records, and whether the folder held part of the study before.

    Raises:
        StudyConflictError: the folder holds another study or something else, or would be extended while a
            study is running there; nothing was changed.
        RecordError: the folder's study can't be read.
    """
    path = folder / STUDY_FILE
    if not path.exists():
        # A dot file may be what an interrupted start left behind.
        others = sorted(p.name for p in folder.iterdir() if p.name[0] != ".") if folder.is_dir() else []
        if others or (folder.exists() and not folder.is_dir()):
            raise StudyConflictError(
                f"an output folder must be new, empty or a study's own, got {folder}, which holds "
                f"{', '.join(others[:3]) or 'no folder but a file'}; nothing was changed: pass another --out."
            )
        write_study(folder, study)
        return Store(folder), False
    held = read_study(folder)
    different = [
        name
        for name, value in asdict(study).items()
        if (set(asdict(held)[name]) - set(value) if name in _EXTENDABLE else asdict(held)[name] != value)
    ]
    if different:
        values = "; ".join(f"{n}: {asdict(held)[n]} there, {asdict(study)[n]} asked for" for n in different)
        raise StudyConflictError(
            f"an output folder must hold this study or part of it, got {folder}, which holds another one "
            f"({values}); nothing was changed: pass another --out, or the settings it was made with."
        )
    if held != study:
        with Store(folder).locked():
            write_study(folder, study)
    return Store(folder), True


def write_study(folder: Path, study: Study) -> None:
    """Write the study's settings."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"record_version": RECORD_VERSION, **asdict(study)}
    write_atomically(folder / STUDY_FILE, json.dumps(content, indent=1) + "\n")
