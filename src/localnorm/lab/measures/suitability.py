"""Suitability for a type of network: test error at equal steps, validation error at equal time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import accumulate
from statistics import fmean
from types import MappingProxyType
from typing import Any

from localnorm.lab.measures.judged import FAMILY, by_seed, judged_runs, needs
from localnorm.lab.measures.row import Row, Samples, TaskMeasure, error_row, short_name
from localnorm.lab.measures.select import Runs, mean_of_known, of_norm
from localnorm.lab.records.record import Record
from localnorm.lab.study.study import Kind, Study, TaskStudy

ROWS: Mapping[Kind, str] = MappingProxyType(
    {
        "recurrent": "suitability for RNNs",
        "transformer": "suitability for transformers",
        "style": "suitability for style transfer",
    }
)
"""The row of each kind of task."""
_NORM_PLACE: Mapping[Kind, str] = MappingProxyType(
    {"recurrent": "inside its cell", "transformer": "in every block", "style": "in the network that restyles"}
)


def _row_of(kind: Kind) -> Callable[[TaskStudy], Row | None]:
    def row(task: TaskStudy) -> Row | None:
        about = (
            f"test error on {short_name(task.name)}, {task.measured_as}, the norm {_NORM_PLACE[kind]}, "
            "at equal steps and at the setting that the pilot chose"
        )
        return error_row(task, ROWS[kind], about) if task.kind == kind else None

    return row


def measure(study: Study, task: TaskStudy, records: Collection[Record]) -> Samples:
    """Return each norm's test error by seed; the details hold the validation error at equal time.

    Values that depend on a clock are under "timed": they differ from run to run.
    """
    reference = of_norm(judged_runs(study, task, records), "none")
    budget = fmean(sum(r.timing["epoch_seconds"]) for r in reference) if reference else 0.0

    def details(norm: str, runs: Runs) -> Mapping[str, Any]:
        chosen = of_norm(runs, norm)
        return {
            "validation_error_at_equal_steps": fmean(r.results["validation_error"][-1] for r in chosen),
            "timed": {
                "validation_error_at_equal_time": mean_of_known(_within(r, budget) for r in chosen),
                "seconds_of_none": budget,
            },
        }

    return by_seed(study, task, records, lambda results: float(results["test_error"]), details)


def _within(record: Record, seconds: float) -> float | None:
    """Return the validation error after the last epoch that ended within some seconds of training."""
    ends = accumulate(record.timing["epoch_seconds"])
    # A hundredth of slack: the budget is a mean of such times.
    done = sum(end <= 1.01 * seconds for end in ends)
    return float(record.results["validation_error"][done - 1]) if done else None


MEASURES = tuple(TaskMeasure(name, _row_of(kind), measure, needs, FAMILY) for kind, name in ROWS.items())
