"""Hand-made records of a study, without training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from localnorm.lab.analysis.schedule import next_blocks
from localnorm.lab.measures import MEASURES, Measure, Row, Sample, Samples, TaskMeasure
from localnorm.lab.probes.flexibility import CHECKS
from localnorm.lab.records.record import Probe, Record, Status, Trial
from localnorm.lab.study.study import Study, TaskStudy
from localnorm.lab.study.training_config import TrainingConfig
from localnorm.lab.tasks import task_studies
from localnorm.lab.tasks.corruptions import CORRUPTIONS, SEVERITIES

_DIGITS, _ROWS = task_studies(["digits", "digit-rows"])
DIGITS = replace(
    _DIGITS,
    smallest_effect=0.5,
    schedule=TrainingConfig(
        learning_rates=(1e-3, 3e-3, 1e-2), epochs=2, draws=2, batch_sizes=(8, 128), batch_epochs=1
    ),
)
ROWS = replace(_ROWS, schedule=TrainingConfig(learning_rates=(3e-3, 1e-2), epochs=3))
STUDY = Study(
    (DIGITS, ROWS),
    norms=("none", "local", "batch", "layer", "instance"),
    seeds=tuple(range(6)),
    pilot_seeds=(1000, 1001),
)

ONE = replace(STUDY, norms=("none", "local"), seeds=(0, 1, 2))


def like(task: TaskStudy, name: str, **changes: Any) -> TaskStudy:
    """Return a task like another one under a name of its own."""
    return replace(task, name=name, model=f"{name} model", **changes)


@dataclass(frozen=True)
class Run:
    """What a trial came to; the last of `validation` is the final error."""

    test: float = 10.0
    validation: float | tuple[float, ...] = 10.0
    train: float = 5.0
    train_mode: float = 5.0
    corrupted: float = 20.0
    probe: float | None = 3.0
    sparsity: float | None = 0.5
    seconds: float = 1.0

    def record(self, trial: Trial) -> Record:
        curve = self.validation if isinstance(self.validation, tuple) else (self.validation,) * trial.epochs
        results: dict[str, Any] = {
            "parameters": 1,
            "train_loss": [1.0] * trial.epochs,
            "validation_error": list(curve),
        }
        if trial.judged:
            results |= {
                "train_error": self.train,
                "train_mode_error": self.train_mode,
                "test_error": self.test,
                "test_examples": 500,
            }
        if trial.features and self.probe is not None:
            results |= {"probe_error": self.probe, "probe_examples": 500, "sparsity": self.sparsity}
        if trial.corrupted:
            results["corrupted_examples"] = 100
            # Severity 3 has the mean, and every corruption is a point worse than the one before.
            results["corrupted_error"] = {
                name: [self.corrupted + (severity - 3) + (place - 4) for severity in SEVERITIES]
                for place, name in enumerate(CORRUPTIONS)
            }
        return Record(trial, "ok", results=results, timing={"epoch_seconds": [self.seconds] * trial.epochs})


@dataclass(frozen=True)
class Ended:
    """A trial that did not end well."""

    status: Status = "diverged"
    message: str = "the training loss was not finite in epoch 1"

    def record(self, trial: Trial) -> Record:
        return Record(trial, self.status, self.message, {"validation_error": []}, {"epoch_seconds": []})


Fate = Run | Ended | None
"""None: not run yet."""


def of_probe(probe: Probe, values: Mapping[str, Any]) -> Record:
    """Return the record of a probe: values are rounds of copies, items passed, or a reach in words."""
    results: dict[str, Any] = {"shape": [16, 64, 56, 56]} if probe.name == "cost" else {}
    for norm in probe.norms:
        value = values.get(norm)
        if probe.name == "cost":
            copies = value or [2.0] * 9
            results[norm] = {
                "copies": copies,
                "kept_bytes": 1.0,
                "images_per_second": [1.0, 2.0, 9.0],
                "network_kept_bytes": 4096.0,
            }
        elif probe.name == "scope":
            # Two inputs reached, whatever the words: in samples 1 and 2, channel 13, the middle.
            mask = ["0" * 12 + str(int(line in (45, 77))) + "0" * 12 for line in range(96)]
            counts = {"samples": 2, "channels": 1, "positions": 1, "offsets": [0, 0]}
            results[norm] = {"reach": value or "itself", **counts, "mask": mask}
        else:
            results[norm] = {item: None if i < (value or 5) else "no" for i, item in enumerate(CHECKS)}
    return Record(probe, "ok", results=results)


def records(
    study: Study,
    fate: Callable[[Trial], Fate] = lambda _: Run(),
    probes: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Record]:
    """Return a record for each job of the study whose fate is not None; probes: values by name and norm."""
    made: dict[str, Record] = {}
    skipped: set[str] = set()
    while True:
        blocks = next_blocks(study, made.values(), every_seed=True).blocks
        wanted = {job.key: job for block in blocks for job in block.jobs if job.key not in skipped}
        if not wanted:
            return list(made.values())
        for name, job in wanted.items():
            if isinstance(job, Probe):
                made[name] = of_probe(job, (probes or {}).get(job.name, {}))
            elif (came_to := fate(job)) is not None:
                made[name] = came_to.record(job)
            else:
                skipped.add(name)


def measured_in(
    measure: Measure | TaskMeasure, study: Study, made: list[Record] | None = None
) -> tuple[Row | None, Samples]:
    """Return the row that a measure has in a study, which has at most one task for it, and what it measures."""
    if isinstance(measure, Measure):
        return measure.row, measure.measure(study, made or [])
    for task in study.tasks:
        if row := measure.row(task):
            return row, measure.measure(study, task, made or [])
    return None, {}


def part_of(study: Study, trial: Trial) -> str:
    """Return which part of the study a trial is: pilot, draw, judged, tuned (the defaults or the tuned setting) or
    batch; rows for all trials of a task that is not of images."""
    task = study.task(trial.task)
    if task.kind != "images":
        return "rows"
    if not trial.judged:
        return "pilot" if trial in set(study.pilot_trials(task)) else "draw"
    if trial in set(study.batch_trials(task, trial.norm, trial.seed)):
        return "batch"
    return "judged" if trial.features or not task.features else "tuned"


def measured(row: str, made: list[Record], norm: str = "local", study: Study = ONE) -> Sample:
    """Return what a row measures of a norm."""
    measure = next(m for m in MEASURES if m.name == row)
    return measured_in(measure, study, made)[1][norm]


def of_local(part: str, fate: Callable[[Trial], Fate]) -> list[Record]:
    """Return the records of `ONE` with this fate of local's trials of a part."""
    return records(ONE, lambda t: fate(t) if (t.norm, part_of(ONE, t)) == ("local", part) else Run())
