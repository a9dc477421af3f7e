"""Measure coverage, the rate of false verdicts on placebos and power on planted harms: ``make calibrate``.

The placebo is the identity under another name and with other initial weights, so that its errors differ from
those of `none` by chance alone. Real differences come from judged trials of the digits; simulated ones are
discrete, skewed, or have outliers. Each study is a row of placebos, with as many pairs as the last look; a harm is
the same with a known number of smallest effects added.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import nn

from localnorm.lab.analysis.inference import decide, decisions
from localnorm.lab.analysis.paired import paired
from localnorm.lab.analysis.statistics import estimate
from localnorm.lab.engines.choice import EngineSetup
from localnorm.lab.measures.choice import GridSetting
from localnorm.lab.measures.judged import judged_trial, resolution
from localnorm.lab.norms import Norm
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.records.store import Store
from localnorm.lab.run.runner import run_jobs
from localnorm.lab.study.study import LOOKS, TaskStudy
from localnorm.lab.tasks import task_studies

TASK = "digits"
PLACEBO = "benchmarks.lab.calibration:placebo"
NORMS = 6
"""Placebos of a row."""
MOST_FALSE, LEAST_COVERED = 0.05, 0.94
HARMS = (1.0, 2.0)
"""Smallest effects by which the planted harms are worse."""

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]
"""Differences without an effect, in smallest effects, their centre 0."""


def _identity(num_channels: int, dims: int) -> nn.Module:  # noqa: ARG001  the signature of every builder
    torch.rand(1)  # Changes the random weights that are drawn next.
    return nn.Identity()


placebo = Norm("placebo", "identity with other initial weights", _identity)


def _normal(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    return rng.normal(size=count)


def _skewed(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    shape = 16.0
    drawn: NDArray[np.float64] = (rng.gamma(shape, size=count) - shape) / np.sqrt(shape)
    return drawn


def _outliers(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    far = rng.choice(np.array([0.0, 12.0, -12.0]), count, p=[0.96, 0.02, 0.02])
    drawn: NDArray[np.float64] = rng.normal(size=count) + far
    return drawn


SHAPES: dict[str, Draw] = {"normal": _normal, "skewness 0.5": _skewed, "outliers both ways": _outliers}
SPREADS = (0.5, 1.0, 1.5)
"""Standard deviations of simulated differences, in smallest effects."""
STEP = 0.25
"""Simulated differences are rounded to this, in smallest effects."""


def trials(task: TaskStudy, seeds: Sequence[int]) -> list[Trial]:
    """Return the judged trials of none and the placebo at the task's defaults, tested but not corrupted."""
    schedule = task.schedule
    setting = GridSetting(schedule.default_learning_rate, schedule.batch_size, schedule.epochs)
    made = (judged_trial(task, norm, seed, setting) for seed in seeds for norm in ("none", PLACEBO))
    return [replace(trial, corrupted=False, features=False) for trial in made]


def recorded(task: TaskStudy, seeds: int, workers: int, folder: Path) -> tuple[list[float], float]:
    """Train what is missing; return the differences in test error, and the step between two of them."""
    store = Store(folder)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = trials(task, range(seeds))
    with store.locked():
        kept, _ = store.read()
        missing = [trial for trial in wanted if trial.key not in kept]
        new = run_jobs(missing, store, EngineSetup(workers=workers))
        for _ in track(new, "training", total=len(missing), transient=True):
            pass
        records, _ = store.read()
    errors: dict[str, list[float | None]] = {"none": [], PLACEBO: []}
    for trial in wanted:
        errors[trial.norm].append(_error(task, records[trial.key]))
    step = resolution(task, min(int(r.results["test_examples"]) for r in records.values() if r.status == "ok"))
    return paired(errors[PLACEBO], errors["none"]), step


def _error(task: TaskStudy, record: Record) -> float | None:
    if record.status == "diverged":
        return task.chance_error
    return float(record.results["test_error"]) if record.status == "ok" else None


def rates(draw: Draw, effect: float, step: float, harm: float, studies: int) -> tuple[float, float, float, float]:
    """Judge rows of norms with the same harm.

    Args:
        draw: differences without an effect.
        effect: the smallest effect.
        step: between two differences.
        harm: added to every difference, in the unit of the effect.
        studies: number of rows.

    Returns:
        Shares: of the rows with a false verdict, of the cells called worse by 24 pairs and by all, of the cells
        called no different.
    """
    false = early = worse = same = 0
    for study in range(studies):
        rng = np.random.default_rng(study)
        wrong = False
        for _ in range(NORMS):
            found = decide((draw(rng, LOOKS[-1]) + harm).tolist(), effect, NORMS, resolution=step)
            wrong |= found.word == "better" or (found.word == "worse" and not harm)
            wrong |= found.word == "no different" and harm >= effect
            worse += found.word == "worse"
            early += found.word == "worse" and found.pairs <= LOOKS[3]
            same += found.word == "no different"
        false += wrong
    cells = studies * NORMS
    return false / studies, early / cells, worse / cells, same / cells


def coverage(draw: Draw, truth: float, step: float, studies: int) -> list[tuple[float, float]]:
    """Return at each look the share of 95 % intervals, and of printed intervals, that hold the true centre."""
    held = np.zeros((len(LOOKS), 2))
    for study in range(studies):
        differences = draw(np.random.default_rng(study), LOOKS[-1]).tolist()
        for place, printed in enumerate(decisions(differences, 1.0, NORMS, resolution=step)):
            plain = estimate(differences[: printed.pairs], step)
            held[place] += plain.low <= truth <= plain.high, printed.low <= truth <= printed.high
    return [(float(plain), float(printed)) for plain, printed in held / studies]


def report(name: str, draw: Draw, effect: float, step: float, truth: float, studies: int) -> bool:
    """Print the rates of one kind of differences; return whether a target is missed."""
    covered = coverage(draw, truth, step, 10 * studies)
    told = ", ".join(
        f"{look}: {plain:.3f}/{printed:.3f}" for look, (plain, printed) in zip(LOOKS, covered, strict=True)
    )
    print(f"{name}\n  coverage by pairs, 95 % interval/printed interval: {told}")
    false, _, _, same = rates(draw, effect, step, 0.0, studies)
    print(
        f"  {NORMS} placebos: a false verdict in {false:.4f} of {studies} rows; no different: {same:.3f} of cells"
    )
    for harm in HARMS:
        wrong, early, worse, _ = rates(draw, effect, step, harm * effect, studies)
        print(
            f"  harm of {harm:g} smallest effects: worse in {early:.3f} of cells by {LOOKS[3]} pairs, {worse:.3f} "
            f"by {LOOKS[-1]}; a false verdict in {wrong:.4f} of rows"
        )
    # Two standard errors of the share above the target is a miss: the target itself is met half of the time.
    most = MOST_FALSE + 2 * (MOST_FALSE * (1 - MOST_FALSE) / studies) ** 0.5
    return false > most or min(printed for _, printed in covered) < LEAST_COVERED


def main() -> None:
    """Print the rates, and exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=200, help="recorded seeds, from which studies are drawn")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("calibration"), help="folder of the records")
    asked = parser.parse_args()
    if min(asked.studies, asked.workers) < 1 or asked.seeds < LOOKS[-1]:
        parser.error(f"studies and workers must be at least 1, seeds at least {LOOKS[-1]}")
    (task,) = task_studies([TASK])
    found, step = recorded(task, asked.seeds, asked.workers, asked.out)
    differences = np.array(found)
    # Placebo minus none has no direction: the sign of each pair is as good as the other.
    centred = np.concatenate([differences, -differences])

    def real(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        return rng.choice(centred, count, replace=False)

    print(
        f"{TASK}, torch {version('torch')}: {len(found)} pairs of placebo and none, mean "
        f"difference {differences.mean():+.3f}, standard deviation {differences.std(ddof=1):.3f} {task.unit}; "
        f"smallest effect {task.smallest_effect:g}"
    )
    missed = report("recorded differences", real, task.smallest_effect, step, 0.0, asked.studies)
    for shape, draw in SHAPES.items():
        for spread in SPREADS:
            name = f"simulated, {shape}, standard deviation {spread:g} smallest effects"
            missed |= report(name, _simulated(draw, spread), 1.0, STEP, 0.0, asked.studies)
    raise SystemExit(int(missed))


def _simulated(draw: Draw, spread: float) -> Draw:
    """Return rounded differences, with the mean of the distribution without its lowest and highest tenth at 0."""

    def rounded(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        return np.asarray(np.round(spread * draw(rng, count) / STEP) * STEP, np.float64)

    ordered = np.sort(rounded(np.random.default_rng(0), 1_000_000))
    centre = float(ordered[100_000:-100_000].mean())
    return lambda rng, count: rounded(rng, count) - centre


if __name__ == "__main__":
    main()
