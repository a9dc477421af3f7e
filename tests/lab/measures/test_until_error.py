"""Steps and seconds until an error, from made records: censored trials, medians, missing norms."""

from __future__ import annotations

import pytest

from localnorm.lab.measures.until_error import to_csv, until_error
from localnorm.lab.records.record import Record
from localnorm.lab.study.study import Study, TaskStudy
from localnorm.lab.study.training_config import TrainingConfig

TASK = TaskStudy(
    "t", "recurrent", "m", "", "", "% error", 0.5, schedule=TrainingConfig(learning_rates=(3e-3,), epochs=4)
)
STUDY = Study((TASK,), ("none", "batch", "group"), seeds=(0, 1, 2), pilot_seeds=(9,))


def _records(curves: dict[str, list[list[float]]]) -> list[Record]:
    """Pilot records of every norm, and judged ones with these curves of validation errors."""
    records = [
        Record(trial, "ok", results={"validation_error": [5.0]}, timing={}) for trial in STUDY.pilot_trials(TASK)
    ]
    for norm, each in curves.items():
        for seed, curve in enumerate(each):
            trial = TASK.judged_trial(norm, seed, (3e-3, 32, 4))
            timing = {"epoch_seconds": [1.0, 2.0, 4.0, 8.0], "steps_per_epoch": 10}
            results = {"validation_error": curve, "test_error": curve[-1] + 1}
            records.append(Record(trial, "ok", results=results, timing=timing))
    return records


def test_medians_count_trials_that_never_reach_it_as_slowest() -> None:
    curves = {
        "none": [[9, 8, 7, 6], [9, 4, 9, 9], [5, 9, 9, 9]],
        "batch": [[9, 9, 9, 9], [9, 9, 9, 5.1], [1, 1, 1, 1]],
    }
    none, batch = until_error(STUDY, _records(curves), 5.0)
    # 10 steps and 1 s, 20 steps and 3 s, and never.
    assert (none.norm, none.seeds, none.reached, none.steps, none.seconds) == ("none", 3, 2, 20, 3.0)
    assert none.final_error == pytest.approx((7 + 10 + 10) / 3)
    assert (batch.reached, batch.steps, batch.seconds) == (1, None, None)
    assert to_csv([batch]).splitlines()[1].startswith("t,batch,3,1,,,")


def test_norms_without_a_judged_result_are_left_out() -> None:
    assert [each.norm for each in until_error(STUDY, _records({"group": [[1.0]]}), 2.0)] == ["group"]
    assert list(until_error(STUDY, [], 2.0)) == []
