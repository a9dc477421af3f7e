"""Reading settings: from a study file, or as they are typed; each checked before anything is done."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from localnorm.errors import LabError
from localnorm.lab.study.training_config import TrainingConfig
from localnorm.spelling import nearest

_SCHEDULE = tuple(field.name for field in fields(TrainingConfig))


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings in a study file, by the names of `Settings`.

    Raises:
        LabError: no such file, no TOML, an unknown setting, or a value that is none.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise LabError(
            f"a study file must be TOML that can be read, got {path}: {problem}; see docs/lab.md, 'A study file'."
        ) from None
    return {name.replace("-", "_"): checked(name, value) for name, value in content.items()}


def checked(name: str, value: object) -> Any:  # noqa: ANN401  each setting has its own type
    """Return one setting as `Settings` takes it: a single value as a tuple of one, seeds counted out.

    Args:
        name: of the setting, with ``-`` where it is of two words.
        value: text, where numbers and names may be separated by commas; a number; or a list of either.

    Raises:
        LabError: an unknown setting, or a value that is none.

    Example:
        >>> checked("lr", "1e-3, 1e-2"), checked("seeds", 3), checked("seeds", [7, 8])
        ((0.001, 0.01), (0, 1, 2), (7, 8))
    """
    _known(name, tuple(_READERS), "a setting of a study")
    return _READERS[name](name, value)


def _known(name: str, names: Collection[str], what: str) -> None:
    if name not in names:
        raise LabError(f"{what} must be one of {', '.join(names)}, got {name!r}; {nearest(name, names)}")


def _parts(value: object) -> list[object]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _names(name: str, value: object) -> tuple[str, ...]:
    parts = _parts(value)
    found = tuple(part for part in parts if isinstance(part, str))
    if not found or len(found) != len(parts):
        raise LabError(f"{name} must be names, got {value!r}; separate them by commas, or give a list of them.")
    return found


def _numbers(kind: Callable[[str], float], words: str) -> Callable[[str, object], tuple[float, ...]]:
    def read(name: str, value: object) -> tuple[float, ...]:
        parts = _parts(value)
        try:
            # By way of text, so that a whole number must be one however it is given.
            found = tuple(kind(str(part)) for part in parts)
        except ValueError:
            found = ()
        if not found or not all(0 < number < float("inf") for number in found):
            raise LabError(f"{name} must be {words} above 0, got {value!r}; give one, or a list of them.")
        return found

    return read


def _seeds(name: str, value: object) -> tuple[int, ...]:
    many = isinstance(value, (list, tuple))
    numbers = _parts(value)
    if not numbers or not all(type(number) is int and number >= (0 if many else 1) for number in numbers):
        raise LabError(
            f"--{name} must be at least 1, got {value}; five or more can decide something."
            if not many
            else f"{name} in a list must be whole numbers from 0 on, got {value}; or give their number."
        )
    return tuple(int(str(number)) for number in (numbers if many else range(int(str(value)))))


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise LabError(f"{name} must be true or false, got {value!r}; drop the quotes.")
    return value


def _count(default: str) -> Callable[[str, object], int]:
    def read(name: str, value: object) -> int:
        if type(value) is not int or value < 1:
            raise LabError(f"--{name} must be at least 1, got {value}; leave it out for {default}.")
        return value

    return read


def _amount(default: str) -> Callable[[str, object], float]:
    def read(name: str, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
            raise LabError(f"--{name} must be a number above 0, got {value}; leave it out for {default}.")
        return float(value)

    return read


def _one(kind: str) -> Callable[[str, object], str]:
    def read(name: str, value: object) -> str:
        if not isinstance(value, str) or not value.strip():
            raise LabError(f"{name} must be {kind}, got {value!r}; give one, in quotes.")
        return value.strip()

    return read


def _folder(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise LabError(f"{name} must be the path of a folder, got {value!r}; put it in quotes.")
    return value


def _schedules(name: str, value: object) -> dict[str, dict[str, Any]]:
    if not isinstance(value, Mapping) or not all(isinstance(part, Mapping) for part in value.values()):
        raise LabError(f"{name} must be a table a task, [schedule.digits], got {value!r}; see docs/lab.md.")
    return {
        task: {part: _part(part, given, f"a part of the schedule of {task}") for part, given in parts.items()}
        for task, parts in value.items()
    }


def _part(name: str, value: object, what: str) -> Any:  # noqa: ANN401  each part has its own type
    """Return one part of a schedule, of the type that it has there."""
    _known(name, _SCHEDULE, what)
    usual = getattr(TrainingConfig(), name)
    if isinstance(usual, bool):
        return _flag(name, value)
    if (value == [] and isinstance(usual, tuple)) or (type(value) is int and value == 0 and name == "draws"):
        return tuple(value) if isinstance(value, list) else value
    read = _numbers(float, "numbers") if "rate" in name else _numbers(int, "whole numbers")
    found = read(name, value)
    if isinstance(usual, tuple):
        return found
    if len(found) != 1:
        raise LabError(f"{name} must be one number, got {value!r}; give one.")
    return found[0]


_READERS: Mapping[str, Callable[[str, object], Any]] = MappingProxyType(
    {
        "task": _names,
        "norms": _names,
        "seeds": _seeds,
        "epochs": _numbers(int, "whole numbers"),
        "batch-size": _numbers(int, "whole numbers"),
        "lr": _numbers(float, "numbers"),
        "smoke": _flag,
        "workers": _count("one a core"),
        "engine": _one("pool or ray"),
        "address": _one("the host:port of a Ray cluster"),
        "gpus-per-worker": _amount("none"),
        "trial-seconds": _amount("no limit"),
        "out": _folder,
        "schedule": _schedules,
        "model": _one("the name of one model"),
        "data": _one("one folder or hub:NAME"),
        "side": _count("images as they are"),
        "examples": _count("all"),
    }
)
