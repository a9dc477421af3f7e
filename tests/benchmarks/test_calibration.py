"""The calibration of the lab: rates of verdicts on drawn differences."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.lab.calibration import HARMS, NORMS, PLACEBO, coverage, rates, trials

from localnorm.lab.study.study import LOOKS
from localnorm.lab.tasks import task_studies


def _small(rng: np.random.Generator, count: int):
    return np.round(rng.normal(size=count) * 0.5 / 0.25) * 0.25


def test_placebos_are_no_different_and_harms_are_worse():
    false, _, worse, same = rates(_small, 1.0, 0.25, 0.0, studies=20)
    assert (false, worse, same) == (0.0, 0.0, 1.0)
    for harm in HARMS:
        false, early, worse, _ = rates(_small, 1.0, 0.25, harm, studies=20)
        assert false <= 0.05
        assert early <= worse
        assert worse >= 0.95


def test_a_wrong_call_is_counted():
    # Differences without spread, off the centre that is taken for the truth.
    def shifted(rng: np.random.Generator, count: int):
        return rng.normal(size=count) * 0.01 + 2.0

    assert rates(shifted, 1.0, 0.0, 0.0, studies=3)[0] == 1.0
    assert coverage(shifted, 0.0, 0.0, 3) == [(0.0, 0.0)] * len(LOOKS)
    assert coverage(shifted, 2.0, 0.0, 3)[0][1] == 1.0


def test_the_trials_are_judged_at_the_defaults_and_not_corrupted():
    (task,) = task_studies(["digits"])
    found = trials(task, (3, 4))
    assert {(t.norm, t.seed) for t in found} == {(n, s) for n in ("none", PLACEBO) for s in (3, 4)}
    assert all(t.judged and not t.corrupted and t.learning_rate == 1e-2 for t in found)
    assert pytest.approx(6) == NORMS
