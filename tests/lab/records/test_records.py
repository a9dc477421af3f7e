"""Records, their keys, and the store."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import fields, replace
from functools import partial
from pathlib import Path

import pytest

import user_runners
from localnorm.errors import RecordError, StudyConflictError
from localnorm.lab.records import record
from localnorm.lab.records.record import Job, Probe, Record, Trial, from_json, key
from localnorm.lab.records.store import Store

TRIAL = Trial("digits", "textbook_cnn", "local", 3, 3e-3, 32, 5, (("alpha", 1e-4), ("n", 5)))
PROBE = Probe("cost", ("none", "local"))
CHANGED = {
    "task": "other",
    "model": "other",
    "norm": "batch",
    "seed": 4,
    "learning_rate": 1e-3,
    "batch_size": 8,
    "epochs": 6,
    "settings": (("alpha", 1e-4), ("n", 7)),
    "judged": True,
    "corrupted": True,
    "features": True,
    "device": "cuda",
    "precision": "bf16-mixed",
}
RECORD = Record(
    TRIAL, "ok", "", {"test_error": 12.5, "train_loss": [2.0, 1.0]}, {"wall_seconds": 1.5}, {"commit": None}
)
every_job = pytest.mark.parametrize("job", [TRIAL, PROBE], ids=["trial", "probe"])


@every_job
def test_equal_jobs_have_equal_keys(job: Job):
    assert key(replace(job)) == key(job)


def test_a_key_is_the_same_in_every_process():
    code = f"from localnorm.lab.records.record import *; print(*map(key, {[TRIAL, PROBE]}))"
    run = partial(subprocess.check_output, [sys.executable, "-c", code], text=True)
    found = [run(env={**os.environ, "PYTHONHASHSEED": seed}) for seed in "12"]
    # Written out: a change of keys makes every record that anyone has worthless.
    assert found == ["1059be5808e0899ed23ddd3e defec3ffeddbec42f338b31a\n"] * 2
    assert found[0].startswith(f"{key(TRIAL)} {key(PROBE)}")


def test_any_change_of_a_job_changes_its_key(monkeypatch: pytest.MonkeyPatch):
    assert set(CHANGED) == {field.name for field in fields(Trial)}
    others = [replace(TRIAL, **{name: value}) for name, value in CHANGED.items()]
    probes = [
        PROBE,
        replace(PROBE, name="scope"),
        replace(PROBE, norms=("local", "none")),
        replace(PROBE, device="cuda"),
    ]
    keys = {key(job) for job in (TRIAL, *others, *probes)}
    assert len(keys) == 1 + len(others) + len(probes)
    monkeypatch.setattr(record, "RECORD_VERSION", 4)
    assert key(replace(TRIAL)) not in keys


@every_job
@pytest.mark.parametrize("status", record.STATUSES)
def test_a_record_is_read_back_as_it_was(job: Job, status: record.Status):
    record = replace(RECORD, job=job, status=status, message="why: “π”")
    assert from_json(record.to_json(), key(job)) == record


def _without(*parts: str) -> str:
    content = json.loads(RECORD.to_json())
    place = content
    for part in parts[:-1]:
        place = place[part]
    del place[parts[-1]]
    return json.dumps(content)


SOUND = RECORD.to_json()
DAMAGED = {
    "not JSON": ("\0\0\0", "complete JSON, got JSONDecodeError"),
    "empty": ("", "complete JSON, got JSONDecodeError"),
    "truncated": (SOUND[:-30], "complete JSON, got JSONDecodeError"),
    "a list": ("[]", "complete JSON, got TypeError"),
    **{
        f"no {part}": (_without(part), f"complete JSON, got KeyError: '{part}'")
        for part in ("job", "status", "message", "results", "timing", "provenance")
    },
    "no kind": (_without("job", "kind"), "got KeyError: 'kind'"),
    "no seed": (_without("job", "seed"), "got TypeError: .*missing.*'seed'"),
    "changed number": (SOUND.replace("12.5", "12.6"), "must match its checksum"),
    "no checksum": (_without("checksum"), "must match its checksum"),
    **{
        f"version {version}": (
            SOUND.replace('"record_version": 3', f'"record_version": {version}'),
            f"must be of version 3, got version {version}; .* use another output folder",
        )
        for version in (1, 7)
    },
    "unknown status": (
        SOUND.replace('"status": "ok"', '"status": "fine"'),
        "one of ok, pruned, diverged, out of memory, timed out, failed, got 'fine'",
    ),
    "another job's": (
        SOUND.replace('"seed": 3', '"seed": 4'),
        f"whose key is {key(replace(TRIAL, seed=4))}, got {key(TRIAL)}",
    ),
}


@pytest.mark.parametrize(("text", "problem"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_record_is_named_and_the_others_read(tmp_path: Path, text: str, problem: str):
    with pytest.raises(RecordError, match=problem):
        from_json(text, key(TRIAL))
    store = Store(tmp_path)
    store.write(replace(RECORD, job=PROBE))
    path = store.records / f"{key(TRIAL)}.json"
    path.write_text(text, encoding="utf-8")
    sound, (damaged,) = store.read()
    assert (list(sound), damaged.path) == ([key(PROBE)], path)
    with pytest.raises(RecordError, match=problem):
        raise RecordError(damaged.problem)


def test_bytes_that_are_no_text_are_damage(tmp_path: Path):
    store = Store(tmp_path)
    store.write(RECORD)
    (store.records / f"{key(TRIAL)}.json").write_bytes(b"\xff\xfe")
    sound, (damaged,) = store.read()
    assert not sound
    assert "can't decode byte 0xff" in damaged.problem


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_no_record_holds_a_number_that_json_has_not(tmp_path: Path, number: float):
    store = Store(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.write(replace(RECORD, results={"test_error": number}))
    assert store.read() == ({}, ())
    assert not list(store.records.iterdir())


def test_kill_at_any_moment_leaves_whole_records(tmp_path: Path):
    cut_short = 0
    for attempt in range(40):
        store = Store(tmp_path / str(attempt))
        process = user_runners.start(user_runners.write_for_ever, store.folder)
        assert user_runners.until(lambda records=store.records: list(records.glob("*.json")))
        time.sleep(random.uniform(0, 0.05))
        # Random moments first; a disk may be so fast that none of them falls into a write.
        while attempt >= 10 and not list(store.records.glob(".*.tmp")):
            pass
        process.kill()
        process.wait()
        sound, damaged = store.read()
        assert sound
        assert not damaged
        rest = [path.name for path in store.records.iterdir() if path.stem not in sound]
        assert all(name[0] == "." and name.endswith(".tmp") for name in rest)
        cut_short += len(rest)
        with store.locked():
            assert {path.stem for path in store.records.iterdir()} == set(sound)
        if attempt >= 10 and cut_short:
            break
    assert cut_short, "no kill came in the middle of a write, so nothing was tested"


def test_a_folder_has_one_running_study_and_kill_frees_it(tmp_path: Path):
    process = user_runners.start(user_runners.lock_for_ever, tmp_path)
    assert user_runners.until((tmp_path / ".held").exists)
    with pytest.raises(StudyConflictError, match="which another process uses; wait for it"):
        Store(tmp_path).locked().__enter__()
    process.kill()
    process.wait()
    with Store(tmp_path).locked():
        pass
