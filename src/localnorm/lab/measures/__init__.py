"""What the table's rows measure; each file reads records and returns one paired sample a norm.

To add a row, write a module with a ``ROW`` and a ``measure(study, records)``, and add it to ``MEASURES``.
"""

from __future__ import annotations

from localnorm.lab.measures import (
    batch_dependence,
    cost,
    flexibility,
    generalization,
    recurrence,
    robustness,
    scope,
    sensitivity,
)
from localnorm.lab.measures.row import Measure, Row, Sample

__all__ = ["MEASURES", "Measure", "Row", "Sample"]

MEASURES: tuple[Measure, ...] = tuple(
    Measure(module.ROW, module.measure)
    for module in (
        scope,
        cost,
        sensitivity,
        flexibility,
        recurrence,
        generalization,
        robustness,
        batch_dependence,
    )
)
