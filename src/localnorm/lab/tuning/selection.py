"""What was chosen: from the records of a tuning alone, by validation error; test data are not looked at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean

from localnorm.lab.records.record import Record, Trial, key
from localnorm.lab.tuning.tuning import CHOOSING, LEARNED, SEARCHED, Setting, Tuning

FINALISTS = 5
"""Settings of the search, best first, that are tried with the other seeds of the choice."""
Records = Mapping[str, Record]
"""Records by key."""
_LAST = 1 << 62


def setting_of(trial: Trial) -> Setting:
    """Return the setting of a trial."""
    return Setting(trial.norm, trial.learning_rate, trial.settings)


def search_records(tuning: Tuning, records: Iterable[Record]) -> list[tuple[Trial, Record]]:
    """Return the trials of the search and their records, in the order in which they were asked for."""
    found = [
        (record.job, record)
        for record in records
        if isinstance(record.job, Trial)
        and record.job == tuning.trial(setting_of(record.job), SEARCHED)
        and record.job.norm == tuning.norm
    ]
    return sorted(found, key=lambda pair: (pair[1].timing.get("number", _LAST), key(pair[0])))


def last_error(record: Record | None) -> float:
    """Return the validation error at the end; infinite where the trial did not end well, or there is none."""
    if record is None or record.status != "ok":
        return math.inf
    return float(record.results["validation_error"][-1])


def finalists(tuning: Tuning, records: Records) -> tuple[Setting, ...]:
    """Return the best settings of the search beside the defaults; of equals those asked for first."""
    found = [
        (last_error(record), setting_of(trial))
        for trial, record in search_records(tuning, records.values())
        if setting_of(trial) not in tuning.default_settings and record.status == "ok"
    ]
    return tuple(setting for _, setting in sorted(found, key=lambda pair: pair[0])[:FINALISTS])


def rivals(tuning: Tuning, records: Records) -> dict[str, tuple[Setting, ...]]:
    """Return by name what is compared on test data, each with the settings that it is chosen among.

    The defaults and, where the norm has a form that learns its values, that form at its defaults; both at each
    learning rate of the schedule, so that neither loses by its learning rate. The tuned setting is chosen among
    the finalists and the defaults, so it is never worse than these on the data that it is chosen by.
    """
    found = {
        usual(tuning): tuning.default_settings,
        "tuned": (*tuning.default_settings, *finalists(tuning, records)),
    }
    if tuning.norm in LEARNED:
        found["learned"] = tuning.default_settings_of(LEARNED[tuning.norm])
    return found


def usual(tuning: Tuning) -> str:
    """Return what the defaults of the norm are called: the textbook's, where they are."""
    return "textbook" if tuning.norm in LEARNED else "defaults"


def choosing_trials(tuning: Tuning, records: Records) -> Iterator[Trial]:
    """Yield every trial that the choice rests on, each once."""
    settings = dict.fromkeys(setting for among in rivals(tuning, records).values() for setting in among)
    yield from (tuning.trial(setting, seed) for setting in settings for seed in CHOOSING)


def chosen(tuning: Tuning, records: Records, among: Iterable[Setting]) -> tuple[Setting, float] | None:
    """Return the setting with the least mean validation error over the seeds of the choice, and that error.

    Of equals the first. None where no setting has ended well with each of the seeds.
    """
    means = {
        setting: fmean(last_error(records.get(key(tuning.trial(setting, seed)))) for seed in CHOOSING)
        for setting in among
    }
    best = min(means, key=lambda setting: means[setting], default=None)
    return None if best is None or math.isinf(means[best]) else (best, means[best])


def compared_trials(tuning: Tuning, records: Records) -> Iterator[Trial]:
    """Yield every trial of the comparison on test data, each once."""
    found = [chosen(tuning, records, among) for among in rivals(tuning, records).values()]
    settings = dict.fromkeys(pair[0] for pair in found if pair)
    yield from (tuning.trial(setting, seed) for setting in settings for seed in tuning.test_seeds)
