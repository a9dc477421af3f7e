"""What the report says of each task: its rows, its pictures and its plots."""

from __future__ import annotations

from dataclasses import dataclass

from localnorm.lab.analysis.table import Section, TableRow
from localnorm.lab.measures.sensitivity import near
from localnorm.lab.measures.suitability import ROWS as SUITABILITY
from localnorm.lab.report import series, wording
from localnorm.lab.report.advice import Advice, advise_on
from localnorm.lab.report.contents import Report
from localnorm.lab.report.figures import Figure, line_figure, range_figure
from localnorm.lab.report.palette import Style
from localnorm.lab.report.pictures import Scenes, Stylized, scenes, stylized
from localnorm.lab.report.series import Chart
from localnorm.lab.study.study import TaskStudy


@dataclass(frozen=True)
class Plot:
    """A figure on the page.

    Attributes:
        name: its id on the page.
        title: what stands above it; a norm's name where it is of one norm.
        alt: what it shows, for those who can't see it.
        figure: for plotly.js.
    """

    name: str
    title: str
    alt: str
    figure: Figure


@dataclass(frozen=True)
class PlotGroup:
    """Plots that stand together.

    Attributes:
        plots: the figures.
        charts: the numbers they show.
        absent: for each chart, the norms that have no line in it.
    """

    plots: tuple[Plot, ...]
    charts: tuple[Chart, ...]
    absent: tuple[tuple[Chart, tuple[str, ...]], ...]


@dataclass(frozen=True)
class TaskSection:
    """What the page says of one task.

    Attributes:
        number: its place in the study, which names its anchor.
        task: as the study sees it.
        section: its rows.
        advice: which norm to use on it.
        near: validation error within which a learning rate counts as good.
        suitability: its row of suitability, None where its kind has none.
        stylized: a photograph stylized with each norm, None where there is none.
        scenes: what is found in scenes with each norm, None where there are none.
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
    stylized: Stylized | None
    scenes: Scenes | None
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


def task_section(report: Report, number: int, look: dict[str, Style]) -> TaskSection:
    """Return what is said of a task.

    Args:
        report: of the study.
        number: the task's place in it.
        look: the style of each norm.
    """
    task = report.table.study.tasks[number]
    study, section = report.table.study, report.table.section(task.name)
    rates = series.by_learning_rate(study, task, report.records)
    suitability = next((row for row in section.rows if row.row.name in SUITABILITY.values()), None)
    return TaskSection(
        number,
        task,
        section,
        advise_on(section),
        near(task),
        suitability,
        stylized(study, task, report.records),
        scenes(study, task, report.records),
        _lines(f"learning-{number}", (series.learning_curve(study, task, report.records),), look),
        _lines(f"severity-{number}", series.by_severity(task, section), look),
        _ranges(f"rate-{number}", rates, look, task.schedule.default_learning_rate),
        _lines(f"batch-size-{number}", (series.by_batch_size(task, section),), look),
        _lines(f"budget-{number}", (series.by_budget(task, section),), look),
    )


def _lines(name: str, charts: tuple[Chart, ...], look: dict[str, Style]) -> PlotGroup:
    drawn = tuple(chart for chart in charts if chart.curves)
    plots = tuple(
        Plot(name if len(drawn) == 1 else f"{name}-{i}", chart.name, _alt(chart), line_figure(chart, look))
        for i, chart in enumerate(drawn)
    )
    return PlotGroup(plots, drawn, _absent(drawn, look))


def _ranges(name: str, chart: Chart, look: dict[str, Style], mark: float) -> PlotGroup:
    plots = tuple(
        Plot(f"{name}-{i}", curve.norm, _alt(chart, curve.norm), range_figure(chart, curve.norm, look, mark))
        for i, curve in enumerate(chart.curves)
    )
    drawn = (chart,) if plots else ()
    return PlotGroup(plots, drawn, _absent(drawn, look))


def _absent(charts: tuple[Chart, ...], look: dict[str, Style]) -> tuple[tuple[Chart, tuple[str, ...]], ...]:
    absent = ((chart, {*look} - {curve.norm for curve in chart.curves}) for chart in charts)
    return tuple((chart, tuple(norm for norm in look if norm in norms)) for chart, norms in absent if norms)


def _alt(chart: Chart, norm: str = "") -> str:
    of = norm or wording.listed([curve.norm for curve in chart.curves])
    return f"Line plot, {chart.name}: {chart.y_name} by {chart.x_name}, for {of}. The numbers follow as a table."
