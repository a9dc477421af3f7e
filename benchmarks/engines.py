"""What an engine costs and gains: `python -m benchmarks.engines` prints both, for the pool and for Ray.

The cost is that of calls that do nothing, given to one worker. The gain is how many trials of the digits' study
two workers end in a second, beside one: the same trials, in turn, once every worker has loaded what it needs.
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

from localnorm.lab.engines.choice import ENGINES, EngineChoice, opened
from localnorm.lab.engines.interface import Engine
from localnorm.lab.records.record import Trial
from localnorm.lab.run.runner import run_job
from localnorm.lab.study.study import Study
from localnorm.lab.tasks import task_studies

WORKERS = (1, 2)
_CALLS = 500


def trials(seeds: int) -> list[Trial]:
    """Return the grid of the digits' study, as `localnorm compare` trains it."""
    study = Study(task_studies(["digits"]), norms=("none", "batch", "group"), seeds=tuple(range(seeds)))
    return list(study.grid_trials(study.tasks[0]))


def _seconds(engine: Engine[Any], calls: Sequence[Callable[[], Any]]) -> float:
    """Return the seconds from the first call's submission to the last one's end."""
    start = time.perf_counter()
    for number, call in enumerate(calls):
        engine.submit(str(number), call)
    problems = [finished.problem for finished in engine.results() if finished.problem]
    if problems:
        sys.exit(f"a call did not end: {problems[0]}")
    return time.perf_counter() - start


def measure(name: str, rounds: int, seeds: int) -> None:
    """Print an engine's line of the table."""
    calls = [partial(run_job, trial) for trial in trials(seeds)]
    with ExitStack() as open_ones:
        # Room for all at once; those that are idle take no time from the others.
        chosen = open_ones.enter_context(opened(EngineChoice(name, sum(WORKERS))))
        engines: dict[int, Engine[Any]] = {}
        for workers in WORKERS:
            engines[workers] = open_ones.enter_context(chosen.open_engine(workers, lambda _: None))
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
    print("| engine | ms a call | trials a second, 1 worker | 2 workers | times as many |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in given.engines:
        measure(name, given.rounds, given.seeds)
    print(f"\n{len(trials(given.seeds))} trials a round, medians of {given.rounds} rounds;", end=" ")
    print(", ".join(f"{package} {version(package)}" for package in ("torch", "ray")))


if __name__ == "__main__":
    main()
