"""Which setting to try next: Optuna's samplers, asked anew each time with all that is known.

Nothing is kept between two questions, so that a search that was killed goes on as if nothing had been.
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
"""Questions after which the sampler is taken to know no other setting."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna from saying on stderr that it made a study; nobody asked."""
    said = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(said)


def distributions(tuning: Tuning) -> dict[str, BaseDistribution]:
    """Return what is searched for as Optuna takes it."""
    return {name: _distribution(own) for name, own in tuning.searched.items()}


def _distribution(own: Range) -> BaseDistribution:
    if not isinstance(own, Choice):
        return FloatDistribution(own.low, own.high, log=isinstance(own, LogUniform))
    values = own.values
    steps = {high - low for low, high in pairwise(values)}
    # Neighbouring window sizes are alike, which a category would hide.
    if len(steps) == 1 and min(steps) > 0:
        return FloatDistribution(values[0], values[-1], step=steps.pop())
    return CategoricalDistribution(values)


def next_setting(
    tuning: Tuning, records: Mapping[str, Record], under_way: Sequence[Trial], number: int
) -> Setting | None:
    """Return the setting to try next, None where there is no other: a function of what is known and of its number.

    The defaults come first, at each learning rate of the schedule. Then the sampler is asked; TPE counts trials
    under way as bad, so that workers do not crowd together. What is known already is never proposed again.

    Args:
        tuning: the search.
        records: by key; those of other trials do not matter.
        under_way: trials that have no record yet.
        number: of the trial, which seeds the sampler.
    """
    done = [trial for trial, _ in search_records(tuning, records.values())]
    tried = {setting_of(trial) for trial in (*done, *under_way)}
    for setting in tuning.default_settings:
        if setting not in tried:
            return setting
    # The defaults again, spelt out, would be nothing new.
    values = [tuning.values(setting) for setting in tried]
    spaces = distributions(tuning)
    known = optuna_trials(tuning, records.values())
    known += [frozen for trial in under_way if (frozen := _frozen(tuning, trial, None))]
    with quiet():
        for attempt in range(_TRIES):
            study = optuna.create_study(sampler=_sampler(tuning, number, attempt))
            study.add_trials(known)
            asked = study.ask(spaces).params
            proposed = {name: _rounded(spaces[name], float(value)) for name, value in asked.items()}
            if proposed not in values:
                return tuning.setting(proposed)
    # A small space whose last settings the sampler thinks little of.
    rest = [point for point in _points(tuning) if point not in values]
    return tuning.setting(rest[0]) if rest else None


def _points(tuning: Tuning) -> Iterator[dict[str, float]]:
    """Yield every setting of a space that has so many and no more."""
    ranges = list(tuning.searched.values())
    choices = [own.values for own in ranges if isinstance(own, Choice)]
    if len(choices) == len(ranges):
        for point in product(*choices):
            yield dict(zip(tuning.searched, point, strict=True))


def optuna_trials(tuning: Tuning, records: Iterable[Record]) -> list[FrozenTrial]:
    """Return the trials of a search as Optuna's, in the order in which they were asked for.

    A trial that diverged, failed or ran out of memory counts as failed, and has no value.
    """
    found = (_frozen(tuning, trial, record) for trial, record in search_records(tuning, records))
    return [frozen for frozen in found if frozen]


_STATES = {"ok": TrialState.COMPLETE, "pruned": TrialState.PRUNED}


def _frozen(tuning: Tuning, trial: Trial, record: Record | None) -> FrozenTrial | None:
    """Return a trial as Optuna's; None where it lies outside the space, as defaults may."""
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


def _holds(own: Range, value: float) -> bool:
    return value in own.values if isinstance(own, Choice) else own.low <= value <= own.high


def _sampler(tuning: Tuning, *names: object) -> BaseSampler:
    text = "/".join(map(str, (tuning.task.name, tuning.norm, *names)))
    seed = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
    return TPESampler(seed=seed) if tuning.sampler == "tpe" else RandomSampler(seed=seed)


def _rounded(space: BaseDistribution, value: float) -> float:
    """Return a value with three significant digits, so that a record reads well, within its range."""
    if not isinstance(space, FloatDistribution) or not math.isfinite(value):
        return value
    return min(space.high, max(space.low, float(f"{value:.3g}")))
