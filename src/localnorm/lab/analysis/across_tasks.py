"""One row over several tasks: differences from none in units of each task's smallest effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from localnorm.lab.measures import Row, Sample, Samples

UNIT = "smallest effects"


def in_effects(row: Row, samples: Samples) -> Samples:
    """Return a task's samples as differences from `none` with the same seed, in the row's smallest effects.

    A pair without a result of `none` has no value.

    Example:
        >>> row = Row("generalization", "", "% error", smallest_effect=0.5)
        >>> in_effects(row, {"none": Sample((9.0, 8.0)), "batch": Sample((8.0, None))})["batch"].values
        (-2.0, None)
    """
    reference = samples["none"]
    return {norm: _in_effects(row, sample, reference) for norm, sample in samples.items()}


def _in_effects(row: Row, sample: Sample, reference: Sample) -> Sample:
    if not sample.values or not reference.values:
        return Sample(missing=sample.missing or f"none: {reference.missing}")
    values = tuple(
        None if value is None or base is None else (value - base) / row.smallest_effect
        for value, base in zip(sample.values, reference.values, strict=True)
    )
    if all(value is None for value in values):
        return Sample(missing="no seed shared with none")
    return Sample(values, record_keys=tuple(dict.fromkeys((*sample.record_keys, *reference.record_keys))))


def overall_row(rows: Sequence[Row], tasks: Sequence[str]) -> Row:
    """Return the row over several tasks.

    Args:
        rows: one criterion's row of each task.
        tasks: their names.

    Example:
        >>> row = Row("generalization", "", "% error", smallest_effect=0.5)
        >>> overall_row([row, row], ["digits", "faces"]).unit
        'smallest effects'
    """
    effects = ", ".join(
        f"{row.smallest_effect:g} {row.unit} on {task}" for row, task in zip(rows, tasks, strict=True)
    )
    return replace(
        rows[0],
        measured_as=f"difference from none in smallest effects ({effects}), mean over these tasks",
        unit=UNIT,
        smallest_effect=1.0,
        decimals=2,
    )
