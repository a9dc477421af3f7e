"""Importance of hyperparameters and what a budget of draws reaches, against Optuna and by brute force."""

from __future__ import annotations

import itertools
import math
import random
from statistics import fmean

import optuna
import pytest

from localnorm.lab.measures.budget import expected_best
from localnorm.lab.measures.importance import FEWEST, ped_anova


def _settings(count: int) -> list[dict[str, float]]:
    rng = random.Random(0)
    return [
        {"learning_rate": 10 ** rng.uniform(-4, -1), "n": float(rng.choice((3, 5, 7))), "beta": rng.random()}
        for _ in range(count)
    ]


ERRORS = {
    "learning_rate": lambda s: abs(math.log10(s["learning_rate"]) + 2.5),
    "n": lambda s: s["n"] + 0.1 * s["beta"],
    "beta": lambda s: -s["beta"],
}


@pytest.mark.parametrize("name", ERRORS)
def test_what_decides_has_the_most_importance(name: str):
    settings = _settings(40)
    found = ped_anova(settings, [ERRORS[name](setting) for setting in settings])
    assert sum(found.values()) == pytest.approx(1.0, abs=1e-5)
    assert max(found, key=lambda own: found[own]) == name
    assert found[name] > 0.6


def test_only_the_order_of_the_errors_counts_and_diverged_is_last():
    settings = _settings(16)
    errors = [ERRORS["beta"](setting) for setting in settings]
    found = ped_anova(settings, errors)
    assert ped_anova(settings, [math.exp(5 * error) for error in errors]) == found
    worst = sorted(errors)[8:]
    assert ped_anova(settings, [math.inf if error in worst else error for error in errors]) == found


@pytest.mark.parametrize(
    ("count", "error"),
    [
        (FEWEST - 1, lambda i: float(i)),
        (16, lambda _: 3.0),
        (16, lambda i: math.inf if i > 2 else 1.0),
        (0, float),
    ],
    ids=["few", "alike", "diverged but for three", "none"],
)
def test_no_importance_where_the_best_cannot_be_told(count: int, error):
    settings = _settings(count)
    found = ped_anova(settings, [error(i) for i in range(count)])
    assert found == dict.fromkeys(("beta", "learning_rate", "n") if count else ())


def test_a_hyperparameter_that_never_changes_has_none():
    settings = [{**setting, "n": 5.0, "beta": 0.75} for setting in _settings(16)]
    assert ped_anova(settings, [float(i) for i in range(16)]) == {"learning_rate": 1.0, "n": 0.0, "beta": 0.0}


def test_optuna_says_afterwards_what_it_said_before(capfd: pytest.CaptureFixture[str]):
    before = optuna.logging.get_verbosity()
    ped_anova(_settings(16), [float(i) for i in range(16)])
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("errors", [[3.0], [5.0, 1.0, 4.0, 4.0, 2.5], [1.0, 1.0, 1.0], [2.0, math.inf, 7.0, 3.0]])
def test_expected_best_is_the_mean_over_all_choices(errors: list[float]):
    for budget, found in enumerate(expected_best(errors), 1):
        least = fmean(min(chosen) for chosen in itertools.combinations(errors, budget))
        assert found == (pytest.approx(least, rel=1e-12) if math.isfinite(least) else None)
    assert len(expected_best(errors)) == len(errors)


def test_without_any_result_no_budget_reaches_one():
    assert expected_best([math.inf, math.inf]) == [None, None]
    assert expected_best([]) == []
