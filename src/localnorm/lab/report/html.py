"""The HTML pages: one for the study and one per task; they load nothing from the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from localnorm.lab.analysis.claims import ARTICLE
from localnorm.lab.analysis.paired import FEWEST_PAIRS
from localnorm.lab.analysis.statistics import LEVEL
from localnorm.lab.descriptions import CORRUPTIONS, MODELS
from localnorm.lab.measures import difference_unit
from localnorm.lab.measures.generalization import coarse_test
from localnorm.lab.records.store import write_atomically
from localnorm.lab.report import findings, wording
from localnorm.lab.report.advice import advise, summarize
from localnorm.lab.report.contents import EXPORTS, Report
from localnorm.lab.report.figures import TEMPLATE, forest_figure, scope_figure
from localnorm.lab.report.known_results import known_results
from localnorm.lab.report.links import PLOTLY_JS, REPORT_HTML, RecordLinks, page_names
from localnorm.lab.report.palette import styles
from localnorm.lab.report.sections import task_section
from localnorm.lab.study.registry import NORM_INFO


def write_plotly(path: Path) -> None:
    """Write plotly.js once beside the pages: it has 5 MB."""
    text = get_plotlyjs()
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)


def to_pages(report: Report) -> dict[str, str]:
    """Return the pages by file name: that of the study first, then one for each task."""
    templates = environment()
    study = report.table.study
    names = page_names([task.name for task in study.tasks])
    look, titles = styles(study.norms), wording.titles([task.name for task in study.tasks])
    common = {
        "report": report,
        "table": report.table,
        "study": study,
        "titles": titles,
        "verdicts": wording.VERDICTS,
        "comparisons": wording.COMPARISONS,
        "severities": CORRUPTIONS,
        "pages": names,
        "exports": EXPORTS,
        "article": ARTICLE,
        "level": LEVEL,
        "fewest_pairs": FEWEST_PAIRS,
        "trials_done": f"{report.trials:,}",
        "coarse": {task.name: text for task in study.tasks if (text := coarse_test(task))},
    }

    def render(template: str, content: Mapping[str, Any]) -> str:
        links = RecordLinks(report.records.by_key, names)
        return templates.get_template(template).render(**common, **content, links=links)

    scopes = {
        f"scope-{i}": figure
        for i, cell in enumerate(report.table.row("normalization scope").cells)
        if (figure := scope_figure(cell.details, look[cell.norm].colour))
    }
    forests = {
        f"forest-{i}": figure for i, row in enumerate(report.table.rows) if (figure := forest_figure(row, look))
    }
    pages = {REPORT_HTML: render("report.html.jinja", {**_overall(report), "figures": {**scopes, **forests}})}
    for number, (task, name) in enumerate(names.items()):
        section = task_section(report, number, titles[task], look)
        figures = {plot.name: plot.figure for plot in section.plots}
        pages[name] = render("task.html.jinja", {"section": section, "figures": figures})
    return pages


def environment(*, autoescape: bool = True) -> Environment:
    """Return the Jinja environment of the templates, with the words of the report as filters."""
    made = Environment(
        loader=PackageLoader("localnorm.lab.report"),
        autoescape=autoescape,  # noqa: S701  off for the terminal alone
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    words: tuple[Callable[..., str], ...] = (
        wording.number,
        wording.plain,
        wording.interval,
        wording.listed,
        wording.named,
        wording.counted,
        wording.smallest_effect,
        wording.difference_of,
        difference_unit,
    )
    made.filters |= {function.__name__: function for function in words} | {"amounts": wording.amounts}
    made.globals |= {"plotly_js": PLOTLY_JS, "plotly_template": TEMPLATE, "overall_page": REPORT_HTML}
    return made


def _overall(report: Report) -> dict[str, Any]:
    """Return the content of the study's page alone."""
    table, study = report.table, report.table.study
    return {
        "advice": advise(table),
        "answers": summarize(table),
        "failures": findings.failures(table),
        "known": known_results(table, report.records),
        "verdict_counts": findings.verdict_counts(table),
        "user_defined": findings.user_defined(study),
        "abouts": {norm: NORM_INFO[norm].about if norm in NORM_INFO else "user-defined" for norm in study.norms},
        "models": {
            model: MODELS.get(model, "user-defined") for model in dict.fromkeys(t.model for t in study.tasks)
        },
        "problems": findings.problems(report.records),
        "without_result": findings.without_result(table),
        "origins": findings.origins(report.records),
        "cost_shape": findings.cost_shape(study, report.records),
        "processor_seconds": sum(record.timing.get("processor_seconds", 0.0) for record in report.records),
    }
