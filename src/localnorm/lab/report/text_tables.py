"""The table as Markdown and as LaTeX, for documents and papers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from localnorm.lab.analysis.table import Cell, Table, TableRow
from localnorm.lab.report.wording import interval, number

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


@dataclass(frozen=True)
class Grid:
    """A table of texts.

    Attributes:
        title: what stands above it.
        head: the names of the columns.
        lines: as many texts each as there are columns.
    """

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def grids(table: Table) -> tuple[Grid, ...]:
    """Return the opinions judged, and every norm by every criterion, overall and on each task."""
    opinions = tuple(
        (row.row.name, cell.norm, cell.claim, cell.verdict or "", _number(row, cell), row.row.unit, cell.judged_as)
        for row in table.rows
        for cell in row.cells
        if cell.claim
    )
    head = ("criterion", "norm", "the textbook says", "verdict", "measured", "unit", "judged as")
    found = [Grid("The textbook's opinions, judged", head, opinions)] if opinions else []
    found.append(_matrix("Every norm by every criterion", table.study.norms, table.rows))
    found += [
        _matrix(f"Every norm on {own.task}", table.study.norms, own.rows) for own in table.sections if own.rows
    ]
    return tuple(found)


def to_markdown(table: Table) -> str:
    """Return the tables as Markdown with GitHub's pipes; what Markdown would read in a text is escaped."""
    return "\n".join(line for grid in grids(table) for line in _in_markdown(grid)).strip() + "\n"


def to_latex(table: Table) -> str:
    r"""Return the tables as LaTeX, each a ``table`` that needs ``\usepackage{booktabs}`` and UTF-8."""
    start = "% Needs \\usepackage[T1]{fontenc} and \\usepackage{booktabs}.\n"
    return start + "\n".join(line for grid in grids(table) for line in _in_latex(grid)) + "\n"


def latex(text: str) -> str:
    r"""Return a text with what LaTeX would read escaped.

    Example:
        >>> print(latex("50 % of a_b & #1"))
        50 \% of a\_b \& \#1
    """
    return "".join(_LATEX.get(c, c) for c in _one_line(text))


def markdown(text: str) -> str:
    r"""Return a text with what Markdown would read in a line of a table escaped.

    Example:
        >>> print(markdown("a|b_c\n*d*"))
        a\|b\_c \*d\*
    """
    return _MARKDOWN.sub(r"\\\1", _one_line(text))


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _matrix(title: str, norms: Sequence[str], rows: Sequence[TableRow]) -> Grid:
    lines = tuple(
        (f"{row.row.name}, {row.row.unit}", *(_standing(row, row.cell(norm)) for norm in norms)) for row in rows
    )
    return Grid(title, ("criterion", *norms), lines)


def _number(row: TableRow, cell: Cell) -> str:
    if cell.estimate is None:
        return "no result"
    if row.row.exact:
        return cell.measured
    return f"{number(cell.estimate.value, row.row.decimals)} {interval(cell.estimate, row.row.decimals)}"


def _standing(row: TableRow, cell: Cell) -> str:
    judged = cell.judgement if cell.estimate and row.row.lower_is_better is not None else None
    return f"{_number(row, cell)} {judged.standing}" if judged else _number(row, cell)


def _in_markdown(grid: Grid) -> Iterator[str]:
    yield f"## {markdown(grid.title)}"
    yield ""
    for line in (grid.head, ("---",) * len(grid.head), *grid.lines):
        yield f"| {' | '.join(text if text == '---' else markdown(text) for text in line)} |"
    yield ""


def _in_latex(grid: Grid) -> Iterator[str]:
    yield r"\begin{table}"
    yield rf"\caption{{{latex(grid.title)}}}"
    yield rf"\begin{{tabular}}{{{'l' * len(grid.head)}}}"
    yield r"\toprule"
    yield _latex_line(grid.head)
    yield r"\midrule"
    yield from map(_latex_line, grid.lines)
    yield r"\bottomrule"
    yield r"\end{tabular}"
    yield r"\end{table}"


def _latex_line(texts: Sequence[str]) -> str:
    # Braces, since a bracket that follows \\ would be read as its argument.
    return rf"{' & '.join(f'{{{latex(text)}}}' for text in texts)} \\"
