"""Hyperparameter sensitivity: the tuned setting, what the defaults lose, and details of the search."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from localnorm.lab.records.record import Trial
from localnorm.lab.study.jobs import random_trials
from made_records import DIGITS, ONE, Ended, Fate, Run, measured, of_local, part_of, records

# Validation errors of the defaults, of the other two rates and of every random-search sample, with the pilot seeds
# 1000 and 1001; and the loss, if the defaults have a test error of 9, another rate 5 and a sample 3.
SENSITIVITY = {
    "the best of the grid": ((9, 9), (7, 7), (8, 8), 4.0),
    "the best sample, repeated with every pilot seed": ((9, 9), (8, 8), (6, 6), 6.0),
    "a tie is no reason to tune": ((9, 9), (9, 9), (9, 9), 0.0),
    "within one standard error the defaults win": ((9, 9.4), (9.6, 8.6), (12, 12), 0.0),
    "the defaults are best": ((5, 5), (9, 9), (9, 9), 0.0),
}


@pytest.mark.parametrize("name", SENSITIVITY)
def test_sensitivity_is_what_the_defaults_lose(name: str):
    default, others, samples, loss = SENSITIVITY[name]

    def fate(t: Trial) -> Fate:
        if t.norm != "local" or t.task != "digits":
            return Run()
        usual = t.learning_rate == DIGITS.schedule.default_learning_rate and not t.settings
        if t.judged:
            return Run(test=9.0 if usual else 3.0 if t.settings else 5.0)
        grid = part_of(ONE, t) == "pilot"
        errors = default if usual else others if grid else samples
        # The highest of the other rates is worse, so that the lowest is chosen.
        return Run(validation=errors[t.seed - 1000] + (t.learning_rate > 5e-3 and grid))

    made = records(ONE, fate)
    found = measured("hyperparameter sensitivity", made)
    assert found.values == (loss,) * 3
    assert found.seeds_done == 3
    if not loss:
        # No trial is needed to know that a setting is as good as itself.
        assert found.details["tuned"] == {"learning_rate": 3e-3, "batch_size": 32, "epochs": 2, "settings": ()}
        assert not [r for r in made if isinstance(r.job, Trial) and part_of(ONE, r.job) == "tuned"]


@pytest.mark.parametrize(
    ("errors", "decades"),
    [
        ((10.0, 10.5, 10.9), math.log10(3) + math.log10(10 / 3)),
        ((10.0, 11.0, 11.1), math.log10(3)),
        ((10.0, 12.0, 10.0), 0.0),
        ((10.0, 10.0, None), math.log10(3)),
    ],
)
def test_good_decades_lie_between_neighbours_near_the_best(errors: tuple, decades: float | None):
    rates = dict(zip(DIGITS.schedule.learning_rates, errors, strict=True))

    def fate(t: Trial) -> Fate:
        error = rates[t.learning_rate]
        return Ended() if error is None and t.seed == 1000 else Run(validation=error or 1.0)

    found = measured("hyperparameter sensitivity", of_local("pilot", fate)).details["good_decades"]
    assert found == (decades if decades is None else pytest.approx(decades, rel=1e-12))


def test_importance_is_over_the_samples_of_all_pilot_seeds():
    study = replace(ONE, pilot_seeds=tuple(range(1000, 1008)))

    def fate(t: Trial) -> Fate:
        drawn = (t.norm, part_of(study, t)) == ("local", "draw")
        return Run(validation=-math.log(dict(t.settings)["alpha"])) if drawn else Run()

    found = measured("hyperparameter sensitivity", records(study, fate), study=study).details["importance"]
    assert found.keys() == {"learning_rate", "alpha", "beta", "k", "n"}
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-5)
    assert found["alpha"] == max(found.values()) > 0.5
    none = measured("hyperparameter sensitivity", records(study), "none", study).details["importance"]
    assert none == {"learning_rate": None}, "equal errors have no best quarter"
    few = measured("hyperparameter sensitivity", of_local("draw", lambda t: Run(validation=t.learning_rate)))
    assert set(few.details["importance"].values()) == {None}, "four settings are too few"


def test_what_a_budget_reaches_is_of_the_samples_alone():
    study = replace(ONE, pilot_seeds=(1000, 1001, 1002))
    trials = [t for t in random_trials(study, study.tasks[0]) if t.norm == "local"]
    errors = dict(zip(trials, (6.0, 5.0, 4.0, 3.0, 2.0, None), strict=True))

    def fate(t: Trial) -> Fate:
        if t in errors:
            return Run(validation=errors[t]) if errors[t] else Ended("failed", "no")
        return Run()

    details = measured("hyperparameter sensitivity", records(study, fate), study=study).details
    found = details["expected_best"]
    assert len(found) == 6
    assert found[0] is None, "the only one drawn may be the one that failed"
    # Of the pairs 10 have two errors, whose least is 2 in four of them, 3 in three, 4 in two; 5 go with the other.
    assert found[1] == pytest.approx((4 * 2 + 3 * 3 + 2 * 4 + 5 + 2 + 3 + 4 + 5 + 6) / 15, rel=1e-12)
    assert found[5] == 2.0
    assert all(more <= fewer for fewer, more in itertools.pairwise(found[1:]))


def test_without_draws_nothing_is_said_of_them():
    task = replace(DIGITS, schedule=replace(DIGITS.schedule, draws=0))
    study = replace(ONE, tasks=(task, *ONE.tasks[1:]))
    details = measured("hyperparameter sensitivity", records(study), study=study).details
    assert (details["importance"], details["expected_best"]) == ({}, [])
