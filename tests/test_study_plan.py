"""Plans of studies: every kind of trial is timed once, and who waits is told how far it is."""

from __future__ import annotations

from localnorm.lab.plan import make_plan
from localnorm.lab.settings import Settings, make_study


def test_who_waits_is_told_of_every_measurement():
    study = make_study(Settings(task=("own_tasks:tiny",), norms=("none", "own_norms:refuses"), seeds=(0, 1)))
    heard: list[tuple[int, int]] = []
    plan = make_plan(study, 1, lambda done, total: heard.append((done, total)))
    done, total = zip(*heard, strict=True)
    assert done == (*range(len(heard)),)
    assert set(total) == {len(heard) - 1}
    # A norm that can't be had takes no time, and does not end the plan.
    assert plan.seconds_by_task["own_tasks:tiny"] > 0
    assert plan.trials["own_tasks:tiny"] == 2 * plan.trials_per_norm
