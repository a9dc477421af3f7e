"""Results of a search from its records: the choice, the comparison on test data, hyperparameter importance."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from localnorm.lab.analysis.inference import UNSEEN, Decision, Word, look
from localnorm.lab.analysis.paired import FEWEST_PAIRS
from localnorm.lab.analysis.statistics import Estimate, estimate
from localnorm.lab.analysis.verdicts import difference_of
from localnorm.lab.measures.judged import error_of, resolution
from localnorm.lab.records.record import Record, Trial, key
from localnorm.lab.tuning.code_snippet import code_line
from localnorm.lab.tuning.selection import candidates, chosen, last_error, search_records
from localnorm.lab.tuning.tuning import Setting, Tuning

Comparison = Word


@dataclass(frozen=True)
class Candidate:
    """A setting that is compared on test data.

    Attributes:
        name: article or defaults, tuned, learned.
        setting: the chosen setting; None if none has a result.
        validation: mean validation error over the seeds of the choice.
        errors: test error by seed, that of chance if training diverged; None for a trial without a result.
        test: their trimmed mean with its interval; None if no trial has a result.
        code: the norm as a line of code.
        evidence: the keys of the records of its test errors.
        examples: number of test examples.
    """

    name: str
    setting: Setting | None
    validation: float | None
    errors: tuple[float | None, ...]
    test: Estimate | None
    code: str
    evidence: tuple[str, ...]
    examples: int = 0


@dataclass(frozen=True)
class CandidateDifference:
    """A paired difference of the test errors of two candidates, ``more - than``, and its verdict on `more`.

    Attributes:
        more: name of a candidate.
        than: name of another.
        decision: the verdict, once all test seeds have run and at least six pairs have a result.
        pairs: number of seeds with a result of both.
    """

    more: str
    than: str
    decision: Decision
    pairs: int

    @property
    def estimate(self) -> Estimate | None:
        """The typical difference with its interval; None before the verdict."""
        return difference_of(self.decision)

    @property
    def standing(self) -> Comparison:
        """Better, worse, no different or undecided."""
        return self.decision.word


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
    errors = tuple(
        error_of(tuning.task, run, lambda results: float(results["test_error"])) if run else None for run in runs
    )
    known = [error for error in errors if error is not None]
    behind = tuple(sorted(key(run.job) for run in runs if run))
    test = estimate(known) if known else None
    examples = min((run.results.get("test_examples", 0) for run in runs if run and run.status == "ok"), default=0)
    return Candidate(name, setting, validation, errors, test, code_line(setting, tuning.dims), behind, examples)


def _differences(tuning: Tuning, found: Mapping[str, Candidate]) -> tuple[CandidateDifference, ...]:
    """Judge each pair of candidates with one look at all test seeds; the error is divided among the pairs."""
    sides = list(combinations(found, 2))
    differences = []
    for than, more in sides:
        values = _paired(found[more], found[than])
        decision = UNSEEN
        whole = all(len(found[name].evidence) == len(tuning.test_seeds) for name in (more, than))
        if whole and len(values) >= FEWEST_PAIRS:
            step = resolution(tuning.task, min(found[name].examples for name in (more, than)))
            effect = tuning.task.smallest_effect
            decision = look(values, effect, len(sides), resolution=step, looks=(len(values),))
        differences.append(CandidateDifference(more, than, decision, len(values)))
    return tuple(differences)


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
