"""Results from the literature, reproduced in the small networks of the lab."""

from __future__ import annotations

from statistics import fmean

import pytest

from localnorm.lab.study.study import Study
from localnorm.lab.tasks import task_studies
from localnorm.lab.training.trial import run_trial

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.slow
def test_group_normalization_holds_at_a_batch_of_one_where_batch_normalization_does_not():
    """Wu and He, "Group Normalization", 2018. Here batch normalization does not fall apart, but falls behind."""
    (digits,) = task_studies(["digits"])
    study = Study((digits,), norms=("none", "batch", "group"))
    errors = {
        (trial.norm, trial.batch_size, trial.seed): run_trial(trial).results["test_error"]
        for trial in study.batch_trials(digits)
        if trial.batch_size in (1, 8) and trial.norm != "none"
    }
    at_one, at_eight = (
        fmean(errors["batch", size, seed] - errors["group", size, seed] for seed in study.seeds) for size in (1, 8)
    )
    assert at_one > digits.smallest_effect > at_eight
