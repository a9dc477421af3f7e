"""Robustness: error under corruptions at five severities, absolute and relative to none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from statistics import fmean
from typing import Any

from localnorm.lab.measures.judged import by_seed
from localnorm.lab.measures.row import Row, Samples, error_row, short_name
from localnorm.lab.measures.select import Runs, of_norm
from localnorm.lab.records.record import Record
from localnorm.lab.study.study import Study, TaskStudy

NAME = "robustness to noise"


def row(task: TaskStudy) -> Row | None:
    """Return the row of a task that is tested under corruptions."""
    about = (
        f"test error on {short_name(task.name)}, mean over {', '.join(task.corruptions)} at five "
        "severities; the noise of a seed is the same for every norm"
    )
    return error_row(task, NAME, about, effects=2.0) if task.corrupted else None


def measure(study: Study, task: TaskStudy, records: Collection[Record]) -> Samples:
    """Return each norm's mean corrupted error by seed.

    The details hold the error by corruption and severity, and ``relative_to_none``: for each corruption the sum of
    the errors over the severities divided by that of `none` with the same seeds, and their "mean": the mean
    corruption error of Hendrycks and Dietterich, 2019, with `none` as the reference.
    """

    def details(norm: str, runs: Runs) -> Mapping[str, Any]:
        results = [record.results for record in of_norm(runs, norm)]
        corrupted = [r["corrupted_error"] for r in results]
        curves = {
            name: [fmean(errors) for errors in zip(*(c[name] for c in corrupted), strict=True)]
            for name in corrupted[0]
        }
        clean = fmean(r["test_error"] for r in results)
        return {"by_severity": curves, "clean": clean, "relative_to_none": _relative(norm, runs)}

    def mean_error(results: Mapping[str, Any]) -> float:
        return fmean(error for errors in results["corrupted_error"].values() for error in errors)

    def examples(results: Mapping[str, Any]) -> int:
        return int(results.get("corrupted_examples", 0)) * sum(map(len, results["corrupted_error"].values()))

    return by_seed(study, task, records, mean_error, details, examples)


def _relative(norm: str, runs: Runs) -> dict[str, float | None]:
    """Return each corruption's error as a multiple of that of none; None if that is 0 or unknown."""
    pairs = [
        (record.results["corrupted_error"], runs["none", seed].results["corrupted_error"])
        for (name, seed), record in runs.items()
        if name == norm and ("none", seed) in runs and record.status == runs["none", seed].status == "ok"
    ]
    ratios: dict[str, float | None] = {}
    for corruption in pairs[0][0] if pairs else ():
        error, reference = (sum(sum(errors[corruption]) for errors in side) for side in zip(*pairs, strict=True))
        ratios[corruption] = error / reference if reference else None
    known = [ratio for ratio in ratios.values() if ratio is not None]
    return {**ratios, "mean": fmean(known) if known and len(known) == len(ratios) else None}
