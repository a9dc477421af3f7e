"""Feature learning: test error of a linear probe on the features behind the last norm."""

from __future__ import annotations

from collections.abc import Collection

from localnorm.lab.measures.judged import by_seed
from localnorm.lab.measures.row import Row, Samples, error_row, short_name
from localnorm.lab.measures.select import mean_of_known, of_norm
from localnorm.lab.records.record import Record
from localnorm.lab.study.study import Study, TaskStudy

NAME = "feature learning"


def row(task: TaskStudy) -> Row | None:
    """Return the row of an image classification task."""
    about = (
        f"test error on {short_name(task.name)} of a linear probe, ridge regression fitted to the frozen features "
        "behind the network's last norm, at the setting that the pilot chose"
    )
    return error_row(task, NAME, about) if task.features else None


def measure(study: Study, task: TaskStudy, records: Collection[Record]) -> Samples:
    """Return each norm's linear-probe error by seed.

    The details hold ``sparsity``: the mean over the seeds of Treves and Rolls's sparseness of the same features,
    from 0 (all as active) to 1 (one active). None if no feature is ever active.
    """
    return by_seed(
        study,
        task,
        records,
        lambda results: results.get("probe_error"),
        lambda norm, runs: {"sparsity": mean_of_known(r.results.get("sparsity") for r in of_norm(runs, norm))},
        lambda results: int(results.get("probe_examples", 0)),
    )
