"""The report: the table, the plots and the protocol of a study, made from its folder alone, without torch."""

from __future__ import annotations

from pathlib import Path

from localnorm.lab.records.store import nothing_collected, write_atomically
from localnorm.lab.report.contents import Report, read_report
from localnorm.lab.report.exports import to_csv
from localnorm.lab.report.html import to_pages, write_plotly
from localnorm.lab.report.links import PLOTLY_JS
from localnorm.lab.report.terminal import render
from localnorm.lab.report.text_tables import to_latex, to_markdown

__all__ = ["Report", "read_report", "render", "write_report"]


def write_report(folder: Path) -> Report:
    """Write a study's table and its pages into its folder.

    ``table.json``, ``table.csv``, ``table.md`` and ``table.tex``; ``report.html`` over all tasks and a
    ``report-<task>.html`` for each; and, where a page has plots, ``plotly.min.js``, which draws them. The same
    records give the same bytes. A study that is unfinished, failed in part or has damaged records gives a report
    that says so.

    Args:
        folder: the study's folder.

    Returns:
        What was written, for a terminal and for programs.

    Raises:
        RecordError: the folder holds no study, or one that can't be read.
    """
    with nothing_collected():
        return _write_report(folder)


def _write_report(folder: Path) -> Report:
    report = read_report(folder)
    table, pages = report.table, to_pages(report)
    texts = (table.to_json(), to_csv(table), to_markdown(table), to_latex(table), *pages.values())
    for path, text in zip(report.paths, texts, strict=True):
        # A message may hold half a character, from a file name that is not UTF-8; a file can't.
        write_atomically(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))
    if any(f'src="{PLOTLY_JS}"' in page for page in pages.values()):
        write_plotly(folder / PLOTLY_JS)
    return report
