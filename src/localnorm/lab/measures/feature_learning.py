"""Feature learning: what a linear probe gets wrong on the features behind the last norm."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from localnorm.lab.measures.row import Row, Samples, error_row
from localnorm.lab.measures.select import Runs, by_seed, mean_of_known, of_trials
from localnorm.lab.records.record import Record
from localnorm.lab.study.study import Study, TaskStudy

NAME = "feature learning"


def row(task: TaskStudy) -> Row | None:
    """Return the row of a task that classifies images."""
    if not task.features:
        return None
    return error_row(
        task,
        NAME,
        f"test error on {task.name} of a linear probe, ridge regression fitted to the frozen features behind the "
        "network's last norm, at the setting chosen on validation data",
    )


def measure(study: Study, task: TaskStudy, records: Collection[Record]) -> Samples:
    """Return each norm's error of the probe by seed.

    In the details, ``sparsity``: the mean over the seeds of Treves and Rolls's sparseness of the same features,
    from 0 (all as active) to 1 (one active). None where no feature is ever active.
    """
    found = of_trials(records, study.grid_trials(task))

    def details(norm: str, runs: Runs) -> Mapping[str, Any]:
        own = [record.results.get("sparsity") for (name, _), record in runs.items() if name == norm]
        return {"sparsity": mean_of_known(own)}

    return by_seed(study, found, lambda results: results.get("probe_error"), details)
