"""Flexibility: items of an exam passed."""

from __future__ import annotations

from collections.abc import Collection

from localnorm.lab.measures.row import Row, Sample, Samples
from localnorm.lab.measures.select import keys, of_probe
from localnorm.lab.records.record import Record
from localnorm.lab.study.study import Study

ROW = Row(
    name="flexibility",
    measured_as="items passed of an exam: ranks, batch of one, variable length, memory format, half precision, "
    "training and evaluation alike, independence of the batch, export",
    unit="items passed",
    smallest_effect=1,
    lower_is_better=False,
    exact=True,
    decimals=0,
)


def measure(study: Study, records: Collection[Record]) -> Samples:
    """Return the number of items that each norm passes."""
    found = of_probe(records, "flexibility", study.norms)
    return {norm: _sample(found.get(norm), norm) for norm in study.norms}


def _sample(record: Record | None, norm: str) -> Sample:
    if record is None or record.status != "ok":
        return Sample(missing=record.message if record else "not run yet")
    exam = record.results[norm]
    passed = sum(problem is None for problem in exam.values())
    return Sample(
        (float(passed),), text=f"{passed} of {len(exam)}", details={"exam": exam}, evidence=keys([record])
    )
