"""Batch-size dependence: spread of the test error over the batch sizes trained with."""

from __future__ import annotations

from collections.abc import Collection

from localnorm.lab.measures.row import Row, Sample, Samples, error_row
from localnorm.lab.measures.select import keys, mean_of_known, of_trials, why_missing
from localnorm.lab.records.record import Record
from localnorm.lab.study.study import Study, TaskStudy

NAME = "batch-size dependence"


def row(task: TaskStudy) -> Row | None:
    """Return the row of an image task that is trained at several batch sizes."""
    if task.kind != "images" or not task.schedule.batch_sizes:
        return None
    return error_row(
        task,
        NAME,
        f"worst minus best test error on {task.name} over the batch sizes trained with, Adam's learning rate "
        "going with the square root of the batch size; at equal epochs up to the task's own size, at equal steps "
        "above it",
        effects=2.0,
        apart=True,
    )


def measure(study: Study, task: TaskStudy, records: Collection[Record]) -> Samples:
    """Return each norm's spread over the batch sizes by seed.

    The details hold means over the seeds by batch size, None if no seed has a result:
    ``test_error_by_batch_size``; ``difference_from_none``, the test error minus that of `none` with the same seed
    and size, which removes the effect of the size on every network; and ``train_mode_gap``, the train error in
    training mode minus that in evaluation mode at the same weights: the effect of statistics over a batch of that
    size instead of all data.
    """
    found = of_trials(records, study.batch_trials(task))
    sizes = task.schedule.batch_sizes
    ended = {(t.norm, t.seed, t.batch_size): r.results for t, r in found.items() if r.status == "ok"}
    errors = {run: float(results["test_error"]) for run, results in ended.items()}
    gaps = {run: results["train_mode_error"] - results["train_error"] for run, results in ended.items()}
    differences = {
        (norm, seed, size): error - errors["none", seed, size]
        for (norm, seed, size), error in errors.items()
        if ("none", seed, size) in errors
    }
    samples = {}
    for norm in study.norms:
        spreads: list[float | None] = []
        for seed in study.seeds:
            known = [errors[norm, seed, size] for size in sizes if (norm, seed, size) in errors]
            spreads.append(max(known) - min(known) if len(known) == len(sizes) else None)
        if all(spread is None for spread in spreads):
            samples[norm] = Sample(missing=why_missing(found, norm))
            continue
        details = {
            name: {
                str(size): mean_of_known(values.get((norm, seed, size)) for seed in study.seeds) for size in sizes
            }
            for name, values in (
                ("test_error_by_batch_size", errors),
                ("difference_from_none", differences),
                ("train_mode_gap", gaps),
            )
        }
        used = keys(record for trial, record in found.items() if trial.norm == norm and record.status == "ok")
        samples[norm] = Sample(tuple(spreads), details=details, record_keys=used)
    return samples
