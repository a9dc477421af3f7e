"""The table of a study as one typed value: the source of the terminal output, the pages and the exports."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from localnorm.lab.analysis.across_tasks import over_tasks, overall_row
from localnorm.lab.analysis.claims import claim_of
from localnorm.lab.analysis.paired import Verdict
from localnorm.lab.analysis.statistics import Estimate, estimate
from localnorm.lab.analysis.verdicts import Judgement, judge
from localnorm.lab.measures import MEASURES, Measure, Row, Sample, Samples
from localnorm.lab.measures.select import RecordSet
from localnorm.lab.records.record import RECORD_VERSION, Record
from localnorm.lab.study.study import Study


@dataclass(frozen=True)
class Cell:
    """One norm in one row.

    Attributes:
        norm: the norm.
        claim: the article's words; empty if it has none.
        judged_as: the judged statement, in words; empty for none.
        measured: the result as text, with its interval if it has one; without a result, the reason.
        estimate: the result as a number; None without a result.
        pairs: number of judged seeds (or timing rounds) behind the number.
        verdict: on the judged statement; None for none, the baseline.
        judgement: the rest of the decision; None for none.
        details: further results by name.
        record_keys: keys of the records behind the number; in a row over several tasks, also those of `none`.
        values: one number per pair, in the order of the judged seeds (or timing rounds), None for a pair without a
            result. In a row over several tasks, the mean difference from none in smallest effects.
        seeds_done: number of judged seeds, from the first, whose trials have all run.
        resolution: the step between values that can be measured.
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
    record_keys: tuple[str, ...] = ()
    values: tuple[float | None, ...] = ()
    seeds_done: int = 0
    resolution: float = 0.0


@dataclass(frozen=True)
class TableRow:
    """One criterion with a cell for every norm.

    Attributes:
        row: the criterion.
        cells: one per norm.
        tasks: the tasks whose mean it is; empty if it needs none.
    """

    row: Row
    cells: tuple[Cell, ...]
    tasks: tuple[str, ...] = ()

    def cell(self, norm: str) -> Cell:
        """Return the cell of a norm of the study."""
        return next(cell for cell in self.cells if cell.norm == norm)


@dataclass(frozen=True)
class Section:
    """The rows of one task."""

    task: str
    rows: tuple[TableRow, ...]

    def find(self, name: str) -> TableRow | None:
        """Return the row of a criterion, None if the task has none."""
        return next((row for row in self.rows if row.row.name == name), None)


@dataclass(frozen=True)
class Table:
    """The table of a study.

    Attributes:
        study: the settings.
        rows: the overall rows. A criterion of several tasks is their mean; of one task, it is that task's row.
        sections: the rows of each task.
    """

    study: Study
    rows: tuple[TableRow, ...]
    sections: tuple[Section, ...]

    @property
    def repeated_rows(self) -> list[TableRow]:
        """The task rows that the overall rows do not show as they are: criteria that several tasks have."""
        several = {row.row.name for row in self.rows if len(row.tasks) > 1}
        return [row for section in self.sections for row in section.rows if row.row.name in several]

    def row(self, name: str) -> TableRow:
        """Return the overall row of a criterion."""
        return next(row for row in self.rows if row.row.name == name)

    def section(self, task: str) -> Section:
        """Return the section of a task.

        Raises:
            UnknownNameError: the study has no such task.
        """
        self.study.task(task)
        return next(section for section in self.sections if section.task == task)

    def to_json(self) -> str:
        """Return the table as readable JSON."""
        content = {"record_version": RECORD_VERSION, **_fields(self)}
        return json.dumps(content, indent=1, allow_nan=False, default=_fields) + "\n"


def _fields(value: Any) -> dict[str, Any]:  # noqa: ANN401  any dataclass of a table
    """Return a dataclass as a shallow dict: asdict would copy the keys of all records. No number is infinite."""
    parts = {part.name: getattr(value, part.name) for part in fields(value)}
    return {
        name: None if isinstance(part, float) and not math.isfinite(part) else part for name, part in parts.items()
    }


def make_table(study: Study, records: Collection[Record]) -> Table:
    """Measure and judge every row, of every task and overall.

    Args:
        study: the settings.
        records: the existing records; cells without a result name the reason.
    """
    records = records if isinstance(records, RecordSet) else RecordSet(records)
    rows = []
    by_task: dict[str, list[TableRow]] = {task.name: [] for task in study.tasks}
    for measure in MEASURES:
        if isinstance(measure, Measure):
            rows.append(_judged(study, measure.row, (), measure.measure(study, records)))
            continue
        fed = [(task, row) for task in study.tasks if (row := measure.row(task))]
        samples = [measure.measure(study, task, records) for task, _ in fed]
        single = [_judged(study, row, (task.name,), s) for (task, row), s in zip(fed, samples, strict=True)]
        for task_row in single:
            by_task[task_row.tasks[0]].append(task_row)
        if len(fed) > 1:
            names = tuple(task.name for task, _ in fed)
            task_rows = [row for _, row in fed]
            rows.append(
                _judged(study, overall_row(task_rows, names), names, over_tasks(task_rows, names, samples))
            )
        else:
            rows += single
    sections = tuple(Section(task, tuple(task_rows)) for task, task_rows in by_task.items())
    return Table(study, tuple(rows), sections)


def _judged(study: Study, row: Row, tasks: tuple[str, ...], samples: Samples) -> TableRow:
    judgements = judge(row, samples, study.looks)
    return TableRow(
        row, tuple(_cell(row, norm, samples[norm], judgements.get(norm)) for norm in study.norms), tasks
    )


def _cell(row: Row, norm: str, sample: Sample, judgement: Judgement | None) -> Cell:
    known = [value for value in sample.values if value is not None]
    found = estimate(known, sample.resolution) if known else None
    claim = claim_of(row.name, norm) if judgement else None
    return Cell(
        norm,
        claim.text if claim else "",
        claim.judged_as if claim else "",
        _measured(row, sample, found),
        found,
        len(known),
        judgement.verdict if judgement else None,
        judgement,
        sample.details,
        sample.record_keys if found else (),
        sample.values if found else (),
        sample.seeds_done,
        sample.resolution,
    )


def _measured(row: Row, sample: Sample, found: Estimate | None) -> str:
    if found is None:
        return sample.missing
    if sample.text:
        return sample.text
    value, low, high = (f"{number:z.{row.decimals}f}" for number in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"
