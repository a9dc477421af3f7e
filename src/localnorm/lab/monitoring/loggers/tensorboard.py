"""TensorBoard: each trial a run in ``<folder>/tensorboard``, its curves by epoch and its hyperparameters."""

from __future__ import annotations

import re
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from localnorm.lab.monitoring.loggers.flatten import curves, hyperparameters
from localnorm.lab.monitoring.watcher import Start
from localnorm.lab.records.record import Job, Record, Trial, key
from localnorm.lab.records.store import writing

LOG_FOLDER = "tensorboard"


class TensorBoardLogger:
    """Writes the trials of a study for ``tensorboard --logdir <folder>/tensorboard``.

    Args:
        folder: the study's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / LOG_FOLDER

    def started(self, start: Start) -> None:
        """Write nothing: a run is a trial."""

    def began(self, job: Job) -> None:
        """Write nothing: there are no numbers yet."""

    def finished(self, record: Record, seconds: float) -> None:
        """Write the numbers of a trial, and what it is as text.

        Raises:
            FolderError: they can't be written.
        """
        del seconds
        if not isinstance(record.job, Trial):
            return
        folder = self._folder / run_name(record.job)
        with writing(folder), SummaryWriter(str(folder)) as writer:
            for name, values in curves(record).items():
                for step, value in enumerate(values, start=1):
                    writer.add_scalar(name, value, step)
            told = {**hyperparameters(record.job), "status": record.status, "message": record.message}
            writer.add_text("trial", "\n\n".join(f"{name}: {value}" for name, value in told.items()))

    def stopped(self, why: str) -> None:
        """Write nothing: each run is closed."""


def run_name(trial: Trial) -> str:
    """Return the name of a trial's run: what tells most, and its key.

    Example:
        >>> run_name(Trial("data:pictures", "small_cnn", "none", 0, 3e-3, 32, 2))
        'data-pictures/none/seed-0-...'
    """
    task, norm = (re.sub(r"[^\w.-]+", "-", name).strip("-.") or "-" for name in (trial.task, trial.norm))
    return f"{task}/{norm}/seed-{trial.seed}-{key(trial)}"
