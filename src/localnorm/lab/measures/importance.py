"""How much each hyperparameter has to do with a good result, by Optuna's PED-ANOVA.

Optuna takes half a second to import, so this file is imported where an importance is asked for.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import create_trial

FEWEST = 8
"""Settings below which no importance is told: the best quarter of fewer is one setting, which shows nothing."""
BEST = 0.25
"""Share of the settings that counts as good, PED-ANOVA's gamma': Optuna's 0.1 of 15 settings would be one."""
MOST = 100
"""Settings that are looked at, the first of them: they are drawn alike, and Optuna takes a second for 2,000."""
_SPAN = 10.0
"""Highest over lowest value from which on a hyperparameter is taken by its logarithm."""


def ped_anova(settings: Sequence[Mapping[str, float]], errors: Sequence[float]) -> dict[str, float | None]:
    """Return how much each hyperparameter has to do with being among the best quarter of the settings.

    That of Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
    Subspaces", 2023, by Optuna's `PedAnovaImportanceEvaluator`: how far the distribution of a hyperparameter's
    values among the best settings is from that among all of them. Rough below some 20 settings, where the best
    quarter has fewer than the five that Optuna recommends.

    Args:
        settings: a value for each hyperparameter, the same ones in each.
        errors: one a setting; infinite where the trial did not end well. Only their order counts.

    Returns:
        Shares that add up to 1, by hyperparameter; None for all of them where there are fewer than `FEWEST`
        settings, or where the best quarter can't be told from the rest.

    Example:
        >>> settings = [{"matters": float(i), "idle": float(i * 7 % 16)} for i in range(16)]
        >>> found = ped_anova(settings, errors=[float(i) for i in range(16)])
        >>> found["matters"] > 5 * found["idle"]
        True
    """
    settings, errors = settings[:MOST], errors[:MOST]
    names = sorted({name for setting in settings for name in setting})
    ordered = sorted(errors)
    if len(ordered) < FEWEST or ordered[math.ceil(BEST * len(ordered)) - 1] == ordered[-1]:
        return dict.fromkeys(names)
    ranges = {name: _range([setting[name] for setting in settings]) for name in names}
    # Optuna says on its log that it made a study; nobody asked.
    said = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="minimize")
    finally:
        optuna.logging.set_verbosity(said)
    study.add_trials(
        [
            create_trial(params=dict(setting), distributions=ranges, value=float(bisect_left(ordered, error)))
            for setting, error in zip(settings, errors, strict=True)
        ]
    )
    found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=BEST))
    return {name: round(float(found[name]), 6) for name in names}


def _range(values: Sequence[float]) -> BaseDistribution:
    """Return what the values were drawn from, as far as they tell."""
    low, high = min(values), max(values)
    log = low > 0 and high >= _SPAN * low
    if all(float(value).is_integer() for value in values):
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(low, high, log=log)
