"""Faults that are injected into a running study, and the study that they are injected into.

A fault strikes in the worker that runs the trial of a seed, once: a file in the folder tells that it has. What
kills the driver kills the worker's parent, as that is what hands the trials out.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.records.record import Job, Record, Trial, key
from localnorm.lab.records.store import Store
from localnorm.lab.run.compare import compare
from localnorm.lab.run.runner import run_job
from localnorm.lab.study.study import Study
from localnorm.lab.study.study_file import write_study
from localnorm.lab.study.training_config import TrainingConfig
from localnorm.lab.tasks import task_studies
from user_runners import ENVIRONMENT

SEEDS = 4
_CAP_DAC_OVERRIDE, _PR_CAPBSET_DROP = 1, 24


def study() -> Study:
    """Return a study whose pilot has as many trials as seeds, of a task that is trained in a moment."""
    (tiny,) = task_studies(["user_tasks:tiny"])
    schedule = TrainingConfig(learning_rates=(1e-2,), default_learning_rate=1e-2, epochs=1)
    return Study(
        (replace(tiny, schedule=schedule),), norms=("none",), seeds=(99,), pilot_seeds=tuple(range(SEEDS))
    )


def trials() -> list[Trial]:
    """Return its trials."""
    return list(study().pilot_trials(study().tasks[0]))


def prepare(folder: Path) -> None:
    """Claim a folder and write the records of the probes, which take seconds and are not what is struck."""
    write_study(folder, study())
    for job in study().probes():
        Store(folder).write(Record(job, "failed", "not measured"))


def _kill_worker() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_driver() -> None:
    """Kill the parent; this process ends itself as soon as it sees that, and goes no further until then."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


def _kill_both() -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    _kill_worker()


def _before(place: object, name: str, act: Callable[[], None], calls: int = 1) -> None:
    """Let a function act before the call of a number, in this process."""
    real, left = getattr(place, name), [calls]

    def instead(*given: object) -> object:
        left[0] -= 1
        if not left[0]:
            act()
        return real(*given)

    setattr(place, name, instead)


def _fill_disk(folder: Path, job: Job) -> None:
    """Let the record's bytes go to a device that is always full: the system itself says so."""
    records = Store(folder).records
    (records / f".{key(job)}.json.{os.getpid()}.tmp").symlink_to("/dev/full")


def _forbid_writing(folder: Path, _: Job) -> None:
    Store(folder).records.chmod(0o555)


def _exhaust_memory() -> None:
    """Leave the process little memory beyond what it has, and ask for much; raises what torch then raises."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**26, hard))
    try:
        torch.empty(2**32)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _start_another(folder: Path, _: Job) -> None:
    """Run the same study there at the same time, to its end."""
    process = start(folder, "", -1)
    _, said = process.communicate(timeout=60)
    if process.returncode != 1 or "must have one running study at a time" not in said:
        raise AssertionError(f"a second driver must be refused, got exit code {process.returncode}: {said}")


def _run_elsewhere(folder: Path, job: Job) -> None:
    """Run the job in another process, too, which writes its record at about the same time."""
    assert isinstance(job, Trial)
    code = f"import faults; faults.run_seed({str(folder)!r}, {job.seed})"
    subprocess.Popen([sys.executable, "-c", code], env=ENVIRONMENT).wait(60)


def run_seed(folder: str, seed: int) -> None:
    """Run the trial of a seed in this process and write its record."""
    for trial in trials():
        if trial.seed == seed:
            Store(Path(folder)).write(run_job(trial))


def _set_clock_back() -> None:
    real = time.time
    time.time = lambda: real() - 86_400


@dataclass(frozen=True)
class Fault:
    """What befalls a study.

    Attributes:
        name: what it is.
        how: how it is injected.
        strike: done in the worker, before its trial.
        ends: how the driver ends: its exit code where it is killed, 0 where it goes on, 1 where it stops with an
            error.
        says: what that error says.
        status: what the record of the trial says that it strikes.
    """

    name: str
    how: str
    strike: Callable[[Path, Job], None]
    ends: int = 0
    says: str = ""
    status: str = "ok"


def _of(act: Callable[[], None]) -> Callable[[Path, Job], None]:
    return lambda _, __: act()


def _in_write(name: str, act: Callable[[], None], calls: int = 1) -> Callable[[Path, Job], None]:
    return lambda _, __: _before(os, name, act, calls)


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("worker killed", "SIGKILL in a trial", _of(_kill_worker)),
        Fault("worker killed before fsync", "SIGKILL at its call", _in_write("fsync", _kill_worker)),
        Fault("worker killed before rename", "SIGKILL at its call", _in_write("replace", _kill_worker)),
        Fault("worker killed after rename", "SIGKILL at the folder's fsync", _in_write("fsync", _kill_worker, 2)),
        Fault("driver killed", "SIGKILL while a trial runs", _of(_kill_driver), -9),
        Fault("both killed before fsync", "SIGKILL at its call", _in_write("fsync", _kill_both), -9),
        Fault("both killed before rename", "SIGKILL at its call", _in_write("replace", _kill_both), -9),
        Fault("both killed after rename", "SIGKILL at the folder's fsync", _in_write("fsync", _kill_both, 2), -9),
        Fault("disk full", "the record is written to /dev/full", _fill_disk, 1, "No space left on device"),
        Fault("folder made read-only", "mode 555 in a trial", _forbid_writing, 1, "Permission denied"),
        Fault(
            "worker out of memory",
            "RLIMIT_AS in a trial, which asks for 16 GiB",
            lambda _, __: _before(torch, "manual_seed", _exhaust_memory),
            status="out of memory",
        ),
        Fault("two drivers", "the study is run there by another process, too", _start_another),
        Fault("a trial twice", "another process runs the trial and writes its record, too", _run_elsewhere),
        Fault("clock set back", "a day, in worker and driver", _of(_set_clock_back)),
    )
}  # fmt: skip


def runner(fault: str, at: int, folder: str, job: Job) -> Record:
    """Run a job in a worker; a fault strikes in the trial of a seed, where it has not yet."""
    mark = Path(folder) / ".struck"
    if isinstance(job, Trial) and job.seed == at and not mark.exists():
        mark.touch()
        FAULTS[fault].strike(Path(folder), job)
    return run_job(job)


def drive(folder: str, fault: str, at: str) -> None:
    """Run the study to its end in this process, as localnorm compare does."""
    strikes = partial(runner, fault, int(at), folder)
    with closing(compare(study(), Path(folder), EngineSetup(workers=1), function=strikes)) as records:
        for record in records:
            if fault == "clock set back" and record.job.seed == int(at):
                _set_clock_back()


def start(folder: Path, fault: str, at: int) -> subprocess.Popen[str]:
    """Run the study in a process of its own, which modes of files bind also where its user is root."""
    code = f"import faults; faults.drive({str(folder)!r}, {fault!r}, {str(at)!r})"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_bound_by_modes,
    )


def _bound_by_modes() -> None:
    ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)
