"""One row over several tasks: mean difference from none, in units of each task's smallest effect."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from localnorm.lab.measures import Row, Sample, Samples
from localnorm.lab.measures.row import short_name

UNIT = "smallest effects"


def over_tasks(rows: Sequence[Row], tasks: Sequence[str], samples: Sequence[Samples]) -> Samples:
    """Return each norm's mean over the tasks of its differences from `none`, by seed.

    A seed without a result of the norm or of `none` on one of the tasks has no value: a mean over the other tasks
    would be another number.

    Args:
        rows: one criterion's row of each task.
        tasks: their names.
        samples: those of each task, by norm.

    Example:
        >>> row = Row("generalization", "", "% error", smallest_effect=0.5)
        >>> samples = {"none": Sample((9.0, 8.0)), "batch": Sample((8.0, None))}
        >>> over_tasks([row], ["digits"], [samples])["batch"].values
        (-2.0, None)
    """
    return {norm: _mean(rows, tasks, [(s[norm], s["none"]) for s in samples]) for norm in samples[0]}


def _mean(rows: Sequence[Row], tasks: Sequence[str], pairs: Sequence[tuple[Sample, Sample]]) -> Sample:
    done = min(min(sample.seeds_done, none.seeds_done) for sample, none in pairs)
    missing = [
        f"{task}: {sample.missing or f'none: {none.missing}'}"
        for task, (sample, none) in zip(tasks, pairs, strict=True)
        if not sample.values or not none.values
    ]
    if missing:
        everywhere = all(sample.missing.startswith("failed") for sample, _ in pairs)
        return Sample(missing=("failed: " if everywhere else "") + "; ".join(missing), seeds_done=done)
    each = [
        [
            None if value is None or base is None else (value - base) / row.smallest_effect
            for value, base in zip(sample.values, none.values, strict=True)
        ]
        for row, (sample, none) in zip(rows, pairs, strict=True)
    ]
    values = tuple(
        None if any(part is None for part in seed) else fmean(part for part in seed if part is not None)
        for seed in zip(*each, strict=True)
    )
    if all(value is None for value in values):
        return Sample(missing="no seed shared with none", seeds_done=done)
    steps = (s.resolution / row.smallest_effect for row, (s, _) in zip(rows, pairs, strict=True))
    by_task: Mapping[str, float] = {
        task: fmean(value for value in part if value is not None) for task, part in zip(tasks, each, strict=True)
    }
    return Sample(
        values,
        details={"by_task": by_task},
        record_keys=tuple(dict.fromkeys(k for pair in pairs for s in pair for k in s.record_keys)),
        # The step of a mean of independent rounded values, by its variance.
        resolution=math.hypot(*steps) / len(rows),
        seeds_done=done,
    )


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
        f"{row.smallest_effect:g} {row.unit} on {short_name(task)}" for row, task in zip(rows, tasks, strict=True)
    )
    return replace(
        rows[0],
        measured_as=f"difference from none in smallest effects ({effects}), mean over these tasks",
        unit=UNIT,
        smallest_effect=1.0,
        decimals=2,
    )
