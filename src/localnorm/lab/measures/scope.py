"""Scope: which inputs one output depends on."""

from __future__ import annotations

from collections.abc import Collection

from localnorm.lab.measures.row import Row, Sample, Samples
from localnorm.lab.measures.select import keys, of_probe
from localnorm.lab.records.record import Record
from localnorm.lab.study.study import Study

ROW = Row(
    name="normalization scope",
    measured_as="the inputs that one output depends on, where its row of the Jacobian in float64 is not zero",
    unit="inputs reached",
    smallest_effect=1,
    lower_is_better=None,
    exact=True,
    decimals=0,
)


def measure(study: Study, records: Collection[Record]) -> Samples:
    """Return each norm's reach in words, and as its number of inputs."""
    found = of_probe(records, "scope", study.norms)
    return {norm: _sample(found.get(norm), norm) for norm in study.norms}


def _sample(record: Record | None, norm: str) -> Sample:
    if record is None or record.status != "ok":
        return Sample(missing=record.message if record else "not run yet")
    reach = record.results[norm]
    inputs = sum(line.count("1") for line in reach["mask"])
    return Sample((float(inputs),), text=reach["reach"], details=reach, evidence=keys([record]))
