"""Proposed settings: a function of the records, in the space, none twice, better than random."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import pytest

from localnorm.errors import LabError, UnknownNameError
from localnorm.lab.records.record import key
from localnorm.lab.run.tune import make_tuning
from localnorm.lab.study.search_space import Choice
from localnorm.lab.tuning.sampler import next_setting
from localnorm.lab.tuning.tuning import SAMPLERS, SEARCHED, Setting
from made_tunings import DIGITS, TUNING, far, searched, settings


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("norm", ["local", "batch", "group", "none"])
def test_the_defaults_come_first_then_settings_of_the_space(sampler: str, norm: str):
    tuning = make_tuning(DIGITS, norm, sampler, trials=16)
    found = settings(searched(tuning, lambda trial: trial.learning_rate).values())
    assert found[:2] == [(norm, 1e-3, ()), (norm, 3e-2, ())]
    assert len(set(found)) == 16
    for _, rate, own in found[2:]:
        assert 1e-3 <= rate <= 3e-2
        assert [name for name, _ in own] == sorted(tuning.space)
        for name, value in own:
            space = tuning.space[name]
            assert value in space.values if isinstance(space, Choice) else space.low <= value <= space.high
            assert value == float(f"{value:.3g}")


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_goes_on_from_its_records_as_if_nothing_had_been(sampler: str):
    tuning = replace(TUNING, sampler=sampler)
    whole = searched(tuning)
    for kept in (1, 7, 13):
        part = list(whole.values())[:kept]
        # A folder gives its records back in the order of their keys.
        part.sort(key=lambda record: key(record.job))
        assert sorted(searched(tuning, known=part)) == sorted(whole)


def test_trials_under_way_are_not_proposed_again_and_count():
    records = searched(TUNING, until=10)
    first = TUNING.trial(next_setting(TUNING, records, (), 10), SEARCHED)
    second = TUNING.trial(next_setting(TUNING, records, (first,), 10), SEARCHED)
    assert second != first
    assert next_setting(TUNING, {}, (), 0) == Setting("local", 1e-3)
    under_way = (TUNING.trial(Setting("local", 1e-3), SEARCHED),)
    assert next_setting(TUNING, {}, under_way, 1) == Setting("local", 3e-2)


def test_tpe_finds_better_settings_than_chance():
    late = {
        sampler: [
            far(record.job) for record in list(searched(replace(TUNING, sampler=sampler, trials=45)).values())[25:]
        ]
        for sampler in SAMPLERS
    }
    assert median(late["tpe"]) < median(late["random"]) - 0.3


def test_failed_and_stopped_trials_are_no_obstacle():
    found = searched(TUNING, status=lambda number: ("ok", "pruned", "diverged", "failed")[number % 4])
    assert len(found) == 20


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_of_a_space_that_is_used_up_every_setting_is_tried_once_and_there_is_no_next(sampler: str):
    task = replace(DIGITS, schedule=replace(DIGITS.schedule, learning_rates=(1e-3,)))
    tuning = make_tuning(task, "user_norms:scaled", sampler, trials=5)
    assert tuning.defaults == (("by", 2.0),)
    # Each is worse than the one before, so that TPE has no wish to look there.
    records = searched(tuning, lambda trial: dict(trial.settings).get("by", 0.0))
    tried = settings(records.values())
    assert sorted(own for _, _, own in tried) == [(), (("by", 1.0),), (("by", 4.0),)]
    assert next_setting(tuning, records, (), 3) is None
    part = dict(list(records.items())[:2])
    (left,) = (record.job for name, record in records.items() if name not in part)
    assert next_setting(tuning, part, (left,), 3) is None


REFUSED = {
    "sampler": (UnknownNameError, {"sampler": "grid"}, "must be one of tpe, random, got 'grid'"),
    "trials": (LabError, {"trials": 0}, "--trials must be at least 1, got 0; leave it out for 60"),
    "seeds": (LabError, {"seeds": -1}, "--seeds must be at least 1, got -1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_tuning_that_can_not_be(what: str):
    kind, changes, message = REFUSED[what]
    with pytest.raises(kind, match=message):
        make_tuning(DIGITS, "local", **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"more_epochs": (5,)}, "must have one number of epochs, got 3, 5"),
        ({"more_batch_sizes": (64,)}, "must have one batch size, got 32, 64"),
        ({"learning_rates": (1e-3,)}, "got the norm none without hyperparameters and one learning rate, 0.001"),
    ],
)
def test_a_schedule_that_can_not_be_searched(changes: dict, message: str):
    task = replace(DIGITS, schedule=replace(DIGITS.schedule, **changes))
    with pytest.raises(LabError, match=message):
        make_tuning(task, "none")
