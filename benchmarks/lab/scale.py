"""Measure how reading, reporting and driving a study scale with its size: ``python -m benchmarks.lab.scale``.

The records are synthetic: a study of five image tasks, eight norms and ten seeds, with as many random-search
samples as its size requires. The driver's time is that of running a study of empty trials.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.measures.choice import GridSetting
from localnorm.lab.measures.judged import judged_trial
from localnorm.lab.probes.flexibility import CHECKS
from localnorm.lab.records.provenance import provenance
from localnorm.lab.records.record import Job, Probe, Record, key
from localnorm.lab.records.store import Store
from localnorm.lab.report import read_report, write_report
from localnorm.lab.run.compare import compare
from localnorm.lab.study.jobs import norm_space, random_trials
from localnorm.lab.study.study import DEFAULT_NORMS, Study
from localnorm.lab.study.study_file import write_study
from localnorm.lab.tasks import task_studies
from localnorm.lab.tasks.corruptions import SEVERITIES

SIZES = (1_000, 10_000, 100_000)
_TASKS, _SEEDS = 5, 10
_NORMS = (*DEFAULT_NORMS, "local-learned")


def study(size: int) -> Study:
    """Return a study of about `size` jobs: first with more seeds, then with more random-search samples.

    Args:
        size: number of jobs, at least 1,000.
    """
    (digits,) = task_studies(["digits"])
    seeds = tuple(range(min(_SEEDS, max(2, size // 500))))
    per_task = len(_NORMS) * len(seeds)
    others = len(digits.schedule.grid) + len(digits.schedule.batch_sizes)
    draws = max(0, size // (_TASKS * per_task) - others)
    tasks = tuple(
        replace(digits, name=f"digits {number}", schedule=replace(digits.schedule, draws=draws))
        for number in range(_TASKS)
    )
    return Study(tasks, _NORMS, seeds, pilot_seeds=tuple(1000 + seed for seed in seeds))


def synthetic(job: Job) -> Record:
    """Return a record of realistic size, with random results seeded by the job's key."""
    drawn = random.Random(key(job))
    where = {**provenance(), "threads": 1}
    if isinstance(job, Probe):
        return Record(job, "ok", results=_probed(job, drawn), provenance=where)
    error = 5 + drawn.random()
    results: dict[str, Any] = {
        "parameters": 76_746,
        "train_loss": [drawn.random() for _ in range(job.epochs)],
        "validation_error": [error + drawn.random() for _ in range(job.epochs)],
    }
    if job.judged:
        results |= {
            "train_error": error - 2,
            "test_error": error,
            "test_examples": 797,
            "train_mode_error": error - 1,
        }
    if job.corrupted:
        (digits,) = task_studies(["digits"])
        results["corrupted_examples"] = 250
        results["corrupted_error"] = {
            name: [2 * error + drawn.random() for _ in SEVERITIES] for name in digits.corruptions
        }
    if job.features:
        results |= {"probe_error": error + 1, "probe_examples": 797, "sparsity": drawn.random()}
    timing = {"wall_seconds": 1.0, "processor_seconds": 1.0, "epoch_seconds": [0.1] * job.epochs}
    return Record(job, "ok", results=results, timing=timing, provenance=where)


def _probed(probe: Probe, drawn: random.Random) -> dict[str, Any]:
    results: dict[str, Any] = {"shape": [16, 64, 56, 56]} if probe.name == "cost" else {}
    reach = {
        "reach": "itself",
        "samples": 1,
        "channels": 1,
        "positions": 1,
        "offsets": [0, 0],
        "mask": ["0" * 25] * 96,
    }
    cost = {"kept_bytes": 1.0, "images_per_second": [1.0], "network_kept_bytes": 4096.0}
    for norm in probe.norms:
        results[norm] = {
            "scope": reach,
            "cost": {**cost, "copies": [2 + drawn.random() for _ in range(9)]},
            "flexibility": dict.fromkeys(CHECKS),
        }[probe.name]
    return results


def nothing(job: Job) -> Record:
    """Return a made-up record at once; the job that workers run to measure the driver's time."""
    return synthetic(job)


def jobs(asked: Study) -> list[Job]:
    """Return every job that a study may ask for, the defaults standing in for the chosen settings."""
    found: list[Job] = list(asked.probes())
    for task in asked.tasks:
        schedule = task.schedule
        setting = GridSetting(schedule.default_learning_rate, schedule.batch_size, schedule.epochs)
        found += [*asked.pilot_trials(task), *random_trials(asked, task, norm_space)]
        for norm in asked.norms:
            for seed in asked.seeds:
                found += [judged_trial(task, norm, seed, setting), *asked.batch_trials(task, norm, seed)]
    return list({key(job): job for job in found}.values())


def _timed(act: Callable[[], Any]) -> tuple[Any, float, float]:
    """Return a call's result, its wall-clock seconds, and its CPU seconds in this process."""
    wall, processor = time.perf_counter(), time.process_time()
    found = act()
    return found, time.perf_counter() - wall, time.process_time() - processor


def _print(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def _both(wall: float, processor: float) -> str:
    return f"{wall:.2f} ({processor:.2f})"


def measure_store(sizes: list[int]) -> None:
    """Print the time to list and to report existing records."""
    _print("records", "MB", "first listing, s", "listing, s", "report, s", "table alone, s")
    _print(*["---:"] * 6)
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder, asked = Path(name), study(size)
            store = Store(folder)
            write_study(folder, asked)
            store.records.mkdir()
            total = 0
            for job in jobs(asked):
                # Not with the store, which calls fsync for each record.
                total += (store.records / f"{key(job)}.json").write_text(synthetic(job).to_json())
            time.sleep(3)
            (found, damaged), *first = _timed(store.read)
            if damaged:
                sys.exit(f"damaged: {damaged[0]}")
            _, *again = _timed(store.read)
            _, *table = _timed(lambda folder=folder: read_report(folder))  # type: ignore[misc]
            _, *report = _timed(lambda folder=folder: write_report(folder))  # type: ignore[misc]
            _print(len(found), f"{total / 1e6:.0f}", *(_both(*each) for each in (first, again, report, table)))


def measure_driver(sizes: list[int], workers: int) -> None:
    """Print the driver's time per trial, counted from the first finished trial."""
    _print("trials", "workers", "ms per trial", "driver CPU ms per trial")
    _print("---:", "---:", "---:", "---:")
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder, asked = Path(name), study(size)
            write_study(folder, asked)
            for job in jobs(asked):
                if isinstance(job, Probe):
                    Store(folder).write(nothing(job))
            records = compare(asked, folder, EngineSetup(workers=workers), function=nothing, every_seed=True)
            next(records)
            count, wall, processor = _timed(lambda records=records: sum(1 for _ in records))  # type: ignore[misc]
            _print(count + 1, workers, f"{1e3 * wall / count:.2f}", f"{1e3 * processor / count:.2f}")


def main() -> None:
    """Print both tables: wall-clock seconds, CPU seconds in brackets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--driver-sizes", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    measure_driver(given.driver_sizes, given.workers)
    print()
    measure_store(given.sizes)


if __name__ == "__main__":
    main()
