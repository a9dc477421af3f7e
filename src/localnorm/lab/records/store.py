"""Folder of records: atomic writes, reads that list damaged files, a lock for the running study or search."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from localnorm.errors import FolderError, RecordError, StudyConflictError
from localnorm.lab.records.index import ENOUGH, INDEX_FILE, files, index_lines, read_index
from localnorm.lab.records.record import Record, from_json, key


@dataclass(frozen=True)
class Damaged:
    """A record that can't be read: its file and what is wrong with it."""

    path: Path
    problem: str


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError raised while writing into a `FolderError` that says what to do.

    Raises:
        FolderError: the disk is full, the folder read-only, or something else is wrong with it.
    """
    try:
        yield
    except OSError as problem:
        raise FolderError(
            f"a study's folder must be writable, got {problem.strerror or problem} for {path}; free some "
            "space or allow writing there, and run the same command again: finished jobs are kept."
        ) from problem


def write_atomically(path: Path, text: str) -> None:
    """Write text so that the file holds, at any moment, either the new content or the old.

    Raises:
        FolderError: it can't be written; the old content is kept.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        try:
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            # Remove the partial file; the disk may be full.
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Fsync a folder so that a rename in it is durable (POSIX only)."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def checkpoint_path(folder: Path, name: str) -> Path:
    """Return the file of a running trial's checkpoint in a study's folder.

    Args:
        folder: that of the study.
        name: key of the trial.
    """
    return folder / "checkpoints" / f"{name}.safetensors"


class Store:
    """The records of one study or search, in ``<folder>/records/<key>.json``.

    Args:
        folder: the folder of the study; it is created by the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = folder / "records"

    def write(self, record: Record) -> None:
        """Write one record atomically.

        Raises:
            FolderError: it can't be written.
        """
        with writing(self.records):
            self.records.mkdir(parents=True, exist_ok=True)
        write_atomically(self.records / f"{key(record.job)}.json", record.to_json())

    def find(self, name: str) -> Record | None:
        """Return the record of a key, None if there is no readable one."""
        try:
            return from_json((self.records / f"{name}.json").read_text(encoding="utf-8"), name)
        except (RecordError, OSError, UnicodeDecodeError):
            return None

    def read(self) -> tuple[Mapping[str, Record], tuple[Damaged, ...]]:
        """Return the readable records by key, and the damaged files.

        If there are many records, an index is kept in ``<folder>/.index.jsonl``.
        """
        index = read_index(self.folder / INDEX_FILE)
        stamps = dict(files(self.records))
        sound: dict[str, Record] = {}
        damaged: list[Damaged] = []
        missed = 0
        for name, stamp in stamps.items():
            indexed, record = index.get(name, (None, None))
            if record is not None and indexed == stamp:
                sound[name] = record
                continue
            missed += 1
            path = self.records / f"{name}.json"
            try:
                sound[name] = from_json(path.read_text(encoding="utf-8"), name)
            except (RecordError, OSError, UnicodeDecodeError) as problem:
                damaged.append(Damaged(path, str(problem)))
        if missed >= ENOUGH:
            lines = index_lines((name, stamps[name], record) for name, record in sound.items())
            # Without it, the next reader takes as long as this one.
            with suppress(FolderError):
                write_atomically(self.folder / INDEX_FILE, "".join(lines))
        return sound, tuple(damaged)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for one run; the system releases the lock if the process is killed.

        Raises:
            StudyConflictError: another process runs a study or search there.
            FolderError: the folder can't be written to.
        """
        lock = FileLock(self.folder / ".lock")
        with writing(self.folder):
            self.records.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise StudyConflictError(
                    f"a folder must have one running study at a time, got {self.folder}, which another process "
                    "uses; wait for it, or pass another --out."
                ) from None
        try:
            with writing(self.records):
                # Fails before any work if records/ is read-only though its folder is not.
                (self.records / f".{os.getpid()}.tmp").touch()
                for partial_file in self.records.glob(".*.tmp"):
                    partial_file.unlink(missing_ok=True)
            yield
        finally:
            lock.release()
