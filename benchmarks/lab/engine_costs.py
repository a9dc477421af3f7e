"""Measure the overhead and speedup of the pool and the Ray engine: ``python -m benchmarks.lab.engine_costs``.

The overhead is the time of an empty call with one worker. The speedup is the throughput of two workers divided by
that of one, on the same trials of the digits' study, after every worker has loaded its modules and data.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from statistics import median
from typing import Any

from localnorm.lab.engines.base import Engine
from localnorm.lab.engines.choice import ENGINES, EngineOptions, started
from localnorm.lab.records.record import Trial
from localnorm.lab.run.runner import run_job
from localnorm.lab.study.study import Study
from localnorm.lab.tasks import task_studies

WORKERS = (1, 2)
_CALLS = 500


def trials(seeds: int) -> list[Trial]:
    """Return the pilot of the digits' study, as `localnorm compare` trains it."""
    pilot = tuple(range(1000, 1000 + seeds))
    study = Study(task_studies(["digits"]), norms=("none", "batch", "group"), pilot_seeds=pilot)
    return list(study.pilot_trials(study.tasks[0]))


def _seconds(engine: Engine[Any, Any], calls: Sequence[Callable[[], Any]]) -> float:
    """Return the seconds from the first call's submission to the last one's end."""
    start = time.perf_counter()
    for number, call in enumerate(calls):
        engine.submit(str(number), call)
    problems = [finished.problem for finished in engine.results() if finished.problem]
    if problems:
        sys.exit(f"a call failed: {problems[0]}")
    return time.perf_counter() - start


def measure(name: str, rounds: int, seeds: int) -> None:
    """Print an engine's row of the table."""
    calls = [partial(run_job, trial) for trial in trials(seeds)]
    with ExitStack() as open_ones:
        # Room for all at once; those that are idle take no time from the others.
        chosen = open_ones.enter_context(started(EngineOptions(name, sum(WORKERS))))
        engines: dict[int, Engine[Any, Any]] = {}
        for workers in WORKERS:
            engines[workers] = open_ones.enter_context(chosen.make(workers, lambda _: None))
            _seconds(engines[workers], calls[: 2 * workers])
        empty = [_seconds(engines[1], [dict] * _CALLS) / _CALLS for _ in range(rounds)]
        paces = [
            {workers: len(calls) / _seconds(engine, calls) for workers, engine in engines.items()}
            for _ in range(rounds)
        ]
    gains = [pace[2] / pace[1] for pace in paces]
    cells = (
        name,
        f"{1e3 * median(empty):.2f}",
        *(f"{median(pace[workers] for pace in paces):.2f}" for workers in WORKERS),
        f"{median(gains):.2f} ({min(gains):.2f} to {max(gains):.2f})",
    )
    print("| " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    """Print the table and the versions."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    print("| engine | ms per empty call | trials per second, 1 worker | 2 workers | speedup |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in given.engines:
        measure(name, given.rounds, given.seeds)
    print(f"\n{len(trials(given.seeds))} trials per round, medians of {given.rounds} rounds;", end=" ")
    print(", ".join(f"{package} {version(package)}" for package in ("torch", "ray")))


if __name__ == "__main__":
    main()
