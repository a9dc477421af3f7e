"""The table as a typed value; terminal, files, HTML and tests read the same one."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from localnorm.lab.claims import claim_of
from localnorm.lab.judge import Judgement, Verdict, judge
from localnorm.lab.measures import MEASURES, Row, Sample
from localnorm.lab.records import RECORD_VERSION, Record
from localnorm.lab.statistics import Estimate, estimate
from localnorm.lab.study import Study


@dataclass(frozen=True)
class Cell:
    """One norm in one row.

    Attributes:
        norm: the norm.
        claim: the textbook's words; empty where it has none.
        judged_as: what was judged, in words; empty for none.
        measured: the finding as text, with its interval where it has one.
        estimate: the finding as a number; None where there is none.
        pairs: how many pairs the number rests on.
        verdict: on what was judged; None for none, with which the others are compared.
        judgement: the rest of what was decided; None for none.
        details: further findings by name.
    """

    norm: str
    claim: str
    judged_as: str
    measured: str
    estimate: Estimate | None
    pairs: int
    verdict: Verdict | None
    judgement: Judgement | None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TableRow:
    """One criterion with a cell for every norm."""

    row: Row
    cells: tuple[Cell, ...]

    def cell(self, norm: str) -> Cell:
        """Return the cell of a norm of the study."""
        return next(cell for cell in self.cells if cell.norm == norm)


@dataclass(frozen=True)
class Table:
    """The study's table.

    Attributes:
        study: the settings.
        rows: the criteria, in the order of design and documentation.
    """

    study: Study
    rows: tuple[TableRow, ...]

    def row(self, name: str) -> TableRow:
        """Return the row of a criterion."""
        return next(row for row in self.rows if row.row.name == name)

    def to_json(self) -> str:
        """Return the table as readable JSON."""
        return json.dumps({"record_version": RECORD_VERSION, **asdict(self)}, indent=1, allow_nan=False) + "\n"


def make_table(study: Study, records: Collection[Record]) -> Table:
    """Measure and judge every row.

    Args:
        study: the settings.
        records: the records there are; what is missing is said in the cells.
    """
    rows = []
    for measure in MEASURES:
        samples = measure.measure(study, records)
        judgements = judge(measure.row, samples)
        rows.append(
            TableRow(
                measure.row,
                tuple(_cell(measure.row, norm, samples[norm], judgements.get(norm)) for norm in study.norms),
            )
        )
    return Table(study, tuple(rows))


def _cell(row: Row, norm: str, sample: Sample, judgement: Judgement | None) -> Cell:
    values = [value for value in sample.values if value is not None]
    found = estimate(values) if values else None
    claim = claim_of(row.name, norm) if judgement else None
    return Cell(
        norm,
        claim.text if claim else "",
        claim.judged_as if claim else "",
        _measured(row, sample, found),
        found,
        len(values),
        judgement.verdict if judgement else None,
        judgement,
        sample.details,
    )


def _measured(row: Row, sample: Sample, found: Estimate | None) -> str:
    if found is None:
        return sample.missing
    if sample.text:
        return sample.text
    value, low, high = (f"{number:.{row.decimals}f}" for number in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"
