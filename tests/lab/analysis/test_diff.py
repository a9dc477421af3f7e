"""Two finished studies side by side, and what the command says of them."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from pathlib import Path

import pytest
from typer.testing import CliRunner

from localnorm.commands import app
from localnorm.errors import LabError
from localnorm.lab.analysis.diff import changes, difference
from localnorm.lab.analysis.statistics import Estimate
from localnorm.lab.analysis.table import Table, make_table
from localnorm.lab.records.record import Trial, key
from localnorm.lab.records.store import Store
from localnorm.lab.study.study import Study
from localnorm.lab.study.study_file import write_study
from made_records import DIGITS, ROWS, STUDY, Run, like, part_of, records

SMALL = replace(STUDY, tasks=(DIGITS,), norms=("none", "local"))


def _fate(local: float):
    """Return trials in which local's test error on the grid is so many points from none's."""
    return lambda t: Run(test=20.0 + local * (t.norm == "local") * (part_of(SMALL, t) != "batch") + t.seed % 1000)


def _table(local: float, study: Study = SMALL) -> Table:
    return make_table(study, records(study, _fate(local)))


def _folder(folder: Path, local: float, study: Study = SMALL) -> Path:
    write_study(folder, study)
    Store(folder).records.mkdir()
    for record in records(study, _fate(local)):
        # The store waits for the disk after each record; nothing here needs that.
        (Store(folder).records / f"{key(record.job)}.json").write_text(record.to_json(), encoding="utf-8")
    return folder


def _run(*words: object):
    return CliRunner().invoke(app, ["diff", *map(str, words)])


def test_the_interval_of_a_difference_adds_distances_as_squares():
    found = difference(Estimate(10.0, 7.0, 14.0), Estimate(12.0, 8.0, 13.0))
    assert found == Estimate(2.0, 2.0 - sqrt(4**2 + 4**2), 2.0 + sqrt(1**2 + 3**2))


def test_changes_are_of_what_both_have():
    found = changes(_table(-3.0), _table(2.0))
    assert found.only == ((), ())
    (cell,) = (c for c in found.cells if (c.row.name, c.norm) == ("generalization", "local"))
    assert (cell.tasks, cell.verdicts, cell.differs) == (("digits",), ("supported", "not supported"), True)
    assert cell.difference.value == pytest.approx(5.0, abs=1e-12)
    # The tests of both are 18, 19, 20 and 5 more, with the same bounds about them.
    assert cell.difference.high - 5.0 == pytest.approx(sqrt(2) * (cell.values[0].high - cell.values[0].value))
    (none,) = (c for c in found.cells if (c.row.name, c.norm) == ("generalization", "none"))
    assert (none.difference.value, none.verdicts, none.differs) == (0.0, (None, None), False)
    assert {(c.row.name, c.norm) for c in found.differing} == {("generalization", "local")}
    # A row that is its only task's stands there once.
    names = [(c.row.name, c.tasks, c.norm) for c in found.cells]
    assert len(names) == len(set(names)) == 8 * 2


def test_what_only_one_has_is_named_and_not_compared():
    wider = replace(SMALL, tasks=(DIGITS, ROWS), norms=("none", "local", "rms"))
    found = changes(_table(0.0), make_table(wider, records(wider)))
    assert found.only == ((), ("norm rms", "suitability for RNNs (digit-rows), % error"))
    two = replace(SMALL, tasks=(DIGITS, like(DIGITS, "scenes")))
    (first, second) = changes(_table(0.0), make_table(two, records(two))).only
    # The digits' own rows are compared; the means over both tasks are only in the second.
    assert first == ()
    assert "generalization (digits, scenes), smallest effects" in second
    assert "generalization (scenes), % error" in second


def test_same_verdicts_end_with_0_and_others_with_1(tmp_path: Path):
    before, after = _folder(tmp_path / "before", -3.0), _folder(tmp_path / "after", 2.0)
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    same = _run(before, before)
    assert same.exit_code == 0
    assert same.stdout.splitlines()[-1] == "0 of 8 verdicts differ."
    other = _run(before, after)
    assert (other.exit_code, other.stderr) == (1, "")
    lines = other.stdout.splitlines()
    assert lines[:3] == [f"A: {before}", f"B: {after}", "B minus A, with a 95 % interval; verdicts of A and of B."]
    assert lines[-2:] == ["1 of 8 verdicts differ:", "  generalization, local: supported -> not supported"]
    told = lines[lines.index("generalization (digits), % error") + 2]
    assert told.startswith("  local: 19.50 -> 24.50  +5.00 [")
    assert told.endswith("]  supported -> not supported")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == kept


def test_hostile_names_do_not_steer_the_terminal(tmp_path: Path):
    study = replace(SMALL, norms=("none", "\x1b[31mred"))
    write_study(tmp_path, study)
    assert "\x1b" not in _run(tmp_path, tmp_path).stdout


def test_what_can_not_be_compared_ends_with_2(tmp_path: Path):
    done = _folder(tmp_path / "done", 0.0)
    write_study(tmp_path / "begun", SMALL)
    for words, text in {
        (done, tmp_path / "begun"): "must have results to be compared with another, got",
        (done, tmp_path / "absent"): "must hold study.json or tune.json",
    }.items():
        result = _run(*words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert text in " ".join(result.stderr.split())
    assert not (tmp_path / "absent").exists()


def test_studies_that_share_nothing_are_not_compared():
    with pytest.raises(LabError, match="must have a row in common"):
        changes(replace(_table(0.0), rows=(), sections=()), _table(0.0))


def test_a_trial_of_each_task_has_its_model():
    two = replace(SMALL, tasks=(DIGITS, like(DIGITS, "scenes")))
    jobs = [record.job for record in records(two) if isinstance(record.job, Trial)]
    assert {(t.task, t.model) for t in jobs} == {("digits", "textbook_cnn"), ("scenes", "scenes model")}
