"""Picking records: by what their trial is, and the setting by validation error."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from statistics import fmean
from typing import Any, NamedTuple

from localnorm.lab.measures.row import Sample, Samples
from localnorm.lab.records.record import Job, Probe, Record, Trial, key
from localnorm.lab.study.study import Study, TaskStudy

Runs = Mapping[tuple[str, int], Record]
"""The chosen record of each norm and seed."""


class Setting(NamedTuple):
    """What is chosen on validation data, once for each norm."""

    learning_rate: float
    batch_size: int
    epochs: int


def keys(records: Iterable[Record]) -> tuple[str, ...]:
    """Return the keys of records, sorted: a sample's evidence."""
    return tuple(sorted(key(record.job) for record in records))


class Records(tuple[Record, ...]):
    """Records that are looked through many times, as for a report: each way of finding some is made once."""

    @cached_property
    def by_key(self) -> Mapping[str, Record]:
        """The records by their key."""
        return {key(record.job): record for record in self}

    @cached_property
    def by_job(self) -> Mapping[Job, Record]:
        """The records by their job."""
        return {record.job: record for record in self}

    @cached_property
    def by_task(self) -> Mapping[str, Sequence[Record]]:
        """The records of the trials of each task; of probes under an empty name."""
        found: dict[str, list[Record]] = {}
        for record in self:
            found.setdefault(record.job.task if isinstance(record.job, Trial) else "", []).append(record)
        return found


def of_trials(records: Collection[Record], wanted: Iterable[Trial]) -> dict[Trial, Record]:
    """Return the records of the wanted trials that exist."""
    by_job = records.by_job if isinstance(records, Records) else Records(records).by_job
    return {trial: by_job[trial] for trial in wanted if trial in by_job}


def of_probe(records: Collection[Record], name: str, norms: Sequence[str]) -> dict[str, Record]:
    """Return the record of a probe for each norm."""
    return {
        norm: record
        for record in (records.by_task.get("", ()) if isinstance(records, Records) else records)
        if isinstance(record.job, Probe) and record.job.name == name
        for norm in record.job.norms
        if norm in norms
    }


def drawn(study: Study, task: TaskStudy, records: Collection[Record]) -> list[Record]:
    """Return the records of the settings drawn on a task."""
    # By their keys, which are known: to hash a job takes longer.
    others = {key(trial) for trials in (study.grid_trials(task), study.batch_trials(task)) for trial in trials}
    return [
        record
        for record in (records.by_task.get(task.name, ()) if isinstance(records, Records) else records)
        if isinstance(record.job, Trial)
        and record.job.task == task.name
        and record.job.norm in study.norms
        and record.job.seed in study.seeds
        and (record.job.batch_size, record.job.epochs) == (task.schedule.batch_size, task.schedule.epochs)
        and key(record.job) not in others
    ]


def validation_error(record: Record) -> float:
    """Return the last validation error, infinite for a trial that did not end well: it can't be chosen."""
    return float(record.results["validation_error"][-1]) if record.status == "ok" else math.inf


def chosen_setting(found: Mapping[Trial, Record], norm: str) -> Setting | None:
    """Return the setting with the least mean validation error over the seeds.

    A setting at which any seed failed or diverged is not chosen; of equals, the one with the lower learning
    rate, then batch size, then epochs is. None where no setting is left.
    """
    errors: dict[Setting, list[float]] = {}
    for trial, record in found.items():
        if trial.norm == norm:
            errors.setdefault(_setting(trial), []).append(validation_error(record))
    means = {setting: fmean(seen) for setting, seen in sorted(errors.items())}
    best = min(means, key=lambda setting: means[setting], default=None)
    return None if best is None or math.isinf(means[best]) else best


def _setting(trial: Trial) -> Setting:
    return Setting(trial.learning_rate, trial.batch_size, trial.epochs)


def chosen_runs(found: Mapping[Trial, Record], norms: Sequence[str]) -> Runs:
    """Return each norm's records at its chosen setting."""
    settings = {norm: chosen_setting(found, norm) for norm in norms}
    return {(t.norm, t.seed): r for t, r in found.items() if _setting(t) == settings[t.norm]}


def why_missing(found: Mapping[Trial, Record], norm: str) -> str:
    """Say why a norm has no result among some trials."""
    records = [record for trial, record in found.items() if trial.norm == norm]
    problems = [record for record in records if record.status != "ok"]
    if not records:
        return "not run yet"
    if not problems:
        return "too few results"
    return f"{problems[0].status}: {problems[0].message}"


def by_seed(
    study: Study,
    found: Mapping[Trial, Record],
    value: Callable[[Mapping[str, Any]], float | None],
    details: Callable[[str, Runs], Mapping[str, Any]],
) -> Samples:
    """Return a sample a norm: a value of each seed's results at the chosen setting, None where they have none."""
    runs = chosen_runs(found, study.norms)
    samples = {}
    for norm in study.norms:
        values = tuple(value(runs[norm, seed].results) if (norm, seed) in runs else None for seed in study.seeds)
        setting = chosen_setting(found, norm)
        if setting is None or all(v is None for v in values):
            samples[norm] = Sample(missing=why_missing(found, norm))
        else:
            evidence = keys(runs[norm, seed] for seed in study.seeds if (norm, seed) in runs)
            samples[norm] = Sample(values, details={**setting._asdict(), **details(norm, runs)}, evidence=evidence)
    return samples


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values there are, None where there is none.

    Example:
        >>> mean_of_known([1.0, None, 2.0]), mean_of_known([None])
        (1.5, None)
    """
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
