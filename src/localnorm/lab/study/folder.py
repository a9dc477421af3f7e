"""Claim the output folder of a study or a search: check what it holds, lock it, write the settings file."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from localnorm.errors import RecordError, StudyConflictError
from localnorm.lab.records.record import RECORD_VERSION, why_refused
from localnorm.lab.records.store import Store, write_atomically, writing

Value = TypeVar("Value")
STUDY_FILE, TUNING_FILE = "study.json", "tune.json"
_FILES = {STUDY_FILE: "localnorm compare", TUNING_FILE: "localnorm tune"}


def held_file(folder: Path) -> str:
    """Return the name of the settings file that a folder holds.

    Raises:
        RecordError: the folder does not exist, or holds neither a study nor a search.
    """
    for name in _FILES:
        if (folder / name).is_file():
            return name
    missing = "which holds neither" if folder.is_dir() else "which is no folder"
    raise RecordError(
        f"a folder of results must hold {STUDY_FILE} or {TUNING_FILE}, got {folder}, {missing}; "
        "pass the folder that localnorm compare or localnorm tune wrote to."
    )


def tuples(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Turn JSON's lists into the tuples of the dataclasses, at any depth.

    Numbers are kept as they are: 1 and 1.0 give different record keys.
    """
    if isinstance(value, list):
        return tuple(map(tuples, value))
    return {name: tuples(part) for name, part in value.items()} if isinstance(value, dict) else value


class ResultFolder(ABC, Generic[Value]):
    """A type of output folder: a settings file with records beside it.

    Attributes:
        file: name of the settings file.
        noun: "study" or "search", for messages.
    """

    file: str
    noun: str

    @abstractmethod
    def to_json(self, value: Value) -> dict[str, Any]:
        """Return the settings as plain JSON values."""

    @abstractmethod
    def from_json(self, content: dict[str, Any]) -> Value:
        """Return the settings from plain JSON values, lists being tuples.

        Raises:
            ValueError, KeyError, TypeError: they are incomplete or unknown.
        """

    @abstractmethod
    def identity(self, value: Value) -> Mapping[str, Any]:
        """Return by name all that must stay the same for a folder's records to be used again."""

    def differs(self, name: str, held: object, wanted: object) -> bool:
        """Whether a value of the identity differs so much that the folder must be refused."""
        del name
        return held != wanted

    def read(self, folder: Path) -> Value:
        """Return the settings that a folder holds.

        Raises:
            RecordError: the file is missing, damaged or of another record version.
        """
        path = folder / self.file
        try:
            content: dict[str, Any] = tuples(json.loads(path.read_text(encoding="utf-8")))
            version = content.pop("record_version")
            if version == RECORD_VERSION:
                return self.from_json(content)
        except (FileNotFoundError, NotADirectoryError):
            if held_file(folder) != self.file:
                command = _FILES[held_file(folder)]
                raise RecordError(
                    f"a {self.noun}'s folder must hold {self.file}, got {folder}, which {command} wrote; "
                    f"pass a folder that {_FILES[self.file]} wrote."
                ) from None
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as problem:
            raise RecordError(
                f"{path} must be a {self.noun}'s settings, got {type(problem).__name__}: {problem}; "
                "restore the file, or use another folder."
            ) from None
        raise RecordError(
            f"{path} must be of record version {RECORD_VERSION}, got version {version}; {why_refused(version)}: "
            "use another folder, or the localnorm that wrote it."
        )

    def write(self, folder: Path, value: Value) -> None:
        """Write the settings file.

        Raises:
            FolderError: the folder can't be written to.
        """
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        content = {"record_version": RECORD_VERSION, **self.to_json(value)}
        write_atomically(folder / self.file, json.dumps(content, indent=1) + "\n")

    @contextmanager
    def claimed(self, folder: Path, value: Value) -> Iterator[Store]:
        """Claim a folder for a run and keep it locked.

        A new or empty folder gets the settings. A folder of the same settings, or of settings that these extend,
        is used again.

        Yields:
            The store of its records.

        Raises:
            StudyConflictError: the folder holds something else, or a run is active there; nothing was changed.
            RecordError: the settings there can't be read.
            FolderError: the folder can't be created or written to.
        """
        # Before the lock, which creates the folder and a file in it.
        self._check(folder, value)
        store = Store(folder)
        with store.locked():
            # Again: another process may have claimed the folder meanwhile.
            if self._check(folder, value) != value:
                self.write(folder, value)
            yield store

    def _check(self, folder: Path, value: Value) -> Value | None:
        """Return the settings that a folder holds, None if it is new or empty."""
        with writing(folder):
            if not (folder / self.file).exists():
                others = sorted(p.name for p in folder.iterdir() if not _temporary(p)) if folder.is_dir() else []
                if others or (folder.exists() and not folder.is_dir()):
                    held_here = f"holds {', '.join(others[:3])}" if others else "is a file"
                    raise StudyConflictError(
                        f"an output folder must be new, empty or that of a {self.noun}, got {folder}, which "
                        f"{held_here}; nothing was changed: pass another --out."
                    )
                return None
        held = self.read(folder)
        there, wanted = self.identity(held), self.identity(value)
        different = [name for name, part in there.items() if self.differs(name, part, wanted.get(name, part))]
        if different:
            values = "; ".join(f"{n}: {_shown(there[n])} there, {_shown(wanted[n])} requested" for n in different)
            raise StudyConflictError(
                f"an output folder must hold this {self.noun} or part of it, got {folder}, which holds another "
                f"({values}); nothing was changed: pass another --out, or the settings that it was made with."
            )
        return held


def _temporary(path: Path) -> bool:
    """Whether an interrupted start may have left this: a dot file, or a records folder with nothing else in it."""
    empty = path.name == Store(path.parent).records.name and path.is_dir()
    return path.name[0] == "." or (empty and all(inside.name[0] == "." for inside in path.iterdir()))


def _shown(value: object) -> str:
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_shown, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
