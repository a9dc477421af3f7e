"""Content of a task's page: rows, advice, model images and plots."""

from __future__ import annotations

from dataclasses import dataclass

from localnorm.lab.analysis.table import Section, TableRow
from localnorm.lab.measures.sensitivity import near
from localnorm.lab.measures.suitability import ROWS as SUITABILITY
from localnorm.lab.report import series, wording
from localnorm.lab.report.advice import Advice, advise_on
from localnorm.lab.report.contents import Report
from localnorm.lab.report.figures import Figure, line_figure, range_figure
from localnorm.lab.report.images import ImageGroup, scenes, stylized
from localnorm.lab.report.palette import Style
from localnorm.lab.report.series import Chart
from localnorm.lab.study.study import TaskStudy


@dataclass(frozen=True)
class Plot:
    """A figure on the page.

    Attributes:
        name: its id on the page.
        title: the heading above it; a norm's name for a plot of one norm.
        alt: its description for screen readers.
        figure: for plotly.js.
    """

    name: str
    title: str
    alt: str
    figure: Figure


@dataclass(frozen=True)
class PlotGroup:
    """Plots under one heading.

    Attributes:
        plots: the figures.
        charts: their numbers.
        absent: for each chart, the norms without a line in it.
    """

    plots: tuple[Plot, ...]
    charts: tuple[Chart, ...]
    absent: tuple[tuple[Chart, tuple[str, ...]], ...]


@dataclass(frozen=True)
class TaskSection:
    """Content of a task's page.

    Attributes:
        number: its place in the study, used in element ids.
        task: the task of the study.
        section: its rows.
        advice: which norm to use on it.
        near: validation error above the best within which a learning rate counts as good.
        suitability: its row of suitability, None if its kind has none.
        stylized: a photograph stylized with each norm, if there is one.
        scenes: detections in the same scenes with each norm, a group for each scene.
        learning: validation error by epoch.
        by_severity: test results under corruptions.
        by_rate: validation results by learning rate.
        by_batch_size: test error by batch size.
        by_budget: expected validation error by settings tried.
    """

    number: int
    task: TaskStudy
    section: Section
    advice: tuple[Advice, ...]
    near: float
    suitability: TableRow | None
    stylized: ImageGroup | None
    scenes: tuple[ImageGroup, ...]
    learning: PlotGroup
    by_severity: PlotGroup
    by_rate: PlotGroup
    by_batch_size: PlotGroup
    by_budget: PlotGroup

    @property
    def plots(self) -> tuple[Plot, ...]:
        """All its plots."""
        groups = (self.learning, self.by_severity, self.by_rate, self.by_batch_size, self.by_budget)
        return tuple(plot for group in groups for plot in group.plots)


def task_section(report: Report, number: int, title: str, look: dict[str, Style]) -> TaskSection:
    """Return the content of a task's page.

    Args:
        report: of the study.
        number: the task's place in it.
        title: the task's title.
        look: the style of each norm.
    """
    study, records = report.table.study, report.records
    task = study.tasks[number]
    section = report.table.section(task.name)
    return TaskSection(
        number,
        task,
        section,
        advise_on(section, title),
        near(task),
        next((row for row in section.rows if row.row.name in SUITABILITY.values()), None),
        stylized(study, task, records),
        scenes(study, task, records),
        _lines(f"learning-{number}", (series.learning_curve(study, task, records),), look),
        _lines(f"severity-{number}", series.by_severity(task, section), look),
        _ranges(f"rate-{number}", series.by_learning_rate(study, task, records), look, task),
        _lines(f"batch-size-{number}", (series.by_batch_size(task, section),), look),
        _lines(f"budget-{number}", (series.by_budget(task, section),), look),
    )


def _lines(name: str, charts: tuple[Chart, ...], look: dict[str, Style]) -> PlotGroup:
    charts = tuple(chart for chart in charts if chart.curves)
    plots = (
        Plot(name if len(charts) == 1 else f"{name}-{i}", chart.name, _alt(chart), line_figure(chart, look))
        for i, chart in enumerate(charts)
    )
    return _group(tuple(plots), charts, look)


def _ranges(name: str, chart: Chart, look: dict[str, Style], task: TaskStudy) -> PlotGroup:
    mark = task.schedule.default_learning_rate
    plots = tuple(
        Plot(f"{name}-{i}", curve.norm, _alt(chart, curve.norm), range_figure(chart, curve.norm, look, mark))
        for i, curve in enumerate(chart.curves)
    )
    return _group(plots, (chart,) if plots else (), look)


def _group(plots: tuple[Plot, ...], charts: tuple[Chart, ...], look: dict[str, Style]) -> PlotGroup:
    absent = ((chart, tuple(look.keys() - {curve.norm for curve in chart.curves})) for chart in charts)
    ordered = ((chart, tuple(norm for norm in look if norm in norms)) for chart, norms in absent if norms)
    return PlotGroup(plots, charts, tuple(ordered))


def _alt(chart: Chart, norm: str = "") -> str:
    of = norm or wording.listed([curve.norm for curve in chart.curves])
    return f"Line plot, {chart.name}: {chart.y_name} by {chart.x_name}, for {of}. The numbers follow as a table."
