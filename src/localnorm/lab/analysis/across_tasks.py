"""Several tasks in one row: differences from none in smallest effects, which can be averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from localnorm.lab.measures import Row, Sample, Samples

UNIT = "smallest effects"


def in_effects(row: Row, samples: Samples) -> Samples:
    """Return one task's samples as differences from `none` with the same seed, in the row's smallest effects.

    A pair in which `none` has no result has none here.

    Example:
        >>> row = Row("generalization", "", "% error", smallest_effect=0.5)
        >>> in_effects(row, {"none": Sample((9.0, 8.0)), "batch": Sample((8.0, None))})["batch"].values
        (-2.0, None)
    """
    reference = samples["none"]
    scaled = {}
    for norm, sample in samples.items():
        if not sample.values or not reference.values:
            missing = sample.missing or f"none: {reference.missing}"
            scaled[norm] = Sample(missing=missing)
            continue
        values = tuple(
            None if own is None or base is None else (own - base) / row.smallest_effect
            for own, base in zip(sample.values, reference.values, strict=True)
        )
        evidence = tuple(dict.fromkeys((*sample.evidence, *reference.evidence)))
        without = all(value is None for value in values)
        scaled[norm] = Sample(missing="no seed shared with none") if without else Sample(values, evidence=evidence)
    return scaled


def overall_row(rows: Sequence[Row], tasks: Sequence[str]) -> Row:
    """Return the row over several tasks.

    Args:
        rows: the tasks' own, of one criterion.
        tasks: their names.

    Example:
        >>> row = Row("generalization", "", "% error", smallest_effect=0.5)
        >>> overall_row([row, row], ["digits", "faces"]).unit
        'smallest effects'
    """
    told = ", ".join(
        f"{row.smallest_effect:g} {row.unit} on {task}" for row, task in zip(rows, tasks, strict=True)
    )
    return replace(
        rows[0],
        measured_as=f"difference from none in smallest effects ({told}), mean over these tasks",
        unit=UNIT,
        smallest_effect=1.0,
        decimals=2,
    )
