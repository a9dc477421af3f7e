"""Results of a study in Python: text, HTML, frame and figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from localnorm.errors import RecordError, UnknownNameError
from localnorm.lab import read_study
from localnorm.lab.report.exports import COLUMNS
from localnorm.lab.report.notebook import StudyResults
from report_records import STUDY, write_records


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> StudyResults:
    return read_study(write_records(tmp_path_factory.mktemp("study")))


def test_it_shows_itself_as_text_and_html(results: StudyResults) -> None:
    assert "On these 2 tasks: least cost: local" in repr(results)
    html = results._repr_html_()
    assert html.startswith("<pre>")
    assert "The article&#x27;s claims" in html


def test_the_html_of_hostile_names_is_text(tmp_path: Path) -> None:
    norm = "<script>alert(1)</script>"
    study = replace(STUDY, norms=("none", norm))
    assert "<script>" not in read_study(write_records(tmp_path, study))._repr_html_()


def test_frame_has_the_lines_of_the_csv_with_numbers(results: StudyResults) -> None:
    pytest.importorskip("pandas")
    frame = results.to_frame()
    assert list(frame.columns) == list(COLUMNS)
    row = results.report.table.row("generalization")
    of_row = frame[(frame.task == "overall") & (frame.criterion == "generalization")]
    line = of_row[of_row.norm == "batch"].iloc[0]
    judgement = row.cell("batch").judgement
    assert judgement is not None
    assert judgement.difference is not None
    assert line["difference from none"] == pytest.approx(judgement.difference.value)
    assert line["comparison with none"] == judgement.comparison


def test_figure_draws_every_norm(results: StudyResults) -> None:
    figure = results.figure("generalization")
    assert {name for trace in figure.data for name in (trace.y or ())} == set(STUDY.norms) - {"none"}
    with pytest.raises(UnknownNameError, match="did you mean generalization"):
        results.figure("generalisation")


def test_a_folder_without_a_study_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError):
        read_study(tmp_path)
