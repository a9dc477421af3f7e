"""Plots of the report: the series are those of the records, the scopes those of the probes."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from localnorm.lab import descriptions
from localnorm.lab.norms import NORMS
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.report import series
from localnorm.lab.report.contents import read_report
from localnorm.lab.report.figures import Figure, line_figure, range_figure, scope_figure
from localnorm.lab.report.palette import styles
from localnorm.lab.report.series import Chart, Curve
from localnorm.lab.study.study import DEFAULT_NORMS
from localnorm.lab.tasks import TASKS
from localnorm.lab.tasks.corruptions import CORRUPTIONS as CORRUPTED
from report_readers import figures, written
from report_records import CORRUPTIONS, DIGITS, OUTPUT, ROWS, SHAPE, STUDY, ended, error, mask, write_records

Cell = tuple[int, int, int]


def reached(figure: Figure, shape: tuple[int, int, int]) -> list[Cell]:
    """Return sample, channel and position of each coloured cell; an empty column parts two samples."""
    samples, channels, positions = shape
    rows = figure["data"][0]["z"]
    assert [len(rows), *{len(row) for row in rows}] == [channels, samples * (positions + 1) - 1]
    found = [
        (x // (positions + 1), y, x % (positions + 1))
        for y, row in enumerate(rows)
        for x, v in enumerate(row)
        if v
    ]
    assert all(row[x] is None for row in rows for x in range(positions, len(row), positions + 1))
    return sorted(found)


def marked(lines: list[str], channels: int) -> list[Cell]:
    return [
        (number // channels, number % channels, position)
        for number, line in enumerate(lines)
        for position, value in enumerate(line)
        if value == "1"
    ]


def test_page_draws_exactly_the_cells_of_the_mask(tmp_path: Path) -> None:
    report, page = written(write_records(tmp_path))
    samples, channels, *size = SHAPE
    drawn = {name: figure for name, figure in figures(page).items() if name.startswith("scope")}
    assert list(drawn) == [f"scope-{i}" for i in range(len(report.table.study.norms))]
    for norm, figure in zip(report.table.study.norms, drawn.values(), strict=True):
        assert reached(figure, (samples, channels, math.prod(size))) == marked(mask(norm), channels)
        frame = figure["data"][1]
        assert (frame["x"], frame["y"]) == ([OUTPUT[0] * 6 + OUTPUT[3]], [OUTPUT[1]])
    inputs = sum(map(str.count, mask("local"), "1" * 8))
    assert f"{inputs} inputs: 2 of 2 samples, 4 of 4 channels, 5 of 5 positions." in page.text


def test_scope_of_any_mask() -> None:
    rng = random.Random(0)
    for _ in range(50):
        lines = ["".join(rng.choice("01") for _ in range(6)) for _ in range(3 * 4)]
        figure = scope_figure({"mask": lines, "shape": [3, 4, 2, 3], "output": [2, 1, 1, 2]}, "#123456")
        assert figure is not None
        assert reached(figure, (3, 4, 6)) == marked(lines, 4)
        assert (figure["data"][1]["x"], figure["data"][1]["y"]) == ([2 * 7 + 5], [1])


def test_scope_without_a_shape_has_no_figure() -> None:
    assert scope_figure({}, "#123456") is None
    assert scope_figure({"mask": ["1"], "reach": "itself"}, "#123456") is None


def at(norm: str, rate: float, task: str = "digits", seeds: tuple[int, ...] = STUDY.seeds) -> list[float]:
    of = STUDY.task(task)
    size, epochs = of.schedule.batch_size, of.schedule.epochs
    return [error(Trial(task, of.model, norm, seed, rate, size, epochs)) for seed in seeds]


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
        if isinstance(job, Trial) and (job.norm, job.learning_rate, job.seed) == (
            "batch",
            1e-2,
            STUDY.pilot_seeds[1],
        ):
            return ended("batch", "diverged", "not finite")(record)
        return None if isinstance(job, Trial) and job.norm == "rms" else record

    report = read_report(write_records(tmp_path, change=change))
    chart = series.by_learning_rate(STUDY, DIGITS, report.records)
    curves = {curve.norm: curve for curve in chart.curves}
    assert list(curves) == [norm for norm in STUDY.norms if norm != "rms"]
    accuracies = [
        [100 - e for e in at("local", rate, seeds=STUDY.pilot_seeds)] for rate in DIGITS.schedule.learning_rates
    ]
    assert curves["local"].y == pytest.approx([fmean(own) for own in accuracies])
    assert curves["local"].low == pytest.approx([min(own) for own in accuracies])
    assert curves["local"].high == pytest.approx([max(own) for own in accuracies])
    assert curves["batch"].y[1] is None
    assert curves["batch"].notes == ("", "diverged in 1 of 2")


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
    look = styles([*DEFAULT_NORMS, "local-learned", *own])
    assert len({style.colour for style in look.values()}) == len(look)
    assert len({(style.marker, style.dash) for style in look.values()}) == len(look)
    # More norms than colours that can be told apart: shape and dash decide.
    many = styles([*NORMS, *own]).values()
    assert len({(style.colour, style.marker, style.dash) for style in many}) == len(NORMS) + len(own)
    assert min(contrast(style.colour) for style in look.values()) >= 3
    assert styles(["none", own[0]])["none"] == look["none"]
    assert set(styles([f"n{i}" for i in range(40)])) == {f"n{i}" for i in range(40)}


def test_page_describes_norms_corruptions_models_and_data(tmp_path: Path) -> None:
    assert list(descriptions.CORRUPTIONS) == list(CORRUPTED)
    assert {task.model for task in TASKS.values()} <= {*descriptions.MODELS}
    _, page = written(write_records(tmp_path))
    for about in (*(NORMS[norm].about for norm in DEFAULT_NORMS), DIGITS.about, ROWS.about):
        assert about in page.text
