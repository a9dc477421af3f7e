"""Loggers that follow a study as watchers and write each record down where another tool shows it; extras each."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from localnorm.errors import MissingExtraError, UnknownNameError
from localnorm.lab.monitoring.watcher import Watcher
from localnorm.spelling import nearest

__all__ = ["LOGGERS", "make_loggers"]


def _tensorboard(folder: Path) -> Watcher:
    from localnorm.lab.monitoring.loggers.tensorboard import TensorBoardLogger

    return TensorBoardLogger(folder)


def _mlflow(folder: Path) -> Watcher:
    from localnorm.lab.monitoring.loggers.mlflow import MlflowLogger

    return MlflowLogger(folder)


LOGGERS: dict[str, Callable[[Path], Watcher]] = {"tensorboard": _tensorboard, "mlflow": _mlflow}
"""What makes a logger for a study's folder; its name is that of its package and of its extra."""


def make_loggers(names: Sequence[str], folder: Path) -> list[Watcher]:
    """Return loggers by name; nothing is written before the study starts.

    Args:
        names: of `LOGGERS`.
        folder: the study's folder.

    Raises:
        UnknownNameError: no logger of that name.
        MissingExtraError: its package is not installed.

    Example:
        >>> make_loggers([], Path("study"))
        []
    """
    for name in names:
        if name not in LOGGERS:
            raise UnknownNameError(
                f"a logger must be one of {', '.join(LOGGERS)}, got {name!r}; {nearest(name, LOGGERS)}"
            )
        if importlib.util.find_spec(name) is None:
            raise MissingExtraError(
                f"a logger must have its package, got {name}, which is not installed; install it with: "
                f"pip install 'localnorm[{name}]'."
            )
    return [LOGGERS[name](folder) for name in dict.fromkeys(names)]
