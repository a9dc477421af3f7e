"""Studies from end to end: run, killed, interrupted, damaged, extended, and their results.

Tests of a minute are slow; their quick forms are in `test_faults` (killed), `test_records` (damaged) and
`test_compare_user_data` (extended).
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from localnorm.lab.analysis.table import make_table
from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.records.record import Trial
from localnorm.lab.records.store import Store
from localnorm.lab.run.compare import compare
from localnorm.lab.run.settings import StudySettings, make_study, read_settings
from localnorm.lab.study.jobs import runs_alone
from localnorm.lab.study.study import Study
from localnorm.lab.study.study_file import read_study
from localnorm.lab.tasks import task_studies
from user_runners import alive, localnorm, until

NORMS = ("none", "local", "user_norms:placebo", "user_norms:harm")
# Probes; norms x (the learning rates of digits and digit-rows, of one pilot seed; two batch sizes of two seeds).
FIRST = 1 + 2 * 4 + 4 * (2 + 1 + 2 * 2)


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
    for row in (*rows, *(row for section in table["sections"] for row in section["rows"])):
        for cell in row["cells"]:
            assert ("timed" in cell["details"]) == (row["row"]["name"] == "suitability for RNNs")
            cell["details"].pop("timed", None)
    return {**table, "rows": rows}


def _results(folder: Path) -> dict[str, Any]:
    """Return the results by key, but for the times of the probe of cost."""
    sound, damaged = Store(folder).read()
    assert not damaged
    return {name: record.results for name, record in sound.items() if not runs_alone(record.job)}


def _children(pid: int) -> set[int]:
    """Return the processes that a process started."""
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was run to its end without interruption."""
    folder = tmp_path_factory.mktemp("finished") / "study"
    out, err = _run(folder)
    assert "generalization" in out
    # At most a line every ten seconds between the first and the last.
    first, *progress, last = err.splitlines()
    assert first == f"running {FIRST} jobs into {folder} with 2 workers"
    assert all(
        re.match(r"\d+ done, \d+ running, \d+ failed, \d+ of \d+ cells decided, ", line) for line in progress
    )
    assert last == f"report: {folder}/report.html   table: {folder}/table.json, {folder}/table.csv"
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished study."""
    return shutil.copytree(finished, tmp_path / "study")


@pytest.mark.slow
def test_killed_twice_and_extended_by_a_seed_it_runs_what_is_missing_and_finds_the_same(
    finished: Path, tmp_path: Path
):
    before: dict[str, int] = {}
    for seeds, enough in ((1, 1), (2, 30)):
        process = _start(tmp_path, seeds=seeds)
        assert until(lambda enough=enough: len(_written(tmp_path)) >= enough, seconds=120)
        workers = _children(process.pid)
        process.kill()
        process.communicate()
        assert until(lambda workers=workers: not any(map(alive, workers)), seconds=10)
        assert _written(tmp_path).items() >= before.items()
        before = _written(tmp_path)
    _, err = _run(tmp_path)
    kept = len(before)
    assert re.search(rf"{kept} of \d+ jobs are in {tmp_path} already; running the other \d+", err)
    assert _written(tmp_path).items() >= before.items(), "a finished job was run again"
    assert not list((tmp_path / "records").glob(".*"))
    assert _results(tmp_path) == _results(finished)
    assert _table(tmp_path) == _table(finished)


@pytest.mark.slow
def test_a_damaged_record_is_named_and_its_job_alone_run_again(finished: Path, copied: Path):
    trials = [name for name, record in Store(copied).read()[0].items() if isinstance(record.job, Trial)]
    damaged = copied / "records" / f"{trials[7]}.json"
    damaged.write_text(damaged.read_text()[:200])
    before = _written(copied)
    _, err = _run(copied)
    lines = err.splitlines()
    assert lines[0].startswith(
        f"damaged, run again: {damaged}: a record must be complete JSON, got JSONDecodeError"
    )
    jobs = len(before)
    assert lines[1] == f"{jobs - 1} of {jobs} jobs are in {copied} already; running the other 1"
    assert {name for name, at in _written(copied).items() if at != before[name]} == {trials[7]}
    assert _results(copied) == _results(finished)
    assert _table(copied) == _table(finished)


def test_interrupted_it_says_so_and_leaves_no_worker(tmp_path: Path):
    process = _start(tmp_path)
    assert until(lambda: len(_written(tmp_path)) >= 3, seconds=120)
    workers = _children(process.pid)
    assert len(workers) >= 2
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    kept = re.search(
        rf"interrupted; (\d+) more jobs? (?:is|are) kept in {tmp_path}; run the same command again to resume", err
    )
    # A worker may have written a record that the command had not heard of yet.
    assert 1 <= int(kept[1]) <= len(_written(tmp_path))
    assert until(lambda: not any(map(alive, workers)), seconds=10)
    assert not Store(tmp_path).read()[1]
    with Store(tmp_path).locked():
        pass


@pytest.mark.slow
def test_extended_by_a_norm_it_runs_only_what_is_new(copied: Path):
    before = _written(copied)
    _, err = _run(copied, norms=(*NORMS, "rms"))
    assert f"{len(before)} of " in err
    assert _written(copied).items() >= before.items()
    new = [record.job for name, record in Store(copied).read()[0].items() if name not in before]
    # The cost of all side by side; and of rms scope, flexibility and its trials.
    assert {job.norm for job in new if isinstance(job, Trial)} == {"rms"}
    probes = [job for job in new if not isinstance(job, Trial)]
    assert sorted(job.name for job in probes) == ["cost", "flexibility", "scope"]
    table = json.loads((copied / "table.json").read_text())
    for row in table["rows"]:
        assert [cell["norm"] for cell in row["cells"]] == [*NORMS, "rms"]
        assert all(cell["estimate"] for cell in row["cells"])


@pytest.mark.slow
def test_a_task_of_ones_own_takes_part_and_another_is_added_later(tmp_path: Path):
    """Nothing of the lab knows these tasks: that they can be imported is all it takes."""
    file, folder = tmp_path / "mine.toml", tmp_path / "study"
    file.write_text('norms = "none,user_norms:placebo"\ntask = "user_tasks:tiny"\nseeds = 6\nworkers = 1\n')

    study = make_study(StudySettings(**read_settings(file)))
    # Probes; norms x (pilot seeds x learning rates, judged seeds x (chosen setting, batch sizes)); tuned settings.
    assert len(list(compare(study, folder, EngineSetup(workers=1), every_seed=True))) >= 5 + 2 * (5 * 2 + 6 * 3)
    before = _written(folder)
    more = ("--task", "user_tasks:tiny,user_tasks:styled")
    process = localnorm("compare", "--study", file, "--out", folder, *more)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "generalization" in out
    assert (folder / "study.toml").read_text() == file.read_text()
    assert f"{len(before)} of {len(before) + 10} jobs are in {folder} already; running the other 10" in err
    assert _written(folder).items() >= before.items()
    table = make_table(read_study(folder), list(Store(folder).read()[0].values()))
    for row in (row for section in table.sections for row in section.rows):
        placebo = row.cell("user_norms:placebo")
        assert placebo.judgement.difference.value == 0
        assert placebo.verdict in ("not supported", "undecided")
        assert placebo.judgement.comparison == "no different"
    assert table.row("robustness to noise").cell("user_norms:placebo").details["relative_to_none"] == {
        "noise": 1.0, "mean": 1.0
    }  # fmt: skip
    assert table.row("suitability for style transfer").tasks == ("user_tasks:styled",)


@pytest.mark.slow
def test_the_placebo_is_undecided_and_the_harm_is_found(tmp_path: Path):
    digits, rows = task_studies(["digits", "digit-rows"])
    images = replace(
        digits.schedule, learning_rates=(3e-3, 1e-2), epochs=2, draws=1, batch_sizes=(32, 128), batch_epochs=1
    )
    few = replace(rows.schedule, learning_rates=(3e-3,), epochs=2)
    every = {"seeds": tuple(range(6)), "pilot_seeds": (1000, 1001)}
    study = Study(
        (replace(digits, schedule=images), replace(rows, schedule=few)),
        norms=("none", "user_norms:placebo", "user_norms:harm"),
        **every,
    )
    table = make_table(study, list(compare(study, tmp_path, EngineSetup(workers=2), every_seed=True)))
    for row in table.rows:
        placebo = row.cell("user_norms:placebo")
        assert placebo.verdict in ("undecided", "not supported")
        assert placebo.judgement.comparison in ("no different", "undecided")
        assert placebo.judgement.difference.value == 0 or row.row.name == "computational cost"
    harm = table.row("generalization").cell("user_norms:harm")
    assert (harm.verdict, harm.judgement.comparison) == ("not supported", "worse")
    assert harm.judgement.difference.value > 10
    assert table.row("robustness to noise").cell("user_norms:harm").judgement.comparison == "worse"
