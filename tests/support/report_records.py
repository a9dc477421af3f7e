"""Small studies with made-up records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from localnorm.lab.analysis.schedule import next_blocks
from localnorm.lab.records.record import Probe, Record, Trial, key
from localnorm.lab.records.store import Store
from localnorm.lab.study.registry import NORM_INFO
from localnorm.lab.study.search_space import Space
from localnorm.lab.study.study import DEFAULT_NORMS, Study
from localnorm.lab.study.study_file import write_study
from localnorm.lab.study.training_config import TrainingConfig
from localnorm.lab.tasks import task_studies

_DIGITS, _ROWS = task_studies(["digits", "digit-rows"])
DIGITS = replace(
    _DIGITS,
    smallest_effect=0.5,
    schedule=TrainingConfig(
        learning_rates=(1e-3, 1e-2),
        default_learning_rate=1e-2,
        epochs=2,
        draws=1,
        batch_sizes=(8, 128),
        batch_epochs=1,
    ),
)
ROWS = replace(_ROWS, schedule=TrainingConfig(learning_rates=(1e-3,), default_learning_rate=1e-3, epochs=3))
STUDY = Study((DIGITS, ROWS), seeds=tuple(range(6)), pilot_seeds=(1000, 1001))
SHAPE, OUTPUT = (2, 4, 1, 5), (1, 2, 0, 3)
CORRUPTIONS = ("noise", "blur")
WHERE = {"versions": {"python": "3.11", "localnorm": "0.1.0"}, "commit": "abc123", "cores": 4, "threads": 1}
Change = Callable[[Record], Record | None]
"""What becomes of a record before it is written; None leaves it out."""


def error(trial: Trial) -> float:
    """A made-up error that every part of a trial changes."""
    place = DEFAULT_NORMS.index(trial.norm) if trial.norm in DEFAULT_NORMS else len(DEFAULT_NORMS)
    return 5 + place + 0.1 * (trial.seed % 1000) + 100 * trial.learning_rate + trial.batch_size / 100


def trained(trial: Trial) -> Record:
    last = error(trial)
    results: dict[str, Any] = {
        "train_loss": [1.0] * trial.epochs,
        "validation_error": [last + trial.epochs - epoch for epoch in range(1, trial.epochs + 1)],
    }
    if trial.judged:
        results |= {
            "train_error": last - 1,
            "train_mode_error": last - 0.5,
            "test_error": last + 1,
            "test_examples": 797,
            "probe_error": last + 2,
            "probe_examples": 797,
            "sparsity": 0.5,
            "corrupted_examples": 250,
            "corrupted_error": {name: [last + 2 * severity for severity in range(1, 6)] for name in CORRUPTIONS}
            if trial.corrupted
            else {},
        }
    timing = {"wall_seconds": 1.0, "processor_seconds": 1.0, "epoch_seconds": [0.5] * trial.epochs}
    return Record(trial, "ok", "", results, timing, WHERE)


def mask(norm: str) -> list[str]:
    """A made-up scope for each norm, with runs at both ends of a line."""
    place = len(norm) % 4
    return ["".join("1" if (i + channel + place) % 4 in (0, 3) else "0" for i in range(5)) for channel in range(8)]


def probed(probe: Probe) -> Record:
    results: dict[str, Any] = {}
    for place, norm in enumerate(probe.norms):
        results[norm] = {
            "scope": {"reach": "local neighbourhood", "samples": 2, "channels": 4, "positions": 5,
                      "mask": mask(norm), "shape": list(SHAPE), "output": list(OUTPUT)},
            "flexibility": {"rank 2": None, "batch of one": "it <broke>" if norm == "batch" else None},
            "cost": {"copies": [10.0 * place + 0.1 * i for i in range(9)], "kept_bytes": 1.0,
                     "images_per_second": [100.0 + i for i in range(9)], "network_kept_bytes": 5120.0},
        }[probe.name]  # fmt: skip
    if probe.name == "cost":
        results["shape"] = [16, 64]
    return Record(probe, "ok", "", results, {"wall_seconds": 1.0}, WHERE)


def space_of(norm: str) -> Space:
    """Return the hyperparameter ranges of a norm, none of a user-defined one."""
    return NORM_INFO[norm].space if norm in NORM_INFO else {}


def write_records(folder: Path, study: Study = STUDY, change: Change = lambda record: record) -> Path:
    """Write a finished study's folder, each record as change returns it."""
    write_study(folder, study)
    Store(folder).records.mkdir(exist_ok=True)
    for record in made(study, change):
        # The store waits for the disk after each record; nothing here needs that.
        (Store(folder).records / f"{key(record.job)}.json").write_text(record.to_json(), encoding="utf-8")
    return folder


def made(study: Study, change: Change = lambda record: record) -> list[Record]:
    """Return a record of each job that the study asks for with all its seeds, as change returns it."""
    found: dict[str, Record | None] = {}
    while True:
        kept = [record for record in found.values() if record is not None]
        blocks = next_blocks(study, kept, every_seed=True, space_of=space_of).blocks
        jobs = {key(job): job for block in blocks for job in block.jobs if key(job) not in found}
        if not jobs:
            return kept
        for name, job in jobs.items():
            found[name] = change(trained(job) if isinstance(job, Trial) else probed(job))


def ended(norm: str, status: Any, message: str, task: str = "") -> Change:
    """Every trial of a norm ends like that; where a task is given, on that task only."""

    def change(record: Record) -> Record:
        job = record.job
        if isinstance(job, Trial) and job.norm == norm and task in ("", job.task):
            return replace(
                record, status=status, message=message, results={"train_loss": [], "validation_error": []}
            )
        return record

    return change
