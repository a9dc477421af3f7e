"""Robustness: error under corruptions at five severities."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from statistics import fmean
from typing import Any

from localnorm.lab.measures.row import Row, Samples
from localnorm.lab.measures.select import Runs, by_seed, of_trials
from localnorm.lab.records import Record
from localnorm.lab.study import Study

ROW = Row(
    name="robustness to noise",
    measured_as="test error on corrupted digits, mean over noise, salt and pepper, blur and contrast at five "
    "severities; the noise of a seed is the same for every norm",
    unit="% error",
    smallest_effect=1.0,
    decimals=2,
)


def measure(study: Study, records: Collection[Record]) -> Samples:
    """Return each norm's mean corrupted error by seed; in the details, the error by corruption and severity."""
    found = of_trials(records, study.grid_trials())

    def details(norm: str, runs: Runs) -> Mapping[str, Any]:
        own = [record.results["corrupted_error"] for (name, _), record in runs.items() if name == norm]
        curves = {
            name: [fmean(severities) for severities in zip(*(o[name] for o in own), strict=True)]
            for name in own[0]
        }
        clean = fmean(record.results["test_error"] for (name, _), record in runs.items() if name == norm)
        return {"by_severity": curves, "clean": clean}

    def mean_error(results: Mapping[str, Any]) -> float:
        return fmean(error for errors in results["corrupted_error"].values() for error in errors)

    return by_seed(study, found, mean_error, details)
