"""Cost: time of a forward and backward pass in copies of the same tensor."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from statistics import median
from typing import Any

from localnorm.lab.measures.row import Row, Sample, Samples
from localnorm.lab.measures.select import keys, of_probe
from localnorm.lab.records.record import Record
from localnorm.lab.study.study import Study

ROW = Row(
    name="computational cost",
    measured_as="time of one forward and backward pass, as a multiple of a copy of the same tensor, "
    "one thread; paired by round",
    unit="copies",
    smallest_effect=1.0,
    repeats=False,
)


def measure(study: Study, records: Collection[Record]) -> Samples:
    """Return each norm's cost by round, from the one run that timed all of them side by side.

    In the details, of the norm alone ``kept_bytes_per_input_byte``: bytes kept for the backward pass; of the
    digits network with it ``images_per_second`` of training, and ``network_kept_bytes_per_image``.
    """
    found = of_probe(records, "cost", study.norms)
    together = [record for record in found.values() if set(study.norms) <= set(record.job.norms)]  # type: ignore[union-attr]
    if not together:
        return {norm: Sample(missing="not run yet") for norm in study.norms}
    record = together[0]
    if record.status != "ok":
        return {norm: Sample(missing=record.message) for norm in study.norms}
    return {norm: _sample(record.results[norm], keys([record])) for norm in study.norms}


def _sample(results: Mapping[str, Any], evidence: tuple[str, ...]) -> Sample:
    if "problem" in results:
        return Sample(missing=f"failed: {results['problem']}")
    return Sample(
        tuple(results["copies"]),
        details={
            "kept_bytes_per_input_byte": results["kept_bytes"],
            "images_per_second": median(results["images_per_second"]),
            "network_kept_bytes_per_image": results["network_kept_bytes"],
        },
        evidence=evidence,
    )
