"""A trial that is killed goes on from its checkpoint, and its record equals that of an undisturbed one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from localnorm.lab.records.record import Trial
from localnorm.lab.training import checkpoint, trial
from localnorm.lab.training.checkpoint import Checkpoint, Progress
from localnorm.lab.training.trial import run_trial

pytestmark = pytest.mark.usefixtures("one_thread")
TRIAL = Trial("digits", "user_models:dropout_network", "batch", 0, 3e-3, 64, 3, judged=True, features=True)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    return tmp_path / "checkpoints" / "key.safetensors"


def _stopped_after(steps: int, path: Path, monkeypatch: pytest.MonkeyPatch, job: Trial) -> None:
    """Run a trial that ends without a trace right after some checkpoint."""
    write = Checkpoint.write
    count = 0

    def stop(self: Checkpoint, *arguments: object) -> None:
        nonlocal count
        write(self, *arguments)
        count += 1
        if count == steps:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoint, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            run_trial(job, checkpoint=path)


@pytest.mark.parametrize("steps", [1, 5, 16, 30])
@pytest.mark.parametrize("task", ["digits", "digits with sgd", "digits with muon"])
def test_results_are_those_of_an_undisturbed_trial(
    task: str, steps: int, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first epoch, at its end, in the second; dropout draws random numbers, the norm has buffers."""
    job = replace(TRIAL, task=task)
    whole = run_trial(job)
    assert whole.status == "ok", whole.message
    _stopped_after(steps, path, monkeypatch, job)
    torch.manual_seed(12345)  # another process has another state
    record = run_trial(job, checkpoint=path)
    assert record.status == "ok", record.message
    assert record.results == whole.results
    assert len(record.timing["epoch_seconds"]) == job.epochs
    assert record.timing["steps_per_epoch"] == whole.timing["steps_per_epoch"]


def test_time_before_the_kill_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _stopped_after(3, path, monkeypatch, TRIAL)
    resumed = Checkpoint.resume

    def long_ago(self: Checkpoint, *arguments: object) -> Progress:
        return replace(resumed(self, *arguments), seconds=(1000.0, 900.0))

    monkeypatch.setattr(Checkpoint, "resume", long_ago)
    record = run_trial(TRIAL, checkpoint=path)
    assert record.timing["wall_seconds"] > 1000
    assert record.timing["processor_seconds"] > 900


@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "versions"])
def test_a_useless_checkpoint_is_ignored_with_a_warning(
    damage: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stopped_after(3, path, monkeypatch, TRIAL)
    content = path.read_bytes()
    if damage == "versions":
        monkeypatch.setattr(checkpoint, "versions", lambda: {"torch": "0.1"})
    else:
        path.write_bytes({"truncated": content[: len(content) // 2], "empty": b"", "text": b"{}"}[damage])
    with pytest.warns(UserWarning, match="is ignored because .*: the trial starts anew"):
        progress = Checkpoint(path).resume(nn.Linear(1, 1), torch.optim.SGD([nn.Parameter(torch.ones(1))]), None)
    assert progress == Progress()


def test_none_is_written_before_it_is_due(tmp_path: Path) -> None:
    path = tmp_path / "none.safetensors"
    assert run_trial(TRIAL, checkpoint=path).status == "ok"  # takes less than a minute
    assert not path.exists()


STUDY = """
import sys
from localnorm.lab.training import checkpoint
checkpoint.SECONDS = 0.1
from localnorm.cli import main
sys.argv = ["localnorm", "compare", *sys.argv[1:]]
if __name__ == "__main__":
    main()
"""


@pytest.mark.slow
def test_kill_9_in_the_middle_of_a_trial(tmp_path: Path) -> None:
    """The same command goes on; each trial has one record, equal to that of an undisturbed study."""
    (tmp_path / "study.py").write_text(STUDY)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(tmp_path)])}

    def command(out: str) -> list[str]:
        options = ["--task", "digits", "--norms", "none,batch", "--seeds", "1", "--smoke", "--workers", "1"]
        options += ["--epochs", "8", "--batch-size", "16"]
        return [sys.executable, str(tmp_path / "study.py"), *options, "--out", str(tmp_path / out)]

    def records(out: str) -> dict[str, object]:
        files = (tmp_path / out / "records").glob("*.json")
        contents = [json.loads(file.read_text()) for file in files]
        return {c["key"]: c["results"] for c in contents if c["job"]["kind"] == "trial"}

    subprocess.run(command("whole"), env=environment, check=True, capture_output=True, timeout=300)
    for _ in range(3):
        process = subprocess.Popen(
            command("killed"), env=environment, stderr=subprocess.DEVNULL, start_new_session=True
        )
        folder = tmp_path / "killed" / "checkpoints"
        before = {file.name: file.stat().st_mtime for file in folder.glob("*.safetensors")}
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            now = {file.name: file.stat().st_mtime for file in folder.glob("*.safetensors")}
            if any(now.get(name) != value for name, value in before.items()) or (now and not before):
                break
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(command("killed"), env=environment, check=True, capture_output=True, timeout=300)
    assert records("killed") == records("whole")
    assert not list(folder.glob("*"))


def test_the_loop_uses_the_checkpoint_of_its_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from localnorm.lab.records.store import Store, checkpoint_path
    from localnorm.lab.run import runner

    seen = []
    monkeypatch.setattr(
        trial, "run_trial", lambda job, **options: seen.append(options) or run_trial(replace(job, epochs=1))
    )
    (tmp_path / "records").mkdir()
    marker = tmp_path / "records" / ".marker"
    marker.touch()
    left = checkpoint_path(tmp_path, TRIAL.key)
    left.parent.mkdir()
    left.write_bytes(b"old")
    _, written = runner._run_and_write(runner.run_job, marker, {}, TRIAL, 2)
    assert written
    assert seen == [{"checkpoint": left, "loaders": 2}]
    assert not left.exists()
    assert len(list(Store(tmp_path).records.glob("*.json"))) == 1
