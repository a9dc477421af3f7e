"""Choose the best setting of a search by validation error, from its records alone; test data are not used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from statistics import fmean

from localnorm.lab.records.record import Record, Trial, key
from localnorm.lab.tuning.tuning import CHOOSING, LEARNED, SEARCHED, Setting, Tuning

FINALISTS = 5
"""Number of best settings that are repeated with the other seeds of the choice."""
RecordsByKey = Mapping[str, Record]
_LAST = 1 << 62


def setting_of(trial: Trial) -> Setting:
    """Return the setting of a trial."""
    return Setting(trial.norm, trial.learning_rate, trial.settings)


def search_records(tuning: Tuning, records: Iterable[Record]) -> list[tuple[Trial, Record]]:
    """Return the trials of the search and their records, in the order in which they were proposed."""
    found = [
        (record.job, record)
        for record in records
        if isinstance(record.job, Trial)
        and record.job == tuning.trial(setting_of(record.job), SEARCHED)
        and record.job.norm == tuning.norm
    ]
    return sorted(found, key=lambda pair: (pair[1].timing.get("number", _LAST), key(pair[0])))


def last_error(record: Record | None) -> float:
    """Return the last validation error; infinite if there is no record, or no result."""
    if record is None or record.status != "ok":
        return math.inf
    return float(record.results["validation_error"][-1])


def finalists(tuning: Tuning, records: RecordsByKey) -> tuple[Setting, ...]:
    """Return the best settings of the search without the defaults; of equals, those proposed first."""
    found = [
        (last_error(record), setting_of(trial))
        for trial, record in search_records(tuning, records.values())
        if setting_of(trial) not in tuning.default_settings and record.status == "ok"
    ]
    return tuple(setting for _, setting in sorted(found, key=lambda pair: pair[0])[:FINALISTS])


def candidates(tuning: Tuning, records: RecordsByKey) -> dict[str, tuple[Setting, ...]]:
    """Return the candidates of the comparison on test data by name, each with the settings that it is chosen from.

    These are the defaults, the tuned setting and, if the norm has a form with learned values, that form at its
    defaults. All have each learning rate of the schedule, so that none loses by its learning rate. The tuned
    setting is chosen from the finalists and the defaults, so on validation data it is never worse than these.
    """
    settings = {
        name_of_defaults(tuning): tuning.default_settings,
        "tuned": (*tuning.default_settings, *finalists(tuning, records)),
    }
    if tuning.norm in LEARNED:
        settings["learned"] = tuning.default_settings_of(LEARNED[tuning.norm])
    return settings


def name_of_defaults(tuning: Tuning) -> str:
    """Return the name of the candidate with the norm's defaults, which for LRN are those of the article."""
    return "article" if tuning.norm in LEARNED else "defaults"


def choosing_trials(tuning: Tuning, records: RecordsByKey) -> Iterator[Trial]:
    """Yield each trial that the choice needs."""
    settings = dict.fromkeys(setting for among in candidates(tuning, records).values() for setting in among)
    yield from (tuning.trial(setting, seed) for setting in settings for seed in CHOOSING)


def chosen(tuning: Tuning, records: RecordsByKey, among: Iterable[Setting]) -> tuple[Setting, float] | None:
    """Return the setting with the lowest mean validation error over the seeds of the choice, and that error.

    Of equals, the first. None if no setting has a result with every seed.
    """
    means = {
        setting: fmean(last_error(records.get(key(tuning.trial(setting, seed)))) for seed in CHOOSING)
        for setting in among
    }
    best = min(means, key=lambda setting: means[setting], default=None)
    return None if best is None or math.isinf(means[best]) else (best, means[best])


def compared_trials(tuning: Tuning, records: RecordsByKey) -> Iterator[Trial]:
    """Yield each trial of the comparison on test data."""
    found = [chosen(tuning, records, among) for among in candidates(tuning, records).values()]
    settings = dict.fromkeys(pair[0] for pair in found if pair)
    yield from (tuning.trial(setting, seed) for setting in settings for seed in tuning.test_seeds)
