"""Studies from end to end: run, killed, interrupted, damaged, extended, and what they find."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localnorm.lab.compare import compare
from localnorm.lab.records import Trial, key
from localnorm.lab.store import Store
from localnorm.lab.study import Study
from localnorm.lab.study_folder import read_study
from localnorm.lab.table import make_table
from own_runners import alive, localnorm, until

NORMS = ("none", "local", "own_norms:placebo", "own_norms:harm")
JOBS = 1 + 2 * 4 + 4 * 2 * (2 + 1 + 1 + 2)  # probes; norms x seeds x (grid, draw, rows, batch sizes)


def _start(folder: Path, norms: tuple[str, ...] = NORMS, seeds: int = 2) -> subprocess.Popen[str]:
    return localnorm(
        "compare", "--smoke", "--norms", ",".join(norms), "--seeds", seeds, "--workers", 2, "--out", folder
    )


def _run(*given: Any, **more: Any) -> tuple[str, str]:
    """Run a study to its end; return stdout and stderr."""
    process = _start(*given, **more)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err


def _written(folder: Path) -> dict[str, int]:
    """Return when each record was written."""
    return {path.stem: path.stat().st_mtime_ns for path in (folder / "records").glob("*.json")}


def _table(folder: Path) -> dict[str, Any]:
    """Return the table without what depends on a clock."""
    table = json.loads((folder / "table.json").read_text())
    rows = [row for row in table["rows"] if row["row"]["repeats"]]
    assert [row["row"]["name"] for row in table["rows"] if row not in rows] == ["computational cost"]
    for row in rows:
        for cell in row["cells"]:
            assert ("timed" in cell["details"]) == (row["row"]["name"] == "suitability for RNNs")
            cell["details"].pop("timed", None)
    return {**table, "rows": rows}


def _results(folder: Path) -> dict[str, Any]:
    """Return the results by key, but for the times of the probe of cost."""
    sound, damaged = Store(folder).read()
    assert not damaged
    return {name: record.results for name, record in sound.items() if record.job.name != "cost"} if sound else {}


def _children(pid: int) -> set[int]:
    """Return the processes that a process started."""
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was run to its end without interruption."""
    folder = tmp_path_factory.mktemp("finished") / "study"
    out, err = _run(folder)
    assert "generalization" in out
    # Two lines: progress is quiet where stderr is no terminal.
    assert err.splitlines() == [
        f"running {JOBS} jobs into {folder} with 2 workers",
        f"report: {folder}/report.html   table: {folder}/table.json, {folder}/table.csv",
    ]
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished study."""
    return shutil.copytree(finished, tmp_path / "study")
