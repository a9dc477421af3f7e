"""Judged trials of each norm: the list for a seed, and one sample per norm from their records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from localnorm.lab.measures.choice import GridSetting, choose
from localnorm.lab.measures.row import Needs, Sample, Samples
from localnorm.lab.measures.select import NOT_RUN, TOO_FEW, RecordSet, Runs, keys, of_trials, why_missing
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.study.study import Study, TaskStudy

FAMILY = "chosen settings"


@lru_cache(maxsize=2**14)
def judged_trial(task: TaskStudy, norm: str, seed: int, setting: GridSetting) -> Trial:
    """Return the trial of a norm's chosen setting, with every measurement of the task."""
    return task.judged_trial(norm, seed, setting)


def needs(study: Study, task: TaskStudy, records: Collection[Record]) -> Mapping[str, Needs]:
    """Return the trials of a seed at each norm's chosen setting, for the norms that have one."""

    def of(norm: str, setting: GridSetting) -> Needs:
        return lambda seed: (judged_trial(task, norm, seed, setting),)

    chosen = choose(study, task, records)
    return {norm: of(norm, setting) for norm, setting in chosen.items() if setting is not None}


def judged_runs(study: Study, task: TaskStudy, records: Collection[Record]) -> Runs:
    """Return the record of each norm and judged seed, up to a norm's first seed without one."""
    by_key = _by_key(records)
    runs = {}
    for norm, trials_of in needs(study, task, records).items():
        for seed in study.seeds:
            (trial,) = trials_of(seed)
            if trial.key not in by_key:
                break
            runs[norm, seed] = by_key[trial.key]
    return runs


def _by_key(records: Collection[Record]) -> Mapping[str, Record]:
    return (records if isinstance(records, RecordSet) else RecordSet(records)).by_key


def seeds_done(study: Study, needs_of: Needs, found: Mapping[Trial, Record]) -> int:
    """Return for how many judged seeds, from the first, all trials have a record."""
    seeds = (all(trial in found for trial in needs_of(seed)) for seed in study.seeds)
    return next((place for place, done in enumerate(seeds) if not done), len(study.seeds))


def error_of(task: TaskStudy, record: Record, value: Callable[[Mapping[str, Any]], float | None]) -> float | None:
    """Return a number of a record's results; the error of chance if training diverged; None without a result."""
    if record.status == "diverged":
        return task.chance_error
    return value(record.results) if record.status == "ok" else None


def by_seed(
    study: Study,
    task: TaskStudy,
    records: Collection[Record],
    value: Callable[[Mapping[str, Any]], float | None],
    details: Callable[[str, Runs], Mapping[str, Any]],
    examples: Callable[[Mapping[str, Any]], int] = lambda results: int(results.get("test_examples", 0)),
) -> Samples:
    """Return one sample per norm: a value of each judged seed at the setting that the pilot chose.

    Args:
        study: the study.
        task: the task.
        records: those of the study.
        value: reads it from the results of a seed; None if they lack it.
        details: further results of a norm, from its runs with a result.
        examples: reads the number of examples that the value is a mean over.
    """
    records = records if isinstance(records, RecordSet) else RecordSet(records)
    runs = judged_runs(study, task, records)
    settings = choose(study, task, records)
    samples = {}
    for norm in study.norms:
        of_norm = [runs[norm, seed] for seed in study.seeds if (norm, seed) in runs]
        values = tuple(error_of(task, record, value) for record in of_norm)
        ended = ended_ok(of_norm)
        setting = settings[norm]
        if setting is None or not ended or all(v is None for v in values):
            pilot = of_trials(records, study.pilot_trials(task))
            found = {record.job: record for record in of_norm if isinstance(record.job, Trial)}
            missing = why_missing(pilot if setting is None else found, norm)
            if setting is None and missing == TOO_FEW:
                # The pilot of the norm is whole, that of none is not.
                missing = NOT_RUN
            samples[norm] = Sample(missing=missing, seeds_done=len(of_norm))
            continue
        count = min(examples(record.results) for record in ended)
        samples[norm] = Sample(
            values + (None,) * (len(study.seeds) - len(values)),
            details={**setting._asdict(), **details(norm, runs)},
            record_keys=keys(of_norm),
            resolution=resolution(task, count),
            seeds_done=len(of_norm),
        )
    return samples


def ended_ok(records: Sequence[Record]) -> list[Record]:
    """Return the records with a result."""
    return [record for record in records if record.status == "ok"]


def resolution(task: TaskStudy, examples: int) -> float:
    """Return the step between two error rates over some examples; 0 for an error that is no such rate.

    Example:
        >>> resolution(TaskStudy("d", "images", "m", "", "", "% error", 0.5, classes=10), 500)
        0.2
    """
    return 100 / examples if examples and task.classes and task.unit == "% error" else 0.0
