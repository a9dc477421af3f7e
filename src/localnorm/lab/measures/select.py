"""Picking records: by what their trial is, and the learning rate by validation error."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from localnorm.lab.measures.row import Sample, Samples
from localnorm.lab.records import Probe, Record, Trial
from localnorm.lab.study import Study

Runs = Mapping[tuple[str, int], Record]
"""The chosen record of each norm and seed."""


def of_trials(records: Collection[Record], wanted: Iterable[Trial]) -> dict[Trial, Record]:
    """Return the records of the wanted trials that exist."""
    by_job = {record.job: record for record in records}
    return {trial: by_job[trial] for trial in wanted if trial in by_job}


def of_probe(records: Collection[Record], name: str, norms: Sequence[str]) -> dict[str, Record]:
    """Return the record of a probe for each norm."""
    return {
        norm: record
        for record in records
        if isinstance(record.job, Probe) and record.job.name == name
        for norm in record.job.norms
        if norm in norms
    }


def drawn(study: Study, records: Collection[Record]) -> list[Record]:
    """Return the records of the settings drawn on the digits."""
    grid = set(study.grid_trials()) | set(study.batch_trials())
    return [
        record
        for record in records
        if isinstance(record.job, Trial)
        and record.job.task == "digits"
        and record.job.norm in study.norms
        and record.job.seed in study.seeds
        and record.job.batch_size == study.batch_size
        and record.job not in grid
    ]


def validation_error(record: Record) -> float:
    """Return the last validation error, infinite for a trial that did not end well: it can't be chosen."""
    return float(record.results["validation_error"][-1]) if record.status == "ok" else math.inf


def chosen_rate(found: Mapping[Trial, Record], norm: str) -> float | None:
    """Return the learning rate with the least mean validation error over the seeds.

    A rate at which any seed failed or diverged is not chosen; of equals, the lower one is. None where no
    rate is left.
    """
    errors: dict[float, list[float]] = {}
    for trial, record in found.items():
        if trial.norm == norm:
            errors.setdefault(trial.learning_rate, []).append(validation_error(record))
    means = {rate: fmean(seen) for rate, seen in sorted(errors.items())}
    best = min(means, key=lambda rate: means[rate], default=None)
    return None if best is None or math.isinf(means[best]) else best


def chosen_runs(found: Mapping[Trial, Record], norms: Sequence[str]) -> Runs:
    """Return each norm's records at its chosen learning rate."""
    rates = {norm: chosen_rate(found, norm) for norm in norms}
    return {(t.norm, t.seed): r for t, r in found.items() if t.learning_rate == rates[t.norm]}


def why_missing(found: Mapping[Trial, Record], norm: str) -> str:
    """Say why a norm has no result among some trials."""
    records = [record for trial, record in found.items() if trial.norm == norm]
    problems = [record for record in records if record.status != "ok"]
    if not records:
        return "not run yet"
    if not problems:
        return "too few trials"
    return f"{problems[0].status}: {problems[0].message}"


def by_seed(
    study: Study,
    found: Mapping[Trial, Record],
    value: Callable[[Mapping[str, Any]], float],
    details: Callable[[str, Runs], Mapping[str, Any]],
) -> Samples:
    """Return a sample a norm: a value of each seed's results at the chosen learning rate."""
    runs = chosen_runs(found, study.norms)
    samples = {}
    for norm in study.norms:
        values = tuple(value(runs[norm, seed].results) if (norm, seed) in runs else None for seed in study.seeds)
        if all(v is None for v in values):
            samples[norm] = Sample(missing=why_missing(found, norm))
        else:
            more = {"learning_rate": chosen_rate(found, norm), **details(norm, runs)}
            samples[norm] = Sample(values, details=more)
    return samples
