"""Content of a report beside the table: verdict counts, missing results, failed jobs, provenance, warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from localnorm.lab.analysis.claims import SELF, claim_of
from localnorm.lab.analysis.paired import Compared, Verdict, opposite
from localnorm.lab.analysis.table import Cell, Table, TableRow
from localnorm.lab.analysis.verdicts import Judgement
from localnorm.lab.descriptions import MODELS
from localnorm.lab.measures.select import of_probe
from localnorm.lab.records.record import Record, Status, Trial
from localnorm.lab.report.wording import VERDICTS
from localnorm.lab.study.registry import NORM_INFO
from localnorm.lab.study.study import Study


def user_defined(study: Study) -> bool:
    """Whether a norm, a model or the data of a study are the user's: the report then starts with the answer."""
    models = {task.model for task in study.tasks}
    return (
        not {*study.norms} <= {*NORM_INFO}
        or not models <= {*MODELS}
        or any(":" in task.name for task in study.tasks)
    )


@dataclass(frozen=True)
class JudgedClaim:
    """A claim of the article with its verdict and the difference that the verdict was read off.

    Attributes:
        row: its row.
        cell: its cell.
        verdict: on the claim.
        compared: the difference from none, or that of the two norms which decides; None without one.
        seen: whether it is decided, or was looked at.
        needs: norms that it is about and that the study lacks.
    """

    row: TableRow
    cell: Cell
    verdict: Verdict
    compared: Compared | None
    seen: bool
    needs: tuple[str, ...] = ()


def claims(table: Table) -> list[JudgedClaim]:
    """Return the article's claims in the order of the overall rows."""
    found = []
    for row in table.rows:
        for cell in row.cells:
            if cell.claim and cell.judgement and cell.verdict:
                compared = _deciding(row, cell.norm, cell.judgement)
                looked_at = compared is not None and compared.decision.pairs > 0
                seen = cell.verdict != "undecided" or looked_at
                needs = _needs(row.row.name, cell.norm, table.study.norms)
                found.append(JudgedClaim(row, cell, cell.verdict, compared if looked_at else None, seen, needs))
    return found


def _needs(row: str, norm: str, norms: Collection[str]) -> tuple[str, ...]:
    """Return the norms of a claim's differences that are not among those of the study."""
    sides = [name for contrast in claim_of(row, norm).contrasts for name in (contrast.more, contrast.than)]
    return tuple(dict.fromkeys(name for name in sides if name not in (SELF, *norms)))


def _deciding(row: TableRow, norm: str, judgement: Judgement) -> Compared | None:
    """Return the difference that a verdict was read off: of several, the first that decides."""
    if not judgement.compared:
        return None
    if any("none" in (found.more, found.than) for found in judgement.compared):
        return judgement.against_none
    lower = row.row.lower_is_better is not False
    shown = [found.shows(lower_is_better=lower) for found in judgement.compared]
    holds = [contrast.holds for contrast in claim_of(row.row.name, norm).contrasts]
    verdicts = [v if hold else opposite(v) for v, hold in zip(shown, holds, strict=True)]
    return judgement.compared[verdicts.index(judgement.verdict)]


@dataclass(frozen=True)
class BadSeeds:
    """Seeds of a norm that trained badly on a task.

    Attributes:
        norm: the norm.
        task: the task.
        count: how many.
        seeds: the number of judged seeds it had.
        worst: the largest difference from none.
        row: the row in which they were found.
    """

    norm: str
    task: str
    count: int
    seeds: int
    worst: float
    row: TableRow


def failures(table: Table) -> list[BadSeeds]:
    """Return the single seeds that trained badly: by task and norm, in the first row that shows any."""
    found: dict[tuple[str, str], BadSeeds] = {}
    for section in table.sections:
        for row in section.rows:
            for cell in row.cells:
                failed = cell.judgement.failures if cell.judgement else ()
                if failed:
                    worst = max((failure.difference for failure in failed), key=abs)
                    bad = BadSeeds(cell.norm, section.task, len(failed), cell.pairs, worst, row)
                    found.setdefault((section.task, cell.norm), bad)
    return list(found.values())


def verdict_counts(table: Table) -> dict[Verdict, int]:
    """Return how many of the article's opinions got each verdict overall."""
    judged = [cell.verdict for row in table.rows for cell in row.cells if cell.claim]
    return {verdict: judged.count(verdict) for verdict in VERDICTS}


def without_result(table: Table) -> dict[str, list[tuple[str, list[str]]]]:
    """Return the cells without a result: by reason, each row with its norms, overall and then of each task."""
    found: dict[str, dict[str, list[str]]] = {}
    rows = [(row.row.name, row) for row in table.rows]
    for name, row in (*rows, *((f"{row.row.name} on {row.tasks[0]}", row) for row in table.repeated_rows)):
        for cell in row.cells:
            if cell.estimate is None:
                found.setdefault(cell.measured, {}).setdefault(name, []).append(cell.norm)
    return {why: list(norms.items()) for why, norms in found.items()}


@dataclass(frozen=True)
class Problem:
    """Jobs that failed in the same way.

    Attributes:
        job: the task of trials, or the probe.
        norms: their norms.
        status: their status.
        message: the reason.
        count: how many jobs.
    """

    job: str
    norms: tuple[str, ...]
    status: Status
    message: str
    count: int


def problems(records: Collection[Record]) -> list[Problem]:
    """Return the failed jobs, grouped by task or probe, norms, status and reason."""
    alike: Counter[tuple[str, tuple[str, ...], Status, str]] = Counter()
    for record in records:
        if record.status != "ok":
            job, norms = (
                (f"training on {record.job.task}", (record.job.norm,))
                if isinstance(record.job, Trial)
                else (f"probe of {record.job.name}", record.job.norms)
            )
            alike[job, norms, record.status, record.message] += 1
    return [Problem(*group, count) for group, count in sorted(alike.items())]


def cost_shape(study: Study, records: Collection[Record]) -> tuple[int, ...]:
    """Return the shape of the timed tensor; empty if nothing was timed."""
    found = of_probe(records, "cost", study.norms, study.device).values()
    return next((tuple(record.results["shape"]) for record in found if record.status == "ok"), ())


def origins(records: Collection[Record]) -> list[tuple[dict[str, str], int]]:
    """Return each distinct provenance as labelled text, with its number of records, most first."""
    # An index has one object for all records of one provenance.
    counts = Counter(id(record.provenance) for record in records)
    each = {id(record.provenance): record.provenance for record in records}
    labelled: Counter[tuple[tuple[str, str], ...]] = Counter()
    for number, count in counts.items():
        labelled[tuple(_labelled(each[number]).items())] += count
    return [
        (dict(items), count) for items, count in sorted(labelled.items(), key=lambda pair: (-pair[1], pair[0]))
    ]


def _labelled(provenance: Mapping[str, Any]) -> dict[str, str]:
    versions = ", ".join(f"{name} {version}" for name, version in dict(provenance.get("versions", {})).items())
    labels = {
        "versions": versions,
        "commit of localnorm": provenance.get("commit"),
        "device": provenance.get("device"),
        "processor": provenance.get("processor"),
        "cores": provenance.get("cores"),
        "torch threads": provenance.get("threads"),
        "system": provenance.get("system"),
    }
    return {label: str(value) for label, value in labels.items() if value not in (None, "")}
