"""Writing and reading what study.json holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from localnorm.lab.schedule import Schedule
from localnorm.lab.study import Study, TaskStudy

LAYOUT = 2
"""Of study.json: raised when its parts change; the records do not depend on it."""


def to_values(study: Study) -> dict[str, Any]:
    """Return a study as plain JSON values."""
    return {"layout": LAYOUT, **asdict(study)}


def from_values(values: Mapping[str, Any]) -> Study:
    """Return the study that plain JSON values say.

    Raises:
        ValueError: another layout.
        KeyError, TypeError: a part is missing, or unknown.
    """
    settings = tuples(dict(values))
    layout = settings.pop("layout")
    if layout != LAYOUT:
        raise ValueError(f"layout {layout}, written by a newer localnorm; install that")
    return Study(tasks=tuple(map(task_from_values, settings.pop("tasks"))), **settings)


def task_from_values(values: Mapping[str, Any]) -> TaskStudy:
    """Return the task that values say, lists being tuples already, see `tuples`.

    Raises:
        KeyError, TypeError: a part is missing, or unknown.
    """
    return TaskStudy(**{**values, "schedule": Schedule(**values["schedule"])})


def tuples(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Turn JSON's lists into the tuples of the dataclasses, at any depth."""
    if isinstance(value, list):
        return tuple(map(tuples, value))
    return {name: tuples(part) for name, part in value.items()} if isinstance(value, dict) else value
