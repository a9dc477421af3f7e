"""The page: one HTML file that needs nothing else, no network and, but for the plots, no JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from localnorm.lab.judge import FEWEST_PAIRS
from localnorm.lab.measures.sensitivity import near
from localnorm.lab.measures.suitability import ROWS as SUITABILITY
from localnorm.lab.report import findings, series, wording
from localnorm.lab.report.contents import Report
from localnorm.lab.report.figures import Figure, line_figure, range_figure
from localnorm.lab.report.palette import MARKERS, Style, styles
from localnorm.lab.report.scope_picture import scope_picture
from localnorm.lab.report.series import Chart
from localnorm.lab.statistics import LEVEL, POWER, RESAMPLES
from localnorm.lab.study import TaskStudy
from localnorm.lab.table import Section, TableRow


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
        near: validation error within which a learning rate counts as good.
        suitability: its row of suitability, None where its kind has none.
        learning: validation error by epoch.
        by_severity: test results under corruptions.
        by_rate: validation results by learning rate.
        by_batch_size: test error by batch size.
    """

    number: int
    task: TaskStudy
    section: Section
    near: float
    suitability: TableRow | None
    learning: PlotGroup
    by_severity: PlotGroup
    by_rate: PlotGroup
    by_batch_size: PlotGroup

    @property
    def plots(self) -> tuple[Plot, ...]:
        """All its plots."""
        groups = (self.learning, self.by_severity, self.by_rate, self.by_batch_size)
        return tuple(plot for group in groups for plot in group.plots)


def to_html(report: Report) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("localnorm.lab.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words: tuple[Callable[..., str], ...] = (
        wording.number,
        wording.plain,
        wording.interval,
        wording.listed,
        wording.counted,
        wording.seeds,
        wording.smallest_effect,
    )
    for function in words:
        environment.filters[function.__name__] = function
    table, study = report.table, report.table.study
    look = styles(study.norms)
    sections = [_section(report, number, task, look) for number, task in enumerate(study.tasks)]
    return environment.get_template("report.html.jinja").render(
        report=report,
        table=table,
        study=study,
        styles=look,
        markers=MARKERS,
        verdicts=wording.VERDICTS,
        standings=wording.STANDINGS,
        verdict_counts=findings.verdict_counts(table),
        abouts={norm: wording.NORMS.get(norm, "your own") for norm in study.norms},
        severities=wording.SEVERITIES,
        sections=sections,
        figures={plot.name: plot.figure for section in sections for plot in section.plots},
        scopes=[scope_picture(cell.norm, cell.details) for cell in table.row("normalization scope").cells],
        problems=findings.problems(report.records),
        without_result=findings.without_result(table),
        origins=findings.origins(report.records),
        cost_shape=findings.cost_shape(study, report.records),
        processor_seconds=sum(record.timing.get("processor_seconds", 0.0) for record in report.records),
        level=LEVEL,
        power=POWER,
        resamples=RESAMPLES,
        fewest_pairs=FEWEST_PAIRS,
        # plotly.js is our own part of the page; everything else is escaped.
        plotly_js=Markup(get_plotlyjs()),  # noqa: S704
    )


def _section(report: Report, number: int, task: TaskStudy, look: dict[str, Style]) -> TaskSection:
    study, section = report.table.study, report.table.section(task.name)
    rates = series.by_learning_rate(study, task, report.records)
    suitability = next((row for row in section.rows if row.row.name in SUITABILITY.values()), None)
    return TaskSection(
        number,
        task,
        section,
        near(task),
        suitability,
        _lines(f"learning-{number}", (series.learning_curve(study, task, report.records),), look),
        _lines(f"severity-{number}", series.by_severity(task, section), look),
        _ranges(f"rate-{number}", rates, look, task.schedule.default_learning_rate),
        _lines(f"batch-size-{number}", (series.by_batch_size(task, section),), look),
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
