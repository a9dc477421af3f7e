"""Batch-size dependence: how much the error depends on the batch size trained with."""

from __future__ import annotations

from collections.abc import Collection
from statistics import fmean

from localnorm.lab.measures.row import Row, Sample, Samples, error_row
from localnorm.lab.measures.select import keys, of_trials, why_missing
from localnorm.lab.records import Record
from localnorm.lab.study import Study, TaskStudy

NAME = "batch-size dependence"


def row(task: TaskStudy) -> Row | None:
    """Return the row of a task of images that is trained at several batch sizes."""
    if task.kind != "images" or not task.schedule.batch_sizes:
        return None
    return error_row(
        task,
        NAME,
        f"worst minus best test error on {task.name} over the batch sizes trained with, at equal epochs, Adam's "
        "learning rate going with the square root of the batch size",
        effects=2.0,
        apart=True,
    )


def measure(study: Study, task: TaskStudy, records: Collection[Record]) -> Samples:
    """Return each norm's spread over the batch sizes by seed; in the details, the error at each size."""
    found = of_trials(records, study.batch_trials(task))
    sizes = task.schedule.batch_sizes
    errors = {
        (trial.norm, trial.seed, trial.batch_size): float(record.results["test_error"])
        for trial, record in found.items()
        if record.status == "ok"
    }
    samples = {}
    for norm in study.norms:
        spreads: list[float | None] = []
        for seed in study.seeds:
            seen = [errors[norm, seed, size] for size in sizes if (norm, seed, size) in errors]
            spreads.append(max(seen) - min(seen) if len(seen) == len(sizes) else None)
        if all(spread is None for spread in spreads):
            samples[norm] = Sample(missing=why_missing(found, norm))
            continue
        by_size = {}
        for size in sizes:
            seen = [errors[norm, seed, size] for seed in study.seeds if (norm, seed, size) in errors]
            by_size[str(size)] = fmean(seen) if seen else None
        own = keys(record for trial, record in found.items() if trial.norm == norm and record.status == "ok")
        samples[norm] = Sample(tuple(spreads), details={"test_error_by_batch_size": by_size}, evidence=own)
    return samples
