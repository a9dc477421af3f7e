"""Hand-made searches and their records, without training."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from localnorm.lab.records.record import Record, Status, Trial, from_json, key
from localnorm.lab.run.tune import make_tuning
from localnorm.lab.study.training_config import TrainingConfig
from localnorm.lab.tasks import task_studies
from localnorm.lab.tuning.sampler import next_setting
from localnorm.lab.tuning.selection import choosing_trials, compared_trials, setting_of
from localnorm.lab.tuning.tuning import SEARCHED, Tuning

DIGITS = replace(task_studies(["digits"])[0], schedule=TrainingConfig((1e-3, 3e-2), 1e-3, epochs=3))
TUNING = make_tuning(DIGITS, "local", trials=20, seeds=6)
Errors = Callable[[Trial], float]


def far(trial: Trial) -> float:
    """How far a setting is from the best: alpha 0.1, beta 0.5, learning rate 0.01, in factors and halves."""
    own = {"alpha": 1e-4, "beta": 0.75, **dict(trial.settings)}
    return (
        5.0
        + abs(math.log10(own["alpha"]) + 1)
        + 2 * abs(own["beta"] - 0.5)
        + abs(math.log10(trial.learning_rate) + 2)
    )


def record(
    trial: Trial, error: float, *, status: Status = "ok", test: float | None = None, number: int | None = None
) -> Record:
    """Return the record of a trial; one that was stopped early has a curve of one epoch, a failed one has none."""
    timing = {} if number is None else {"number": number}
    if status != "ok":
        curve = [error] if status == "pruned" else []
        return Record(trial, status, f"made {status}", {"validation_error": curve}, timing)
    results = {
        "validation_error": [error + 2, error + 1, error],
        "test_error": error if test is None else test,
        "test_examples": 797,
    }
    return Record(trial, "ok", results=results, timing=timing)


def searched(
    tuning: Tuning,
    errors: Errors = far,
    until: int | None = None,
    known: Iterable[Record] = (),
    status: Callable[[int], Status] = lambda _: "ok",
) -> dict[str, Record]:
    """Search one trial at a time, from known records on, as from a folder: each is written and read back.

    It ends early where nothing is left to try.
    """
    records = {key(r.job): from_json(r.to_json(), key(r.job)) for r in known}
    for number in range(len(records), tuning.trials if until is None else until):
        setting = next_setting(tuning, records, (), number)
        if setting is None:
            break
        trial = tuning.trial(setting, SEARCHED)
        assert key(trial) not in records
        records[key(trial)] = record(trial, errors(trial), number=number, status=status(number))
    return records


def finished(tuning: Tuning, errors: Errors = far, test: Errors = far) -> dict[str, Record]:
    """Return the records of a whole tuning: search, choice and comparison."""
    records = searched(tuning, errors)
    for trials in (choosing_trials, compared_trials):
        for trial in list(trials(tuning, records)):
            records.setdefault(key(trial), record(trial, errors(trial), test=test(trial)))
    return records


def settings(records: Iterable[Record]) -> list[tuple[object, ...]]:
    """Return what each trial tried, in order."""
    return [tuple(setting_of(record.job)) for record in records if isinstance(record.job, Trial)]
