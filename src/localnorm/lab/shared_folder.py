"""Whether a worker sees the study's folder: then it writes records itself, else it gives them back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localnorm.lab.store import writing


@contextmanager
def marked(folder: Path) -> Iterator[Path]:
    """Put a mark of a name that no other folder has into a folder, which is made, and yield its full path.

    Whoever finds it there is at the same folder, whatever machine that is. What a killed process leaves behind is
    removed with other temporary files when the store is locked next.

    Raises:
        FolderError: the folder can't be written to.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     with marked(Path(folder)) as mark:
        ...         there = mark.exists()
        ...     there, mark.exists()
        (True, False)
    """
    mark = folder.absolute() / f".shared-{uuid.uuid4().hex}.tmp"
    with writing(mark.parent):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)
