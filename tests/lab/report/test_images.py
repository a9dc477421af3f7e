"""Images made by models: those of the records, one per norm, and nothing that is not an image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image_records import NORMS, SCENES, STUDY, STYLE, encoded, with_images, write_every_kind
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.report import Report, read_report, write_report
from localnorm.lab.report.images import ShownBox, image_uri, scenes, stylized
from report_readers import on_task
from report_records import write_records


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return write_report(write_every_kind(tmp_path_factory.mktemp("images")))


def test_stylized_images_are_those_of_the_first_seed(report: Report) -> None:
    shown = stylized(STUDY, STYLE, report.records)
    assert shown is not None
    photograph, *images = shown.images
    assert (shown.seed, photograph.norm, photograph.uri) == (0, "", f"data:image/png;base64,{encoded(0, 'PNG')}")
    assert [(image.norm, image.uri) for image in images] == [
        (norm, f"data:image/png;base64,{encoded(10 * place, 'PNG')}") for place, norm in enumerate(NORMS)
    ]
    drawn = [attributes for tag, attributes in on_task(report, "style").elements if tag == "img"]
    assert [image["src"] for image in drawn] == [image.uri for image in shown.images]
    assert all(norm in (image["alt"] or "") for norm, image in zip(NORMS, drawn[1:], strict=True))


def test_scenes_hold_the_boxes_of_the_records(report: Report) -> None:
    groups = scenes(STUDY, SCENES, report.records)
    assert len(groups) == 3
    for number, group in enumerate(groups):
        truth, *images = group.images
        assert (group.seed, group.width, group.height, truth.boxes) == (0, 64, 48, (ShownBox(7, 1, 2, 9, 10),))
        assert {image.uri for image in group.images} == {
            f"data:image/jpeg;base64,{encoded(100 + number, 'JPEG', (64, 48))}"
        }
        assert [(image.norm, len(image.boxes)) for image in images] == [(norm, i) for i, norm in enumerate(NORMS)]
        assert images[2].boxes == (ShownBox(7, 1, 2, 8.5, 10, 0.9), ShownBox(7, 2, 2, 7.5, 11, 0.9))
    page = on_task(report, "digit-scenes")
    classes = [attributes.get("class") for tag, attributes in page.elements if tag == "rect"]
    assert (classes.count("true"), classes.count("found")) == (3, 3 * sum(range(len(NORMS))))
    assert len([tag for tag, _ in page.elements if tag == "image"]) == 3 * (1 + len(NORMS))
    assert "Scene 2 with the 1 box found with local: 7." in page.source


def changed(task: str, **results: Any) -> Any:
    def change(record: Record) -> Record:
        own = isinstance(record.job, Trial) and record.job.task == task
        return replace(record, results={**record.results, **results}) if own else with_images(record)

    return change


def test_scenes_without_an_image_are_drawn_on_grey(tmp_path: Path) -> None:
    old = [{"true": [[1, 0, 0, 10.5, 8]], "found": [[1, 0.5, 2, 2, 30.2, 9]]}]
    report = write_report(write_records(tmp_path, STUDY, changed("digit-scenes", scenes=old)))
    (group,) = scenes(STUDY, SCENES, report.records)
    assert (group.images[0].uri, group.width, group.height) == ("", 31, 9)
    assert "image" not in {tag for tag, _ in on_task(report, "digit-scenes").elements}


@pytest.mark.parametrize("own", [5, [], [5], {"true": []}, [{"true": []}]])
def test_something_else_called_scenes_is_not_drawn(tmp_path: Path, own: Any) -> None:
    report = read_report(write_records(tmp_path, STUDY, changed("digit-scenes", scenes=own)))
    assert scenes(STUDY, SCENES, report.records) == ()


@pytest.mark.parametrize(
    "text", ["", None, 7, "<svg onload=alert(1)>", "PHN2Zz4=", '" onerror="alert(1)', "iVBORw0KGg\n"]
)
def test_other_data_are_not_shown(tmp_path: Path, text: Any) -> None:
    assert image_uri(text) == ""
    report = read_report(write_records(tmp_path, STUDY, changed("style", photograph_png=text, stylized_png=text)))
    assert stylized(STUDY, STYLE, report.records) is None


def test_pages_stay_small_and_tasks_without_images_have_none(report: Report) -> None:
    for task in ("digits", "digit-rows", "digit-tokens"):
        assert not {tag for tag, _ in on_task(report, task).elements} & {"img", "image"}
    for path in report.paths:
        assert path.stat().st_size < 300_000
