"""The file of results: one JSON object a line, the first of them where and with what it was measured.

A line is appended in one write when it is known, so that an interrupted run leaves all that it measured. A contest
that is run again counts from its last run on.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from localnorm.lab.records.provenance import provenance

FOLDER = Path(__file__).resolve().parents[1] / "results"
_RIVALS = (
    *(
        "numba",
        "llvmlite",
        "triton",
        "ml_dtypes",
        "jax",
        "jaxlib",
        "tensorflow",
        "tensorflow-cpu",
        "onnxruntime",
        "openvino",
    ),
    *("opencv-python-headless", "opencv-python"),
)
_SAME = ("commit", "processor", "cores", "threads")

Record = dict[str, Any]


def here(threads: int) -> Record:
    """Return the first line: versions, machine, date, commit, and how many processes ran in the minute before."""
    found = provenance()
    versions = {name: found["versions"][name] for name in ("python", "localnorm", "torch", "numpy")}
    for package in _RIVALS:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    date, load = datetime.now(UTC).date().isoformat(), round(os.getloadavg()[0], 2)
    return {**found, "versions": versions, "threads": threads, "date": date, "load": load}


def new_file(first: Record, folder: Path, kind: str = "cpu") -> Path:
    """Return a name for the results of this machine and session that no file has."""
    machine = re.sub(r"[^a-z0-9]+", "-", first["processor"].lower()).strip("-")
    name = f"{kind}-{machine}-{first['date']}"
    names = (f"{name}{suffix}.jsonl" for suffix in ("", *(f"-{i}" for i in range(2, 1000))))
    return next(path for path in map(folder.joinpath, names) if not path.exists())


class Writer:
    """Appends to a file, and begins it where it is not there yet.

    Args:
        path: the file; one that was measured at another commit or on another machine is refused.
        first: the first line; without it the file is one that is there.
    """

    def __init__(self, path: Path, first: Record | None = None) -> None:
        self.path = path
        if first is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            self.append(first)
            return
        there = read(path).first
        for name in _SAME:
            if there[name] != first[name]:
                raise SystemExit(
                    f"{path.name} is of {name} {there[name]}, not {first[name]}: write to another file."
                )

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one line."""
        line = (json.dumps(record) + "\n").encode()
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(file, line)
        finally:
            os.close(file)


class Results:
    """What a file holds.

    Attributes:
        first: its first line.
        records: of the last run of each contest.
    """

    def __init__(self, first: Record, records: Iterable[Record]) -> None:
        records = list(records)
        last = {(record["part"], record["contest"]): record["started"] for record in records}
        self.first = first
        self.records = [r for r in records if last[r["part"], r["contest"]] == r["started"]]

    def all(self, **wanted: object) -> Iterator[Record]:
        """Yield the records that have these values."""
        return (r for r in self.records if all(r.get(name) == value for name, value in wanted.items()))

    def one(self, **wanted: object) -> Record | None:
        """Return the record that has these values, None where there is none that counts.

        One that was left out or is inaccurate does not count.
        """
        found = (r for r in self.all(**wanted) if "left_out" not in r and r.get("accurate", True))
        return next(found, None)


def read(path: Path) -> Results:
    """Return the results of a file; a line that was cut off while it was written does not count."""
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    first, *records = (json.loads(line) for line in whole.splitlines())
    return Results(first, records)


def newest(folder: Path = FOLDER) -> Path | None:
    """Return the file that was begun last, None where there is none."""

    def begun(path: Path) -> tuple[str, int, str]:
        return read(path).first["date"], len(path.stem), path.stem  # -2 comes after a name without a number

    return max(folder.glob("cpu-*.jsonl"), key=begun, default=None)


def milliseconds(record: Record | None) -> float | None:
    """Return the median over the rounds."""
    return None if record is None else float(median(record["milliseconds"]))


def ratio(record: Record | None, to: Record | None) -> float | None:
    """Return how many times as long one takes as another: the median of the ratios within a round."""
    if record is None or to is None:
        return None
    if any(record[name] != to[name] for name in ("part", "contest", "started")):
        raise ValueError(f"{record['contest']} and {to['contest']} do not share their rounds")
    rounds = zip(record["milliseconds"], to["milliseconds"], strict=True)
    return float(median(one / other for one, other in rounds))
