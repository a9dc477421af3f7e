"""Compare learned k, alpha and beta with fixed values on the digits: ``python -m benchmarks.lab.learned_digits``.

Runs the lab's trials of `local` and `local-learned` on the digits, with the same seeds, learning rates and epochs.
The learning rate of each is chosen on the pilot, errors are compared by judged seed, and the verdict follows the
lab's rules for a single comparison with one look. The learned values come from training once more, which must give
the same test errors.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch

from localnorm.lab.analysis.inference import look
from localnorm.lab.analysis.statistics import estimate
from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.measures.choice import choose
from localnorm.lab.measures.judged import judged_runs, judged_trial
from localnorm.lab.records.provenance import provenance
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.records.store import Store
from localnorm.lab.run.runner import run_jobs
from localnorm.lab.study.study import Study
from localnorm.lab.tasks import find_task, task_studies
from localnorm.lab.training.trial import learn, set_up, test
from localnorm.torch import LocalResponseNorm

FIXED, LEARNED = NORMS = ("local", "local-learned")
SEEDS = tuple(range(20))
EFFECT = find_task("digits").objective.smallest_effect
CLAIM = "learning k, alpha and beta lowers the test error"


class Values(NamedTuple):
    """The learned values of one layer; alpha is a factor of the sum of squares."""

    k: float
    alpha: float
    beta: float


def study_of() -> Study:
    """Return the lab's study of the two norms, without corruptions and linear probes."""
    (digits,) = task_studies(["digits"])
    schedule = replace(digits.schedule, draws=0, batch_sizes=(), corrupted=False)
    return Study((replace(digits, schedule=schedule, classes=0),), norms=("none", *NORMS), seeds=SEEDS)


def learned_values(record: Record) -> list[Values]:
    """Train once more and return the values of each layer; the test error must be the same."""
    trial = record.job
    if not isinstance(trial, Trial):
        raise TypeError(f"learned values come from a trial, got {trial}")
    task = find_task(trial.task)
    split = task.load(trial.seed)
    fabric, model, optimizer, norms = set_up(task, trial)
    for _ in learn(fabric, model, optimizer, task, split.train, trial):
        pass
    if test(model, norms, split, task, trial)["test_error"] != record.results["test_error"]:
        raise SystemExit(f"training {trial} again gave another test error, so its learned values are unknown")
    layers = [module for module in model.modules() if isinstance(module, LocalResponseNorm)]
    specs = [layer.current_spec() for layer in layers]
    return [Values(spec.k, spec.alpha, spec.beta) for spec in specs]


def main() -> None:
    """Train, compare and print."""
    torch.set_num_threads(1)
    study = study_of()
    (task,) = study.tasks
    with tempfile.TemporaryDirectory() as folder:
        store, setup = Store(Path(folder)), EngineSetup(workers=2)
        records = list(run_jobs(study.pilot_trials(task), store, setup))
        settings = choose(study, task, records)
        wanted = [
            judged_trial(task, norm, seed, setting)
            for norm in NORMS
            for seed in SEEDS
            if (setting := settings[norm]) is not None
        ]
        records += run_jobs(wanted, store, setup)
    runs = judged_runs(study, task, records)
    where = provenance()
    print(f"{where['versions']}")
    print(
        f"{task.name}, {task.model}: {len(SEEDS)} judged seeds, learning rates chosen by {len(study.pilot_seeds)}"
    )
    for norm in NORMS:
        errors = [runs[norm, seed].results["test_error"] for seed in SEEDS]
        middle, setting = estimate(errors), settings[norm]
        print(
            f"{norm}: test error {middle.value:.2f} % [{middle.low:.2f}, {middle.high:.2f}] "
            f"at learning rate {setting.learning_rate if setting else math.nan:g}"
        )
    pairs = [[runs[norm, seed].results["test_error"] for norm in NORMS] for seed in SEEDS]
    differences = [fixed - learned for fixed, learned in pairs]
    found = look(differences, EFFECT, norms=1, looks=(len(SEEDS),))
    print(f"{FIXED} minus {LEARNED}, by seed: {found.estimate:.2f} points [{found.low:.2f}, {found.high:.2f}]")
    print(f"smallest effect that matters: {EFFECT} points")
    # A higher error of the fixed values speaks for learning them.
    says = {"worse": "supported", "undecided": "undecided"}.get(found.word, "not supported")
    print(f"'{CLAIM}': {says}")
    layers = zip(*(learned_values(runs[LEARNED, seed]) for seed in SEEDS), strict=True)
    for number, values in enumerate(layers, start=1):
        middles = Values(*(median(column) for column in zip(*values, strict=True)))
        lows, highs = (Values(*map(pick, zip(*values, strict=True))) for pick in (min, max))
        shown = (
            f"{name} {getattr(middles, name):.3g} [{getattr(lows, name):.3g}, {getattr(highs, name):.3g}]"
            for name in Values._fields
        )
        print(f"layer {number}, learned, median [least, largest] over the seeds: {', '.join(shown)}")


if __name__ == "__main__":
    main()
