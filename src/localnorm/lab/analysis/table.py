"""The table as a typed value; terminal, files, HTML and tests read the same one."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from localnorm.lab.analysis.across_tasks import in_effects, overall_row
from localnorm.lab.analysis.claims import claim_of
from localnorm.lab.analysis.statistics import Estimate, estimate_over
from localnorm.lab.analysis.verdicts import Judgement, Verdict, judge
from localnorm.lab.measures import MEASURES, Measure, Row, Sample, Samples, TaskMeasure
from localnorm.lab.records.record import RECORD_VERSION, Record
from localnorm.lab.study.study import Study, TaskStudy


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
        evidence: the keys of the records that the number was read from; of a row over several tasks, also of
            those of `none`.
        values: what it was made of: for each task one number a pair, in the order of the seeds (or of the rounds
            of timing), None where a pair has no result.
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
    evidence: tuple[str, ...] = ()
    values: tuple[tuple[float | None, ...], ...] = ()


@dataclass(frozen=True)
class TableRow:
    """One criterion with a cell for every norm.

    Attributes:
        row: what is measured.
        cells: one a norm.
        tasks: the tasks whose mean it is; empty where it needs none.
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
        """Return the row of a criterion, None where the task has none."""
        return next((row for row in self.rows if row.row.name == name), None)


@dataclass(frozen=True)
class Table:
    """The study's table.

    Attributes:
        study: the settings.
        rows: overall: the criteria in the order of design and documentation, those of tasks over all tasks that
            have them. Where one task has it, the row is that task's.
        sections: the criteria of each task.
    """

    study: Study
    rows: tuple[TableRow, ...]
    sections: tuple[Section, ...]

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
        content = {"record_version": RECORD_VERSION, **_parts(self)}
        return json.dumps(content, indent=1, allow_nan=False, default=_parts) + "\n"


def _parts(value: Any) -> dict[str, Any]:  # noqa: ANN401  any dataclass of a table
    """Return what a dataclass holds, as it is: asdict would copy the keys of all records."""
    return {part.name: getattr(value, part.name) for part in fields(value)}


def make_table(study: Study, records: Collection[Record]) -> Table:
    """Measure and judge every row, of every task and overall.

    Args:
        study: the settings.
        records: the records there are; what is missing is said in the cells.
    """
    rows = []
    of_tasks: dict[str, list[TableRow]] = {task.name: [] for task in study.tasks}
    for measure in MEASURES:
        if isinstance(measure, Measure):
            rows.append(_judged(study, measure.row, (), measure.measure(study, records)))
            continue
        found = _measured_by_task(study, measure, records)
        alone = [_judged(study, row, (task.name,), samples) for task, row, samples in found]
        for made in alone:
            of_tasks[made.tasks[0]].append(made)
        if len(found) > 1:
            names = tuple(task.name for task, _, _ in found)
            scaled = [in_effects(row, samples) for _, row, samples in found]
            rows.append(_judged(study, overall_row([row for _, row, _ in found], names), names, *scaled))
        else:
            rows += alone
    sections = tuple(Section(task, tuple(own)) for task, own in of_tasks.items())
    return Table(study, tuple(rows), sections)


def _measured_by_task(
    study: Study, measure: TaskMeasure, records: Collection[Record]
) -> list[tuple[TaskStudy, Row, Samples]]:
    """Return what each task that feeds a criterion has in it."""
    rows = [(task, measure.row(task)) for task in study.tasks]
    return [(task, row, measure.measure(study, task, records)) for task, row in rows if row is not None]


def _judged(study: Study, row: Row, tasks: tuple[str, ...], *samples: Samples) -> TableRow:
    judgements = judge(row, *samples)
    cells = []
    for norm in study.norms:
        own = [of_task[norm] for of_task in samples]
        sample = own[0] if len(own) == 1 else _together(tasks, own)
        cells.append(_cell(row, norm, sample, own, judgements.get(norm)))
    return TableRow(row, tuple(cells), tasks)


def _together(tasks: tuple[str, ...], samples: list[Sample]) -> Sample:
    """Return what several tasks have in common to say of a norm: why there is no finding, or each one's."""
    missing = [f"{task}: {s.missing}" for task, s in zip(tasks, samples, strict=True) if s.missing]
    if missing:
        return Sample(missing="; ".join(missing))
    values = [[value for value in sample.values if value is not None] for sample in samples]
    middles = {task: estimate_over([own]).value for task, own in zip(tasks, values, strict=True)}
    evidence = tuple(key for sample in samples for key in sample.evidence)
    return Sample(details={"by_task": middles}, evidence=evidence)


def _strata(samples: list[Sample]) -> list[list[float]]:
    """Return the values of each task, nothing where some task has none."""
    strata = [[value for value in sample.values if value is not None] for sample in samples]
    return strata if all(strata) else []


def _cell(row: Row, norm: str, sample: Sample, own: list[Sample], judgement: Judgement | None) -> Cell:
    strata = _strata(own)
    found = estimate_over(strata) if strata else None
    claim = claim_of(row.name, norm) if judgement else None
    return Cell(
        norm,
        claim.text if claim else "",
        claim.judged_as if claim else "",
        _measured(row, sample, found),
        found,
        sum(map(len, strata)),
        judgement.verdict if judgement else None,
        judgement,
        sample.details,
        sample.evidence if found else (),
        tuple(of_task.values for of_task in own) if found else (),
    )


def _measured(row: Row, sample: Sample, found: Estimate | None) -> str:
    if found is None:
        return sample.missing
    if sample.text:
        return sample.text
    value, low, high = (f"{number:z.{row.decimals}f}" for number in (found.value, found.low, found.high))
    return f"{value} [{low}, {high}]"
