"""Hyperparameter importance by Optuna's PED-ANOVA.

Import this module only when an importance is needed: Optuna takes half a second to import.
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
"""Fewest settings for an importance: the best quarter of fewer is one setting, which shows nothing."""
BEST = 0.25
"""Share of the settings that counts as good, PED-ANOVA's gamma': Optuna's 0.1 of 15 settings would be one."""
MOST = 100
"""Settings used, the first ones: Optuna takes a second for 2,000."""
_SPAN = 10.0
"""Highest over lowest value from which a hyperparameter is taken by its logarithm."""


def ped_anova(settings: Sequence[Mapping[str, float]], errors: Sequence[float]) -> dict[str, float | None]:
    """Return each hyperparameter's importance for being among the best quarter of the settings.

    Source: Watanabe, Bansal and Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
    Subspaces", 2023, by Optuna's `PedAnovaImportanceEvaluator`: the distance between the distribution of a
    hyperparameter's values among the best settings and that among all of them. Rough below 20 settings: Optuna
    recommends at least five in the best quarter.

    Args:
        settings: a value for each hyperparameter, the same ones in each.
        errors: one per setting; infinite for a trial without a result. Only their order counts.

    Returns:
        Shares that add up to 1, by hyperparameter; None for all of them if there are fewer than `FEWEST` settings,
        or if the best quarter does not differ from the rest.

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
    # Optuna logs every new study.
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="minimize")
    finally:
        optuna.logging.set_verbosity(verbosity)
    study.add_trials(
        [
            create_trial(params=dict(setting), distributions=ranges, value=float(bisect_left(ordered, error)))
            for setting, error in zip(settings, errors, strict=True)
        ]
    )
    found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(target_quantile=BEST))
    return {name: round(float(found[name]), 6) for name in names}


def _range(values: Sequence[float]) -> BaseDistribution:
    """Return the range of the values, with its type and scale guessed from them."""
    low, high = min(values), max(values)
    log = low > 0 and high >= _SPAN * low
    if all(float(value).is_integer() for value in values):
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(low, high, log=log)
