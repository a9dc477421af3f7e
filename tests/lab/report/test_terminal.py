"""The final screen: at most 45 lines, the answer first, one line for too few seeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localnorm.lab.report import read_report
from localnorm.lab.report.terminal import MOST_LINES
from report_readers import printed
from report_records import DIGITS, ROWS, STUDY, write_records


def _like(place: int):
    return replace(DIGITS, name=f"digits {place}", model=f"model {place}", schedule=ROWS.schedule)


@pytest.mark.parametrize("width", [80, 120])
def test_a_study_of_seven_norms_and_five_tasks_fits_45_lines(tmp_path: Path, width: int) -> None:
    study = replace(STUDY, tasks=(ROWS, *map(_like, range(4))))
    assert (len(study.norms), len(study.tasks)) == (7, 5)
    shown = printed(read_report(write_records(tmp_path, study)), width).splitlines()
    assert len(shown) <= MOST_LINES
    assert max(map(len, shown)) <= width
    assert shown[0].startswith("On these 5 tasks: ")
    assert any(line.startswith("Report: ") for line in shown)
    assert any(line.startswith("Next: ") for line in shown)


def test_too_few_seeds_are_one_line(tmp_path: Path) -> None:
    shown = " ".join(printed(read_report(write_records(tmp_path, replace(STUDY, seeds=(0, 1)))), 80).split())
    assert shown.count("Too few seeds to decide anything that is trained: 2 of at least 6") == 1
    assert "localnorm compare --seeds 6" in shown
