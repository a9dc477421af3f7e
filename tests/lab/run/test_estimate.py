"""Time estimates: every type of trial is timed once, with progress reports."""

from __future__ import annotations

import pytest

from localnorm.errors import LabError
from localnorm.lab.records.record import key
from localnorm.lab.run.estimate import estimate, estimate_search
from localnorm.lab.run.settings import StudySettings, make_study
from localnorm.lab.run.tune import make_tuning
from localnorm.lab.tasks import task_studies
from localnorm.lab.tuning.selection import choosing_trials, compared_trials
from localnorm.lab.tuning.tuning import SEARCHED
from made_tunings import finished


def test_every_measurement_is_reported():
    study = make_study(StudySettings(task="user_tasks:tiny", norms="none,user_norms:refuses", seeds=10))
    heard: list[tuple[int, int]] = []
    estimated = estimate(study, 1, lambda done, total: heard.append((done, total)))
    done, total = zip(*heard, strict=True)
    assert done == (*range(len(heard)),)
    assert set(total) == {len(heard) - 1}
    # A norm that can't be had takes no time, and does not end the estimated.
    assert 0 < estimated.pilot_seconds < estimated.look_seconds[6] < estimated.look_seconds[10]
    assert estimated.judged_trials == {"user_tasks:tiny": 6}
    assert estimated.looks_within(0.0) == []
    assert estimated.looks_within(estimated.look_seconds[6]) == [6]


@pytest.mark.parametrize("norm", [pytest.param("none", marks=pytest.mark.slow), "local"])
def test_a_search_needs_no_more_trials_than_are_estimated(norm: str):
    tuning = make_tuning(task_studies(["user_tasks:tiny"])[0], norm, trials=12, seeds=3)
    estimated = estimate_search(tuning, 1)
    records = finished(tuning)
    searched = {name for name, record in records.items() if record.job.seed == SEARCHED}
    choice = {key(trial) for trial in choosing_trials(tuning, records)} - searched
    comparison = {key(trial) for trial in compared_trials(tuning, records)}
    assert estimated.search == 12
    assert len(choice) <= estimated.choice
    assert len(comparison) <= estimated.comparison
    # Exact when the search finds as many settings as there are finalists.
    if norm == "none":
        assert len(choice) == estimated.choice


@pytest.mark.slow
def test_a_search_of_a_norm_that_does_not_train_has_no_plan():
    tuning = make_tuning(task_studies(["user_tasks:tiny"])[0], "user_norms:refuses")
    with pytest.raises(LabError, match="must train on the task, got user_norms:refuses on user_tasks:tiny"):
        estimate_search(tuning, 1)
