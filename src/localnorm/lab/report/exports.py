"""The table as CSV, Markdown and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from localnorm.lab.analysis.statistics import Estimate
from localnorm.lab.analysis.table import Cell, Table, TableRow
from localnorm.lab.report.wording import interval, number

Value = str | float | int | None

OVERALL = "overall"
COLUMNS = (
    "task",
    "criterion",
    "norm",
    "article says",
    "judged as",
    "measured",
    "value",
    "low",
    "high",
    "unit",
    "pairs",
    "verdict",
    "difference from none",
    "difference low",
    "difference high",
    "comparison with none",
    "clearly",
    "decided at pairs",
    "within",
    "why",
)
_MARKDOWN = re.compile(r"([\\`*_\[\]<>&|~])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\N{MINUS SIGN}": r"$-$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{EN DASH}": "--",
    **{c: f"\\{c}" for c in "&%$#_{}"},
}


def to_csv(table: Table) -> str:
    """Return the table as CSV with a header, one line per row and norm, overall and for each task."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = [(OVERALL if row.tasks else "", row) for row in table.rows]
    rows += [(section.task, row) for section in table.sections for row in section.rows]
    writer.writerows(_csv_line(task, row, cell) for task, row in rows for cell in row.cells)
    return out.getvalue()


def _csv_line(task: str, row: TableRow, cell: Cell) -> tuple[Value, ...]:
    judged = cell.judgement
    return (
        task,
        row.row.name,
        cell.norm,
        cell.claim,
        cell.judged_as,
        cell.measured,
        *_numbers(cell.estimate),
        row.row.unit,
        cell.pairs,
        cell.verdict,
        *_numbers(judged.difference if judged else None),
        judged.comparison if judged else None,
        ("yes" if judged.decision.clearly else "no") if judged else None,
        judged.decision.pairs if judged else None,
        judged.decision.within if judged and judged.decision.pairs else None,
        judged.why if judged else None,
    )


def _numbers(found: Estimate | None) -> tuple[Value, ...]:
    return (found.value, found.low, found.high) if found else (None, None, None)


@dataclass(frozen=True)
class TextTable:
    """A table of texts: a title, column names, and lines with a text for each column."""

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def text_tables(table: Table) -> tuple[TextTable, ...]:
    """Return the claims judged, and every norm by every criterion, overall and on each task."""
    opinions = tuple(
        (row.row.name, cell.norm, cell.claim, cell.verdict or "", _number(row, cell), row.row.unit, cell.judged_as)
        for row in table.rows
        for cell in row.cells
        if cell.claim
    )
    head = ("criterion", "norm", "the article says", "verdict", "measured", "unit", "judged as")
    found = [TextTable("The article's claims, judged", head, opinions)] if opinions else []
    rows = [("Every norm by every criterion", table.rows)]
    rows += [(f"Every norm on {section.task}", section.rows) for section in table.sections if section.rows]
    return (*found, *(_matrix(title, table.study.norms, some) for title, some in rows))


def _matrix(title: str, norms: Sequence[str], rows: Sequence[TableRow]) -> TextTable:
    lines = tuple(
        (f"{row.row.name}, {row.row.unit}", *(_compared(row, row.cell(norm)) for norm in norms)) for row in rows
    )
    return TextTable(title, ("criterion", *norms), lines)


def _number(row: TableRow, cell: Cell) -> str:
    if cell.estimate is None:
        return "no result"
    if row.row.exact:
        return cell.measured
    return f"{number(cell.estimate.value, row.row.decimals)} {interval(cell.estimate, row.row.decimals)}"


def _compared(row: TableRow, cell: Cell) -> str:
    judged = cell.judgement if cell.estimate and row.row.lower_is_better is not None else None
    return f"{_number(row, cell)} {judged.comparison}" if judged else _number(row, cell)


def to_markdown(table: Table) -> str:
    """Return the tables as Markdown with GitHub's pipes; markup in texts is escaped."""
    return "\n".join(line for found in text_tables(table) for line in _in_markdown(found)).strip() + "\n"


def _in_markdown(table: TextTable) -> Iterator[str]:
    yield f"## {markdown(table.title)}"
    yield ""
    head, *lines = ([markdown(text) for text in line] for line in (table.head, *table.lines))
    for line in (head, ["---"] * len(head), *lines):
        yield f"| {' | '.join(line)} |"
    yield ""


def to_latex(table: Table) -> str:
    r"""Return the tables as LaTeX, each a ``table`` that needs ``\usepackage{booktabs}`` and UTF-8."""
    start = "% Needs \\usepackage[T1]{fontenc} and \\usepackage{booktabs}.\n"
    return start + "\n".join(map(_in_latex, text_tables(table))) + "\n"


def _in_latex(table: TextTable) -> str:
    # Braces, because a bracket after \\ would be read as its argument.
    head, *lines = (
        rf"{' & '.join(f'{{{latex(text)}}}' for text in line)} \\" for line in (table.head, *table.lines)
    )
    start = [
        r"\begin{table}",
        rf"\caption{{{latex(table.title)}}}",
        rf"\begin{{tabular}}{{{'l' * len(table.head)}}}",
    ]
    return "\n".join(
        [*start, r"\toprule", head, r"\midrule", *lines, r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    )


def latex(text: str) -> str:
    r"""Return a text with LaTeX's special characters escaped.

    Example:
        >>> print(latex("50 % of a_b & #1"))
        50 \% of a\_b \& \#1
    """
    return "".join(_LATEX.get(c, c) for c in _one_line(text))


def markdown(text: str) -> str:
    r"""Return a text with Markdown's special characters escaped.

    Example:
        >>> print(markdown("a|b_c\n*d*"))
        a\|b\_c \*d\*
    """
    return _MARKDOWN.sub(r"\\\1", _one_line(text))


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
