"""A folder of records: written atomically, read with damage named, locked while a study runs in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from localnorm.errors import RecordError, StudyConflictError
from localnorm.lab.records import Record, from_json, key


@dataclass(frozen=True)
class Damaged:
    """A record that can't be read: its file and what is wrong with it."""

    path: Path
    problem: str


def write_atomically(path: Path, text: str) -> None:
    """Write text so that at any moment path holds either all of it or what it held before."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    # The rename itself lasts only once the folder is written; Windows has no such call.
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class Store:
    """The records of one study, in ``<folder>/records/<key>.json``.

    Args:
        folder: the study's folder; nothing is created before the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = folder / "records"

    def write(self, record: Record) -> None:
        """Write one record; a reader sees all of it or none."""
        self.records.mkdir(parents=True, exist_ok=True)
        write_atomically(self.records / f"{key(record.job)}.json", record.to_json())

    def find(self, name: str) -> Record | None:
        """Return the sound record of a key, None where there is none."""
        try:
            return from_json((self.records / f"{name}.json").read_text(encoding="utf-8"), name)
        except (RecordError, OSError, UnicodeDecodeError):
            return None

    def read(self) -> tuple[Mapping[str, Record], tuple[Damaged, ...]]:
        """Return the sound records by key, and the damaged ones by file."""
        sound: dict[str, Record] = {}
        damaged: list[Damaged] = []
        for path in sorted(self.records.glob("*.json")):
            try:
                sound[path.stem] = from_json(path.read_text(encoding="utf-8"), path.stem)
            except (RecordError, OSError, UnicodeDecodeError) as problem:
                damaged.append(Damaged(path, str(problem)))
        return sound, tuple(damaged)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one running study; the lock ends with its process, however that ends.

        Raises:
            StudyConflictError: another process is running a study there.
        """
        self.records.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise StudyConflictError(
                f"a folder must have one running study at a time, got {self.folder}, where another process is "
                "at work; wait for it, or pass another --out."
            ) from None
        try:
            for left_over in self.records.glob(".*.tmp"):
                left_over.unlink(missing_ok=True)
            yield
        finally:
            lock.release()
