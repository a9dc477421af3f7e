"""Plans of studies: every kind of trial is timed once, and who waits is told how far it is."""

from __future__ import annotations

from localnorm.lab.run.estimate import make_plan
from localnorm.lab.run.settings import Settings, make_study


def test_who_waits_is_told_of_every_measurement():
    study = make_study(Settings(task=("user_tasks:tiny",), norms=("none", "user_norms:refuses"), seeds=(0, 1)))
    heard: list[tuple[int, int]] = []
    plan = make_plan(study, 1, lambda done, total: heard.append((done, total)))
    done, total = zip(*heard, strict=True)
    assert done == (*range(len(heard)),)
    assert set(total) == {len(heard) - 1}
    # A norm that can't be had takes no time, and does not end the plan.
    assert plan.seconds_by_task["user_tasks:tiny"] > 0
    assert plan.trials["user_tasks:tiny"] == 2 * plan.trials_per_norm
