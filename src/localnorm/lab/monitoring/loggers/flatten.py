"""Flatten the numbers and hyperparameters of a record for loggers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from localnorm.lab.records.record import Record, Trial


def curves(record: Record) -> dict[str, list[float]]:
    """Return the numbers of a record by name, as lists: one value per epoch or severity, or a single one.

    Values that are not numbers, such as images, are left out.

    Example:
        >>> trial = Trial("digits", "textbook_cnn", "none", 0, 3e-3, 32, 2)
        >>> curves(Record(trial, "ok", results={"test_error": 4.5, "corrupted_error": {"noise": [5.0, 6.0]}}))
        {'test_error': [4.5], 'corrupted_error/noise': [5.0, 6.0]}
    """
    return dict(_flat({**record.results, **record.timing}, ""))


def _flat(values: Mapping[str, Any], before: str) -> Iterator[tuple[str, list[float]]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}/")
            continue
        several = value if isinstance(value, list) else [value]
        if several and all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in several):
            yield f"{before}{name}", [float(one) for one in several]


def hyperparameters(trial: Trial) -> dict[str, str | float]:
    """Return the hyperparameters of a trial in one dict, those of its norm included.

    Example:
        >>> hyperparameters(Trial("digits", "textbook_cnn", "local", 0, 3e-3, 32, 2, (("alpha", 0.1),)))["alpha"]
        0.1
    """
    return {
        "task": trial.task,
        "model": trial.model,
        "norm": trial.norm,
        "seed": trial.seed,
        "learning_rate": trial.learning_rate,
        "batch_size": trial.batch_size,
        "epochs": trial.epochs,
        **dict(trial.settings),
    }
