"""A runner that trains nothing: errors are drawn from known distributions, the same for every run of a job."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable
from typing import Any

from localnorm.lab.analysis.schedule import next_blocks
from localnorm.lab.probes.flexibility import CHECKS
from localnorm.lab.records.record import Job, Probe, Record, Trial, key
from localnorm.lab.study.study import Study
from localnorm.lab.tasks import task_studies
from localnorm.lab.tasks.corruptions import CORRUPTIONS, SEVERITIES

TASKS = task_studies(["digits", "digit-rows"])
HARMS = {"batch": -2.0, "layer": 2.0, "group": 1.0}
"""Smallest effects by which a norm is worse than none; the others are placebos."""
SPREAD = 0.6
"""Standard deviation of an error beside what a seed adds to every norm, in smallest effects."""


def study(*norms: str, **changes: Any) -> Study:
    """Return a study of the default tasks."""
    return Study(TASKS, ("none", *norms), **changes)


def run(job: Job) -> Record:
    """Return the record of a job at once."""
    return _probed(job) if isinstance(job, Probe) else _trained(job)


def _trained(trial: Trial) -> Record:
    task = next(task for task in TASKS if task.name == trial.task)
    shared, own = random.Random(f"{trial.task} {trial.seed}"), random.Random(key(trial))
    level = 20 + shared.gauss() + task.smallest_effect * HARMS.get(trial.norm, 0.0)
    away = abs(trial.learning_rate - task.schedule.default_learning_rate) / task.schedule.default_learning_rate

    def error(more: float = 0.0) -> float:
        return round(level + more + task.smallest_effect * (SPREAD * own.gauss() + away), 3)

    results: dict[str, Any] = {
        "parameters": 1,
        "train_loss": [1.0] * trial.epochs,
        "validation_error": [error()] * trial.epochs,
    }
    if trial.judged:
        results |= {"train_error": 1.0, "train_mode_error": 1.0, "test_error": error(), "test_examples": 797}
    if trial.corrupted:
        results |= {
            "corrupted_examples": 250,
            "corrupted_error": {n: [error(9)] * len(SEVERITIES) for n in CORRUPTIONS},
        }
    if trial.features:
        results |= {"probe_error": error(), "probe_examples": 797, "sparsity": 0.5}
    timing = {"wall_seconds": 1.0, "processor_seconds": 1.0, "epoch_seconds": [0.1] * trial.epochs}
    return Record(trial, "ok", "", results, timing)


def _probed(probe: Probe) -> Record:
    results: dict[str, Any] = {"shape": [16, 64, 56, 56]} if probe.name == "cost" else {}
    for place, norm in enumerate(probe.norms):
        results[norm] = {
            "cost": {"copies": [5.0 * place + 0.1 * i for i in range(9)], "kept_bytes": 1.0,
                     "images_per_second": [1.0], "network_kept_bytes": 4096.0},
            "scope": {"reach": "itself", "samples": 1, "channels": 1, "positions": 1, "offsets": [0, 0],
                      "mask": ["1"]},
            "flexibility": dict.fromkeys(CHECKS),
        }[probe.name]  # fmt: skip
    return Record(probe, "ok", "", results, {"wall_seconds": 1.0})


def simulate(
    of: Study,
    records: Collection[Record] = (),
    *,
    order: Callable[[list[Job]], Iterable[Job]] = lambda jobs: jobs,
    at_once: int = 10**9,
    most: int = 10**9,
    every_seed: bool = False,
) -> dict[str, Record]:
    """Run a study without an engine.

    Args:
        of: the study.
        records: those that exist.
        order: changes the order of the jobs that are asked for.
        at_once: jobs that run before the next ones are looked up.
        most: jobs after which the study is interrupted.
        every_seed: as for `next_blocks`.
    """
    made = {key(record.job): record for record in records}
    left = most
    while left > 0:
        blocks = next_blocks(of, made.values(), every_seed=every_seed).blocks
        jobs = list({key(job): job for block in blocks for job in block.jobs}.values())
        if not jobs:
            break
        some = list(order(jobs))[: min(at_once, left)]
        made |= {key(job): run(job) for job in some}
        left -= len(some)
    return made
