"""Cost: time of a forward and backward pass in copies of the same tensor."""

from __future__ import annotations

from collections.abc import Collection
from statistics import median

from localnorm.lab.measures.row import Row, Sample, Samples
from localnorm.lab.measures.select import of_probe
from localnorm.lab.records import Record
from localnorm.lab.study import Study

ROW = Row(
    name="computational cost",
    measured_as="time of one forward and backward pass, as a multiple of a copy of the same tensor, "
    "one thread; paired by round",
    unit="copies",
    smallest_effect=1.0,
    repeats=False,
)


def measure(study: Study, records: Collection[Record]) -> Samples:
    """Return each norm's cost by round, from the one run that timed all of them side by side."""
    found = of_probe(records, "cost", study.norms)
    together = [record for record in found.values() if set(study.norms) <= set(record.job.norms)]  # type: ignore[union-attr]
    if not together:
        return {norm: Sample(missing="not run yet") for norm in study.norms}
    record = together[0]
    if record.status != "ok":
        return {norm: Sample(missing=record.message) for norm in study.norms}
    return {
        norm: Sample(
            tuple(record.results[norm]["copies"]),
            details={
                "kept_bytes_per_input_byte": record.results[norm]["kept_bytes"],
                "images_per_second": median(record.results[norm]["images_per_second"]),
            },
        )
        for norm in study.norms
    }
