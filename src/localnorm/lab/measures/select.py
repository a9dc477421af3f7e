"""Select records by trial and probe, and state why a result is missing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from statistics import fmean

from localnorm.lab.records.record import Probe, Record, Trial, key

Runs = Mapping[tuple[str, int], Record]
"""The record of each norm and judged seed at the norm's setting."""
NOT_RUN, TOO_FEW = "not run yet", "too few results"
"""Reasons for a missing result other than a failure."""


def keys(records: Iterable[Record]) -> tuple[str, ...]:
    """Return the keys of records, sorted."""
    return tuple(sorted(key(record.job) for record in records))


class RecordSet(tuple[Record, ...]):
    """Records with cached indexes, for a report that searches them many times."""

    @cached_property
    def by_key(self) -> Mapping[str, Record]:
        """The records by their key."""
        return {key(record.job): record for record in self}

    @cached_property
    def by_task(self) -> Mapping[str, Sequence[Record]]:
        """The records of each task's trials; those of probes under an empty name."""
        found: dict[str, list[Record]] = {}
        for record in self:
            found.setdefault(record.job.task if isinstance(record.job, Trial) else "", []).append(record)
        return found


def _indexed(records: Collection[Record]) -> RecordSet:
    return records if isinstance(records, RecordSet) else RecordSet(records)


def of_trials(records: Collection[Record], wanted: Iterable[Trial]) -> dict[Trial, Record]:
    """Return the records of the wanted trials that exist."""
    by_key = _indexed(records).by_key
    return {trial: by_key[trial.key] for trial in wanted if trial.key in by_key}


def of_probe(
    records: Collection[Record], name: str, norms: Sequence[str], device: str, *, together: bool = False
) -> dict[str, Record]:
    """Return the record of a probe for each norm.

    Args:
        records: those to search.
        name: of the probe.
        norms: the norms.
        device: the kind of device measured on.
        together: whether a record counts only if it holds all of them.
    """
    return {
        norm: record
        for record in _indexed(records).by_task.get("", ())
        if isinstance(record.job, Probe) and (record.job.name, record.job.device) == (name, device)
        if not together or set(norms) <= set(record.job.norms)
        for norm in record.job.norms
        if norm in norms
    }


def of_norm(runs: Runs, norm: str) -> list[Record]:
    """Return a norm's records with a result."""
    return [record for (name, _), record in runs.items() if name == norm and record.status == "ok"]


def why_missing(found: Mapping[Trial, Record], norm: str) -> str:
    """Return the reason why a norm has no result among some trials."""
    records = [record for trial, record in found.items() if trial.norm == norm]
    problems = [record for record in records if record.status != "ok"]
    if not records:
        return NOT_RUN
    if not problems:
        return TOO_FEW
    return f"{problems[0].status}: {problems[0].message}"


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are not None; None if there is none.

    Example:
        >>> mean_of_known([1.0, None, 2.0]), mean_of_known([None])
        (1.5, None)
    """
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
