"""Measure the lab's false-positive rate on a placebo and its power on a planted harm: ``make calibrate``.

Each comparison is a study with separate seeds. The placebo is the identity under another name and with other
initial weights, so that its errors differ from those of `none` by chance alone: with equal weights they would not
differ. The harm is the same trials with a known number of smallest effects added to every test error.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch
from rich.progress import track
from torch import nn

from localnorm.lab.analysis.table import make_table
from localnorm.lab.analysis.verdicts import Comparison
from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.measures import generalization
from localnorm.lab.norms import Norm
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.records.store import Store
from localnorm.lab.run.compare import compare
from localnorm.lab.study.study import Study
from localnorm.lab.tasks import task_studies

TASK = "digits"
PLACEBO = "benchmarks.lab.calibration:placebo"
MOST_FALSE, LEAST_FOUND = 0.05, 0.8
HARM = 2.0
"""Smallest effects by which the planted harm is worse."""


def _identity(num_channels: int, dims: int) -> nn.Module:  # noqa: ARG001  the signature of every builder
    torch.rand(1)  # Changes the random weights that are drawn next.
    return nn.Identity()


placebo = Norm("placebo", "identity with other initial weights", _identity)


def study_of(seeds: Sequence[int]) -> Study:
    """Return the study of the placebo at the task's default learning rate."""
    (task,) = task_studies([TASK])
    usual = task.schedule
    schedule = replace(
        usual,
        learning_rates=(usual.default_learning_rate,),
        draws=0,
        batch_sizes=(),
        corrupted=False,
    )
    return Study((replace(task, schedule=schedule),), ("none", PLACEBO), tuple(seeds))


def harmed(record: Record, by: float) -> Record:
    """Return the record, with the test error raised if it is the placebo's."""
    if not isinstance(record.job, Trial) or record.job.norm != PLACEBO or record.status != "ok":
        return record
    return replace(record, results={**record.results, "test_error": record.results["test_error"] + by})


def standings(records: Collection[Record], comparisons: int, seeds: int, by: float) -> Counter[Comparison]:
    """Judge the comparisons, each on separate seeds, and count the results.

    Args:
        records: of the whole study.
        comparisons: number of comparisons.
        seeds: seeds per comparison.
        by: added to the placebo's test errors.
    """
    found: Counter[Comparison] = Counter()
    changed = [harmed(record, by) for record in records]
    for first in range(0, comparisons * seeds, seeds):
        study = study_of(range(first, first + seeds))
        selected = [
            record for record in changed if isinstance(record.job, Trial) and record.job.seed in study.seeds
        ]
        judged = make_table(study, selected).row(generalization.NAME).cell(PLACEBO).judgement
        if judged is None:
            raise SystemExit(f"nothing was judged of the placebo on the seeds {study.seeds}: nothing is shown")
        found[judged.comparison] += 1
    return found


def run(study: Study, folder: Path, workers: int) -> Mapping[str, Record]:
    """Train what is missing of the study and return all its records by key."""
    records = compare(study, folder, EngineSetup(workers=workers))
    for _ in track(records, "training", total=None, transient=True):
        pass
    sound, _ = Store(folder).read()
    return sound


def main() -> None:
    """Print the table, and exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=40)
    parser.add_argument("--seeds", type=int, nargs="+", default=[5], help="of a comparison")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("calibration"), help="folder of the records")
    asked = parser.parse_args()
    if min(asked.comparisons, asked.workers, *asked.seeds) < 1:
        parser.error("comparisons, seeds and workers must be at least 1")
    study = study_of(range(asked.comparisons * max(asked.seeds)))
    records = run(study, asked.out, asked.workers).values()
    effect, unit = study.tasks[0].smallest_effect, study.tasks[0].unit
    print(f"{TASK}, torch {version('torch')}, {len(records)} records; smallest effect {effect:g} {unit}")
    missed = False
    for seeds in asked.seeds:
        for planted, name in ((0.0, "placebo"), (HARM, f"harm of {HARM:g} smallest effects")):
            found = standings(records, asked.comparisons, seeds, planted * effect)
            total = found.total()
            different = found["better"] + found["worse"]
            told = ", ".join(f"{count} {standing}" for standing, count in sorted(found.items()))
            print(f"{seeds} seeds, {name}: {told} of {total}")
            missed |= found["worse"] < LEAST_FOUND * total if planted else different > MOST_FALSE * total
    raise SystemExit(int(missed))


if __name__ == "__main__":
    main()
