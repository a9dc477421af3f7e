"""Index of many records: equal to the files, and never needed."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from localnorm.lab.records import index, store
from localnorm.lab.records.index import INDEX_FILE, index_lines, read_index
from localnorm.lab.records.record import Record, Trial, key
from localnorm.lab.records.store import Store

RECORDS = [
    Record(
        Trial("digits", "textbook_cnn", "local", seed, 3e-3, 32, 5, (("alpha", 1e-4), ("n", 5))),
        "ok" if seed else "failed",
        "" if seed else "why: “π”",
        {"test_error": 12.5 + seed, "train_loss": [2.0, 1.0]},
        {"wall_seconds": 1.5},
        {"commit": None, "cores": seed // 3},
    )
    for seed in range(5)
]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store whose records were written a minute ago, with an index."""
    monkeypatch.setattr(store, "ENOUGH", 2)
    made = Store(tmp_path)
    for record in RECORDS:
        made.write(record)
        _age(made.records / f"{key(record.job)}.json", 60)
    made.read()
    assert len(read_index(tmp_path / INDEX_FILE)) == len(RECORDS)
    return made


def _age(path: Path, seconds: float) -> None:
    at = time.time() - seconds
    os.utime(path, (at, at))


def test_records_are_the_same_with_and_without_an_index(kept: Store, monkeypatch: pytest.MonkeyPatch):
    with_index = kept.read()
    (kept.folder / INDEX_FILE).unlink()
    assert with_index == kept.read() == ({key(r.job): r for r in sorted(RECORDS, key=lambda r: key(r.job))}, ())
    # And with it no file is read.
    monkeypatch.setattr(store, "from_json", lambda *_: pytest.fail("a record that is in the index was read"))
    found, _ = kept.read()
    assert [key(replace(record.job)) for record in found.values()] == list(found)


def test_a_record_changed_since_is_read_from_its_file(kept: Store):
    changed = replace(RECORDS[1], results={"test_error": 0.5})
    kept.write(changed)
    torn = kept.records / f"{key(RECORDS[2].job)}.json"
    torn.write_text(torn.read_text()[:-9])
    (kept.records / f"{key(RECORDS[3].job)}.json").unlink()
    sound, damaged = kept.read()
    assert sound[key(changed.job)] == changed
    assert [each.path for each in damaged] == [torn]
    assert set(sound) == {key(RECORDS[place].job) for place in (0, 1, 4)}


@pytest.mark.parametrize("damage", ["", "{", '{"record_version": 1}\n', '{"record_version": 3}\n[1, 2]\n', "torn"])
def test_a_damaged_index_is_made_again(kept: Store, damage: str):
    path, before = kept.folder / INDEX_FILE, kept.read()
    path.write_text(path.read_text()[:-20] if damage == "torn" else damage)
    assert not read_index(path)
    assert kept.read() == before
    assert len(read_index(path)) == len(RECORDS)


def test_a_record_just_written_is_not_trusted_to_its_stamp():
    now = time.time_ns()
    lines = list(index_lines(("name", (9, now - back), RECORDS[0]) for back in (0, int(3e9))))
    assert [json.loads(line)[2] for line in lines[2:]] == [now - int(3e9)]


def test_few_records_have_no_index_and_a_full_disk_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = Store(tmp_path)
    for record in RECORDS:
        made.write(record)
    made.read()
    assert index.ENOUGH == 1000
    assert not (tmp_path / INDEX_FILE).exists()
    monkeypatch.setattr(store, "ENOUGH", 2)
    (tmp_path / f".{INDEX_FILE}.{os.getpid()}.tmp").symlink_to("/dev/full")
    assert len(made.read()[0]) == len(RECORDS)
    assert not (tmp_path / INDEX_FILE).exists()
