"""Select records by trial, probe and draw, and each norm's setting by validation error."""

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


class GridSetting(NamedTuple):
    """A setting of the grid, chosen on validation data once for each norm."""

    learning_rate: float
    batch_size: int
    epochs: int


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
    def by_job(self) -> Mapping[Job, Record]:
        """The records by their job."""
        return {record.job: record for record in self}

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
    by_job = _indexed(records).by_job
    return {trial: by_job[trial] for trial in wanted if trial in by_job}


def of_probe(
    records: Collection[Record], name: str, norms: Sequence[str], *, together: bool = False
) -> dict[str, Record]:
    """Return the record of a probe for each norm.

    Args:
        records: those to search.
        name: of the probe.
        norms: the norms.
        together: whether a record counts only if it holds all of them.
    """
    return {
        norm: record
        for record in _indexed(records).by_task.get("", ())
        if isinstance(record.job, Probe) and record.job.name == name
        if not together or set(norms) <= set(record.job.norms)
        for norm in record.job.norms
        if norm in norms
    }


def drawn(study: Study, task: TaskStudy, records: Collection[Record]) -> list[Record]:
    """Return the records of a task's random-search samples."""
    # By their cached keys: to hash a job takes longer.
    others = {key(trial) for trials in (study.grid_trials(task), study.batch_trials(task)) for trial in trials}
    return [
        record
        for record in _indexed(records).by_task.get(task.name, ())
        if isinstance(record.job, Trial)
        and record.job.norm in study.norms
        and record.job.seed in study.seeds
        and (record.job.batch_size, record.job.epochs) == (task.schedule.batch_size, task.schedule.epochs)
        and key(record.job) not in others
    ]


def validation_error(record: Record) -> float:
    """Return the last validation error; infinite for a trial without a result, which can't be chosen."""
    return float(record.results["validation_error"][-1]) if record.status == "ok" else math.inf


def chosen_setting(found: Mapping[Trial, Record], norm: str) -> GridSetting | None:
    """Return the setting with the least mean validation error over the seeds.

    A setting at which any seed failed or diverged is not chosen. Ties go to the lower learning rate, then batch
    size, then epochs. None if no setting is left.
    """
    errors: dict[GridSetting, list[float]] = {}
    for trial, record in found.items():
        if trial.norm == norm:
            errors.setdefault(_grid_setting(trial), []).append(validation_error(record))
    means = {setting: fmean(values) for setting, values in sorted(errors.items())}
    best = min(means, key=lambda setting: means[setting], default=None)
    return None if best is None or math.isinf(means[best]) else best


def _grid_setting(trial: Trial) -> GridSetting:
    return GridSetting(trial.learning_rate, trial.batch_size, trial.epochs)


def chosen_runs(found: Mapping[Trial, Record], norms: Sequence[str]) -> Runs:
    """Return each norm's records at its chosen setting."""
    settings = {norm: chosen_setting(found, norm) for norm in norms}
    return {(t.norm, t.seed): r for t, r in found.items() if _grid_setting(t) == settings[t.norm]}


def of_norm(runs: Runs, norm: str) -> list[Record]:
    """Return a norm's chosen records."""
    return [record for (name, _), record in runs.items() if name == norm]


def why_missing(found: Mapping[Trial, Record], norm: str) -> str:
    """Return the reason why a norm has no result among some trials."""
    records = [record for trial, record in found.items() if trial.norm == norm]
    problems = [record for record in records if record.status != "ok"]
    if not records:
        return "not run yet"
    if not problems:
        return "too few results"
    return f"{problems[0].status}: {problems[0].message}"


def by_seed(
    study: Study,
    task: TaskStudy,
    records: Collection[Record],
    value: Callable[[Mapping[str, Any]], float | None],
    details: Callable[[str, Runs], Mapping[str, Any]],
) -> Samples:
    """Return one sample per norm: a value of each seed's results at the chosen setting, None if it has none."""
    found = of_trials(records, study.grid_trials(task))
    runs = chosen_runs(found, study.norms)
    samples = {}
    for norm in study.norms:
        values = tuple(value(runs[norm, seed].results) if (norm, seed) in runs else None for seed in study.seeds)
        setting = chosen_setting(found, norm)
        if setting is None or all(v is None for v in values):
            samples[norm] = Sample(missing=why_missing(found, norm))
        else:
            used = keys(runs[norm, seed] for seed in study.seeds if (norm, seed) in runs)
            more = {**setting._asdict(), **details(norm, runs)}
            samples[norm] = Sample(values, details=more, record_keys=used)
    return samples


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are not None; None if there is none.

    Example:
        >>> mean_of_known([1.0, None, 2.0]), mean_of_known([None])
        (1.5, None)
    """
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
