"""What tests run in other processes: runners that workers import, and the command line.

A trial's model names the folder that a runner writes to; its norm says what befalls it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.monitoring.callback import Callback, RunStart
from localnorm.lab.monitoring.events import EventFile
from localnorm.lab.records.record import Job, Record, Trial
from localnorm.lab.records.store import Store
from localnorm.lab.run.runner import run_jobs
from localnorm.lab.study.study import Study

_HERE = str(Path(__file__).parent)
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [_HERE, os.environ.get("PYTHONPATH")]))}
"""So that a process finds user_norms and user_runners."""


def trials(folder: Path | str, *fates: str) -> list[Trial]:
    """Return one trial a fate; seeds tell them apart."""
    return [Trial("task", str(folder), fate, seed, 1.0, 1, 1) for seed, fate in enumerate(fates)]


def runner(job: Job) -> Record:
    """Leave a mark ``<fate>.<seed>.<pid>`` and do what the trial's norm says."""
    assert isinstance(job, Trial)
    began = time.monotonic()
    folder = Path(job.model)
    first = not list(folder.glob(f"{job.norm}.{job.seed}.*"))
    (folder / f"{job.norm}.{job.seed}.{os.getpid()}").touch()
    if job.norm == "waits":
        time.sleep(60)
    if job.norm == "meets":
        assert until(lambda: len(list(folder.glob("meets.*.*"))) == 2), "no other worker came"
    if job.norm == "no memory":
        raise MemoryError("no room for its record")
    if job.norm == "exits":
        sys.exit("enough")
    if job.norm == "dies" or (job.norm == "dies once" and first):
        os.kill(os.getpid(), signal.SIGKILL)
    return Record(job, "ok", results={"seed": job.seed}, timing={"ran": [began, time.monotonic()]})


def at_once(job: Job) -> Record:
    """Come to an error of 1, at once."""
    return Record(job, "ok", results={"validation_error": [1.0]})


def pids(folder: Path, fate: str = "*") -> set[int]:
    """Return the processes that began a trial of a fate."""
    return {int(path.suffix[1:]) for path in folder.glob(f"{fate}.*.*")}


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and waits to be asked after does not."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not (stat.exists() and stat.read_text().rpartition(")")[2].split()[0] == "Z")
    except (ProcessLookupError, FileNotFoundError):
        return False


def offspring(pid: int) -> dict[int, str]:
    """Return the processes that a process has started, and those that they have, with their command lines."""
    words = ["ps", "-eo", "pid=,ppid=,args="]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    found: dict[int, str] = {}
    parents = {pid}
    while parents:
        children = {int(row[0]): row[-1] for row in rows if int(row[1]) in parents}
        found |= children
        parents = set(children)
    return found


def until(condition: Callable[[], object], seconds: float = 60.0) -> bool:
    """Wait until a condition holds; return whether it did in time."""
    end = time.monotonic() + seconds
    while not (holds := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return bool(holds)


def write_for_ever(folder: str) -> None:
    """Write the same few large records again and again."""
    while True:
        for trial in trials(folder, "a", "b", "c"):
            Store(Path(folder)).write(Record(trial, "ok", results={"numbers": list(range(20_000))}))


def run_for_ever(folder: str, workers: str) -> None:
    """Run trials that take long."""
    setup = EngineSetup(workers=int(workers))
    list(run_jobs(trials(folder, *["waits"] * setup.workers), Store(Path(folder)), setup, function=runner))


def watch_for_ever(folder: str) -> None:
    """Write the events of a run that has begun a trial."""
    file = EventFile(Path(folder))
    file.run_started(RunStart(7, 0, (), 1))
    file.job_started(*trials(folder, "waits"))
    time.sleep(60)


def lock_for_ever(folder: str) -> None:
    """Hold a folder."""
    with Store(Path(folder)).locked():
        (Path(folder) / ".held").touch()
        time.sleep(60)


def start(function: Callable[..., None], *arguments: object) -> subprocess.Popen[str]:
    """Run a function of this module in a process of its own; it gets its arguments as text.

    Its stderr is dropped: Python's resource tracker complains there, late, of a process that was killed.
    """
    code = f"import user_runners; user_runners.{function.__name__}(*{[str(a) for a in arguments]})"
    return subprocess.Popen([sys.executable, "-c", code], env=ENVIRONMENT, cwd="/", stderr=subprocess.DEVNULL)


def localnorm(*arguments: object, folder: Path | None = None) -> subprocess.Popen[str]:
    """Start the command line in a folder as a person at a terminal would; its output is text.

    Where the tests run in the background, Ctrl-C is ignored and children would inherit that.
    """
    words = [str(Path(sys.executable).with_name("localnorm")), *map(str, arguments)]
    return subprocess.Popen(
        words,
        env=ENVIRONMENT,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def captured_runs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Let `localnorm compare` train nothing and print no table; return a list that its runs are added to."""
    runs: list[dict[str, Any]] = []

    def compare(
        study: Study, folder: Path, engine: EngineSetup, *, callbacks: Sequence[Callback], **limits: Any
    ) -> Generator[Record]:
        runs.append({"study": study, "folder": folder, "engine": engine, "callbacks": callbacks, **limits})
        yield from ()

    monkeypatch.setattr("localnorm.lab.run.compare.compare", compare)
    monkeypatch.setattr(sys.modules["localnorm.commands.compare"], "_say_first_look", lambda *_: None)
    monkeypatch.setattr(sys.modules["localnorm.commands.compare"], "show", lambda *_, **__: None)
    return runs
