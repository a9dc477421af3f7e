"""Results of a search from its records: the choice, the comparison on test data, hyperparameter importance."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from localnorm.lab.analysis.paired import FEWEST_PAIRS
from localnorm.lab.analysis.statistics import LEVEL, Estimate, estimate, holm, p_values
from localnorm.lab.records.record import Record, Trial, key
from localnorm.lab.tuning.code_snippet import code_line
from localnorm.lab.tuning.selection import candidates, chosen, last_error, search_records
from localnorm.lab.tuning.tuning import Setting, Tuning

Comparison = Literal["better", "worse", "not worse", "undecided"]


@dataclass(frozen=True)
class Candidate:
    """A setting that is compared on test data.

    Attributes:
        name: article or defaults, tuned, learned.
        setting: the chosen setting; None if none has a result.
        validation: mean validation error over the seeds of the choice.
        errors: test error by seed; None for a trial without a result.
        test: their interquartile mean with its interval; None if no trial has a result.
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
class CandidateDifference:
    """A paired difference of the test errors of two candidates, ``more - than``, and its verdict on `more`.

    Attributes:
        more: name of a candidate.
        than: name of another.
        estimate: None if there is no pair.
        pairs: number of seeds with a result of both.
        standing: better or worse by at least the smallest effect; not worse by that much; or undecided.
    """

    more: str
    than: str
    estimate: Estimate | None
    pairs: int
    standing: Comparison


@dataclass(frozen=True)
class Tuned:
    """Results of a search.

    Attributes:
        tuning: its settings.
        trials: the trials of the search with their records, in the order in which they were proposed.
        candidates: the candidates of the comparison, by name.
        differences: the differences of each pair of candidates.
        importance: of each hyperparameter for being among the best quarter of the search; None if unknown.
    """

    tuning: Tuning
    trials: tuple[tuple[Trial, Record], ...]
    candidates: Mapping[str, Candidate]
    differences: tuple[CandidateDifference, ...]
    importance: Mapping[str, float | None]

    @property
    def best(self) -> Candidate:
        """The tuned candidate."""
        return self.candidates["tuned"]

    def to_values(self) -> dict[str, Any]:
        """Return the results as plain JSON values; the names there are those of ``tuned.json``."""
        return {
            "task": self.tuning.task.name,
            "model": self.tuning.task.model,
            "norm": self.tuning.norm,
            "unit": self.tuning.task.unit,
            "smallest_effect": self.tuning.task.smallest_effect,
            "trials": len(self.trials),
            "test_seeds": self.tuning.test_seeds,
            "candidates": {
                name: {
                    "learning_rate": candidate.setting.learning_rate if candidate.setting else None,
                    "settings": dict(candidate.setting.settings) if candidate.setting else None,
                    "code": candidate.code,
                    "validation_error": candidate.validation,
                    "test_errors": candidate.errors,
                    "test_error": _values(candidate.test),
                }
                for name, candidate in self.candidates.items()
            },
            "differences": [
                {
                    "more": difference.more,
                    "than": difference.than,
                    "difference": _values(difference.estimate),
                    "pairs": difference.pairs,
                    "standing": difference.standing,
                }
                for difference in self.differences
            ],
            "importance": dict(self.importance),
        }


def _values(found: Estimate | None) -> dict[str, float] | None:
    return {"value": found.value, "low": found.low, "high": found.high} if found else None


def make_tuned(tuning: Tuning, records: Collection[Record]) -> Tuned:
    """Return the results of a search so far.

    Args:
        tuning: its settings.
        records: the records of its folder, in any order.
    """
    by_key = {key(record.job): record for record in records}
    found = {name: _candidate(tuning, by_key, name, among) for name, among in candidates(tuning, by_key).items()}
    trials = tuple(search_records(tuning, records))
    return Tuned(tuning, trials, found, _differences(tuning, found), _importance(tuning, trials))


def _candidate(tuning: Tuning, records: Mapping[str, Record], name: str, among: Sequence[Setting]) -> Candidate:
    picked = chosen(tuning, records, among)
    if picked is None:
        return Candidate(name, None, None, (None,) * len(tuning.test_seeds), None, "", ())
    setting, validation = picked
    runs = [records.get(key(tuning.trial(setting, seed))) for seed in tuning.test_seeds]
    errors = tuple(float(run.results["test_error"]) if run and run.status == "ok" else None for run in runs)
    known = [error for error in errors if error is not None]
    behind = tuple(sorted(key(run.job) for run in runs if run))
    test = estimate(known) if known else None
    return Candidate(name, setting, validation, errors, test, code_line(setting, tuning.dims), behind)


def _differences(tuning: Tuning, found: Mapping[str, Candidate]) -> tuple[CandidateDifference, ...]:
    """Judge each pair of candidates; each of the three questions is corrected for multiple testing."""
    pairs = {
        f"{more} - {than}": (more, than, _paired(found[more], found[than]))
        for than, more in combinations(found, 2)
    }
    weighed = {name: values for name, (_, _, values) in pairs.items() if len(values) >= FEWEST_PAIRS}
    effect = tuning.task.smallest_effect
    above = {name: p_values(values, effect) for name, values in weighed.items()}
    better = holm({name: p_values(values, -effect).less for name, values in weighed.items()})
    worse = holm({name: weight.at_least for name, weight in above.items()})
    not_worse = holm({name: weight.less for name, weight in above.items()})
    questions: tuple[tuple[Comparison, Mapping[str, float]], ...] = (
        ("better", better),
        ("worse", worse),
        ("not worse", not_worse),
    )

    def standing(name: str) -> Comparison:
        return next((word for word, p in questions if p.get(name, 1.0) <= 1 - LEVEL), "undecided")

    return tuple(
        CandidateDifference(more, than, estimate(values) if values else None, len(values), standing(name))
        for name, (more, than, values) in pairs.items()
    )


def _paired(more: Candidate, than: Candidate) -> list[float]:
    pairs = zip(more.errors, than.errors, strict=True)
    return [a - b for a, b in pairs if a is not None and b is not None]


def _importance(tuning: Tuning, trials: Sequence[tuple[Trial, Record]]) -> dict[str, float | None]:
    # Imported here: Optuna takes half a second.
    from localnorm.lab.measures.importance import ped_anova
    from localnorm.lab.tuning.selection import setting_of

    known = [(tuning.values(setting_of(trial)), last_error(record)) for trial, record in trials]
    settings = [values for values, _ in known if values]
    errors = [error for values, error in known if values]
    # Pruned trials count as equally bad: only the order matters.
    found = ped_anova(settings, [error if math.isfinite(error) else math.inf for error in errors])
    return {name: found.get(name) for name in tuning.searched}
