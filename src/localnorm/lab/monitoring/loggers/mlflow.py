"""MLflow logger: one run per trial, in a SQLite file or on a tracking server."""

from __future__ import annotations

import os
import time
from pathlib import Path

# Opt out of MLflow's telemetry; must be set before the import.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

from localnorm.lab.monitoring.callback import Callback, RunStart
from localnorm.lab.monitoring.loggers.flatten import curves, hyperparameters
from localnorm.lab.records.record import Record, Trial, key

LOG_FILE = "mlflow.db"
_BATCH = 1000
"""Maximum number of metrics per call of MLflow."""


class MlflowLogger(Callback):
    """Write trials as runs of an experiment that is named after the folder.

    They go to the server in the environment variable ``MLFLOW_TRACKING_URI``, else to ``<folder>/mlflow.db``: show
    it with ``mlflow ui --backend-store-uri sqlite:///<folder>/mlflow.db``.

    Args:
        folder: of the study or search.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._client: MlflowClient | None = None
        self._experiment = ""

    def run_started(self, start: RunStart) -> None:
        """Open the experiment, or create it."""
        del start
        location = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self._folder / LOG_FILE}"
        self._client = MlflowClient(location)
        existing = self._client.get_experiment_by_name(str(self._folder))
        self._experiment = (
            existing.experiment_id if existing else self._client.create_experiment(str(self._folder))
        )

    def job_finished(self, record: Record, seconds: float) -> None:
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
        for first in range(0, len(metrics), _BATCH):
            self._client.log_batch(run, metrics=metrics[first : first + _BATCH])
        self._client.set_terminated(run, "FINISHED" if record.status == "ok" else "FAILED")
