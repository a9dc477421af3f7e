"""What a report is made from: a study's table, its records, and what is missing or damaged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localnorm.lab.judge import Verdict
from localnorm.lab.measures.select import drawn, of_probe
from localnorm.lab.records import STATUSES, Record, Status, Trial
from localnorm.lab.report.wording import VERDICTS
from localnorm.lab.store import Damaged, Store
from localnorm.lab.study import Study
from localnorm.lab.study_folder import read_study
from localnorm.lab.table import Table, make_table

TABLE_JSON, TABLE_CSV, REPORT_HTML = "table.json", "table.csv", "report.html"


@dataclass(frozen=True)
class Report:
    """A study's results, read from its folder.

    Attributes:
        folder: the study's folder.
        table: the judged table.
        records: every sound record, in the order of their keys.
        damaged: the files in the folder that are no sound records.
        done: how many of the study's jobs have a record.
        wanted: how many jobs the study has.
    """

    folder: Path
    table: Table
    records: tuple[Record, ...]
    damaged: tuple[Damaged, ...]
    done: int
    wanted: int

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that `write_report` writes: JSON, CSV, HTML."""
        return tuple(self.folder / name for name in (TABLE_JSON, TABLE_CSV, REPORT_HTML))

    @property
    def counts(self) -> Mapping[Status, int]:
        """Number of records by status; every status is there."""
        return {status: sum(record.status == status for record in self.records) for status in STATUSES}

    @property
    def trials(self) -> int:
        """Number of records of trials: the models that were trained, or were tried to be."""
        return sum(isinstance(record.job, Trial) for record in self.records)


def read_report(folder: Path) -> Report:
    """Read a study's folder and make its table; nothing is written.

    Raises:
        RecordError: the folder holds no study, or one that can't be read.
    """
    study = read_study(folder)
    sound, damaged = Store(folder).read()
    records = tuple(sound.values())
    done, wanted = _progress(study, records)
    return Report(folder, make_table(study, records), records, damaged, done, wanted)


def _progress(study: Study, records: Collection[Record]) -> tuple[int, int]:
    """Return how many of the study's jobs have a record, and how many jobs there are."""
    known = {*study.grid_trials(), *study.row_trials(), *study.batch_trials(), *study.probes()}
    # Which settings are drawn is known only where torch is, so the drawn ones are counted.
    draws = len(study.norms) * len(study.seeds) * study.draws
    done = sum(record.job in known for record in records) + min(draws, len(drawn(study, records)))
    return done, len(known) + draws


def verdict_counts(table: Table) -> dict[Verdict, int]:
    """Return how many of the textbook's opinions got each verdict."""
    judged = [cell.verdict for row in table.rows for cell in row.cells if cell.claim]
    return {verdict: judged.count(verdict) for verdict in VERDICTS}


def without_result(table: Table) -> dict[str, list[tuple[str, list[str]]]]:
    """Return the cells without a finding: by reason, each row with its norms."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in table.rows:
        for cell in row.cells:
            if cell.estimate is None:
                found.setdefault(cell.measured, {}).setdefault(row.row.name, []).append(cell.norm)
    return {why: list(rows.items()) for why, rows in found.items()}


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


def cost_shape(report: Report) -> tuple[int, ...]:
    """Return the shape of the tensor that was timed; empty where nothing was."""
    found = of_probe(report.records, "cost", report.table.study.norms).values()
    return next((tuple(record.results["shape"]) for record in found if record.status == "ok"), ())


def origins(records: Collection[Record]) -> list[tuple[dict[str, str], int]]:
    """Return each distinct provenance as labelled text, with its number of records, most first."""
    told = Counter(tuple(_labelled(record.provenance).items()) for record in records)
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
