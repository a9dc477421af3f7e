"""The table as CSV: one line for each row and norm, overall and of each task."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from localnorm.lab.analysis.statistics import Estimate
from localnorm.lab.analysis.table import Cell, Table, TableRow
from localnorm.lab.report import wording

Value = str | float | int | None

OVERALL = "overall"
COLUMNS = (
    "task",
    "criterion",
    "norm",
    "textbook says",
    "judged as",
    "measured",
    "value",
    "low",
    "high",
    "unit",
    "pairs",
    "verdict",
    "p value",
    "difference from none",
    "difference low",
    "difference high",
    "standing",
    "why",
    "seeds to decide",
)


def to_csv(table: Table) -> str:
    """Return the table as CSV with a header; what there is none of is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_lines(table))
    return out.getvalue()


def _lines(table: Table) -> Iterator[tuple[Value, ...]]:
    for row in table.rows:
        for cell in row.cells:
            yield _line(OVERALL if row.tasks else "", row, cell)
    for section in table.sections:
        for row in section.rows:
            for cell in row.cells:
                yield _line(section.task, row, cell)


def _line(task: str, row: TableRow, cell: Cell) -> tuple[Value, ...]:
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
        judged.p_value if judged else None,
        *_numbers(judged.difference if judged else None),
        judged.standing if judged else None,
        judged.why if judged else None,
        wording.seeds(judged.seeds) if judged and judged.seeds else None,
    )


def _numbers(found: Estimate | None) -> tuple[Value, ...]:
    return (found.value, found.low, found.high) if found else (None, None, None)
