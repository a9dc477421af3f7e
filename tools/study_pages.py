"""Write the output of the default study into README and docs: ``python tools/study_pages.py [FOLDER]``.

FOLDER is that of a finished ``make compare``. The text between the markers of each page is replaced.
"""

from __future__ import annotations

import argparse
import io
import re
from pathlib import Path

from rich.console import Console

from localnorm.lab.report import Report, read_report
from localnorm.lab.report.terminal import render

WIDTH = 100
PAGES = {"README.md": "answer", "docs/run-a-study.md": "screen", "docs/article.md": "table"}


def screen(report: Report) -> str:
    """Return the final screen as plain text, without the lines that name this machine's folders."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None)
    with console.capture() as capture:
        console.print(render(report))
    lines = [line.rstrip() for line in capture.get().splitlines()]
    end = next((i for i, line in enumerate(lines) if line.startswith("Report: ")), len(lines))
    return "\n".join(lines[:end]).strip()


def answer(text: str) -> str:
    """Return the answer of a screen, and how many claims were supported."""
    lines = text.splitlines()
    return " ".join([*lines[: lines.index("")], next(line for line in lines if line.startswith("Of "))])


def table(report: Report) -> str:
    """Return each claim with its measurement and verdict as a table."""
    lines = ["| criterion | norm | claim | measured | verdict |", "|---|---|---|---|---|"]
    for row in report.table.rows:
        cells = [cell for cell in row.cells if cell.claim]
        for place, cell in enumerate(cells):
            name = f"{row.row.name}, {row.row.unit}" if not place else ""
            lines.append(f"| {name} | {cell.norm} | {cell.claim} | {cell.measured} | {cell.verdict} |")
    return "\n".join(lines)


def origin(report: Report) -> str:
    """Return commit, machine and versions of the records, and what the study cost."""
    where = report.records[0].provenance
    versions = ", ".join(f"{name} {number}" for name, number in where["versions"].items())
    seconds = sum(record.timing.get("processor_seconds", 0.0) for record in report.records)
    return (
        f"`make compare` at commit {where['commit'][:12]}: {len(report.records):,} records, {seconds:.0f} "
        f"processor seconds, {where['cores']} cores of {where['processor']}; {versions}."
    )


def main() -> None:
    """Replace the text between the markers on each page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("compare"))
    report = read_report(parser.parse_args().folder)
    text = screen(report)
    parts = {
        "screen": f"```text\n{text}\n```",
        "answer": f"**{answer(text)}**",
        "table": table(report),
    }
    for name, part in PAGES.items():
        page = Path(name)
        marked = re.compile(r"(<!-- written by tools/study_pages.py -->\n).*?(<!-- end of study -->)", re.DOTALL)
        new, count = marked.subn(
            lambda found, part=part: f"{found[1]}\n{origin(report)}\n\n{parts[part]}\n\n{found[2]}",
            page.read_text(encoding="utf-8"),
        )
        if count != 1:
            raise SystemExit(f"{name} must hold the markers of this program once, got {count} times.")
        page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
