"""Propose the next setting of a search with Optuna's samplers.

The sampler is rebuilt from the records for each proposal, so that a killed search resumes as if it had not
stopped.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise, product

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial

from localnorm.lab.records.record import Record, Trial, key
from localnorm.lab.study.search_space import Choice, LogUniform, Range
from localnorm.lab.tuning.selection import search_records, setting_of
from localnorm.lab.tuning.tuning import SEARCHED, Setting, Tuning

_TRIES = 100
"""Number of proposals after which the sampler is assumed to have no new setting."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Optuna's messages about created studies."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)


def distributions(tuning: Tuning) -> dict[str, BaseDistribution]:
    """Return the searched ranges as Optuna distributions."""
    return {name: _distribution(values) for name, values in tuning.searched.items()}


def _distribution(space: Range) -> BaseDistribution:
    if not isinstance(space, Choice):
        return FloatDistribution(space.low, space.high, log=isinstance(space, LogUniform))
    values = space.values
    steps = {high - low for low, high in pairwise(values)}
    # Equally spaced values, such as window sizes, are ordered; categories would hide that.
    if len(steps) == 1 and min(steps) > 0:
        return FloatDistribution(values[0], values[-1], step=steps.pop())
    return CategoricalDistribution(values)


def next_setting(
    tuning: Tuning, records: Mapping[str, Record], running: Sequence[Trial], number: int
) -> Setting | None:
    """Return the next setting, a function of the arguments alone; None if all have been tried.

    The defaults come first, at each learning rate of the schedule, then the sampler's proposals. TPE counts
    running trials as bad, so that workers try different regions. No setting is proposed twice.

    Args:
        tuning: the search.
        records: the records by key; those of other trials are ignored.
        running: trials that have no record yet.
        number: of the trial, which seeds the sampler.
    """
    done = [trial for trial, _ in search_records(tuning, records.values())]
    tried = {setting_of(trial) for trial in (*done, *running)}
    for setting in tuning.default_settings:
        if setting not in tried:
            return setting
    # The defaults written out are not a new setting.
    values = [tuning.values(setting) for setting in tried]
    spaces = distributions(tuning)
    known = optuna_trials(tuning, records.values())
    known += [frozen for trial in running if (frozen := _frozen(tuning, trial, None))]
    with quiet():
        for attempt in range(_TRIES):
            study = optuna.create_study(sampler=_sampler(tuning, number, attempt))
            study.add_trials(known)
            proposal = study.ask(spaces).params
            proposed = {name: _rounded(spaces[name], float(value)) for name, value in proposal.items()}
            if proposed not in values:
                return tuning.setting(proposed)
    # A small space, of which the sampler avoids the last settings.
    rest = [point for point in _points(tuning) if point not in values]
    return tuning.setting(rest[0]) if rest else None


def _points(tuning: Tuning) -> Iterator[dict[str, float]]:
    """Yield every setting of a finite space; none of an infinite one."""
    ranges = list(tuning.searched.values())
    choices = [space.values for space in ranges if isinstance(space, Choice)]
    if len(choices) == len(ranges):
        for point in product(*choices):
            yield dict(zip(tuning.searched, point, strict=True))


def optuna_trials(tuning: Tuning, records: Iterable[Record]) -> list[FrozenTrial]:
    """Return the trials of a search as Optuna trials, in the order in which they were proposed.

    A trial that diverged, failed or ran out of memory counts as failed, without a value.
    """
    found = (_frozen(tuning, trial, record) for trial, record in search_records(tuning, records))
    return [frozen for frozen in found if frozen]


_STATES = {"ok": TrialState.COMPLETE, "pruned": TrialState.PRUNED}


def _frozen(tuning: Tuning, trial: Trial, record: Record | None) -> FrozenTrial | None:
    """Return a trial as an Optuna trial; None if it is outside the space, such as some defaults."""
    spaces = distributions(tuning)
    values = tuning.values(setting_of(trial))
    if values is None or not all(_holds(tuning.searched[name], value) for name, value in values.items()):
        return None
    if record is None:
        return create_trial(state=TrialState.RUNNING, params=values, distributions=spaces)
    state = _STATES.get(record.status, TrialState.FAIL)
    curve = record.results.get("validation_error", [])
    return create_trial(
        state=state,
        value=curve[-1] if state is TrialState.COMPLETE else None,
        params=values,
        distributions=spaces,
        intermediate_values=dict(enumerate(curve, 1)),
        user_attrs={"record": key(trial), "status": record.status, "message": record.message, "seed": SEARCHED},
    )


def _holds(space: Range, value: float) -> bool:
    return value in space.values if isinstance(space, Choice) else space.low <= value <= space.high


def _sampler(tuning: Tuning, *names: object) -> BaseSampler:
    text = "/".join(map(str, (tuning.task.name, tuning.norm, *names)))
    seed = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
    return TPESampler(seed=seed) if tuning.sampler == "tpe" else RandomSampler(seed=seed)


def _rounded(space: BaseDistribution, value: float) -> float:
    """Return a value with three significant digits, for readable records, within its range."""
    if not isinstance(space, FloatDistribution) or not math.isfinite(value):
        return value
    return min(space.high, max(space.low, float(f"{value:.3g}")))
