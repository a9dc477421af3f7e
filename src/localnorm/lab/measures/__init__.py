"""What the table's rows measure; each file reads records and returns one paired sample a norm.

To add a row that needs no task, write a module with a ``ROW`` and a ``measure(study, records)``; to add one that
tasks feed, a module with a ``NAME``, a ``row(task)`` and a ``measure(study, task, records)``. Add it to
``MEASURES``.
"""

from __future__ import annotations

from localnorm.lab.measures import (
    batch_dependence,
    cost,
    feature_learning,
    flexibility,
    generalization,
    robustness,
    scope,
    sensitivity,
    suitability,
)
from localnorm.lab.measures.row import Measure, Row, Sample, Samples, TaskMeasure, difference_unit

__all__ = ["MEASURES", "Measure", "Row", "Sample", "Samples", "TaskMeasure", "difference_unit"]

MEASURES: tuple[Measure | TaskMeasure, ...] = (
    Measure(scope.ROW, scope.measure),
    Measure(cost.ROW, cost.measure),
    TaskMeasure(sensitivity.NAME, sensitivity.row, sensitivity.measure),
    Measure(flexibility.ROW, flexibility.measure),
    *suitability.MEASURES,
    *(
        TaskMeasure(module.NAME, module.row, module.measure)
        for module in (generalization, feature_learning, robustness, batch_dependence)
    ),
)
"""In the order of the table."""
