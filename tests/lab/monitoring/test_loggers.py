"""TensorBoard and MLflow logs, read back by these tools."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

import pytest

from localnorm.errors import MissingExtraError, UnknownNameError
from localnorm.lab.monitoring.callback import DONE, RunStart
from localnorm.lab.monitoring.loggers import LOGGERS, make_loggers
from localnorm.lab.records.record import Probe, Record, Trial, key
from localnorm.lab.records.store import Store
from user_runners import localnorm

TRIAL = Trial("user_tasks:tiny", "one", "local", 3, 3e-3, 32, 3, (("alpha", 0.25),))
FAILED = Trial("user_tasks:tiny", "one", "none", 3, 3e-3, 32, 3)
# Halves and quarters, which float32 holds as they are.
CURVES = {
    "validation_error": [4.5, 3.25, 2.5],
    "test_error": [2.75],
    "corrupted_error/noise": [5.0, 6.5],
    "wall_seconds": [1.5],
}
RECORD = Record(
    TRIAL,
    "ok",
    results={
        "validation_error": CURVES["validation_error"],
        "test_error": 2.75,
        "corrupted_error": {"noise": [5.0, 6.5]},
        "photograph_png": "iVBOR",
    },
    timing={"wall_seconds": 1.5},
)


def _log(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    (logger,) = make_loggers([name, name], folder)
    logger.run_started(RunStart(3, 0, ()))
    for record in (RECORD, Record(FAILED, "diverged", "in epoch 1"), Record(Probe("scope", ("none",)), "ok")):
        logger.job_started(record.job)
        logger.job_finished(record, 2.0)
    logger.run_stopped(DONE)


def test_tensorboard_reads_what_was_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_multiplexer")
    _log("tensorboard", tmp_path, monkeypatch)
    read = reader.EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "tensorboard"))
    read.Reload()
    good, bad = (f"user_tasks-tiny/{trial.norm}/seed-3-{key(trial)}" for trial in (TRIAL, FAILED))
    assert set(read.Runs()) == {good, bad}
    assert set(read.Runs()[good]["scalars"]) == set(CURVES)
    for name, values in CURVES.items():
        assert [(event.step, event.value) for event in read.Scalars(good, name)] == list(
            enumerate(values, start=1)
        )
    assert not read.Runs()[bad]["scalars"]
    (text,) = read.Tensors(bad, "trial/text_summary")
    assert b"status: diverged\n\nmessage: in epoch 1" in text.tensor_proto.string_val[0]


# Of MLflow's own use of SQLAlchemy.
@pytest.mark.filterwarnings("ignore:.*noload.* loader strategy is deprecated")
def test_mlflow_reads_what_was_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for _ in range(2):
        # A study that is run again goes on in the same experiment.
        _log("mlflow", tmp_path, monkeypatch)
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name(str(tmp_path))
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == 4
    by_key = {run.data.tags["key"]: run for run in runs}
    good, bad = by_key[key(TRIAL)], by_key[key(FAILED)]
    assert (good.info.status, bad.info.status) == ("FINISHED", "FAILED")
    assert good.info.end_time - good.info.start_time >= 2000
    assert good.data.params == {
        "task": "user_tasks:tiny",
        "model": "one",
        "norm": "local",
        "seed": "3",
        "learning_rate": "0.003",
        "batch_size": "32",
        "epochs": "3",
        "alpha": "0.25",
    }
    assert set(good.data.metrics) == set(CURVES)
    for name, values in CURVES.items():
        told = client.get_metric_history(good.info.run_id, name)
        assert [(point.step, point.value) for point in told] == list(enumerate(values, start=1))
    assert (bad.data.tags["status"], bad.data.tags["message"]) == ("diverged", "in epoch 1")
    assert not bad.data.metrics


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*noload.* loader strategy is deprecated")
def test_a_study_is_logged_by_both_from_the_command_line_and_again_only_what_is_new(tmp_path: Path):
    """The numbers that are read back are those of the records."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_multiplexer")
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    folder = tmp_path / "out"
    words = ("compare", "--task", "user_tasks:tiny", "--norms", "none,local", "--lr", "1e-2", "--batch-size", "8")
    for seeds in (1, 2):
        more = ("--seeds", seeds, "--workers", 1, "--log", "tensorboard,mlflow", "--out", folder)
        out, err = localnorm(*words, *more).communicate()
        assert "report: " in err, (out, err)
    records = [record for record in Store(folder).read()[0].values() if isinstance(record.job, Trial)]
    wanted = {key(record.job): record.results["validation_error"] for record in records}
    read = reader.EventMultiplexer().AddRunsFromDirectory(str(folder / "tensorboard"))
    read.Reload()
    shown = {
        name.rpartition("-")[2]: [event.value for event in read.Scalars(name, "validation_error")]
        for name in read.Runs()
    }
    assert shown == {name: pytest.approx(curve, rel=1e-6) for name, curve in wanted.items()}
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name(str(folder))
    runs = client.search_runs([experiment.experiment_id])
    assert len(runs) == len(wanted) > 2
    for run in runs:
        history = client.get_metric_history(run.info.run_id, "validation_error")
        assert [point.value for point in history] == wanted[run.data.tags["key"]]


def test_a_logger_that_does_not_exist(tmp_path: Path):
    with pytest.raises(UnknownNameError, match="one of tensorboard, mlflow, got 'wandb'; check the spelling"):
        make_loggers(["tensorboard", "wandb"], tmp_path)


@pytest.mark.parametrize("name", LOGGERS)
def test_a_logger_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=rf"got {name}, .* pip install 'localnorm\[{name}\]'"):
        make_loggers([name], tmp_path)
