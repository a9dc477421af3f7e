"""Hyperparameter sensitivity: loss of the defaults against the best setting of grid and random search."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from statistics import fmean
from typing import NamedTuple

from localnorm.lab.measures.budget import expected_best
from localnorm.lab.measures.choice import GridSetting, choose, near_best, pilot_error, pilot_errors
from localnorm.lab.measures.judged import ended_ok, error_of, judged_trial, resolution, seeds_done
from localnorm.lab.measures.row import Needs, Row, Sample, Samples, error_row, short_name
from localnorm.lab.measures.select import RecordSet, keys, of_trials, why_missing
from localnorm.lab.records.record import Record, Trial
from localnorm.lab.study.jobs import sampled_rate
from localnorm.lab.study.study import Study, TaskStudy

NAME = "hyperparameter sensitivity"
_NEAR = 2.0
"""Smallest effects of validation error within which a learning rate counts as good."""

_Run = tuple[Trial, Record]
"""A trial with its record."""


def row(task: TaskStudy) -> Row | None:
    """Return the row of an image task."""
    about = (
        f"tunability: test error on {short_name(task.name)} at the default learning rate and the norm's defaults, "
        "minus that of the "
        "setting that the pilot found best among the grid and the random-search samples; exactly 0 if it "
        "found none better than the defaults"
    )
    return error_row(task, NAME, about, apart=True) if task.kind == "images" else None


def near(task: TaskStudy) -> float:
    """Return the validation error within which of the best a learning rate counts as good."""
    return _NEAR * task.smallest_effect


def measure(study: Study, task: TaskStudy, records: Collection[Record]) -> Samples:
    """Return each norm's loss with its defaults, by judged seed; exactly 0 if tuning keeps the defaults.

    The details hold ``tuned``, the setting that the pilot found; ``good_decades``, the width in decades of the
    learning rates near the best; and over the random-search samples ``importance`` of each hyperparameter, see
    `importance.ped_anova`, and ``expected_best``, the expected validation error of the best of 1, 2, ... of them,
    see `budget.expected_best`.
    """
    records = records if isinstance(records, RecordSet) else RecordSet(records)
    pilot = of_trials(records, study.pilot_trials(task))
    found_settings = tuned(study, task, records)
    of_norms = needs(study, task, records)
    samples = {}
    for norm in study.norms:
        setting = found_settings.get(norm)
        # A norm that never trains loses nothing by its defaults, which is no merit.
        if setting is None or not ended_ok(pilot_of(pilot, norm)):
            samples[norm] = Sample(missing=why_missing(pilot, norm))
            continue
        trials = [trial for seed in study.seeds for trial in of_norms[norm](seed)]
        found = of_trials(records, trials)
        done = seeds_done(study, of_norms[norm], found)
        losses: list[float | None] = [None] * len(study.seeds)
        for place, seed in enumerate(study.seeds[:done]):
            errors = [_error(task, found[trial]) for trial in of_norms[norm](seed)]
            losses[place] = _loss(errors)
        if all(loss is None for loss in losses):
            samples[norm] = Sample(missing=why_missing(found, norm), seeds_done=done)
            continue
        draws = list(drawn(study, task, norm, records).values())
        usual = {trial: record for trial, record in pilot.items() if trial.norm == norm and _usual(task, trial)}
        tested = [r.results.get("test_examples", 0) for r in found.values() if r.status == "ok"]
        samples[norm] = Sample(
            tuple(losses),
            details={
                "tuned": setting._asdict(),
                "good_decades": _good_decades(task, usual),
                "importance": _importance(task, draws) if draws else {},
                "expected_best": expected_best([pilot_error(task, record) for _, record in draws]),
            },
            record_keys=keys([*pilot_of(pilot, norm), *(record for _, record in draws), *found.values()]),
            resolution=resolution(task, min(tested, default=0)),
            seeds_done=done,
        )
    return samples


def pilot_of(pilot: Mapping[Trial, Record], norm: str) -> list[Record]:
    """Return a norm's records of the pilot."""
    return [record for trial, record in pilot.items() if trial.norm == norm]


def _loss(errors: Sequence[float | None]) -> float | None:
    if not errors:
        return 0.0
    default, best = errors
    return None if default is None or best is None else default - best


def _error(task: TaskStudy, record: Record) -> float | None:
    return error_of(task, record, lambda results: float(results["test_error"]))


class TunedSetting(NamedTuple):
    """A setting of the grid or of random search."""

    learning_rate: float
    batch_size: int
    epochs: int
    settings: tuple[tuple[str, float], ...] = ()


def default_setting(task: TaskStudy) -> TunedSetting:
    """Return the setting of a user who does not tune."""
    schedule = task.schedule
    return TunedSetting(schedule.default_learning_rate, schedule.batch_size, schedule.epochs)


def drawn(study: Study, task: TaskStudy, norm: str, records: Collection[Record]) -> dict[tuple[int, int], _Run]:
    """Return a norm's random-search samples that have a record, by pilot seed and number."""
    schedule = task.schedule
    samples = {
        (seed, sampled_rate(task, seed, number)): (seed, number)
        for seed in study.pilot_seeds
        for number in range(schedule.draws)
    }
    indexed = records if isinstance(records, RecordSet) else RecordSet(records)
    found = {}
    for record in indexed.by_task.get(task.name, ()):
        job = record.job
        if isinstance(job, Trial) and job.norm == norm and _usual(task, job) and not job.judged:
            place = samples.get((job.seed, job.learning_rate))
            if place is not None:
                found[place] = (job, record)
    return dict(sorted(found.items()))


def finalist_trials(
    study: Study, task: TaskStudy, norm: str, records: Collection[Record]
) -> tuple[Trial, ...] | None:
    """Return the trials that repeat a norm's best random-search sample with every pilot seed.

    The best has the least validation error minus that of the defaults with the same seed. None while the samples
    or the grid are unfinished; empty without random search, or if no sample has a result.
    """
    schedule = task.schedule
    if not schedule.draws:
        return ()
    samples = drawn(study, task, norm, records)
    default = task.trial(norm, 0, *default_setting(task)[:3])
    base = of_trials(records, [replace(default, seed=seed) for seed in study.pilot_seeds])
    by_seed = {trial.seed: pilot_error(task, record) for trial, record in base.items()}
    if len(samples) < schedule.draws * len(study.pilot_seeds) or len(by_seed) < len(study.pilot_seeds):
        return None
    gains = {}
    for place, (_, record) in samples.items():
        error = pilot_error(task, record)
        if math.isfinite(error):
            gains[place] = error - by_seed[place[0]]
    if not gains:
        return ()
    best = samples[min(gains, key=lambda place: gains[place])][0]
    return tuple(replace(best, seed=seed) for seed in study.pilot_seeds)


def tuned(study: Study, task: TaskStudy, records: Collection[Record]) -> dict[str, TunedSetting]:
    """Return each norm's best setting on the pilot, of the norms with a whole one.

    The candidates are the settings of the grid and the best random-search sample. The defaults win if they are
    among those that `near_best` keeps: a tie is no reason to tune.
    """
    errors = pilot_errors(study, task, of_trials(records, study.pilot_trials(task)))
    default = default_setting(task)
    found = {}
    for norm, by_setting in errors.items():
        finalist = finalist_trials(study, task, norm, records)
        if finalist is None:
            continue
        repeated = of_trials(records, finalist)
        if len(repeated) < len(finalist):
            continue
        candidates = {TunedSetting(*setting): values for setting, values in by_setting.items()}
        if finalist:
            trial = finalist[0]
            sample = TunedSetting(trial.learning_rate, trial.batch_size, trial.epochs, trial.settings)
            candidates[sample] = [pilot_error(task, repeated[trial]) for trial in finalist]
        good = near_best(candidates, task.smallest_effect)
        if good:
            means = {setting: fmean(candidates[setting]) for setting in good}
            found[norm] = default if default in good else min(good, key=lambda setting: means[setting])
    return found


def needs(study: Study, task: TaskStudy, records: Collection[Record]) -> Mapping[str, Needs]:
    """Return the trials of a seed at the defaults and at the tuned setting; none if these are the same."""
    chosen, default = choose(study, task, records), default_setting(task)

    def trial(norm: str, seed: int, setting: TunedSetting) -> Trial:
        # A setting that is judged anyway is not trained twice.
        if not setting.settings and chosen[norm] == setting[:3]:
            return judged_trial(task, norm, seed, GridSetting(*setting[:3]))
        return task.trial(norm, seed, *setting, judged=True)

    def of(norm: str, setting: TunedSetting) -> Needs:
        if setting == default:
            return lambda _: ()
        return lambda seed: (trial(norm, seed, default), trial(norm, seed, setting))

    return {norm: of(norm, setting) for norm, setting in tuned(study, task, records).items()}


def _usual(task: TaskStudy, trial: Trial) -> bool:
    """Whether a trial has the task's default batch size and number of epochs."""
    return (trial.batch_size, trial.epochs) == (task.schedule.batch_size, task.schedule.epochs)


def _good_decades(task: TaskStudy, grid: Mapping[Trial, Record]) -> float | None:
    """Return the decades of learning rate, between neighbours tried, that are near the best."""
    errors: dict[float, list[float]] = {}
    for trial, record in grid.items():
        errors.setdefault(trial.learning_rate, []).append(pilot_error(task, record))
    means = {rate: fmean(values) for rate, values in sorted(errors.items())}
    best = min(means.values(), default=math.inf)
    if math.isinf(best):
        return None
    return sum(
        math.log10(high / low)
        for (low, low_error), (high, high_error) in zip(
            list(means.items())[:-1], list(means.items())[1:], strict=True
        )
        if max(low_error, high_error) <= best + near(task)
    )


def _importance(task: TaskStudy, draws: Sequence[_Run]) -> dict[str, float | None]:
    """Return each hyperparameter's importance over the random-search samples."""
    settings = tuple(
        tuple(sorted({"learning_rate": trial.learning_rate, **dict(trial.settings)}.items())) for trial, _ in draws
    )
    return dict(_importance_of(settings, tuple(pilot_error(task, record) for _, record in draws)))


@lru_cache(maxsize=256)
def _importance_of(
    settings: tuple[tuple[tuple[str, float], ...], ...], errors: tuple[float, ...]
) -> tuple[tuple[str, float | None], ...]:
    """Cached: a running study asks again after each record."""
    # Imported here: Optuna takes half a second.
    from localnorm.lab.measures.importance import MOST, ped_anova

    found = ped_anova([dict(setting) for setting in settings[:MOST]], errors[:MOST])
    return tuple(found.items())
