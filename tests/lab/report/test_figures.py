"""What the report draws: the series are the records', the pictures are the measurements'."""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from localnorm.lab.norms import NORMS
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.report import series, wording
from localnorm.lab.report.contents import read_report
from localnorm.lab.report.figures import line_figure, range_figure
from localnorm.lab.report.palette import MARKERS, styles
from localnorm.lab.report.scope_picture import scope_picture
from localnorm.lab.report.series import Chart, Curve
from localnorm.lab.study.study import DEFAULT_NORMS
from report_readers import written
from report_records import CORRUPTIONS, DIGITS, OUTPUT, ROWS, SHAPE, STUDY, ended, error, mask, write_records

Cell = tuple[int, int, int]


def cells(sheets: Sequence[str]) -> Iterator[Cell]:
    """Yield sample, channel and position of each unit square that the SVG path data of each sample fills."""
    for sample, path in enumerate(sheets):
        runs = re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", path)
        assert "".join(f"M{x} {y}h{length}v1h-{back}z" for x, y, length, back in runs) == path
        for x, y, length, back in runs:
            assert length == back
            for position in range(int(x), int(x) + int(length)):
                yield sample, int(y), position


def marked(lines: list[str], channels: int) -> list[Cell]:
    return [
        (number // channels, number % channels, position)
        for number, line in enumerate(lines)
        for position, value in enumerate(line)
        if value == "1"
    ]


def test_scope_picture_marks_exactly_the_cells_of_the_mask(tmp_path: Path) -> None:
    report, page = written(write_records(tmp_path))
    drawn = [attributes["d"] or "" for tag, attributes in page.elements if attributes.get("class") == "reached"]
    norms = report.table.study.norms
    samples, channels, *_ = SHAPE
    assert len(drawn) == len(norms) * samples
    for place, norm in enumerate(norms):
        own = drawn[place * samples : (place + 1) * samples]
        assert sorted(cells(own)) == marked(mask(norm), channels)
    frames = [a for _, a in page.elements if a.get("class") == "output"]
    assert [(frame["x"], frame["y"]) for frame in frames] == [(str(OUTPUT[3]), str(OUTPUT[1]))] * len(norms)
    assert f"one output of local depends on {sum(map(str.count, mask('local'), '1' * 8))} inputs" in page.text


def test_scope_picture_of_any_mask() -> None:
    rng = random.Random(0)
    for _ in range(200):
        lines = ["".join(rng.choice("01") for _ in range(6)) for _ in range(3 * 4)]
        details = {"mask": lines, "shape": [3, 4, 2, 3], "output": [2, 1, 1, 2], "reach": "", "samples": 0,
                   "channels": 0, "positions": 0}  # fmt: skip
        picture = scope_picture("x", details)
        assert picture is not None
        assert sorted(cells([sheet.path for sheet in picture.sheets])) == marked(lines, 4)
        assert picture.output == (2, 1, 5)


def test_scope_sheets_are_side_by_side_and_within_the_picture() -> None:
    details = {"mask": ["1" * 6] * 12, "shape": [3, 4, 2, 3], "output": [0, 0, 0, 0], "reach": "", "samples": 3,
               "channels": 4, "positions": 6}  # fmt: skip
    picture = scope_picture("x", details)
    assert picture is not None
    corners = []
    for sheet in picture.sheets:
        a, b, c, d, e, f = map(float, re.findall(r"-?[\d.]+", sheet.turned))
        corners.append([(a * x + c * y + e, b * x + d * y + f) for x, y in ((0, 0), (0, 4), (6, 0), (6, 4))])
    for corner, edge in zip(corners[0], picture.edges, strict=True):
        assert corner == pytest.approx(edge)
    for own, after in itertools.pairwise(corners):
        assert max(x for x, _ in own) < min(x for x, _ in after)
    flat = [corner for own in corners for corner in own]
    assert (max(x for x, _ in flat), max(y for _, y in flat)) == pytest.approx(picture.size)
    assert (min(x for x, _ in flat), min(y for _, y in flat)) == pytest.approx((0, 0))


def test_scope_without_layout_has_no_picture() -> None:
    assert scope_picture("x", {}) is None
    assert scope_picture("x", {"mask": ["1"], "reach": "itself"}) is None


def at(norm: str, rate: float, task: str = "digits") -> list[float]:
    of = STUDY.task(task)
    size, epochs = of.schedule.batch_size, of.schedule.epochs
    return [error(Trial(task, of.model, norm, seed, rate, size, epochs)) for seed in STUDY.seeds]


def test_learning_curves_are_the_means_at_the_chosen_rate(tmp_path: Path) -> None:
    report = read_report(write_records(tmp_path))
    images, rows = (series.learning_curve(STUDY, task, report.records) for task in STUDY.tasks)
    assert (images.x, rows.x) == ((1, 2), (1, 2, 3))
    assert [curve.norm for curve in images.curves] == list(STUDY.norms)
    for chart, task in ((images, "digits"), (rows, "digit-rows")):
        for curve in chart.curves:
            # The lower rate has the lower made-up error; each epoch takes a point off.
            last = fmean(at(curve.norm, 1e-3, task))
            assert curve.y == pytest.approx([last + len(chart.x) - epoch for epoch in chart.x])


def test_accuracy_by_learning_rate_has_its_range_and_no_survivors(tmp_path: Path) -> None:
    def change(record: Record) -> Record | None:
        job = record.job
        if isinstance(job, Trial) and (job.norm, job.learning_rate, job.seed) == ("batch", 1e-2, 1):
            return ended("batch", "diverged", "not finite")(record)
        return None if isinstance(job, Trial) and job.norm == "rms" else record

    report = read_report(write_records(tmp_path, change=change))
    chart = series.by_learning_rate(STUDY, DIGITS, report.records)
    curves = {curve.norm: curve for curve in chart.curves}
    assert list(curves) == [norm for norm in STUDY.norms if norm != "rms"]
    accuracies = [[100 - e for e in at("local", rate)] for rate in DIGITS.schedule.learning_rates]
    assert curves["local"].y == pytest.approx([fmean(own) for own in accuracies])
    assert curves["local"].low == pytest.approx([min(own) for own in accuracies])
    assert curves["local"].high == pytest.approx([max(own) for own in accuracies])
    assert curves["batch"].y[1] is None
    assert curves["batch"].notes == ("", "diverged in 1 of 3")


def test_accuracy_by_severity_starts_clean(tmp_path: Path) -> None:
    report = read_report(write_records(tmp_path))
    charts = series.by_severity(DIGITS, report.table.section("digits"))
    assert tuple(chart.name for chart in charts) == CORRUPTIONS
    local = fmean(at("local", 1e-3))
    for chart in charts:
        (curve,) = (curve for curve in chart.curves if curve.norm == "local")
        assert curve.y == pytest.approx([100 - (local + 1), *(100 - (local + 2 * s) for s in (1, 2, 3, 4, 5))])


def test_error_by_batch_size_is_in_order_of_size(tmp_path: Path) -> None:
    task = replace(DIGITS, schedule=replace(DIGITS.schedule, batch_sizes=(128, 8)))
    report = read_report(write_records(tmp_path, replace(STUDY, tasks=(task, ROWS))))
    chart = series.by_batch_size(task, report.table.section("digits"))
    assert chart.x == (8, 128)
    for curve in chart.curves:
        small, large = (value or 0.0 for value in curve.y)
        # From its size and from Adam's learning rate, which is 0.01 at 32.
        assert large - small == pytest.approx(120 / 100 + 100 * 1e-2 * (2 - 0.5))


NONE = Curve(
    "none", (1.0, 2.0, None, 3.0), (0.5, 1.5, None, 2.0), (2.0, 4.0, None, 5.0), ("", "", "diverged in 1 of 2", "")
)
LEVEL = (4.0, 5.0, 6.0, 7.0)
OTHER = Curve("<b>", LEVEL, LEVEL, LEVEL, ("", "", "", ""))
CHART = Chart("c", "x", "validation error, %", (1.0, 10.0, 100.0, 1000.0), (NONE, OTHER), log_x=True)


def test_figures_hold_the_chart_in_each_norms_own_style() -> None:
    look = styles(["none", "<b>"])
    first, second = line_figure(CHART, look)["data"]
    assert (first["x"], first["y"]) == ([1.0, 10.0, 100.0, 1000.0], [1.0, 2.0, None, 3.0])
    assert (first["name"], second["name"]) == ("none", "&lt;b&gt;")
    of_one = range_figure(CHART, "none", look, mark=10.0)
    assert json.loads(json.dumps(of_one)) == of_one
    line = of_one["data"][-1]
    for style, trace in ((look["none"], first), (look["<b>"], second), (look["none"], line)):
        assert trace["line"]["color"] == style.colour
        assert trace["marker"]["symbol"] == style.marker
    bands = [trace["y"] for trace in of_one["data"] if trace.get("fill")]
    assert bands == [[2.0, 4.0, 1.5, 0.5], [5.0, 2.0]]
    (note,) = of_one["layout"]["annotations"]
    assert (note["text"], note["x"]) == ("diverged in 1 of 2", 2.0)
    assert of_one["layout"]["xaxis"]["type"] == of_one["layout"]["yaxis"]["type"] == "log"


@pytest.mark.parametrize(("y", "values", "log"), [
    ("error, %", (1.0, 4.0), True), ("error, %", (1.0, 3.9), False), ("error, %", (0.0, 9.0), False),
    ("error, %", (), False), ("accuracy, %", (1.0, 9.0), False),
])  # fmt: skip
def test_errors_far_apart_go_by_factors(y: str, values: tuple[float, ...], log: bool) -> None:
    assert Chart("c", "x", y, (1, 2), (Curve("none", values),)).log_y is log


def contrast(colour: str) -> float:
    """WCAG's contrast of a colour against white."""
    shares = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


def test_norms_differ_in_colour_and_in_shape_or_dash() -> None:
    own = [f"my.module:norm{i}" for i in range(4)]
    look = styles([*NORMS, *own])
    assert len({style.colour for style in look.values()}) == len(look)
    assert len({(style.marker, style.dash) for style in look.values()}) == len(look)
    assert {style.marker for style in look.values()} <= set(MARKERS)
    assert min(contrast(style.colour) for style in look.values()) >= 3
    assert styles(["none", own[0]])["none"] == look["none"]
    assert set(styles([f"n{i}" for i in range(40)])) == {f"n{i}" for i in range(40)}


def test_page_says_of_norms_and_data_what_they_say_of_themselves(tmp_path: Path) -> None:
    assert dict(wording.NORMS) == {name: norm.about for name, norm in NORMS.items()}
    assert list(wording.SEVERITIES) == list(DIGITS.corruptions)
    _, page = written(write_records(tmp_path))
    for about in (*(wording.NORMS[norm] for norm in DEFAULT_NORMS), DIGITS.about, ROWS.about):
        assert about in page.text
