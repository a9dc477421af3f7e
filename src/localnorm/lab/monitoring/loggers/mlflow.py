"""MLflow: each trial a run of an experiment, in a file or at a tracking server."""

from __future__ import annotations

import os
import time
from pathlib import Path

# What MLflow tells its makers of its use is none of theirs; said before it is imported, which is when it looks.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from localnorm.lab.monitoring.loggers.flatten import curves, hyperparameters
from localnorm.lab.monitoring.watcher import Start
from localnorm.lab.records.record import Job, Record, Trial, key

LOG_FILE = "mlflow.db"
_AT_ONCE = 1000
"""Metrics that MLflow takes in one call."""


class MlflowLogger:
    """Writes the trials of a study as runs of an experiment named after its folder.

    Into ``<folder>/mlflow.db``, which ``mlflow ui --backend-store-uri sqlite:///<folder>/mlflow.db`` shows, or to
    the server that the environment variable ``MLFLOW_TRACKING_URI`` names.

    Args:
        folder: the study's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._client: MlflowClient | None = None
        self._experiment = ""

    def started(self, start: Start) -> None:
        """Open the experiment, or make it where there is none of that name."""
        del start
        place = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self._folder / LOG_FILE}"
        self._client = MlflowClient(place)
        held = self._client.get_experiment_by_name(str(self._folder))
        self._experiment = held.experiment_id if held else self._client.create_experiment(str(self._folder))

    def began(self, job: Job) -> None:
        """Write nothing: there are no numbers yet."""

    def finished(self, record: Record, seconds: float) -> None:
        """Write a trial's hyperparameters and numbers as a finished run."""
        trial = record.job
        if self._client is None or not isinstance(trial, Trial):
            return
        now = int(1e3 * time.time())
        name = f"{trial.task} {trial.norm} seed {trial.seed}"
        run = self._client.create_run(self._experiment, now - int(1e3 * seconds), run_name=name).info.run_id
        metrics = [
            Metric(name, value, now, step)
            for name, values in curves(record).items()
            for step, value in enumerate(values, start=1)
        ]
        params = [Param(name, str(value)) for name, value in hyperparameters(trial).items()]
        tags = {"key": key(trial), "status": record.status, "message": record.message}
        self._client.log_batch(run, params=params, tags=[RunTag(name, value) for name, value in tags.items()])
        for first in range(0, len(metrics), _AT_ONCE):
            self._client.log_batch(run, metrics=metrics[first : first + _AT_ONCE])
        self._client.set_terminated(run, "FINISHED" if record.status == "ok" else "FAILED")

    def stopped(self, why: str) -> None:
        """Write nothing: each run is closed."""
