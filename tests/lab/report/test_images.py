"""Pictures that models made: those of the records, side by side for every norm, and nothing that is no picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image_records import NORMS, SCENES, STUDY, STYLE, encoded, with_pictures, write_every_kind
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.report import Report, read_report, write_report
from localnorm.lab.report.pictures import Box, picture_uri, scenes, stylized
from report_readers import on_task
from report_records import write_records


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return write_report(write_every_kind(tmp_path_factory.mktemp("pictures")))


def test_stylized_pictures_are_those_of_the_first_seed(report: Report) -> None:
    shown = stylized(STUDY, STYLE, report.records)
    assert shown is not None
    assert (shown.seed, shown.photograph) == (0, f"data:image/png;base64,{encoded(0, 'PNG')}")
    assert [(own.norm, own.source) for own in shown.pictures] == [
        (norm, f"data:image/png;base64,{encoded(10 * place, 'PNG')}") for place, norm in enumerate(NORMS)
    ]
    images = [attributes for tag, attributes in on_task(report, "style").elements if tag == "img"]
    assert [image["src"] for image in images] == [shown.photograph, *(own.source for own in shown.pictures)]
    assert all(norm in (image["alt"] or "") for norm, image in zip(NORMS, images[1:], strict=True))


def test_scenes_hold_the_boxes_of_the_records(report: Report) -> None:
    shown = scenes(STUDY, SCENES, report.records)
    assert shown is not None
    assert (shown.seed, len(shown.views)) == (0, 3)
    for number, view in enumerate(shown.views):
        assert view.picture == f"data:image/jpeg;base64,{encoded(100 + number, 'JPEG', (64, 48))}"
        assert (view.width, view.height, view.true) == (64, 48, (Box(7, 1, 2, 9, 10),))
        assert [(own.norm, len(own.found)) for own in view.scenes] == [(norm, i) for i, norm in enumerate(NORMS)]
        assert view.scenes[2].found == (Box(7, 1, 2, 8.5, 10, 0.9), Box(7, 2, 2, 7.5, 11, 0.9))
    page = on_task(report, "digit-scenes")
    classes = [attributes.get("class") for tag, attributes in page.elements if tag == "rect"]
    assert (classes.count("true"), classes.count("found")) == (3, 3 * sum(range(len(NORMS))))
    assert len([tag for tag, _ in page.elements if tag == "image"]) == 3 * (1 + len(NORMS))
    assert "Scene 2 with the 1 box found with local: 7." in page.source


def changed(task: str, **results: Any) -> Any:
    def change(record: Record) -> Record:
        own = isinstance(record.job, Trial) and record.job.task == task
        return replace(record, results={**record.results, **results}) if own else with_pictures(record)

    return change


def test_scenes_without_a_picture_are_drawn_on_grey(tmp_path: Path) -> None:
    old = [{"true": [[1, 0, 0, 10.5, 8]], "found": [[1, 0.5, 2, 2, 30.2, 9]]}]
    report = write_report(write_records(tmp_path, STUDY, changed("digit-scenes", scenes=old)))
    shown = scenes(STUDY, SCENES, report.records)
    assert shown is not None
    assert [(view.picture, view.width, view.height) for view in shown.views] == [("", 31, 9)]
    assert "image" not in {tag for tag, _ in on_task(report, "digit-scenes").elements}


@pytest.mark.parametrize("own", [5, [], [5], {"true": []}, [{"true": []}]])
def test_something_else_called_scenes_is_not_drawn(tmp_path: Path, own: Any) -> None:
    report = read_report(write_records(tmp_path, STUDY, changed("digit-scenes", scenes=own)))
    assert scenes(STUDY, SCENES, report.records) is None


@pytest.mark.parametrize(
    "text", ["", None, 7, "<svg onload=alert(1)>", "PHN2Zz4=", '" onerror="alert(1)', "iVBORw0KGg\n"]
)
def test_what_is_no_picture_is_not_shown(tmp_path: Path, text: Any) -> None:
    assert picture_uri(text) == ""
    report = read_report(write_records(tmp_path, STUDY, changed("style", photograph_png=text, stylized_png=text)))
    assert stylized(STUDY, STYLE, report.records) is None


def test_pages_stay_small_and_tasks_without_pictures_have_none(report: Report) -> None:
    for task in ("digits", "digit-rows", "digit-tokens"):
        assert not {tag for tag, _ in on_task(report, task).elements} & {"img", "image"}
    for path in report.paths:
        assert path.stat().st_size < 300_000
