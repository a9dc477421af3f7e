"""The pages: one over all and one for each task; they need no network and, but for the plots, no JavaScript."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from localnorm.lab.analysis.statistics import LEVEL, POWER, RESAMPLES
from localnorm.lab.analysis.verdicts import FEWEST_PAIRS
from localnorm.lab.records.store import write_atomically
from localnorm.lab.report import findings, wording
from localnorm.lab.report.advice import advise
from localnorm.lab.report.contents import EXPORTS, Report
from localnorm.lab.report.known_results import known_results
from localnorm.lab.report.links import PLOTLY_JS, REPORT_HTML, Evidence, page_names
from localnorm.lab.report.palette import MARKERS, styles
from localnorm.lab.report.scope_picture import scope_picture
from localnorm.lab.report.sections import task_section


def write_plotly(path: Path) -> None:
    """Write plotly.js once beside the pages: it is 5 MB, and would be that in each of them."""
    text = get_plotlyjs()
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)


def to_pages(report: Report) -> dict[str, str]:
    """Return the pages by file name: that over all tasks first, then one for each task."""
    made = environment()
    names = page_names([task.name for task in report.table.study.tasks])
    common = _common(report, names)
    look = common["styles"]

    def render(template: str, **own: Any) -> str:  # noqa: ANN401  whatever the template names
        evidence = Evidence(report.records.by_key, names)
        return made.get_template(template).render(**common, **own, evidence=evidence)

    pages = {REPORT_HTML: render("report.html.jinja", **_overall(report), figures={})}
    for number, name in enumerate(names.values()):
        section = task_section(report, number, look)
        figures = {plot.name: plot.figure for plot in section.plots}
        pages[name] = render("task_page.html.jinja", section=section, figures=figures)
    return pages


def environment() -> Environment:
    """Return what makes pages of the templates: it escapes whatever is put into them."""
    made = Environment(
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
        made.filters[function.__name__] = function
    return made


def _common(report: Report, names: Mapping[str, str]) -> dict[str, Any]:
    """Return what every page may say."""
    study = report.table.study
    return {
        "report": report,
        "table": report.table,
        "study": study,
        "styles": styles(study.norms),
        "markers": MARKERS,
        "verdicts": wording.VERDICTS,
        "standings": wording.STANDINGS,
        "severities": wording.SEVERITIES,
        "pages": names,
        "overall_page": REPORT_HTML,
        "plotly_js": PLOTLY_JS,
        "exports": EXPORTS,
        "level": LEVEL,
        "power": POWER,
        "resamples": RESAMPLES,
        "fewest_pairs": FEWEST_PAIRS,
    }


def _overall(report: Report) -> dict[str, Any]:
    """Return what only the page over all tasks says."""
    table, study = report.table, report.table.study
    return {
        "advice": advise(table),
        "known": known_results(table, report.records),
        "verdict_counts": findings.verdict_counts(table),
        "abouts": {norm: wording.NORMS.get(norm, "your own") for norm in study.norms},
        "scopes": [scope_picture(cell.norm, cell.details) for cell in table.row("normalization scope").cells],
        "problems": findings.problems(report.records),
        "without_result": findings.without_result(table),
        "origins": findings.origins(report.records),
        "cost_shape": findings.cost_shape(study, report.records),
        "processor_seconds": sum(record.timing.get("processor_seconds", 0.0) for record in report.records),
    }
