"""Read and write the results: JSON lines, of which the first describes the machine and the versions.

Each line is appended in one write as soon as it is measured, so that an interrupted run loses nothing. Of a
comparison that was run more than once, the last run counts.
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

FOLDER = Path(__file__).resolve().parents[2] / "results"
_PACKAGES = (
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
_RENAMED = {
    "torch.compile, its own": "torch.compile of torch.nn.functional.local_response_norm",
    "torch.compile, slices": "torch.compile of the formula with slices",
    "torch.compile, slices without pow": "torch.compile of the formula with slices, without pow",
    "JAX, slices": "JAX, the formula with slices",
}
"""Implementations whose names in older results files differ from today's."""
_SAME = ("commit", "processor", "cores", "threads")

Row = dict[str, Any]


def here(threads: int) -> Row:
    """Return the first line: versions, machine, date, commit, and the load average of the last minute."""
    origin = provenance()
    versions = {name: origin["versions"][name] for name in ("python", "localnorm", "torch", "numpy")}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    date, load = datetime.now(UTC).date().isoformat(), round(os.getloadavg()[0], 2)
    return {**origin, "versions": versions, "threads": threads, "date": date, "load": load}


def new_file(first: Row, folder: Path, kind: str = "cpu") -> Path:
    """Return a new file name for results of this machine and day."""
    machine = re.sub(r"[^a-z0-9]+", "-", first["processor"].lower()).strip("-")
    name = f"{kind}-{machine}-{first['date']}"
    names = (f"{name}{suffix}.jsonl" for suffix in ("", *(f"-{i}" for i in range(2, 1000))))
    return next(path for path in map(folder.joinpath, names) if not path.exists())


class Writer:
    """Append lines to a results file, and create it if necessary.

    Args:
        path: the file; if it exists, it must be of the same commit and machine.
        first: the first line; None to append to an existing file without this check.
    """

    def __init__(self, path: Path, first: Row | None = None) -> None:
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
    """The content of a results file.

    Attributes:
        first: its first line.
        records: those of the last run of each comparison.
    """

    def __init__(self, first: Row, records: Iterable[Row]) -> None:
        records = list(records)
        last = {(record["part"], record["comparison"]): record["started"] for record in records}
        self.first = first
        self.records = [r for r in records if last[r["part"], r["comparison"]] == r["started"]]

    def all(self, **wanted: object) -> Iterator[Row]:
        """Yield the records that have these values."""
        return (r for r in self.records if all(r.get(name) == value for name, value in wanted.items()))

    def one(self, **wanted: object) -> Row | None:
        """Return the record that has these values, None if there is none.

        Records of implementations that could not run or are inaccurate are ignored.
        """
        found = (r for r in self.all(**wanted) if "left_out" not in r and r.get("accurate", True))
        return next(found, None)


def read(path: Path) -> Results:
    """Return the results of a file; an incomplete last line is ignored."""
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    first, *records = (json.loads(line) for line in whole.splitlines())
    for record in records:
        record["implementation"] = _RENAMED.get(record["implementation"], record["implementation"])
    return Results(first, records)


def newest(folder: Path = FOLDER) -> Path | None:
    """Return the newest file, None if there is none."""

    def started(path: Path) -> tuple[str, int, str]:
        return read(path).first["date"], len(path.stem), path.stem  # -2 comes after a name without a number

    return max(folder.glob("cpu-*.jsonl"), key=started, default=None)


def milliseconds(record: Row | None) -> float | None:
    """Return the median over the rounds."""
    return None if record is None else float(median(record["milliseconds"]))


def ratio(record: Row | None, to: Row | None) -> float | None:
    """Return the time of one record divided by that of another: the median of the ratios within a round."""
    if record is None or to is None:
        return None
    if any(record[name] != to[name] for name in ("part", "comparison", "started")):
        raise ValueError(f"{record['comparison']} and {to['comparison']} do not share their rounds")
    rounds = zip(record["milliseconds"], to["milliseconds"], strict=True)
    return float(median(one / other for one, other in rounds))
