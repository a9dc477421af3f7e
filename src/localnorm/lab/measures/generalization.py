"""Generalization: test error at the chosen setting, and its gap to the training error."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from statistics import fmean
from typing import Any

from localnorm.lab.measures.judged import by_seed
from localnorm.lab.measures.row import Row, Samples, error_row, short_name
from localnorm.lab.measures.select import Runs, of_norm
from localnorm.lab.records.record import Record
from localnorm.lab.study.study import Study, TaskStudy

NAME = "generalization"


def coarse_test(task: TaskStudy) -> str:
    """Return a warning if one test example is worth more than the smallest effect, else an empty text.

    The number of test examples is read from the task's description, as in "36 to train, 12 to choose, 12 to test".

    Example:
        >>> coarse_test(TaskStudy("cats", "images", "m", "12 to test", "", "% error", smallest_effect=0.5))
        "12 test examples: one is 8.3 points of error, more than the smallest effect of 0.5, so ..."
    """
    found = re.search(r"([\d,]*\d) to test\b", task.about) if task.unit == "% error" else None
    count = int(found[1].replace(",", "")) if found else 0
    if not count or 100 / count <= task.smallest_effect:
        return ""
    return (
        f"{count:,} test examples: one is {100 / count:.1f} points of error, more than the smallest effect of "
        f"{task.smallest_effect:g}, so a difference of one example can't be told from chance"
    )


def row(task: TaskStudy) -> Row | None:
    """Return the row of an image task."""
    about = f"test error on {short_name(task.name)}, {task.measured_as}, at the setting that the pilot chose"
    return error_row(task, NAME, about) if task.kind == "images" else None


def measure(study: Study, task: TaskStudy, records: Collection[Record]) -> Samples:
    """Return each norm's test error by seed.

    The details are means over the seeds: ``train_error`` in evaluation mode; ``gap``, test minus train error; and
    ``train_mode_gap``, the train error in training mode, over batches of the size trained with, minus that in
    evaluation mode at the same weights.
    """

    def details(norm: str, runs: Runs) -> Mapping[str, Any]:
        results = [record.results for record in of_norm(runs, norm)]
        return {
            "train_error": fmean(r["train_error"] for r in results),
            "gap": fmean(r["test_error"] - r["train_error"] for r in results),
            "train_mode_gap": fmean(r["train_mode_error"] - r["train_error"] for r in results),
        }

    return by_seed(study, task, records, lambda results: float(results["test_error"]), details)
