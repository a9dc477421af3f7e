"""The table's criteria: each module reads records and returns one paired sample per norm.

To add a row that needs no task, add a `probe_measure`; to add one that tasks feed, write a module with a ``NAME``,
a ``row(task)`` and a ``measure(study, task, records)``, and add it to ``MEASURES`` with the trials that it needs.
"""

from __future__ import annotations

from localnorm.lab.measures import (
    batch_dependence,
    feature_learning,
    generalization,
    judged,
    probes,
    robustness,
    sensitivity,
    suitability,
)
from localnorm.lab.measures.row import Measure, Needs, Row, Sample, Samples, TaskMeasure, difference_unit

__all__ = ["MEASURES", "Measure", "Needs", "Row", "Sample", "Samples", "TaskMeasure", "difference_unit"]

_SCOPE, _COST, _FLEXIBILITY = probes.MEASURES
MEASURES: tuple[Measure | TaskMeasure, ...] = (
    _SCOPE,
    _COST,
    TaskMeasure(sensitivity.NAME, sensitivity.row, sensitivity.measure, sensitivity.needs, "tuned settings"),
    _FLEXIBILITY,
    *suitability.MEASURES,
    *(
        TaskMeasure(module.NAME, module.row, module.measure, judged.needs, judged.FAMILY)
        for module in (generalization, feature_learning, robustness)
    ),
    TaskMeasure(
        batch_dependence.NAME,
        batch_dependence.row,
        batch_dependence.measure,
        batch_dependence.needs,
        "batch sizes",
    ),
)
"""In the order of the table."""
