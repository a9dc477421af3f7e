"""Write the report of a study from its folder: table, pages, plots and exports; no torch."""

from __future__ import annotations

from pathlib import Path

from localnorm.lab.records.store import write_atomically
from localnorm.lab.report.contents import Report, read_report
from localnorm.lab.report.exports import to_csv, to_latex, to_markdown
from localnorm.lab.report.html import to_pages, write_plotly
from localnorm.lab.report.links import PLOTLY_JS
from localnorm.lab.report.terminal import render

__all__ = ["Report", "read_report", "render", "write_report"]


def write_report(folder: Path) -> Report:
    """Write a study's table and pages into its folder.

    ``table.json``, ``table.csv``, ``table.md`` and ``table.tex``; ``report.html`` and a ``report-<task>.html`` for
    each task; and ``plotly.min.js`` if a page has plots. The same records give the same bytes. The report of an
    unfinished study, or of one with failed jobs or damaged records, says so.

    Args:
        folder: the study's folder.

    Returns:
        The content written.

    Raises:
        RecordError: the folder holds no study, or one that can't be read.
    """
    report = read_report(folder)
    table, pages = report.table, to_pages(report)
    texts = (table.to_json(), to_csv(table), to_markdown(table), to_latex(table), *pages.values())
    for path, text in zip(report.paths, texts, strict=True):
        # A message may hold half a character, from a file name that is not UTF-8; a file can't.
        write_atomically(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))
    if any(f'src="{PLOTLY_JS}"' in page for page in pages.values()):
        write_plotly(folder / PLOTLY_JS)
    return report
