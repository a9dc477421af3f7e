"""The calibration of the lab: counts of verdicts on made-up records."""

from __future__ import annotations

import pytest
from benchmarks.lab.calibration import HARM, PLACEBO, harmed, standings, study_of

from localnorm.lab.records.record import Trial
from made_records import Ended, Fate, Run, records

STUDY = study_of(range(10))
EFFECT = STUDY.tasks[0].smallest_effect


def _alike(trial: Trial) -> Fate:
    """Errors of both norms that differ by seed alone."""
    return Run(test=5.0 + 0.1 * (trial.seed % 3))


@pytest.mark.parametrize(
    ("planted", "standing"), [(0.0, "no different"), (HARM * EFFECT, "worse"), (-HARM * EFFECT, "better")]
)
def test_each_comparison_is_judged_and_counted_once(planted: float, standing: str):
    assert standings(records(STUDY, _alike), 2, 5, planted) == {standing: 2}


def test_seeds_of_another_comparison_are_left_out():
    def fate(trial: Trial) -> Fate:
        return Run(test=9.0 if trial.norm == PLACEBO and trial.seed >= 5 else 5.0)

    assert standings(records(STUDY, fate), 2, 5, 0.0) == {"no different": 1, "worse": 1}


def test_only_the_placebo_is_harmed():
    for record in records(STUDY, _alike):
        changed = harmed(record, 1.0)
        hit = isinstance(record.job, Trial) and record.job.norm == PLACEBO
        assert (changed != record) == hit
        if hit:
            assert changed.results["test_error"] == record.results["test_error"] + 1.0


def test_trials_that_fail_are_not_harmed_and_decide_nothing():
    def fate(trial: Trial) -> Fate:
        return Ended() if trial.norm == PLACEBO else Run()

    assert standings(records(STUDY, fate), 1, 5, 1.0) == {"undecided": 1}
