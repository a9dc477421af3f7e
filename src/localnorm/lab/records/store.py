"""A folder of records: written atomically, read with damage named, locked while a study runs in it."""

from __future__ import annotations

import gc
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
    """Turn what the system says against writing a file into an error that says what to do.

    Raises:
        FolderError: the disk is full, the folder read-only, or something else is wrong with it.
    """
    try:
        yield
    except OSError as problem:
        raise FolderError(
            f"a study's folder must take what is written, got {problem.strerror or problem} for {path}; free some "
            "space or allow writing there, and run the same command again: finished jobs are kept."
        ) from problem


def write_atomically(path: Path, text: str) -> None:
    """Write text so that at any moment path holds either all of it or what it held before.

    Raises:
        FolderError: it can't be written; what was there before is left.
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
            # A full disk is not to be filled with halves.
            with suppress(OSError):
                temporary.unlink()
            raise
        _last(path.parent)


def _last(folder: Path) -> None:
    """Wait until a rename is on the disk, which is once its folder is; Windows has no such call."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Look for no garbage meanwhile: looking through records again and again takes as long as reading them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Store:
    """The records of one study, in ``<folder>/records/<key>.json``.

    Args:
        folder: the study's folder; nothing is created before the first write.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = folder / "records"

    def write(self, record: Record) -> None:
        """Write one record; a reader sees all of it or none.

        Raises:
            FolderError: it can't be written.
        """
        with writing(self.records):
            self.records.mkdir(parents=True, exist_ok=True)
        write_atomically(self.records / f"{key(record.job)}.json", record.to_json())

    def find(self, name: str) -> Record | None:
        """Return the sound record of a key, None where there is none."""
        try:
            return from_json((self.records / f"{name}.json").read_text(encoding="utf-8"), name)
        except (RecordError, OSError, UnicodeDecodeError):
            return None

    def read(self) -> tuple[Mapping[str, Record], tuple[Damaged, ...]]:
        """Return the sound records by key, and the damaged ones by file.

        Of many records an index is kept beside them, in ``<folder>/.index.jsonl``.
        """
        with nothing_collected():
            return self._read()

    def _read(self) -> tuple[Mapping[str, Record], tuple[Damaged, ...]]:
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
            # Where it can't be written, the next reader takes as long as this one.
            with suppress(FolderError):
                write_atomically(self.folder / INDEX_FILE, "".join(lines))
        return sound, tuple(damaged)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one running study; the lock ends with its process, however that ends.

        Raises:
            StudyConflictError: another process is running a study there.
            FolderError: the folder can't be written to.
        """
        lock = FileLock(self.folder / ".lock")
        with writing(self.folder):
            self.records.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                raise StudyConflictError(
                    f"a folder must have one running study at a time, got {self.folder}, where another process is "
                    "at work; wait for it, or pass another --out."
                ) from None
        try:
            with writing(self.records):
                # Records may be read-only where the folder is not: then this fails, before any work.
                (self.records / f".{os.getpid()}.tmp").touch()
                for left_over in self.records.glob(".*.tmp"):
                    left_over.unlink(missing_ok=True)
            yield
        finally:
            lock.release()
