"""TensorBoard logger: one run per trial in ``<folder>/tensorboard``, with curves and hyperparameters."""

from __future__ import annotations

import re
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from localnorm.lab.monitoring.callback import Callback
from localnorm.lab.monitoring.loggers.flatten import curves, hyperparameters
from localnorm.lab.records.record import Record, Trial, key
from localnorm.lab.records.store import writing

LOG_FOLDER = "tensorboard"


class TensorBoardLogger(Callback):
    """Write trials for ``tensorboard --logdir <folder>/tensorboard``.

    Args:
        folder: of the study or search.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / LOG_FOLDER

    def job_finished(self, record: Record, seconds: float) -> None:
        """Write the numbers of a trial, and its hyperparameters as text.

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
            text = {**hyperparameters(record.job), "status": record.status, "message": record.message}
            writer.add_text("trial", "\n\n".join(f"{name}: {value}" for name, value in text.items()))


def run_name(trial: Trial) -> str:
    """Return the name of a trial's run, which ends in its key.

    Example:
        >>> run_name(Trial("data:pictures", "small_cnn", "none", 0, 3e-3, 32, 2))
        'data-pictures/none/seed-0-...'
    """
    task, norm = (re.sub(r"[^\w.-]+", "-", name).strip("-.") or "-" for name in (trial.task, trial.norm))
    return f"{task}/{norm}/seed-{trial.seed}-{key(trial)}"
