"""Compare learned k, alpha and beta with fixed values on the digits: ``python -m benchmarks.lab.learned_digits``.

Runs the lab's trials of `local` and `local-learned` on the digits, with the same seeds, learning rates and epochs.
The learning rate of each is chosen on validation data, errors are compared by seed, and the verdict follows the
lab's rules. The learned values come from training once more, which must give the same test errors.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch

from localnorm.lab.analysis.statistics import LEVEL, estimate, p_values
from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.measures.select import chosen_runs, chosen_setting, of_trials
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


def trials() -> list[Trial]:
    """Return the lab's grid of the two norms, without corruptions and linear probes."""
    study = Study(task_studies(["digits"]), norms=("none", *NORMS), seeds=SEEDS)
    grid = study.grid_trials(study.tasks[0])
    return [replace(trial, corrupted=False, features=False) for trial in grid if trial.norm in NORMS]


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


def verdict(differences: list[float]) -> str:
    """Return the verdict on fixed minus learned by the lab's rules for a single claim."""
    found = p_values(differences, EFFECT)
    said = "supported" if found.at_least < found.less else "not supported"
    p_value = min(found.at_least, found.less)
    return f"{said if p_value <= 1 - LEVEL else 'undecided'} (p = {p_value:.4f})"


def main() -> None:
    """Train, compare and print."""
    torch.set_num_threads(1)
    wanted = trials()
    with tempfile.TemporaryDirectory() as folder:
        records = list(run_jobs(wanted, Store(Path(folder)), EngineSetup(workers=2)))
    found = of_trials(records, wanted)
    runs = chosen_runs(found, NORMS)
    first = wanted[0]
    where = provenance()
    print(f"{where['versions']}")
    print(f"{first.task}, {first.model}: {len(SEEDS)} seeds, {first.epochs} epochs, batches of {first.batch_size}")
    for norm in NORMS:
        errors = [runs[norm, seed].results["test_error"] for seed in SEEDS]
        middle, setting = estimate(errors), chosen_setting(found, norm)
        print(
            f"{norm}: test error {middle.value:.2f} % [{middle.low:.2f}, {middle.high:.2f}] "
            f"at learning rate {setting.learning_rate if setting else math.nan:g}"
        )
    pairs = [[runs[norm, seed].results["test_error"] for norm in NORMS] for seed in SEEDS]
    differences = [fixed - learned for fixed, learned in pairs]
    gain = estimate(differences)
    print(f"{FIXED} minus {LEARNED}, by seed: {gain.value:.2f} points [{gain.low:.2f}, {gain.high:.2f}]")
    print(f"smallest effect that matters: {EFFECT} points")
    print(f"'{CLAIM}': {verdict(differences)}")
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
