"""One file beside the records that holds what all of them hold: reading it takes a tenth of reading each.

It says nothing that the records do not say: a record counts as it stands in its own file. Where that has another
size or time than when the index was written, the file is read, and without an index all files are.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from localnorm.lab.records.record import RECORD_VERSION, Record, from_content, set_key

INDEX_FILE = ".index.jsonl"
ENOUGH = 1000
"""Records that are not in the index, from which on it is written again."""
_SETTLED = 2.0
"""Seconds that a file must be old: one changed twice within a tick of the file system's clock looks unchanged."""

Stamp = tuple[int, int]
"""A file's size in bytes and the time of its last change in nanoseconds."""


def files(folder: Path) -> Iterator[tuple[str, Stamp]]:
    """Yield the keys that the files of a folder are named after, sorted, with their stamps."""
    try:
        with os.scandir(folder) as entries:
            found = {entry.name[:-5]: entry.stat() for entry in entries if entry.name.endswith(".json")}
    except FileNotFoundError:
        return
    for name in sorted(found):
        if name[:1] != ".":
            yield name, (found[name].st_size, found[name].st_mtime_ns)


def read_index(path: Path) -> dict[str, tuple[Stamp, Record]]:
    """Return the records that an index holds, by key, with the stamps of their files; none where it is damaged."""
    provenances: list[Mapping[str, Any]] = []
    found: dict[str, tuple[Stamp, Record]] = {}
    try:
        with path.open(encoding="utf-8") as file:
            if json.loads(file.readline())["record_version"] != RECORD_VERSION:
                return {}
            # All lines at once: a call of the decoder for each takes a third as long again.
            for part in json.loads(f"[{','.join(file)}]"):
                if isinstance(part, dict):
                    provenances.append(part)
                    continue
                name, size, changed, provenance, content = part
                content["provenance"] = provenances[provenance]
                record = from_content(content)
                set_key(record.job, name)
                found[name] = (size, changed), record
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return {}
    return found


def index_lines(records: Iterable[tuple[str, Stamp, Record]]) -> Iterator[str]:
    """Yield the lines of an index of these records, but for those that have just been written."""
    provenances: dict[str, int] = {}
    settled = (time.time() - _SETTLED) * 1e9
    yield json.dumps({"record_version": RECORD_VERSION}) + "\n"
    for name, (size, changed), record in records:
        if changed > settled:
            continue
        content = record.content()
        del content["key"]
        # Few differ: those of a machine are all alike.
        provenance = json.dumps(content.pop("provenance"))
        if provenance not in provenances:
            provenances[provenance] = len(provenances)
            yield provenance + "\n"
        yield json.dumps([name, size, changed, provenances[provenance], content], separators=(",", ":")) + "\n"
