"""Time estimates: every type of trial is timed once, with progress reports."""

from __future__ import annotations

from localnorm.lab.run.estimate import estimate
from localnorm.lab.run.settings import StudySettings, make_study


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
