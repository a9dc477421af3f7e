"""Rows measured on the layers alone: normalization scope, computational cost, flexibility."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from statistics import median
from typing import Any

from localnorm.lab.measures.row import Measure, Row, Sample, Samples
from localnorm.lab.measures.select import keys, of_probe
from localnorm.lab.records.record import Record
from localnorm.lab.study.study import Study

SCOPE = Row(
    name="normalization scope",
    measured_as="inputs that one output depends on: its row of the Jacobian in float64 is not zero there",
    unit="inputs reached",
    smallest_effect=1,
    lower_is_better=None,
    exact=True,
    decimals=0,
)
COST = Row(
    name="computational cost",
    measured_as="time of one forward and backward pass, as a multiple of a copy of the same tensor, "
    "one thread; paired by round",
    unit="copies",
    smallest_effect=1.0,
    repeats=False,
)
FLEXIBILITY = Row(
    name="flexibility",
    measured_as="checks passed: ranks, batch of one, variable length, memory format, half precision, "
    "training and evaluation alike, independence of the batch, export",
    unit="checks passed",
    smallest_effect=1,
    lower_is_better=False,
    exact=True,
    decimals=0,
)


def device_of(probe: str, study: Study) -> str:
    """Return the kind of device that a study's probe runs on."""
    return next(job.device for job in study.probes() if job.name == probe)


def probe_measure(probe: str, row: Row, read: Callable[[Any], Sample], *, together: bool = False) -> Measure:
    """Return a row's measure: one sample per norm, read from the record of a probe.

    Args:
        probe: its name.
        row: the criterion.
        read: takes a norm's results and returns its sample.
        together: whether a record counts only if it holds all norms of the study.
    """

    def sample(record: Record | None, norm: str) -> Sample:
        if record is None or record.status != "ok":
            return Sample(missing=record.message if record else "not run yet")
        found = read(record.results[norm])
        return found if found.missing else Sample(found.values, found.text, "", found.details, keys([record]))

    def measure(study: Study, records: Collection[Record]) -> Samples:
        found = of_probe(records, probe, study.norms, device_of(probe, study), together=together)
        return {norm: sample(found.get(norm), norm) for norm in study.norms}

    return Measure(row, measure)


def _scope(reach: Mapping[str, Any]) -> Sample:
    """Return the reach as its number of inputs, and in words."""
    return Sample((float(sum(line.count("1") for line in reach["mask"])),), text=reach["reach"], details=reach)


def _cost(results: Mapping[str, Any]) -> Sample:
    """Return the cost by round.

    The details hold ``kept_bytes_per_input_byte`` of the norm alone, kept for the backward pass; and, of the
    digits network with it, ``images_per_second`` of training and ``network_kept_bytes_per_image``.
    """
    if "problem" in results:
        return Sample(missing=f"failed: {results['problem']}")
    details = {
        "kept_bytes_per_input_byte": results["kept_bytes"],
        "images_per_second": median(results["images_per_second"]),
        "network_kept_bytes_per_image": results["network_kept_bytes"],
    }
    return Sample(tuple(results["copies"]), details=details)


def _flexibility(checks: Mapping[str, str | None]) -> Sample:
    """Return the number of checks passed; the details hold the problem of each check, None if it passed."""
    passed = sum(problem is None for problem in checks.values())
    return Sample((float(passed),), text=f"{passed} of {len(checks)}", details={"checks": checks})


MEASURES = (
    probe_measure("scope", SCOPE, _scope),
    # Rounds are paired, so one run must have timed all norms.
    probe_measure("cost", COST, _cost, together=True),
    probe_measure("flexibility", FLEXIBILITY, _flexibility),
)
