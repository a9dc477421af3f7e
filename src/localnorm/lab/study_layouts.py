"""Reading study.json, also as it was laid out when a study had two tasks and no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from localnorm.lab.schedule import Schedule
from localnorm.lab.study import Study, TaskStudy

LAYOUT = 2
"""Of study.json: raised when its parts change; the records do not depend on it."""

_ABOUT = "scikit-learn's 1,797 handwritten digits of 8x8 pixels: 1000 to train, 297 to choose, 500 to test"
_WRONG = "share of the examples classified wrongly"


def to_values(study: Study) -> dict[str, Any]:
    """Return a study as plain JSON values."""
    return {"layout": LAYOUT, **asdict(study)}


def from_values(values: Mapping[str, Any]) -> Study:
    """Return the study that plain JSON values say.

    Raises:
        ValueError: another layout.
        KeyError, TypeError: a part is missing, or unknown.
    """
    settings = _tuples(dict(values))
    layout = settings.pop("layout", 1)
    if layout == 1:
        return _from_layout_1(settings)
    if layout != LAYOUT:
        raise ValueError(f"layout {layout}, written by a newer localnorm; install that")
    tasks = [{**task, "schedule": Schedule(**task["schedule"])} for task in settings.pop("tasks")]
    return Study(tasks=tuple(TaskStudy(**task) for task in tasks), **settings)


def _from_layout_1(settings: dict[str, Any]) -> Study:
    """Say what went without saying: a study was of the digits and of the digits as rows."""
    general = {name: settings.pop(name) for name in ("norms", "seeds")}
    rows = Schedule(
        learning_rates=settings["row_learning_rates"],
        default_learning_rate=_one_of(settings.pop("row_learning_rates"), settings["default_learning_rate"]),
        batch_size=settings["batch_size"],
        epochs=settings.pop("row_epochs"),
    )
    corruptions = ("noise", "salt and pepper", "blur", "contrast")
    return Study(
        (
            TaskStudy(
                "digits",
                "images",
                "textbook_cnn",
                _ABOUT,
                _WRONG,
                "% error",
                0.5,
                corruptions,
                Schedule(**settings),
            ),
            TaskStudy("digit-rows", "recurrent", "recurrent", _ABOUT, _WRONG, "% error", 1.0, (), rows),
        ),
        **general,
    )


def _one_of(rates: tuple[float, ...], default: float) -> float:
    return default if default in rates else rates[0]


def _tuples(value: Any) -> Any:  # noqa: ANN401  any JSON value
    """Turn JSON's lists into the tuples of the dataclasses, at any depth."""
    if isinstance(value, list):
        return tuple(map(_tuples, value))
    return {name: _tuples(part) for name, part in value.items()} if isinstance(value, dict) else value
