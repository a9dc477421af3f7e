"""Loggers for TensorBoard and MLflow: callbacks that write each record in the tool's format; one extra each."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from localnorm.errors import MissingExtraError, UnknownNameError
from localnorm.lab.monitoring.callback import Callback
from localnorm.spelling import nearest

__all__ = ["LOGGERS", "make_loggers"]


def _tensorboard(folder: Path) -> Callback:
    from localnorm.lab.monitoring.loggers.tensorboard import TensorBoardLogger

    return TensorBoardLogger(folder)


def _mlflow(folder: Path) -> Callback:
    from localnorm.lab.monitoring.loggers.mlflow import MlflowLogger

    return MlflowLogger(folder)


LOGGERS: dict[str, Callable[[Path], Callback]] = {"tensorboard": _tensorboard, "mlflow": _mlflow}
"""Makers of loggers, which take a folder; the name is also that of the package and of the extra."""


def make_loggers(names: Sequence[str], folder: Path) -> list[Callback]:
    """Return loggers by name; they write nothing before the run starts.

    Args:
        names: of `LOGGERS`.
        folder: of the study or search.

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
