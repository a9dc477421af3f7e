"""Running jobs in worker processes, and writing down what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence

from localnorm.lab.engine_interface import OpenEngine
from localnorm.lab.job_engine import Answer, Runner, opened_for
from localnorm.lab.pool import Pool
from localnorm.lab.records import Job, Record, Trial, key
from localnorm.lab.store import Store


def run_job(job: Job) -> Record:
    """Run one job in this process and return its record.

    Example:
        >>> from localnorm.lab.records import Probe
        >>> run_job(Probe("flexibility", ("none",))).status
        'ok'
    """
    # Imported here: the process that only hands jobs out needs no framework.
    from localnorm.lab.probes import run_probe
    from localnorm.lab.train import run_trial

    return run_trial(job) if isinstance(job, Trial) else run_probe(job)


def run(
    jobs: Sequence[Job],
    store: Store,
    workers: int,
    alone: Callable[[Job], bool] = lambda _: False,
    runner: Runner = run_job,
    began: Callable[[Job], None] = lambda _: None,
    *,
    open_engine: OpenEngine[Answer] = Pool,
    trial_seconds: float | None = None,
) -> Generator[Record]:
    """Run jobs and yield their records as they come; each is in the store before it is yielded.

    Args:
        jobs: what to run.
        store: where the records go.
        workers: number of processes, at least 1.
        alone: jobs that nothing may run beside; they come first.
        runner: what runs a job; importable, since workers import it.
        began: called when a worker is given a job; again where one has died over it.
        open_engine: opens what the workers are in; by default processes of this machine.
        trial_seconds: the longest that a trial may take; then its worker is ended, and its record has the status
            "timed out". By default as long as it likes. Probes have no limit.

    Raises:
        LabError: a worker process died over a job twice.
    """
    single = [job for job in jobs if alone(job)]
    together = [job for job in jobs if not alone(job)]
    for part, processes in ((single, 1), (together, workers)):
        if part:
            named = {key(job): job for job in part}

            def tell(name: str, named: dict[str, Job] = named) -> None:
                began(named[name])

            with opened_for(
                store, min(processes, len(named)), tell, open_engine=open_engine, trial_seconds=trial_seconds
            ) as engine:
                for job in named.values():
                    engine.submit(job, runner)
                yield from engine.records()
