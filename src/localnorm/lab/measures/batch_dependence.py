"""Batch-size dependence: spread of the test error over the batch sizes trained with."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from localnorm.lab.measures.judged import error_of, resolution, seeds_done
from localnorm.lab.measures.row import Needs, Row, Sample, Samples, error_row, short_name
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
        f"worst minus best test error on {short_name(task.name)} over the batch sizes trained with, "
        "Adam's learning rate scaled with the square root of the batch size; at equal epochs up to the task's "
        "default size, at equal steps above it",
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
    of_norms = needs(study, task, records)
    sizes = task.schedule.batch_sizes
    wanted = [trial for norm in study.norms for seed in study.seeds for trial in of_norms[norm](seed)]
    found = of_trials(records, wanted)
    ended = {(t.norm, t.seed, t.batch_size): r.results for t, r in found.items() if r.status == "ok"}
    errors = {
        (t.norm, t.seed, t.batch_size): error for t, r in found.items() if (error := _error(task, r)) is not None
    }
    gaps = {run: results["train_mode_error"] - results["train_error"] for run, results in ended.items()}
    differences = {
        (norm, seed, size): error - errors["none", seed, size]
        for (norm, seed, size), error in errors.items()
        if ("none", seed, size) in errors
    }
    samples = {}
    for norm in study.norms:
        done = seeds_done(study, of_norms[norm], found)
        spreads: list[float | None] = [None] * len(study.seeds)
        for place, seed in enumerate(study.seeds[:done]):
            known = [errors[norm, seed, size] for size in sizes if (norm, seed, size) in errors]
            spreads[place] = max(known) - min(known) if len(known) == len(sizes) else None
        of_norm = {trial: record for trial, record in found.items() if trial.norm == norm}
        tested = [r.results.get("test_examples", 0) for r in of_norm.values() if r.status == "ok"]
        if not tested or all(spread is None for spread in spreads):
            samples[norm] = Sample(missing=why_missing(found, norm), seeds_done=done)
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
        samples[norm] = Sample(
            tuple(spreads),
            details=details,
            record_keys=keys(of_norm.values()),
            resolution=resolution(task, min(tested)),
            seeds_done=done,
        )
    return samples


def needs(study: Study, task: TaskStudy, records: Collection[Record]) -> Mapping[str, Needs]:
    """Return the trials of a seed at every batch size; they depend on no pilot."""
    del records

    def of(norm: str) -> Needs:
        return lambda seed: study.batch_trials(task, norm, seed)

    return {norm: of(norm) for norm in study.norms}


def _error(task: TaskStudy, record: Record) -> float | None:
    return error_of(task, record, lambda results: float(results["test_error"]))
