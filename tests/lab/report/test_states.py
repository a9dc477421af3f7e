"""A report of a study that is unfinished, too small, failed in part or damaged; and the terminal's view of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import image_records
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.records.store import Store
from localnorm.lab.report import write_report
from localnorm.lab.report.terminal import MOST_LINES
from localnorm.lab.study.study import TaskStudy
from report_readers import figures, on_task, opinions, printed, written
from report_records import DIGITS, ROWS, STUDY, ended, write_records


@pytest.mark.parametrize("width", [80, 120])
def test_terminal_holds_every_verdict_in_its_width(tmp_path: Path, width: int) -> None:
    report = write_report(
        write_records(tmp_path, change=ended("instance", "failed", "no positions", "digit-rows"))
    )
    lines = printed(report, width).splitlines()
    assert max(map(len, lines)) <= width
    assert len(lines) <= MOST_LINES
    claims = [line for line in lines if re.match(r"(supported|not supported|undecided)  ", line)]
    assert len(claims) == len(opinions(report))
    for line, (_, norm, claim, verdict) in zip(claims, opinions(report), strict=True):
        assert re.match(rf"{verdict} +[\w ]+, {norm} {claim}(: |…|$)", line)
    # What is cut at the width of a terminal has its numbers in the report.
    assert any(line.endswith("…") for line in claims) == (width == 80)
    assert "suitability for RNNs (instance)" in " ".join(lines)


def test_terminal_is_not_steered_by_records(tmp_path: Path) -> None:
    study = replace(STUDY, norms=("none", "[red]x[/nope]", "\x1b[31mred", "my_package.norms:placebo"))
    shown = printed(write_report(write_records(tmp_path, study)), 80)
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "[red]x[/" in shown
    assert "?[31mred" in shown


def _no(_: Record) -> None:
    return None


def _half(record: Record) -> Record | None:
    return record if isinstance(record.job, Trial) and record.job.norm in ("none", "local") else None


# Before any record the pilot and the probes are wanted. Of two norms: the pilot, 6 judged seeds of 2 tasks and of
# 2 batch sizes; the defaults and a sample wait for the pilot of every norm.
@pytest.mark.parametrize(("change", "done", "wanted"), [(_no, 0, 141), (_half, 60, 165)])
def test_unfinished_study_says_so(
    tmp_path: Path, change: Callable[[Record], Record | None], done: int, wanted: int
) -> None:
    report, page = written(write_records(tmp_path, change=change))
    assert (report.done, report.wanted) == (done, wanted)
    assert f"Unfinished. {done} jobs of {wanted} are done" in page.text
    assert f"stopped before {wanted - done} jobs that the next look needs" in " ".join(printed(report, 80).split())
    assert ": not run yet" in page.text
    assert ("Nothing has been run yet" in page.text) == (done == 0)
    # Figures, and what draws them.
    assert [len(on_task(report, task.name).scripts) for task in report.table.study.tasks] == [2 if done else 0] * 2
    assert {verdict for _, norm, _, verdict in opinions(report) if norm != "local"} == {"undecided"}


def test_two_seeds_decide_nothing_that_is_trained(tmp_path: Path) -> None:
    report, page = written(write_records(tmp_path, replace(STUDY, seeds=(0, 1))))
    trained = [row for row in report.table.rows if row.row.unit in ("% error", "points of error")]
    assert len(trained) == 6
    assert {cell.verdict for row in trained for cell in row.cells if cell.norm != "none"} == {"undecided"}
    assert "Too few seeds. With 2 seeds" in page.text
    assert "verdicts start at 6" in page.text


def test_diverged_norm_has_no_number_and_no_line(tmp_path: Path) -> None:
    report, page = written(write_records(tmp_path, change=ended("layer", "diverged", "not finite in epoch 1")))
    assert report.counts == {
        "ok": 6 * 41 + 3,
        "pruned": 0,
        "diverged": 33,
        "out of memory": 0,
        "timed out": 0,
        "failed": 0,
    }
    drawn = {**figures(on_task(report, "digits")), **figures(on_task(report, "digit-rows"))}
    assert {trace["name"] for trace in drawn["learning-0"]["data"]} == {*STUDY.norms} - {"layer"}
    notes = [note["text"] for figure in drawn.values() for note in figure["layout"].get("annotations", [])]
    tried = len(DIGITS.schedule.learning_rates) + len(ROWS.schedule.learning_rates)
    assert notes == ["diverged in 2 of 2"] * tried
    assert "diverged: not finite in epoch 1" in page.text
    assert "33 diverged" in printed(report, 80)


def test_damaged_records_are_named_and_left_out(tmp_path: Path) -> None:
    folder = write_records(tmp_path)
    first, second = sorted(Store(folder).records.iterdir())[:2]
    first.write_text(first.read_text(encoding="utf-8")[:50], encoding="utf-8")
    second.rename(second.with_name("b" * 24 + ".json"))
    report, page = written(folder)
    assert report.done == report.wanted - 2
    for name in (first.name, "b" * 24 + ".json"):
        assert name in page.text
        assert name in printed(report, 80)


def test_half_a_character_in_a_message_can_be_written(tmp_path: Path) -> None:
    _, page = written(write_records(tmp_path, change=ended("rms", "failed", "no file \udcff")))
    assert r"no file \udcff" in page.text


@pytest.mark.parametrize("task", image_records.STUDY.tasks, ids=lambda task: task.name)
@pytest.mark.parametrize("norms", [("none",), ("none", "instance")], ids=len)
def test_any_task_alone_with_one_norm_or_two_has_a_report(
    tmp_path: Path, task: TaskStudy, norms: tuple[str, ...]
) -> None:
    study = replace(image_records.STUDY, tasks=(task,), norms=norms)
    report, page = written(write_records(tmp_path, study, image_records.with_images))
    assert report.done == report.wanted
    assert len(on_task(report, task.name).scripts) == 2
    assert "Which should I use?" in page.text
    assert page.text.count("not measured") >= 3
    assert printed(report, 80).startswith(f"On {task.name}: ")
