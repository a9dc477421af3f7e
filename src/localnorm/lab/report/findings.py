"""What a report says beside the table: counts of verdicts, what has no result, what failed, where it ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from localnorm.lab.analysis.table import Table, TableRow
from localnorm.lab.analysis.verdicts import Verdict
from localnorm.lab.measures.select import of_probe
from localnorm.lab.records.record import Record, Status, Trial
from localnorm.lab.report.wording import VERDICTS
from localnorm.lab.study.study import Study


def verdict_counts(table: Table) -> dict[Verdict, int]:
    """Return how many of the textbook's opinions got each verdict overall."""
    judged = [cell.verdict for row in table.rows for cell in row.cells if cell.claim]
    return {verdict: judged.count(verdict) for verdict in VERDICTS}


def without_result(table: Table) -> dict[str, list[tuple[str, list[str]]]]:
    """Return the cells without a finding: by reason, each row with its norms, overall and then of each task."""
    found: dict[str, dict[str, list[str]]] = {}
    overall = [(row.row.name, row) for row in table.rows]
    for name, row in (*overall, *((f"{row.row.name} on {row.tasks[0]}", row) for row in shared_rows(table))):
        for cell in row.cells:
            if cell.estimate is None:
                found.setdefault(cell.measured, {}).setdefault(name, []).append(cell.norm)
    return {why: list(rows.items()) for why, rows in found.items()}


def shared_rows(table: Table) -> list[TableRow]:
    """Return the tasks' rows that are not what stands overall: those of criteria that several tasks have."""
    several = {row.row.name for row in table.rows if len(row.tasks) > 1}
    return [row for section in table.sections for row in section.rows if row.row.name in several]


def undecided(table: Table) -> list[tuple[str, str, int]]:
    """Return row, norm and the seeds that would decide, of the textbook's opinions that are undecided."""
    return [
        (row.row.name, cell.norm, cell.judgement.seeds)
        for row in table.rows
        for cell in row.cells
        if cell.claim and cell.judgement and cell.judgement.seeds
    ]


@dataclass(frozen=True)
class Problem:
    """Jobs that did not end well in the same way.

    Attributes:
        what: the task of trials, or the probe.
        norms: the norms they were of.
        status: how they ended.
        message: why.
        count: how many jobs.
    """

    what: str
    norms: tuple[str, ...]
    status: Status
    message: str
    count: int


def problems(records: Collection[Record]) -> list[Problem]:
    """Return what went wrong, alike ones together, in the order of norms and tasks' names."""
    alike: Counter[tuple[str, tuple[str, ...], Status, str]] = Counter()
    for record in records:
        if record.status != "ok":
            what, norms = (
                (f"training on {record.job.task}", (record.job.norm,))
                if isinstance(record.job, Trial)
                else (f"probe of {record.job.name}", record.job.norms)
            )
            alike[what, norms, record.status, record.message] += 1
    return [Problem(*parts, count) for parts, count in sorted(alike.items())]


def cost_shape(study: Study, records: Collection[Record]) -> tuple[int, ...]:
    """Return the shape of the tensor that was timed; empty where nothing was."""
    found = of_probe(records, "cost", study.norms).values()
    return next((tuple(record.results["shape"]) for record in found if record.status == "ok"), ())


def origins(records: Collection[Record]) -> list[tuple[dict[str, str], int]]:
    """Return each distinct provenance as labelled text, with its number of records, most first."""
    # An index has one object for all records of one provenance.
    alike = Counter(id(record.provenance) for record in records)
    each = {id(record.provenance): record.provenance for record in records}
    told: Counter[tuple[tuple[str, str], ...]] = Counter()
    for number, count in alike.items():
        told[tuple(_labelled(each[number]).items())] += count
    return [(dict(items), count) for items, count in sorted(told.items(), key=lambda pair: (-pair[1], pair[0]))]


def _labelled(provenance: Mapping[str, Any]) -> dict[str, str]:
    versions = ", ".join(f"{name} {version}" for name, version in dict(provenance.get("versions", {})).items())
    told = {
        "versions": versions,
        "commit of localnorm": provenance.get("commit"),
        "processor": provenance.get("processor"),
        "cores": provenance.get("cores"),
        "torch threads": provenance.get("threads"),
        "system": provenance.get("system"),
    }
    return {label: str(value) for label, value in told.items() if value not in (None, "")}
