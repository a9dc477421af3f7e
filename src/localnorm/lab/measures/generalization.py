"""Generalization: test error, its gap to the training error, and what the mode of training changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from statistics import fmean
from typing import Any

from localnorm.lab.measures.row import Row, Samples, error_row
from localnorm.lab.measures.select import Runs, by_seed, of_trials
from localnorm.lab.records.record import Record
from localnorm.lab.study.study import Study, TaskStudy

NAME = "generalization"


def row(task: TaskStudy) -> Row | None:
    """Return the row of a task of images."""
    if task.kind != "images":
        return None
    return error_row(
        task, NAME, f"test error on {task.name}, {task.measured_as}, at the setting chosen on validation data"
    )


def measure(study: Study, task: TaskStudy, records: Collection[Record]) -> Samples:
    """Return each norm's test error by seed.

    In the details, means over the seeds: ``train_error`` in evaluation mode; ``gap``, test minus train error; and
    ``train_mode_gap``, the train error in training mode, over batches of the size trained with, minus that in
    evaluation mode at the same weights.
    """
    found = of_trials(records, study.grid_trials(task))

    def details(norm: str, runs: Runs) -> Mapping[str, Any]:
        own = [record.results for (name, _), record in runs.items() if name == norm]
        return {
            "train_error": fmean(results["train_error"] for results in own),
            "gap": fmean(results["test_error"] - results["train_error"] for results in own),
            "train_mode_gap": fmean(results["train_mode_error"] - results["train_error"] for results in own),
        }

    return by_seed(study, found, lambda results: float(results["test_error"]), details)
