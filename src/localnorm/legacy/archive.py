"""Zip archives of models, read within limits: a small file must not fill the memory."""

from __future__ import annotations

import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localnorm.errors import ModelFileError

LARGEST_TEXT = 256 * 2**20
"""Bytes of a model's description; the largest known ones have some 30 MiB."""
_LARGEST_RATIO = 200
_DAMAGED: tuple[type[Exception], ...] = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error)
_DAMAGED += (UnicodeDecodeError, OSError, EOFError, NotImplementedError, RuntimeError)
"""What zipfile raises for damaged archives."""
_UNSUSPICIOUS = 64 * 2**20


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive after a check that no member expands beyond measure.

    Raises:
        ModelFileError: a damaged archive, or one whose members expand like those of a zip bomb (a ValueError).

    Example:
        >>> with opened(Path(getfixture("tmp_path") / "absent.keras")) as archive:
        ...     archive.namelist()
        Traceback (most recent call last):
        ...
        localnorm.errors.ModelFileError: absent.keras must be a readable zip archive, got [Errno 2] No ...
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.file_size > max(_UNSUSPICIOUS, _LARGEST_RATIO * member.compress_size):
                    raise ModelFileError(
                        f"{path.name} must hold data of a plausible size, got {member.filename} of "
                        f"{member.compress_size} bytes that expands to {member.file_size}; it is not read."
                    )
            yield archive
    except _DAMAGED as problem:
        raise ModelFileError(
            f"{path.name} must be a readable zip archive, got {problem}; copy or download it again."
        ) from None


def read_json(archive: zipfile.ZipFile, member: str, file: str) -> Any:  # noqa: ANN401  any JSON
    """Return a member that holds JSON.

    Raises:
        ModelFileError: it is larger than any description of a model, or no JSON (a ValueError).
    """
    with archive.open(member) as stream:
        text = stream.read(LARGEST_TEXT + 1)
    if len(text) > LARGEST_TEXT:
        raise ModelFileError(
            f"{file} must describe its model in at most {LARGEST_TEXT} bytes, got more in {member}; "
            "it is not read."
        )
    return parsed(text, f"{member} in {file}")


def parsed(text: bytes | str, what: str) -> Any:  # noqa: ANN401  any JSON
    """Return parsed JSON.

    Raises:
        ModelFileError: it is none, or nested too deep (a ValueError).

    Example:
        >>> parsed('{"a": 1}', "config.json")
        {'a': 1}
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise ModelFileError(f"{what} must be JSON, got {problem}; copy or download the file again.") from None
