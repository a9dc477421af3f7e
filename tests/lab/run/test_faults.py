"""Faults injected into running studies: run again, each has every record, once and undamaged."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import faults
from fault_table import suffer, undisturbed
from localnorm.lab.records.store import Store

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def wanted() -> Mapping[str, Any]:
    """Outcome of the study without a fault."""
    return undisturbed()


QUICK = {"both killed before rename"}
"""The hardest one; the others take as long again and differ in the moment, or in who is killed."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in faults.FAULTS]
)
def test_none_is_lost_none_twice_none_torn(name: str, wanted: Mapping[str, Any], tmp_path: Path):
    outcome = suffer(name, 1, tmp_path, wanted)
    fault = outcome.fault
    assert outcome.sound, outcome
    assert (outcome.ends, fault.says in outcome.said) == (fault.ends, True), outcome.said
    # A fault that ends the driver leaves something to do, so that the second run is a test of anything.
    assert outcome.before < outcome.trials if fault.ends else outcome.before == outcome.trials
    statuses = [status for status, _ in wanted.values()]
    assert statuses == ["ok"] * faults.SEEDS
    if fault.status != "ok":
        found = [record.status for record in Store(tmp_path).read()[0].values()]
        assert found.count(fault.status) == 1


def test_a_read_only_folder_is_refused_before_any_work_and_nothing_changed(tmp_path: Path):
    faults.prepare(tmp_path)
    (tmp_path / "records").chmod(0o555)
    tmp_path.chmod(0o555)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    try:
        process = faults.start(tmp_path, "", -1)
        _, said = process.communicate(timeout=60)
    finally:
        tmp_path.chmod(0o755)
    assert process.returncode == 1
    assert f"FolderError: a study's folder must be writable, got Permission denied for {tmp_path}" in said
    assert "run the same command again: finished jobs are kept" in said
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
