"""What came of a tuning, from its folder's records alone: the choice, the comparison on test data, importances."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from localnorm.lab.analysis.statistics import LEVEL, Estimate, estimate, evidence, holm
from localnorm.lab.analysis.verdicts import FEWEST_PAIRS
from localnorm.lab.records.record import Record, Trial, key
from localnorm.lab.tuning.code_snippet import code_line
from localnorm.lab.tuning.selection import chosen, last_error, rivals, search_records
from localnorm.lab.tuning.tuning import Setting, Tuning

Standing = Literal["better", "worse", "not worse", "undecided"]


@dataclass(frozen=True)
class Rival:
    """One of what is compared on test data.

    Attributes:
        name: textbook or defaults, tuned, learned.
        setting: the one chosen for it; None where none ended well.
        validation: mean validation error over the seeds of the choice.
        errors: test error by seed; None where the trial has no result.
        test: their interquartile mean with its interval; None where there is none.
        code: the norm as a line of code.
        evidence: the keys of the records of its test errors.
    """

    name: str
    setting: Setting | None
    validation: float | None
    errors: tuple[float | None, ...]
    test: Estimate | None
    code: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Difference:
    """A paired difference of test errors, ``more - than``, and what it says of `more`.

    Attributes:
        more: name of a rival.
        than: name of another.
        estimate: None where there is no pair.
        pairs: seeds in which both have a result.
        standing: better or worse by at least the smallest effect; not worse by that much; or undecided.
    """

    more: str
    than: str
    estimate: Estimate | None
    pairs: int
    standing: Standing


@dataclass(frozen=True)
class Tuned:
    """What came of a tuning.

    Attributes:
        tuning: its settings.
        trials: those of the search with their records, in the order in which they were asked for.
        rivals: what is compared, by name.
        differences: every pair of rivals.
        importance: of each hyperparameter for being among the best quarter of the search; None where that can't be
            told.
    """

    tuning: Tuning
    trials: tuple[tuple[Trial, Record], ...]
    rivals: Mapping[str, Rival]
    differences: tuple[Difference, ...]
    importance: Mapping[str, float | None]

    @property
    def best(self) -> Rival:
        """The tuned one."""
        return self.rivals["tuned"]

    def to_values(self) -> dict[str, Any]:
        """Return what was found as plain JSON values."""
        return {
            "task": self.tuning.task.name,
            "model": self.tuning.task.model,
            "norm": self.tuning.norm,
            "unit": self.tuning.task.unit,
            "smallest_effect": self.tuning.task.smallest_effect,
            "trials": len(self.trials),
            "test_seeds": self.tuning.test_seeds,
            "rivals": {
                name: {
                    "learning_rate": rival.setting.learning_rate if rival.setting else None,
                    "settings": dict(rival.setting.settings) if rival.setting else None,
                    "code": rival.code,
                    "validation_error": rival.validation,
                    "test_errors": rival.errors,
                    "test_error": _values(rival.test),
                }
                for name, rival in self.rivals.items()
            },
            "differences": [
                {
                    "more": own.more,
                    "than": own.than,
                    "difference": _values(own.estimate),
                    "pairs": own.pairs,
                    "standing": own.standing,
                }
                for own in self.differences
            ],
            "importance": dict(self.importance),
        }


def _values(found: Estimate | None) -> dict[str, float] | None:
    return {"value": found.value, "low": found.low, "high": found.high} if found else None


def make_tuned(tuning: Tuning, records: Collection[Record]) -> Tuned:
    """Return what came of a tuning so far.

    Args:
        tuning: its settings.
        records: those of its folder, in any order.
    """
    by_key = {key(record.job): record for record in records}
    found = {name: _rival(tuning, by_key, name, among) for name, among in rivals(tuning, by_key).items()}
    trials = tuple(search_records(tuning, records))
    return Tuned(tuning, trials, found, _differences(tuning, found), _importance(tuning, trials))


def _rival(tuning: Tuning, records: Mapping[str, Record], name: str, among: Sequence[Setting]) -> Rival:
    picked = chosen(tuning, records, among)
    if picked is None:
        return Rival(name, None, None, (None,) * len(tuning.test_seeds), None, "", ())
    setting, validation = picked
    runs = [records.get(key(tuning.trial(setting, seed))) for seed in tuning.test_seeds]
    errors = tuple(float(run.results["test_error"]) if run and run.status == "ok" else None for run in runs)
    known = [error for error in errors if error is not None]
    behind = tuple(sorted(key(run.job) for run in runs if run))
    test = estimate(known) if known else None
    return Rival(name, setting, validation, errors, test, code_line(setting, tuning.dims), behind)


def _differences(tuning: Tuning, found: Mapping[str, Rival]) -> tuple[Difference, ...]:
    """Judge every pair of rivals; each of the three questions is corrected for being asked of several."""
    pairs = {
        f"{more} - {than}": (more, than, _paired(found[more], found[than]))
        for than, more in combinations(found, 2)
    }
    weighed = {name: own for name, (_, _, own) in pairs.items() if len(own) >= FEWEST_PAIRS}
    effect = tuning.task.smallest_effect
    above = {name: evidence(own, effect) for name, own in weighed.items()}
    better = holm({name: evidence(own, -effect).less for name, own in weighed.items()})
    worse = holm({name: own.at_least for name, own in above.items()})
    not_worse = holm({name: own.less for name, own in above.items()})
    questions: tuple[tuple[Standing, Mapping[str, float]], ...] = (
        ("better", better),
        ("worse", worse),
        ("not worse", not_worse),
    )

    def standing(name: str) -> Standing:
        return next((word for word, p in questions if p.get(name, 1.0) <= 1 - LEVEL), "undecided")

    return tuple(
        Difference(more, than, estimate(own) if own else None, len(own), standing(name))
        for name, (more, than, own) in pairs.items()
    )


def _paired(more: Rival, than: Rival) -> list[float]:
    pairs = zip(more.errors, than.errors, strict=True)
    return [a - b for a, b in pairs if a is not None and b is not None]


def _importance(tuning: Tuning, trials: Sequence[tuple[Trial, Record]]) -> dict[str, float | None]:
    # Imported here: Optuna takes half a second.
    from localnorm.lab.measures.importance import ped_anova
    from localnorm.lab.tuning.selection import setting_of

    known = [(tuning.values(setting_of(trial)), last_error(record)) for trial, record in trials]
    settings = [values for values, _ in known if values]
    errors = [error for values, error in known if values]
    # Trials that were stopped early come last, all alike: only the order counts.
    found = ped_anova(settings, [error if math.isfinite(error) else math.inf for error in errors])
    return {name: found.get(name) for name in tuning.searched}
