"""Compare two finished studies: their common cells, and the verdicts that differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from localnorm.errors import LabError
from localnorm.lab.analysis.paired import Verdict
from localnorm.lab.analysis.statistics import Estimate
from localnorm.lab.analysis.table import Cell, Table, TableRow
from localnorm.lab.measures import Row


@dataclass(frozen=True)
class Change:
    """One cell in both studies.

    Attributes:
        row: the criterion.
        tasks: the tasks whose mean it is; empty if it needs none.
        norm: the norm.
        values: the first study's estimate and the second's; None without a result.
        difference: second minus first, with its interval; None if one is missing.
        verdicts: the first study's and the second's; None for the norm `none`.
    """

    row: Row
    tasks: tuple[str, ...]
    norm: str
    values: tuple[Estimate | None, Estimate | None]
    difference: Estimate | None
    verdicts: tuple[Verdict | None, Verdict | None]

    @property
    def differs(self) -> bool:
        """Whether the verdicts differ."""
        return self.verdicts[0] != self.verdicts[1]


@dataclass(frozen=True)
class Changes:
    """The common cells of two studies, and what only one of them has.

    Attributes:
        cells: in both.
        only: rows (with their tasks) and norms that only the first has, and those that only the second has.
    """

    cells: tuple[Change, ...]
    only: tuple[tuple[str, ...], tuple[str, ...]]

    @property
    def differing(self) -> tuple[Change, ...]:
        """The cells whose verdicts differ."""
        return tuple(cell for cell in self.cells if cell.differs)


def changes(first: Table, second: Table) -> Changes:
    """Compare two tables cell by cell.

    Raises:
        LabError: they have no cell in common.
    """
    rows, others = (dict(_rows(table)) for table in (first, second))
    norms = [norm for norm in first.study.norms if norm in second.study.norms]
    cells = [
        _change(row, others[name], row.cell(norm), others[name].cell(norm))
        for name, row in rows.items()
        if name in others
        for norm in norms
    ]
    if not cells:
        raise LabError(
            "two studies must have a row in common to be compared, got two that share no task and no probe; "
            "pass two of the same tasks."
        )
    return Changes(tuple(cells), (_only(first, rows, second, others), _only(second, others, first, rows)))


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Return second minus first, with an interval combined from both intervals.

    The distances of the bounds from their estimates add as squares (Zou and Donner, "Construction of confidence
    limits about effect measures", 2008). It treats the studies as independent, so for the same seeds it is wider
    than necessary.

    Example:
        >>> difference(Estimate(4.0, 1.0, 5.0), Estimate(6.0, 2.0, 9.0))
        Estimate(value=2.0, low=-2.1231056256176606, high=6.242640687119285)
    """
    value = second.value - first.value
    low = math.hypot(second.value - second.low, first.high - first.value)
    high = math.hypot(second.high - second.value, first.value - first.low)
    return Estimate(value, value - low, value + high)


def _rows(table: Table) -> Iterator[tuple[str, TableRow]]:
    """Yield every row with a name that includes its tasks; a repeated name is the same row."""
    for row in (*table.rows, *(row for section in table.sections for row in section.rows)):
        of = f" ({', '.join(row.tasks)})" if row.tasks else ""
        yield f"{row.row.name}{of}, {row.row.unit}", row


def _only(table: Table, rows: dict[str, TableRow], other: Table, others: dict[str, TableRow]) -> tuple[str, ...]:
    norms = (f"norm {norm}" for norm in table.study.norms if norm not in other.study.norms)
    return (*norms, *(name for name in rows if name not in others))


def _change(row: TableRow, other: TableRow, first: Cell, second: Cell) -> Change:
    before, after = first.estimate, second.estimate
    change = difference(before, after) if before is not None and after is not None else None
    return Change(other.row, row.tasks, first.norm, (before, after), change, (first.verdict, second.verdict))
