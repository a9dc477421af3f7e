"""The report: the table, the plots and the protocol of a study, made from its folder alone, without torch."""

from __future__ import annotations

from pathlib import Path

from localnorm.lab.report.contents import Report, read_report
from localnorm.lab.report.exports import to_csv
from localnorm.lab.report.html import to_html
from localnorm.lab.report.terminal import render
from localnorm.lab.store import write_atomically

__all__ = ["Report", "read_report", "render", "write_report"]


def write_report(folder: Path) -> Report:
    """Write ``table.json``, ``table.csv`` and ``report.html`` into a study's folder.

    The same records give the same bytes. A study that is unfinished, failed in part or has damaged records
    gives a report that says so.

    Args:
        folder: the study's folder.

    Returns:
        What was written, for a terminal and for programs.

    Raises:
        RecordError: the folder holds no study, or one that can't be read.
    """
    report = read_report(folder)
    texts = (report.table.to_json(), to_csv(report.table), to_html(report))
    for path, text in zip(report.paths, texts, strict=True):
        # A message may hold half a character, from a file name that is not UTF-8; a file can't.
        write_atomically(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))
    return report
