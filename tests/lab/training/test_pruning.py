"""Median pruning: by hand, and what a trial that is stopped leaves behind."""

from __future__ import annotations

import math

import pytest

from localnorm.lab.records.record import Trial, from_json, key
from localnorm.lab.training.pruning import FEWEST, limits, why_stopped
from localnorm.lab.training.trial import run_trial

TRIAL = Trial("digits", "textbook_cnn", "local", 0, 3e-3, 128, 3)


def test_the_limit_is_the_median_of_the_best_so_far():
    curves = [[9, 8, 7, 6, 5, 4], [9, 1, 7, 6, 5, 4], [9, 2, 1, 6, 5, 4], [9, 8, 7, 6, 5, 4], [9, 5, 5, 5, 5, 5]]
    # A third of the epochs is given to every trial, and the last is no place to stop.
    assert limits(curves, 6) == (math.inf, 5, 5, 5, 5, math.inf)
    assert limits(curves[: FEWEST - 1], 6) == (math.inf,) * 6
    assert limits([[3.0]] * 9, 1) == (math.inf,)


@pytest.mark.parametrize(
    ("errors", "stopped"), [([5.0], False), ([5.1], True), ([4.0, 9.0], False), ([9.0, 4.1], True)]
)
def test_a_trial_is_stopped_above_the_limit_and_not_at_it(errors: list[float], stopped: bool):
    assert bool(why_stopped(errors, (5.0, 4.0))) == stopped
    assert not why_stopped(errors, ())
    assert not why_stopped([9.0, 9.0, 9.0], (5.0, 4.0))


@pytest.mark.usefixtures("one_thread")
def test_a_trial_that_is_stopped_keeps_its_curve_and_nothing_invented():
    whole = run_trial(TRIAL)
    assert run_trial(TRIAL, (100.0, 100.0, math.inf)).results == whole.results
    stopped = run_trial(TRIAL, (100.0, 0.0, math.inf))
    assert (stopped.job, stopped.status) == (TRIAL, "pruned")
    assert stopped.message.startswith("the validation error after epoch 2, at best ")
    assert stopped.results["validation_error"] == whole.results["validation_error"][:2]
    assert "test_error" not in stopped.results
    assert from_json(stopped.to_json(), key(TRIAL)) == stopped
