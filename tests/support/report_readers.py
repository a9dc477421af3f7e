"""Read a written report back: the page as a browser sees it, the terminal's lines, the opinions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from localnorm.lab.report import Report, render, write_report
from localnorm.lab.report.links import page_names


@dataclass
class Page(HTMLParser):
    """A page as a browser sees it: elements, text, and tables as texts of their cells."""

    source: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    tables: list[list[list[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in ("script", "style"):
            (self.scripts if self._open[-1] == "script" else self.styles).append(data)
            return
        self.texts.append(data)
        if {"td", "th"} & set(self._open):
            row = self.tables[-1][-1]
            row[-1] = " ".join(f"{row[-1]} {data}".split())

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


Written = tuple[Report, Page]


def written(folder: Path) -> Written:
    """Write a report and read its page back."""
    report = write_report(folder)
    return report, Page((folder / "report.html").read_text(encoding="utf-8"))


def on_task(report: Report, task: str) -> Page:
    """Read the page of a task back."""
    name = page_names([own.name for own in report.table.study.tasks])[task]
    return Page((report.folder / name).read_text(encoding="utf-8"))


def pages(report: Report) -> dict[str, Page]:
    """Read every page back, by its file's name."""
    return {path.name: Page(path.read_text(encoding="utf-8")) for path in report.paths if path.suffix == ".html"}


def figures(page: Page) -> dict[str, Any]:
    """Return the figures of a page by id."""
    found: dict[str, Any] = json.loads(page.scripts[0])["figures"]
    return found


def printed(report: Report, width: int) -> str:
    out = StringIO()
    Console(width=width, file=out, force_terminal=False).print(render(report))
    return out.getvalue()


def opinions(report: Report) -> list[tuple[str, str, str, str]]:
    """Criterion, norm, opinion and verdict, in the table's order."""
    return [
        (row.row.name, cell.norm, cell.claim, str(cell.verdict))
        for row in report.table.rows
        for cell in row.cells
        if cell.claim
    ]
